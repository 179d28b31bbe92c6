package io.weft.nvmeof;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.LoadOutcome;
import io.weft.base.StoreOutcome;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Clients that store and load all the time, whatever comes of it, and write down what does: whether
 * every request was answered by its deadline, and with the right bytes.
 */
final class Load implements AutoCloseable {
  private static final int CLIENTS = 3;

  /** Under emulation. */
  private static final Duration SLACK = Duration.ofSeconds(1);

  private final FabricStore store;
  private final List<String> published;
  private final Duration timeout;
  private final AtomicInteger answers = new AtomicInteger();
  private final AtomicInteger hits = new AtomicInteger();
  private final Queue<String> stored = new ConcurrentLinkedQueue<>();
  private final Queue<String> late = new ConcurrentLinkedQueue<>();
  private final Queue<String> wrong = new ConcurrentLinkedQueue<>();
  private final Queue<String> unsuccessful = new ConcurrentLinkedQueue<>();
  private final List<Thread> clients;
  private volatile boolean ending;

  Load(FabricStore store, List<String> published) {
    this(store, published, Duration.ofSeconds(2));
  }

  Load(FabricStore store, List<String> published, Duration timeout) {
    this.store = store;
    this.published = published;
    this.timeout = timeout;
    this.clients =
        java.util.stream.IntStream.range(0, CLIENTS)
            .mapToObj(client -> Thread.ofPlatform().daemon().start(() -> run(client)))
            .toList();
  }

  private void run(int client) {
    for (int i = 0; !ending; i++) {
      if (i % 2 == 0) {
        String name = "load" + client + "-" + i;
        StoreOutcome outcome = answered(name, store.storing(name, timeout).toCompletableFuture());
        if (outcome instanceof StoreOutcome.Stored) {
          stored.add(name);
        } else {
          unsuccessful.add("store of " + name + ": " + outcome);
          breathe();
        }
      } else {
        String name = published.get((i + client) % published.size());
        LoadOutcome outcome = answered(name, store.loading(name, timeout).toCompletableFuture());
        if (outcome instanceof LoadOutcome.Leased(var lease)) {
          try (lease) {
            hits.incrementAndGet();
            byte[] loaded = lease.memory().toArray(ValueLayout.JAVA_BYTE);
            if (!Arrays.equals(FabricStore.bytes(name), loaded)) {
              wrong.add(name);
            }
          }
        } else {
          unsuccessful.add("load of " + name + ": " + outcome);
        }
      }
    }
  }

  /** A client that is told to stay away does so for a moment: the machine has one processor. */
  private static void breathe() {
    java.util.concurrent.locks.LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
  }

  private <T> T answered(String name, Future<T> answer) {
    long begun = System.nanoTime();
    try {
      T outcome = answer.get(timeout.plus(SLACK).plusSeconds(60).toMillis(), TimeUnit.MILLISECONDS);
      Duration took = Duration.ofNanos(System.nanoTime() - begun);
      if (took.compareTo(timeout.plus(SLACK)) > 0) {
        late.add(name + " after " + took.toMillis() + " ms: " + outcome);
      }
      answers.incrementAndGet();
      return outcome;
    } catch (InterruptedException | ExecutionException | TimeoutException never) {
      late.add(name + " was never answered: " + never);
      throw new AssertionError(never);
    }
  }

  void awaitAnswers(int count) {
    int before = stored.size() + hits.get();
    FabricStore.within(60).until(() -> stored.size() + hits.get() >= before + count);
  }

  void awaitTime(Duration time) {
    long end = System.nanoTime() + time.toNanos();
    FabricStore.within(60).until(() -> System.nanoTime() - end >= 0);
  }

  void end() {
    ending = true;
    for (Thread client : clients) {
      try {
        client.join(TimeUnit.SECONDS.toMillis(120));
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
      assertTrue(!client.isAlive(), "a client still waits for an answer");
    }
  }

  void assertAllAnsweredInTimeAndRight() {
    System.out.printf(
        "%d answers: %d stored, %d hits, %d others%n",
        answers.get(), stored.size(), hits.get(), unsuccessful.size());
    assertEquals(List.of(), List.copyOf(wrong), "wrong bytes");
    assertEquals(List.of(), List.copyOf(late), "late answers");
  }

  /** The names of all chunks whose store was acknowledged. */
  List<String> stored() {
    return List.copyOf(stored);
  }

  /** What was neither stored nor a hit. */
  List<String> unsuccessful() {
    return List.copyOf(unsuccessful);
  }

  @Override
  public void close() {
    ending = true;
  }
}
