package io.weft.stream;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.ConfigFactory;
import io.weft.core.FakeTransfer;
import io.weft.core.Lane;
import io.weft.core.LaneScheduler;
import io.weft.core.PiecePlan;
import io.weft.core.Transfer;
import io.weft.sim.SimTicker;
import io.weft.testing.Seeds;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.Done;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.pattern.Patterns;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.impl.ExtendedActorMaterializer;
import org.apache.pekko.stream.impl.StreamSupervisor;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * The device queue with workers made of paper. Runs with the materializer's fuzzing, which shuffles
 * what may be shuffled.
 */
class LanesTest {
  private static final LaneScheduler.Limits WIDE =
      new LaneScheduler.Limits(4, 1, 1 << 30, Duration.ofHours(1).toNanos());
  private static ActorTestKit kit;

  @BeforeAll
  static void startSystem() {
    kit =
        ActorTestKit.create(
            "lanes",
            ConfigFactory.parseString(
                    """
                    pekko.stream.materializer.debug.fuzzing-mode = on
                    pekko.stream.secret-test-fuzzing-warning-disable = anything
                    pekko.log-dead-letters = off
                    pekko.loglevel = OFF
                    """)
                .withFallback(ConfigFactory.load()));
  }

  @AfterAll
  static void stopSystem() {
    kit.shutdownTestKit();
  }

  private final SimTicker ticker = new SimTicker();

  private Lanes start(LaneScheduler.Limits limits, int queueSize, PieceRunner runner) {
    return Lanes.start(
        limits,
        queueSize,
        runner,
        ticker,
        "weft.dispatcher",
        Materializer.createMaterializer(kit.system()));
  }

  private static ConditionFactory soon() {
    return await().atMost(20, SECONDS).pollInterval(Duration.ofMillis(2));
  }

  private static Done ended(Lanes lanes) throws Exception {
    return lanes.done().toCompletableFuture().get(20, SECONDS);
  }

  /** A transfer that knows when the merge has looked at it. */
  private static final class Seen extends FakeTransfer {
    final AtomicBoolean seen = new AtomicBoolean();

    Seen(String name, Lane lane) {
      super(name, lane, new PiecePlan(10, 10, 1), FAR);
    }

    @Override
    public boolean started() {
      seen.set(true);
      return super.started();
    }
  }

  @Test
  void lanesGoByRank() throws Exception {
    FakeRunner runner = new FakeRunner(1);
    Lanes lanes = start(new LaneScheduler.Limits(1, 0, 1 << 30, Long.MAX_VALUE), 16, runner);
    lanes.offer(FakeTransfer.whole("first", Lane.STORE, 10));
    soon().until(() -> runner.running() == 1);
    List<Seen> all = new ArrayList<>();
    for (Lane lane : List.of(Lane.STORE, Lane.LOAD, Lane.DELETE, Lane.PREFETCH)) {
      Seen transfer = new Seen(lane.name(), lane);
      all.add(transfer);
      lanes.offer(transfer);
    }
    soon().until(() -> all.stream().allMatch(each -> each.seen.get()));
    for (int i = 1; i <= 5; i++) {
      int count = i;
      soon().until(() -> runner.order().size() == count);
      runner.finishFirst();
    }
    lanes.complete();
    ended(lanes);
    assertEquals(
        List.of("first:WHOLE", "LOAD:WHOLE", "PREFETCH:WHOLE", "DELETE:WHOLE", "STORE:WHOLE"),
        runner.order());
  }

  /** Every piece of a transfer goes through the same choice: a load comes between two of them. */
  @Test
  void aLoadGoesBetweenTwoPiecesOfAStore() throws Exception {
    FakeRunner runner = new FakeRunner(1);
    Lanes lanes = start(new LaneScheduler.Limits(1, 0, 1 << 30, Long.MAX_VALUE), 16, runner);
    FakeTransfer store = FakeTransfer.pieces("store", Lane.STORE, 32, 1 << 20, 8);
    lanes.offer(store);
    soon().until(() -> runner.running() == 1);
    runner.finishFirst();
    soon().until(() -> runner.order().size() == 2);
    Seen load = new Seen("load", Lane.LOAD);
    lanes.offer(load);
    soon().until(load.seen::get);
    runner.finishFirst();
    soon().until(() -> runner.order().size() == 3);
    assertEquals(List.of("store:OPEN", "store:BODY", "load:WHOLE"), runner.order());
    lanes.complete();
    Random random = new Random(1);
    soon()
        .until(
            () -> {
              runner.finishAny(random);
              return lanes.done().toCompletableFuture().isDone();
            });
    ended(lanes);
    assertEquals(1, store.finishes.get());
  }

  @Test
  void theWorkersRoomIsTheBackpressure() throws Exception {
    FakeRunner runner = new FakeRunner(3);
    Lanes lanes = start(new LaneScheduler.Limits(100, 0, 1 << 30, Long.MAX_VALUE), 1_000, runner);
    List<FakeTransfer> all = new ArrayList<>();
    for (int i = 0; i < 500; i++) {
      FakeTransfer transfer = FakeTransfer.whole("t" + i, Lane.LOAD, 10);
      all.add(transfer);
      lanes.offer(transfer);
    }
    soon().until(() -> runner.running() == 3);
    lanes.complete();
    assertFalse(lanes.done().toCompletableFuture().isDone());
    for (int i = 0; i < 500; i++) {
      soon().until(() -> runner.running() > 0);
      runner.finishFirst();
    }
    ended(lanes);
    runner.assertNeverBeyondCapacity();
    all.forEach(each -> assertEquals(1, each.finishes.get(), each::toString));
    all.forEach(each -> assertNull(each.cancelled, each::toString));
    assertEquals(
        all.stream().map(each -> each + ":WHOLE").toList(), runner.order(), "first come, first");
  }

  @Test
  void theBytesInFlightAreBounded() throws Exception {
    FakeRunner runner = new FakeRunner(50);
    Lanes lanes = start(new LaneScheduler.Limits(50, 0, 1_000, Long.MAX_VALUE), 100, runner);
    for (int i = 0; i < 20; i++) {
      lanes.offer(FakeTransfer.whole("t" + i, Lane.LOAD, 300));
    }
    lanes.complete();
    for (int i = 0; i < 20; i++) {
      int least = Math.min(3, 20 - i);
      soon().until(() -> runner.running() >= least);
      assertTrue(runner.running() <= 3, "900 bytes of 1000");
      runner.finishFirst();
    }
    ended(lanes);
  }

  /** A piece that the kernel keeps gives its room back; the stream ends when it is back, too. */
  @Test
  void aStuckPieceTakesNoRoom() throws Exception {
    FakeRunner runner = new FakeRunner(1);
    Lanes lanes = start(new LaneScheduler.Limits(1, 0, 1 << 30, Long.MAX_VALUE), 16, runner);
    FakeTransfer stuck = FakeTransfer.whole("stuck", Lane.LOAD, 10);
    FakeTransfer next = FakeTransfer.whole("next", Lane.LOAD, 10);
    lanes.offer(stuck);
    lanes.offer(next);
    soon().until(() -> runner.running() == 1);
    runner.stickFirst();
    soon().until(() -> runner.running() == 2);
    lanes.complete();
    Random random = new Random(3);
    assertTrue(runner.finishAny(random));
    assertTrue(runner.finishAny(random));
    ended(lanes);
    assertEquals(1, stuck.finishes.get());
    assertEquals(1, next.finishes.get());
    runner.assertNeverBeyondCapacity();
  }

  /** Queues, merge and device are one actor: no transfer changes threads between them. */
  @Test
  void allOfItIsOneIsland() throws Exception {
    Materializer materializer = Materializer.createMaterializer(kit.system());
    FakeRunner runner = new FakeRunner(1);
    Lanes lanes = Lanes.start(WIDE, 16, runner, ticker, "weft.dispatcher", materializer);
    lanes.offer(FakeTransfer.whole("t", Lane.LOAD, 10));
    soon().until(() -> runner.running() == 1);
    StreamSupervisor.Children children =
        (StreamSupervisor.Children)
            Patterns.ask(
                    ((ExtendedActorMaterializer) materializer).supervisor(),
                    StreamSupervisor.GetChildren$.MODULE$,
                    Duration.ofSeconds(20))
                .toCompletableFuture()
                .get();
    assertEquals(1, children.children().size());
    runner.finishFirst();
    lanes.complete();
    ended(lanes);
    materializer.shutdown();
  }

  @Test
  void whatIsOfferedAfterwardsIsGivenUp() throws Exception {
    FakeRunner runner = new FakeRunner(1);
    Lanes lanes = start(WIDE, 16, runner);
    lanes.complete();
    ended(lanes);
    FakeTransfer late = FakeTransfer.whole("late", Lane.LOAD, 10);
    lanes.offer(late);
    assertEquals(1, late.finishes.get());
    assertEquals(Transfer.Cancelled.RESTARTED, late.cancelled);
    assertTrue(runner.order().isEmpty());
  }

  @Test
  void whatFindsItsLaneFullIsGivenUp() throws Exception {
    FakeRunner runner = new FakeRunner(1);
    Lanes lanes = start(new LaneScheduler.Limits(1, 0, 1 << 30, Long.MAX_VALUE), 2, runner);
    List<FakeTransfer> all = new ArrayList<>();
    for (int i = 0; i < 500; i++) {
      FakeTransfer transfer = FakeTransfer.whole("t" + i, Lane.LOAD, 10);
      all.add(transfer);
      lanes.offer(transfer);
    }
    lanes.complete();
    Random random = new Random(1);
    soon()
        .until(
            () -> {
              runner.finishAny(random);
              return lanes.done().toCompletableFuture().isDone();
            });
    all.forEach(each -> assertEquals(1, each.finishes.get(), each::toString));
    long given = all.stream().filter(each -> each.cancelled != null).count();
    assertEquals(all.size() - given, runner.order().size());
    assertTrue(given > 0, "500 do not fit");
  }

  @Test
  void whatExpiresInTheQueueEndsWithoutTheDevice() throws Exception {
    FakeRunner runner = new FakeRunner(1);
    Lanes lanes = start(new LaneScheduler.Limits(1, 0, 1 << 30, Long.MAX_VALUE), 16, runner);
    lanes.offer(FakeTransfer.whole("first", Lane.LOAD, 10));
    // The queues of two lanes do not wait for each other.
    soon().until(() -> runner.running() == 1);
    FakeTransfer late =
        new FakeTransfer(
            "late", Lane.STORE, new PiecePlan(10, 10, 1), ticker.nanoTime() + 1_000_000);
    lanes.offer(late);
    ticker.advance(Duration.ofMillis(1));
    soon().until(() -> late.finishes.get() == 1);
    assertEquals(Transfer.Cancelled.DEADLINE, late.cancelled);
    runner.finishFirst();
    lanes.complete();
    ended(lanes);
    assertEquals(List.of("first:WHOLE"), runner.order());
  }

  /** A bug: the piece cannot be taken. */
  private static class Broken extends FakeTransfer {
    private final int after;

    Broken(String name, PiecePlan plan, int after) {
      super(name, Lane.LOAD, plan, FAR);
      this.after = after;
    }

    @Override
    public Piece takePiece() {
      if (taken.get() >= after) {
        throw new IllegalStateException("a bug, by the test");
      }
      return super.takePiece();
    }

    @Override
    public void finish() {
      finishes.incrementAndGet();
    }
  }

  /** A stage fails, the stream ends, and everything that it held is brought to its end. */
  @Test
  void aBugEndsTheStreamAndEveryTransferIsFinishedOnce() {
    Seeds.forEach(
        25,
        seed -> {
          Random random = new Random(seed);
          FakeRunner runner = new FakeRunner(1 + random.nextInt(4));
          Lanes lanes = start(WIDE, 1_000, runner);
          List<FakeTransfer> all = new ArrayList<>();
          for (int i = 0; i < 30; i++) {
            all.add(any("t" + i, random));
          }
          all.add(
              random.nextBoolean()
                  ? new Broken("broken", new PiecePlan(10, 10, 1), 0)
                  : new Broken("broken", new PiecePlan(100, 10, 3), 1 + random.nextInt(5)));
          Collections.shuffle(all, random);
          all.forEach(lanes::offer);
          soon()
              .until(
                  () -> {
                    runner.finishAny(random);
                    return lanes.done().toCompletableFuture().isDone();
                  });
          assertThrows(CompletionException.class, () -> lanes.done().toCompletableFuture().join());
          FakeTransfer late = any("late", random);
          lanes.offer(late);
          soon()
              .until(
                  () -> {
                    runner.finishAny(random);
                    return runner.running() == 0
                        && late.finishes.get() == 1
                        && all.stream().allMatch(each -> each.finishes.get() == 1);
                  });
          all.forEach(each -> assertTrue(each.piecesOut().isEmpty(), each + " has pieces out"));
        });
  }

  private static FakeTransfer any(String name, Random random) {
    Lane lane = List.of(Lane.values()).get(random.nextInt(4));
    return random.nextBoolean()
        ? FakeTransfer.whole(name, lane, random.nextInt(100))
        : FakeTransfer.pieces(name, lane, 2 + random.nextInt(5), 10, 1 + random.nextInt(3));
  }

  /** Aborted: what has not begun is given up, what has is closed; also what workers still hold. */
  @Test
  void anAbortBringsEverythingToItsEnd() {
    Seeds.forEach(
        12,
        seed -> {
          Random random = new Random(seed);
          FakeRunner runner = new FakeRunner(3);
          Lanes lanes = start(WIDE, 1_000, runner);
          List<FakeTransfer> all = new ArrayList<>();
          for (int i = 0; i < 30; i++) {
            FakeTransfer transfer = any("t" + i, random);
            all.add(transfer);
            lanes.offer(transfer);
          }
          for (int i = 0; i < random.nextInt(10); i++) {
            soon().until(() -> runner.finishAny(random));
          }
          lanes.abort();
          soon()
              .until(
                  () -> {
                    runner.finishAny(random);
                    return lanes.done().toCompletableFuture().isDone()
                        && runner.running() == 0
                        && all.stream().allMatch(each -> each.finishes.get() == 1);
                  });
          all.forEach(each -> assertTrue(each.piecesOut().isEmpty(), each + " has pieces out"));
        });
  }

  /** Many threads offer, many let pieces go, pieces fail; then complete, abort or a bug. */
  @Test
  void underStressEveryTransferIsFinishedOnce() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(6);
    try {
      Seeds.forEach(
          6,
          seed -> {
            FakeRunner runner = new FakeRunner(4);
            Lanes lanes = start(WIDE, 100_000, runner);
            List<FakeTransfer> all = Collections.synchronizedList(new ArrayList<>());
            AtomicBoolean offered = new AtomicBoolean();
            AtomicInteger offering = new AtomicInteger(3);
            List<Future<?>> work = new ArrayList<>();
            for (int t = 0; t < 3; t++) {
              Random random = new Random(seed * 31 + t);
              String name = "t" + t + "-";
              work.add(
                  threads.submit(
                      () -> {
                        for (int i = 0; i < 300; i++) {
                          FakeTransfer transfer = any(name + i, random);
                          all.add(transfer);
                          lanes.offer(transfer);
                        }
                        offering.decrementAndGet();
                      }));
            }
            for (int t = 0; t < 2; t++) {
              Random random = new Random(seed * 37 + t);
              work.add(
                  threads.submit(
                      () -> {
                        while (!offered.get()
                            || !all.stream().allMatch(each -> each.finishes.get() > 0)) {
                          if (!runner.finishAny(random)) {
                            Thread.onSpinWait();
                          }
                        }
                      }));
            }
            work.add(
                threads.submit(
                    () -> {
                      while (all.size() < 300 + seed * 30) {
                        Thread.onSpinWait();
                      }
                      switch ((int) (seed % 3)) {
                        case 0 -> lanes.complete();
                        case 1 -> lanes.abort();
                        default -> {
                          FakeTransfer broken = new Broken("broken", new PiecePlan(10, 10, 1), 0);
                          all.add(broken);
                          lanes.offer(broken);
                        }
                      }
                      while (offering.get() > 0) {
                        Thread.onSpinWait();
                      }
                      offered.set(true);
                    }));
            for (Future<?> each : work) {
              each.get(30, SECONDS);
            }
            soon().until(() -> lanes.done().toCompletableFuture().isDone());
            all.forEach(each -> assertEquals(1, each.finishes.get(), each::toString));
            all.forEach(each -> assertTrue(each.piecesOut().isEmpty(), each + " has pieces out"));
          });
    } finally {
      threads.shutdown();
    }
  }
}
