package io.weft.actor;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.api.StoreProtocol.Urgency;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.history.Event;
import io.weft.history.Event.Kind;
import io.weft.history.RegisterChecker;
import io.weft.testing.Seeds;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Clients store, load, look up and delete a few keys of a real store at the same time; what they
 * saw must be what one register a key gives. The seed decides what they ask for, not how they
 * interleave: a failure prints the history itself.
 *
 * <p>{@code -Dweft.history.seeds=N} runs more seeds.
 */
class StoreHistoryTest {
  private static final int CLIENTS = 5;
  private static final int KEYS = 3;
  private static final int ROUNDS = 3;
  private static final int STEPS = 25;
  private static final int PIECES = 2_500_000;
  private static ActorTestKit kit;

  @TempDir Path directory;

  @BeforeAll
  static void startSystem() {
    kit = TestStore.kit("history");
  }

  @AfterAll
  static void stopSystem() {
    kit.shutdownTestKit();
  }

  private static int seeds() {
    return Integer.getInteger("weft.history.seeds", 4);
  }

  @Test
  void withRoomForAllNothingIsEverLost() {
    Seeds.forEach(seeds(), seed -> new Run(seed, false, Restart.CLEAN).run("capacity = 256MiB"));
  }

  @Test
  void withEvictionsNothingComesBack() {
    AtomicInteger evicted = new AtomicInteger();
    Seeds.forEach(
        seeds(),
        seed -> {
          Run run = new Run(seed, true, Restart.CLEAN);
          run.run("capacity = 4MiB, quarantine = 0");
          evicted.addAndGet(run.evictions);
        });
    assertTrue(evicted.get() > 0, "nothing was evicted");
  }

  /**
   * A new index, from a scan of what is on the device, under the feet of the clients. No load is in
   * flight at that moment: a deleted chunk that is being read has its file until the reader is
   * done, and when the index that knew so is gone, the chunk is back, as after a crash
   * (docs/decisions.md).
   */
  @Test
  void withABugInTheIndex() {
    Seeds.forEach(
        seeds(),
        seed ->
            new Run(seed, false, Restart.INDEX)
                .run("capacity = 256MiB, eviction.policy = io.weft.actor.FragilePolicy"));
  }

  private enum Restart {
    /** Between the rounds the store is closed and started again. */
    CLEAN,
    /** In the middle of each round the index fails. */
    INDEX
  }

  private final class Run {
    final long seed;
    final boolean mayLose;
    final Restart restart;
    final AtomicInteger values = new AtomicInteger();
    final ReadWriteLock loading = new ReentrantReadWriteLock();
    final Map<String, ConcurrentLinkedQueue<Event>> histories = new TreeMap<>();
    int evictions;

    Run(long seed, boolean mayLose, Restart restart) {
      this.seed = seed;
      this.mayLose = mayLose;
      this.restart = restart;
      for (int i = 0; i < KEYS; i++) {
        histories.put("key-" + i, new ConcurrentLinkedQueue<>());
      }
    }

    void run(String settings) throws Exception {
      Path own = Files.createDirectory(directory.resolve(restart + "-" + mayLose + "-" + seed));
      try (ExecutorService clients = Executors.newFixedThreadPool(CLIENTS)) {
        for (int round = 0; round < ROUNDS; round++) {
          try (TestStore store =
              TestStore.start(
                  kit,
                  own,
                  "weft { " + settings + " }",
                  "weft.io { piece = 256KiB, restarts-max = 100 }")) {
            round(clients, store, round);
            assertEquals(StoreStatus.State.UP, store.status().state());
            evictions += Math.toIntExact(store.status().counters().get(Metric.EVICTIONS));
          }
        }
      }
      histories.forEach((key, events) -> RegisterChecker.check(key, List.copyOf(events), mayLose));
    }

    private void round(ExecutorService clients, TestStore store, int round) throws Exception {
      List<Future<?>> running = new ArrayList<>();
      AtomicInteger steps = new AtomicInteger();
      for (int client = 0; client < CLIENTS; client++) {
        int number = client;
        Random random = new Random(seed * 1_000 + round * 10L + client);
        running.add(
            clients.submit(
                () -> {
                  for (int step = 0; step < STEPS; step++) {
                    if (restart == Restart.INDEX
                        && steps.incrementAndGet() == CLIENTS * STEPS / 2) {
                      loading.writeLock().lock();
                      try {
                        breakIndex(store);
                      } finally {
                        loading.writeLock().unlock();
                      }
                    }
                    step(store, number, random);
                  }
                  return null;
                }));
      }
      for (Future<?> each : running) {
        each.get(120, SECONDS);
      }
    }

    private void step(TestStore store, int client, Random random) throws Exception {
      String name = "key-" + random.nextInt(KEYS);
      ChunkKey key = TestStore.key(name);
      switch (random.nextInt(10)) {
        case 0, 1, 2 -> store(store, client, name, StoreMode.REPLACE, random);
        case 3 -> store(store, client, name, StoreMode.IF_ABSENT, random);
        case 4 -> {
          long called = System.nanoTime();
          record(name, client, called, keys(store, KeyOperation.LOOKUP, key), false);
        }
        case 5 -> {
          long called = System.nanoTime();
          KeyOperation how =
              random.nextBoolean() ? KeyOperation.DELETE : KeyOperation.DELETE_FORCED;
          record(name, client, called, keys(store, how, key), true);
        }
        default -> {
          loading.readLock().lock();
          try {
            load(store, client, name, random);
          } finally {
            loading.readLock().unlock();
          }
        }
      }
    }

    private KeysOutcome keys(TestStore store, KeyOperation how, ChunkKey key) throws Exception {
      return store.facade.keys(how, List.of(key)).toCompletableFuture().get(60, SECONDS);
    }

    private void store(TestStore store, int client, String name, StoreMode mode, Random random)
        throws Exception {
      int value = values.incrementAndGet();
      // Some in one piece, some in many.
      byte[] bytes = bytes(value, 8 + random.nextInt(random.nextInt(4) == 0 ? PIECES : 20_000));
      long called = System.nanoTime();
      StoreOutcome outcome =
          store
              .facade
              .store(
                  TestStore.key(name),
                  Payload.of(bytes),
                  StoreOptions.DEFAULT.withMode(mode),
                  TestStore.in(60_000))
              .toCompletableFuture()
              .get(90, SECONDS);
      switch (outcome) {
        case StoreOutcome.Stored _ -> add(name, client, called, Kind.STORED, value);
        case StoreOutcome.AlreadyStored _ -> add(name, client, called, Kind.WAS_THERE, 0);
        case Failed _ ->
            histories
                .get(name)
                .add(new Event(client, called, Event.NEVER, Kind.MAYBE_STORED, value));
        default -> assertTrue(mayLose, outcome::toString);
      }
    }

    private void load(TestStore store, int client, String name, Random random) throws Exception {
      boolean leased = random.nextBoolean();
      byte[] own = new byte[leased ? 0 : PIECES];
      LoadTarget target = leased ? LoadTarget.lease() : LoadTarget.into(ByteBuffer.wrap(own));
      long called = System.nanoTime();
      CompletableFuture<LoadOutcome> answer =
          store
              .facade
              .load(TestStore.key(name), target, Urgency.LOAD, TestStore.in(60_000))
              .toCompletableFuture();
      switch (answer.get(90, SECONDS)) {
        case LoadOutcome.Loaded(long length) ->
            add(name, client, called, Kind.LOADED, value(Arrays.copyOf(own, (int) length)));
        case LoadOutcome.Leased(var lease) -> {
          long returned = System.nanoTime();
          try (lease) {
            int value = value(TestStore.bytes(lease.memory()));
            histories.get(name).add(new Event(client, called, returned, Kind.LOADED, value));
          }
        }
        case LoadOutcome.Miss(var why) -> {
          assertEquals(LoadOutcome.Miss.Why.ABSENT, why);
          add(name, client, called, Kind.ABSENT, 0);
        }
        case Failed failed -> assertEquals(Failed.Cause.RESTARTED, failed.cause());
        case LoadOutcome other -> throw new AssertionError(other);
      }
    }

    private void record(String name, int client, long called, KeysOutcome outcome, boolean delete) {
      switch (outcome) {
        case KeysOutcome.Done done when done.hits().get(0) ->
            add(name, client, called, delete ? Kind.DELETED : Kind.PRESENT, 0);
        case KeysOutcome.Done done when done.held().get(0) ->
            add(name, client, called, Kind.PRESENT, 0);
        case KeysOutcome.Done _ -> add(name, client, called, Kind.ABSENT, 0);
        case Failed _ -> {
          if (delete) {
            histories.get(name).add(new Event(client, called, Event.NEVER, Kind.MAYBE_DELETED, 0));
          }
        }
        case KeysOutcome other -> throw new AssertionError(other);
      }
    }

    private void add(String name, int client, long called, Kind kind, int value) {
      histories.get(name).add(new Event(client, called, System.nanoTime(), kind, value));
    }
  }

  private static void breakIndex(TestStore store) throws Exception {
    FragilePolicy.broken = true;
    var _ =
        store
            .facade
            .keys(KeyOperation.TOUCH, TestStore.keys("key-0", "key-1", "key-2"))
            .toCompletableFuture()
            .get(60, SECONDS);
  }

  /** The number of the value, then bytes that only it has. */
  private static byte[] bytes(int value, int length) {
    byte[] bytes = new byte[length];
    new Random(value).nextBytes(bytes);
    ByteBuffer.wrap(bytes).putInt(value).putInt(length);
    return bytes;
  }

  /** Which value these bytes are, all of them. */
  private static int value(byte[] bytes) {
    ByteBuffer head = ByteBuffer.wrap(bytes);
    int value = head.getInt();
    assertEquals(bytes.length, head.getInt(), "the length of value " + value);
    assertTrue(Arrays.equals(bytes(value, bytes.length), bytes), "a mixture with value " + value);
    return value;
  }
}
