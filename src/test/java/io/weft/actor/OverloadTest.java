package io.weft.actor;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol.Urgency;
import io.weft.api.StoreStatus;
import io.weft.base.Failed;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Ten times what the device does, from many senders at once, for a while ({@code
 * -Dweft.overload.seconds=N} for longer): memory stays within its bound, every request is answered
 * by its deadline, no sender is left out, and afterwards the store is as before.
 */
class OverloadTest {
  private static final int SENDERS = 40;
  private static final int OPERATIONS = 24;
  private static final int WAITING = 24;
  private static final int BYTES = 16 << 10;
  private static final long BYTES_MAX = 256 << 10;
  private static final int DEADLINE_MILLIS = 1_000;

  /**
   * Operations that the device does in {@link #TICK_MILLIS}; the senders ask for ten times so many.
   */
  private static final int DEVICE_A_TICK = SENDERS / 10;

  private static final int TICK_MILLIS = 20;
  private static ActorTestKit kit;

  @TempDir Path directory;

  @BeforeAll
  static void startSystem() {
    kit = TestStore.kit("overload");
  }

  @AfterAll
  static void stopSystem() {
    kit.shutdownTestKit();
  }

  /** What became of one sender's requests. */
  private static final class Sender {
    final AtomicInteger sent = new AtomicInteger();
    final AtomicInteger done = new AtomicInteger();
    final AtomicInteger busy = new AtomicInteger();
    final AtomicInteger late = new AtomicInteger();
    final AtomicInteger other = new AtomicInteger();

    int answered() {
      return done.get() + busy.get() + late.get() + other.get();
    }

    /** Taken by the store, whether or not the device came to it in time. */
    int accepted() {
      return done.get() + late.get();
    }
  }

  @Test
  void tenTimesTheDevicesRate() throws Exception {
    int ticks = Integer.getInteger("weft.overload.seconds", 4) * 1000 / TICK_MILLIS;
    List<Sender> senders = Stream.generate(Sender::new).limit(SENDERS).toList();
    AtomicLong slowest = new AtomicLong();
    AtomicLong mostBytes = new AtomicLong();
    AtomicInteger mostOperations = new AtomicInteger();
    Semaphore device = new Semaphore(0);
    try (TestStore store =
            TestStore.start(
                kit,
                directory,
                "weft.intake { operations = %d, bytes = %dKiB, waiting = %d }"
                    .formatted(OPERATIONS, BYTES_MAX >> 10, WAITING),
                "weft.io.lease-pool = 1MiB");
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor()) {
      store.stored("warm", BYTES);
      long heapBefore = heapBytes();
      store.faults.now =
          (operation, _) -> {
            if (operation.equals("store") || operation.equals("load")) {
              device.acquireUninterruptibly();
            }
          };
      Random random = new Random(1);
      List<Integer> order = new ArrayList<>(IntStream.range(0, SENDERS).boxed().toList());
      byte[] payload = TestStore.bytes("warm", BYTES);
      AtomicInteger tick = new AtomicInteger();
      var _ =
          clock.scheduleAtFixedRate(
              () -> {
                if (tick.getAndIncrement() < ticks) {
                  Collections.shuffle(order, random);
                  for (int number : order) {
                    send(
                        store, senders.get(number), number, payload, random.nextBoolean(), slowest);
                  }
                }
                device.release(DEVICE_A_TICK);
              },
              0,
              TICK_MILLIS,
              MILLISECONDS);
      TestStore.soon()
          .atMost(ticks * TICK_MILLIS / 1000 + 60, SECONDS)
          .until(
              () -> {
                StoreStatus status = store.status();
                mostBytes.accumulateAndGet(status.bytesInFlight(), Math::max);
                mostOperations.accumulateAndGet(status.operationsInFlight(), Math::max);
                return tick.get() > ticks
                    && senders.stream().allMatch(each -> each.answered() == each.sent.get());
              });
      store.faults.none();
      device.release(1_000_000);
      store.assertNothingHeld();

      assertTrue(mostBytes.get() <= BYTES_MAX, "bytes held: " + mostBytes);
      assertTrue(mostOperations.get() <= OPERATIONS, "operations: " + mostOperations);
      assertTrue(
          MILLISECONDS.convert(slowest.get(), java.util.concurrent.TimeUnit.NANOSECONDS)
              <= DEADLINE_MILLIS + 1_000,
          "the slowest answer took " + slowest.get() / 1_000_000 + " ms");
      int busy = senders.stream().mapToInt(each -> each.busy.get()).sum();
      int done = senders.stream().mapToInt(each -> each.done.get()).sum();
      assertEquals(0, senders.stream().mapToInt(each -> each.other.get()).sum());
      assertTrue(busy > done, done + " done, " + busy + " busy: that was no overload");
      double mean = senders.stream().mapToInt(Sender::accepted).average().orElseThrow();
      int least = senders.stream().mapToInt(Sender::accepted).min().orElseThrow();
      assertTrue(
          least >= mean / 4, "one sender got %d in, the mean is %.1f".formatted(least, mean));
      assertTrue(heapBytes() - heapBefore < 64 << 20, "the heap grew");

      assertEquals(StoreStatus.State.UP, store.status().state());
      for (int i = 0; i < 100; i++) {
        store.stored("after-" + i, BYTES);
        store.assertHit("after-" + i, BYTES);
      }
    }
  }

  private static void send(
      TestStore store,
      Sender sender,
      int number,
      byte[] payload,
      boolean load,
      AtomicLong slowest) {
    sender.sent.incrementAndGet();
    long begun = System.nanoTime();
    String name = load ? "warm" : "sender-" + number;
    if (load) {
      store
          .facade
          .load(
              TestStore.key(name), LoadTarget.lease(), Urgency.LOAD, TestStore.in(DEADLINE_MILLIS))
          .thenAccept(
              outcome -> {
                if (outcome instanceof LoadOutcome.Leased(var lease)) {
                  lease.release();
                }
                count(sender, outcome, begun, slowest);
              });
    } else {
      store
          .facade
          .store(
              TestStore.key(name),
              Payload.of(payload),
              StoreOptions.DEFAULT.withMode(StoreMode.REPLACE),
              TestStore.in(DEADLINE_MILLIS))
          .thenAccept(outcome -> count(sender, outcome, begun, slowest));
    }
  }

  private static void count(Sender sender, Object outcome, long begun, AtomicLong slowest) {
    slowest.accumulateAndGet(System.nanoTime() - begun, Math::max);
    AtomicInteger counter =
        switch (outcome) {
          case StoreOutcome.Stored _ -> sender.done;
          case LoadOutcome.Leased _ -> sender.done;
          case Rejected rejected when rejected.reason() == Rejected.Reason.BUSY -> sender.busy;
          case Failed failed when failed.cause() == Failed.Cause.DEADLINE -> sender.late;
          default -> sender.other;
        };
    counter.incrementAndGet();
  }

  private static long heapBytes() {
    System.gc();
    Runtime runtime = Runtime.getRuntime();
    return runtime.totalMemory() - runtime.freeMemory();
  }
}
