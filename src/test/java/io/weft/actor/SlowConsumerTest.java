package io.weft.actor;

import static io.weft.actor.TestStore.bytes;
import static io.weft.actor.TestStore.get;
import static io.weft.actor.TestStore.in;
import static io.weft.actor.TestStore.key;
import static io.weft.actor.TestStore.soon;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreEvent;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreProtocol.Urgency;
import io.weft.api.StoreStatus;
import io.weft.api.StreamRequest;
import io.weft.api.StreamResult;
import io.weft.base.BufferLease;
import io.weft.base.LoadOutcome;
import io.weft.base.StoreOutcome;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reactivestreams.Subscriber;
import org.reactivestreams.Subscription;

/** Who does not take what the store has for him hurts only himself. */
class SlowConsumerTest {
  private static final int BUFFER = 16;

  /** Enough for a prompt subscriber that gets no processor for a while. */
  private static final int EVERYTHING = 10_000;

  /** What lies between a stream's buffer and its consumer. */
  private static final int ON_THE_WAY = 2;

  private static final int CHUNK = 60_000;

  /** The room of some sixty chunks. */
  private static final String SMALL = "weft { capacity = 4MiB, quarantine = 0 }";

  private static final int DEADLINE_MILLIS = 10_000;
  private static ActorTestKit kit;

  @TempDir Path directory;

  @BeforeAll
  static void startSystem() {
    kit = TestStore.kit("slow-consumer");
  }

  @AfterAll
  static void stopSystem() {
    kit.shutdownTestKit();
  }

  /** A consumer that takes only what the test lets it take. */
  private static final class Consumer<T> implements Subscriber<T> {
    private final List<T> taken = new ArrayList<>();
    private Subscription subscription;
    private Throwable failure;

    @Override
    public synchronized void onSubscribe(Subscription to) {
      subscription = to;
    }

    @Override
    public synchronized void onNext(T element) {
      taken.add(element);
    }

    @Override
    public synchronized void onError(Throwable why) {
      failure = why;
    }

    @Override
    public void onComplete() {}

    synchronized List<T> taken() {
      assertNull(failure);
      return List.copyOf(taken);
    }

    void take(long count) {
      subscription().request(count);
    }

    void cancel() {
      subscription().cancel();
    }

    private Subscription subscription() {
      soon().until(this::isSubscribed);
      synchronized (this) {
        return Objects.requireNonNull(subscription);
      }
    }

    private synchronized boolean isSubscribed() {
      return subscription != null;
    }
  }

  private static <T> Consumer<T> consumer(Source<T, NotUsed> source) {
    Consumer<T> consumer = new Consumer<>();
    var _ =
        source.runWith(
            Sink.fromSubscriber(consumer).withAttributes(Attributes.inputBuffer(1, 1)),
            kit.system());
    consumer.subscription();
    return consumer;
  }

  /** Stores and loads of one client, each answered by its deadline with the right bytes. */
  private static void work(
      TestStore store, String client, int rounds, CyclicBarrier together, Runnable afterEach)
      throws Exception {
    for (int i = 0; i < rounds; i++) {
      String name = client + "-" + i;
      StoreOutcome stored =
          get(
              store.facade.store(
                  key(name),
                  Payload.of(bytes(name, CHUNK)),
                  StoreOptions.DEFAULT,
                  in(DEADLINE_MILLIS)));
      assertEquals(StoreOutcome.Stored.class, stored.getClass(), stored::toString);
      ByteBuffer into = ByteBuffer.allocate(CHUNK);
      LoadOutcome loaded =
          get(
              store.facade.load(
                  key(name), LoadTarget.into(into), Urgency.LOAD, in(DEADLINE_MILLIS)));
      assertEquals(new LoadOutcome.Loaded(CHUNK), loaded);
      assertArrayEquals(bytes(name, CHUNK), into.array());
      afterEach.run();
      // Nobody's chunk is evicted by the others' before he has loaded it.
      together.await(DEADLINE_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  /** Three such clients at once. */
  private static int work(TestStore store, int rounds, Runnable afterEach) throws Exception {
    CyclicBarrier together = new CyclicBarrier(3);
    try (ExecutorService clients = Executors.newFixedThreadPool(3)) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        String client = "client-" + i;
        all.add(
            clients.submit(
                () -> {
                  work(store, client, rounds, together, afterEach);
                  return null;
                }));
      }
      for (Future<?> each : all) {
        each.get(120, TimeUnit.SECONDS);
      }
    }
    return 3 * rounds;
  }

  // ---------------------------------------------------------------- events

  @Test
  void subscribersThatLagLoseEventsAndNobodyElseNotices() throws Exception {
    try (TestStore store = TestStore.start(kit, directory, SMALL)) {
      TestProbe<StoreEvent> all = kit.createTestProbe();
      store.actor.tell(new StoreProtocol.Subscribe(all.getRef()));
      assertEquals(StoreStatus.State.UP, store.status().state());
      Consumer<StoreEvent> prompt = consumer(store.facade.events(EVERYTHING));
      prompt.take(Long.MAX_VALUE);
      Consumer<StoreEvent> slow = consumer(store.facade.events(BUFFER));
      Consumer<StoreEvent> deaf = consumer(store.facade.events(BUFFER));

      AtomicInteger rounds = new AtomicInteger();
      int chunks =
          work(
              store,
              80,
              () -> {
                if (rounds.incrementAndGet() % 20 == 0) {
                  slow.take(1);
                }
              });
      store.assertNothingHeld();
      slow.take(Long.MAX_VALUE);
      deaf.take(Long.MAX_VALUE);
      // Nothing waits for them beyond their buffers; what was lost is said with the next event.
      soon().until(() -> deaf.taken().size() >= BUFFER && slow.taken().size() >= BUFFER);
      store.stored("last", 1);

      int left = (int) get(store.facade.usage()).chunks();
      int evicted = chunks + 1 - left;
      List<StoreEvent> happened = all.receiveSeveralMessages(2 * chunks + 1 + evicted);
      assertEquals(chunks + 1, count(happened, StoreEvent.Stored.class));
      assertEquals(chunks, count(happened, StoreEvent.Accessed.class));
      assertEquals(evicted, count(happened, StoreEvent.Removed.class));
      assertTrue(evicted > 0, "nothing was evicted");

      soon().until(() -> prompt.taken().size() == happened.size());
      assertEquals(happened, prompt.taken());
      for (Consumer<StoreEvent> each : List.of(slow, deaf)) {
        soon().until(() -> each.taken().getLast().equals(happened.getLast()));
        assertAccountedFor(happened, each.taken());
      }
      int keptForTheDeaf =
          (int)
              deaf.taken().stream()
                  .takeWhile(each -> !(each instanceof StoreEvent.Dropped))
                  .count();
      assertTrue(keptForTheDeaf <= BUFFER + ON_THE_WAY, () -> keptForTheDeaf + " were kept");
    }
  }

  private static long count(List<StoreEvent> events, Class<? extends StoreEvent> kind) {
    return events.stream().filter(kind::isInstance).count();
  }

  /** All that happened, in order, with the right number in the place of what was lost. */
  private static void assertAccountedFor(List<StoreEvent> happened, List<StoreEvent> heard) {
    int at = 0;
    for (StoreEvent event : heard) {
      if (event instanceof StoreEvent.Dropped(long lost)) {
        at += (int) lost;
      } else {
        assertEquals(happened.get(at++), event);
      }
    }
    assertEquals(happened.size(), at);
    assertTrue(count(heard, StoreEvent.Dropped.class) > 0, "nothing was lost");
  }

  // ---------------------------------------------------------------- the flow

  private static Source<StreamResult<Integer>, NotUsed> loads(
      TestStore store, int count, AtomicInteger asked, Supplier<LoadTarget> target) {
    return Source.range(0, count - 1)
        .map(
            i -> {
              asked.incrementAndGet();
              return (StreamRequest<Integer>)
                  new StreamRequest.Load<>(i, key("kept"), target.get(), Urgency.LOAD);
            })
        .via(store.facade.<Integer>flow(Duration.ofMillis(DEADLINE_MILLIS)));
  }

  @Test
  void aFlowWhoseResultsAreNotTakenHoldsBackItsOwnRequests() throws Exception {
    int count = 200;
    try (TestStore store = TestStore.start(kit, directory)) {
      store.stored("kept", CHUNK);
      AtomicInteger asked = new AtomicInteger();
      Consumer<StreamResult<Integer>> stopped =
          consumer(loads(store, count, asked, () -> LoadTarget.into(ByteBuffer.allocate(CHUNK))));
      stopped.take(1);
      // Four workers with two pieces each, four times over.
      int ahead = 32;
      soon().until(asked::get, value -> value >= ahead);
      // What it asked for is answered, and holds no permit.
      store.assertNothingHeld();

      work(store, 20, () -> {});
      AtomicInteger askedByAnother = new AtomicInteger();
      Consumer<StreamResult<Integer>> another =
          consumer(
              loads(
                  store, count, askedByAnother, () -> LoadTarget.into(ByteBuffer.allocate(CHUNK))));
      another.take(Long.MAX_VALUE);
      assertAllLoaded(another, count);
      assertTrue(
          asked.get() <= ahead + ON_THE_WAY, () -> asked + " asked, and no result was taken");

      stopped.take(Long.MAX_VALUE);
      assertAllLoaded(stopped, count);
      store.assertNothingHeld();
    }
  }

  private static void assertAllLoaded(Consumer<StreamResult<Integer>> consumer, int count) {
    soon().until(() -> consumer.taken().size() == count);
    assertEquals(
        IntStream.range(0, count).boxed().toList(),
        consumer.taken().stream().map(StreamResult::correlation).sorted().toList());
    for (StreamResult<Integer> each : consumer.taken()) {
      assertEquals(new LoadOutcome.Loaded(CHUNK), ((StreamResult.Loaded<Integer>) each).outcome());
    }
  }

  /** Nobody else could give them back. */
  @Test
  void leasesInResultsThatNobodyTookGoBackWhenTheFlowEnds() {
    int pool = 8 << 20;
    try (TestStore store =
        TestStore.start(kit, directory, "weft.io.lease-pool = %d".formatted(pool))) {
      store.stored("kept", CHUNK);
      AtomicInteger asked = new AtomicInteger();
      Consumer<StreamResult<Integer>> stopped =
          consumer(loads(store, 200, asked, LoadTarget::lease));
      stopped.take(1);
      soon().until(() -> stopped.taken().size() == 1);
      soon().until(asked::get, value -> value > 32);
      FaultyMedium.Gate gate = store.faults.gate("load");
      stopped.take(1);
      soon().until(() -> gate.waiting.get() > 0);
      stopped.cancel();
      gate.open();
      store.assertNothingHeld();
      for (StreamResult<Integer> each : stopped.taken()) {
        if (((StreamResult.Loaded<Integer>) each).outcome()
            instanceof LoadOutcome.Leased(var own)) {
          own.release();
        }
      }
      BufferLease all = soon().until(() -> store.facade.lease(pool), Objects::nonNull);
      all.release();
    }
  }
}
