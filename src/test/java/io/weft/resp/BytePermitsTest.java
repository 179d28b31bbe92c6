package io.weft.resp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.sim.SimTicker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Phaser;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** Memory for values is granted in the order in which it is asked for. */
class BytePermitsTest {
  private final SimTicker ticker = new SimTicker();
  private final BytePermits permits = new BytePermits(100, ticker);
  private final List<String> granted = new ArrayList<>();

  private BytePermits.Ticket take(String who, long bytes) {
    return permits.take(bytes, () -> granted.add(who));
  }

  @Test
  void firstComeFirstServed() {
    var _ = take("a", 60);
    var _ = take("b", 60);
    var _ = take("c", 10);
    assertEquals(List.of("a"), granted, "c would fit, and waits behind b");
    permits.release(60);
    assertEquals(List.of("a", "b", "c"), granted);
    assertEquals(70, permits.held());
    permits.release(60);
    permits.release(10);
    assertEquals(0, permits.held());
  }

  @Test
  void moreThanThereIsGoesAlone() {
    var _ = take("a", 1);
    var _ = take("large", 500);
    var _ = take("b", 1);
    assertEquals(List.of("a"), granted);
    permits.release(1);
    assertEquals(List.of("a", "large"), granted);
    permits.release(500);
    assertEquals(List.of("a", "large", "b"), granted);
  }

  @Test
  void whoLeavesTheLineLetsOthersOn() {
    BytePermits.Ticket a = take("a", 90);
    BytePermits.Ticket large = take("large", 90);
    var _ = take("b", 5);
    assertTrue(large.cancel());
    assertEquals(List.of("a", "b"), granted);
    assertFalse(large.cancel(), "once");
    assertFalse(a.cancel(), "granted: to be given back");
    permits.release(95);
    assertEquals(0, permits.held());
  }

  @Test
  void howLongTheFirstOtherInLineHasWaited() {
    var _ = take("a", 90);
    ticker.advance(Duration.ofNanos(5));
    assertEquals(0, permits.waitingNanosBut(null), "nobody waits");
    BytePermits.Ticket b = take("b", 90);
    ticker.advance(Duration.ofNanos(7));
    var _ = take("c", 90);
    ticker.advance(Duration.ofNanos(2));
    assertEquals(9, permits.waitingNanosBut(null));
    assertEquals(2, permits.waitingNanosBut(b), "b waits for nobody but himself");
    assertTrue(b.cancel());
    assertEquals(2, permits.waitingNanosBut(null));
    permits.release(90);
    assertEquals(0, permits.waitingNanosBut(null));
  }

  @Test
  void manyThreadsNeverHoldMoreThanThereIs() throws Exception {
    BytePermits shared = new BytePermits(1_000, new SimTicker());
    AtomicLong held = new AtomicLong();
    AtomicLong most = new AtomicLong();
    Phaser underWay = new Phaser(1);
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      for (int t = 0; t < 4; t++) {
        long seed = t;
        threads.execute(
            () -> {
              Random random = new Random(seed);
              for (int i = 0; i < 2_000; i++) {
                long bytes = 1L + random.nextInt(400);
                underWay.register();
                BytePermits.Ticket ticket =
                    shared.take(
                        bytes,
                        () -> {
                          most.accumulateAndGet(held.addAndGet(bytes), Math::max);
                          threads.execute(
                              () -> {
                                held.addAndGet(-bytes);
                                shared.release(bytes);
                                underWay.arriveAndDeregister();
                              });
                        });
                if (random.nextInt(4) == 0 && ticket.cancel()) {
                  underWay.arriveAndDeregister();
                }
              }
              underWay.arriveAndDeregister();
            });
        underWay.register();
      }
      underWay.awaitAdvanceInterruptibly(underWay.arriveAndDeregister(), 60, TimeUnit.SECONDS);
    }
    assertEquals(0, shared.held());
    assertTrue(most.get() <= 1_000, () -> "held " + most.get());
  }
}
