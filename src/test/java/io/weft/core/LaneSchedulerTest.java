package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.testing.Seeds;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Whose piece is next. */
class LaneSchedulerTest {
  private static final long AGE = 1_000;
  private static final long MIB = 1 << 20;
  private static final List<Lane> LANES = List.of(Lane.values());

  private final LaneScheduler one = scheduler(1, 0, MIB);

  private static LaneScheduler scheduler(int pieces, int reserved, long bytes) {
    return new LaneScheduler(new LaneScheduler.Limits(pieces, reserved, bytes, AGE));
  }

  /** Takes and returns pieces one at a time until there are none. */
  private static List<String> order(LaneScheduler scheduler, long now) {
    List<String> order = new ArrayList<>();
    Transfer.Piece piece;
    while ((piece = scheduler.takeNext(now)) != null) {
      order.add(piece.toString());
      scheduler.done(piece, now);
    }
    return order;
  }

  @Test
  void lanesGoByRankAndWithinALaneByArrival() {
    for (Lane lane : new Lane[] {Lane.STORE, Lane.DELETE, Lane.PREFETCH, Lane.LOAD}) {
      one.enter(FakeTransfer.whole(lane + "1", lane, 10), 0);
      one.enter(FakeTransfer.whole(lane + "2", lane, 10), 0);
    }
    assertEquals(
        List.of(
            "LOAD1:WHOLE",
            "LOAD2:WHOLE",
            "PREFETCH1:WHOLE",
            "PREFETCH2:WHOLE",
            "DELETE1:WHOLE",
            "DELETE2:WHOLE",
            "STORE1:WHOLE",
            "STORE2:WHOLE"),
        order(one, AGE - 1));
    assertTrue(one.idle());
  }

  @Test
  void waitingRaisesALaneByOneRankEachStep() {
    one.enter(FakeTransfer.whole("store", Lane.STORE, 10), 0);
    one.enter(FakeTransfer.whole("delete", Lane.DELETE, 10), AGE);
    assertEquals("delete:WHOLE", one.takeNext(AGE).toString(), "a tie goes to the higher lane");
    LaneScheduler another = scheduler(1, 0, MIB);
    another.enter(FakeTransfer.whole("store", Lane.STORE, 10), 0);
    another.enter(FakeTransfer.whole("delete", Lane.DELETE, 10), 2 * AGE);
    assertEquals("store:WHOLE", another.takeNext(2 * AGE).toString());
  }

  @Test
  void aStoreBehindAStreamOfLoadsWaitsThreeSteps() {
    one.enter(FakeTransfer.whole("store", Lane.STORE, 10), 0);
    for (long now = 0; ; now += 100) {
      assertTrue(now <= 4 * AGE, "the store starves");
      one.enter(FakeTransfer.whole("load", Lane.LOAD, 10), now);
      Transfer.Piece piece = one.takeNext(now);
      one.done(piece, now);
      if (piece.toString().startsWith("store")) {
        assertTrue(now > 3 * AGE, "not before its time");
        return;
      }
    }
  }

  @Test
  void noMoreThanTheBoundIsOut() {
    LaneScheduler scheduler = scheduler(3, 0, 100);
    for (int i = 0; i < 5; i++) {
      scheduler.enter(FakeTransfer.whole("small" + i, Lane.LOAD, 10), 0);
    }
    for (int i = 0; i < 3; i++) {
      assertNotNull(scheduler.takeNext(0));
    }
    assertNull(scheduler.takeNext(0), "three pieces");
    LaneScheduler large = scheduler(3, 0, 100);
    for (int i = 0; i < 3; i++) {
      large.enter(FakeTransfer.whole("large" + i, Lane.LOAD, 60), 0);
    }
    Transfer.Piece first = large.takeNext(0);
    assertNull(large.takeNext(0), "a hundred bytes");
    assertEquals(60, large.bytesOut());
    large.done(first, 0);
    assertEquals(0, large.bytesOut());
    assertNotNull(large.takeNext(0));
  }

  @Test
  void onePieceLargerThanAllGoesAlone() {
    LaneScheduler scheduler = scheduler(3, 0, 100);
    scheduler.enter(FakeTransfer.whole("huge", Lane.LOAD, 500), 0);
    scheduler.enter(FakeTransfer.whole("small", Lane.LOAD, 10), 0);
    Transfer.Piece huge = scheduler.takeNext(0);
    assertEquals("huge:WHOLE", huge.toString());
    assertNull(scheduler.takeNext(0));
    scheduler.done(huge, 0);
    assertEquals("small:WHOLE", scheduler.takeNext(0).toString());
  }

  @Test
  void storesAndDeletesLeaveTheReservedSlotsAndTheirBytesToLoads() {
    LaneScheduler scheduler = scheduler(8, 4, 800);
    for (int i = 0; i < 10; i++) {
      scheduler.enter(FakeTransfer.whole("store" + i, Lane.STORE, 10), 0);
      scheduler.enter(FakeTransfer.whole("delete" + i, Lane.DELETE, 0), 0);
      scheduler.enter(FakeTransfer.whole("prefetch" + i, Lane.PREFETCH, 10), 10 * AGE);
    }
    // Long waiting lifts the rank, and does not lift the bound.
    for (int i = 0; i < 8; i++) {
      assertNotNull(scheduler.takeNext(10 * AGE));
    }
    assertEquals(4, scheduler.piecesOut(Lane.STORE) + scheduler.piecesOut(Lane.DELETE));
    assertEquals(4, scheduler.piecesOut(Lane.PREFETCH));

    LaneScheduler bytes = scheduler(8, 4, 800);
    for (int i = 0; i < 8; i++) {
      bytes.enter(FakeTransfer.whole("store" + i, Lane.STORE, 150), 0);
    }
    assertNotNull(bytes.takeNext(0));
    assertNotNull(bytes.takeNext(0));
    assertNull(bytes.takeNext(0), "four of eight slots are 400 bytes of 800");
    bytes.enter(FakeTransfer.whole("load", Lane.LOAD, 500), 0);
    assertEquals("load:WHOLE", bytes.takeNext(0).toString());
  }

  /** Stores saturate the device; a load that arrives goes next, not after a whole store. */
  @Test
  void aLoadNeverWaitsBehindAWholeStore() {
    LaneScheduler scheduler = scheduler(2, 1, 8 * MIB);
    scheduler.enter(FakeTransfer.pieces("store", Lane.STORE, 32, MIB, 8), 0);
    Transfer.Piece open = scheduler.takeNext(0);
    scheduler.done(open, 0);
    Transfer.Piece body = scheduler.takeNext(0);
    assertEquals("store:BODY", body.toString());
    assertNull(scheduler.takeNext(0), "one slot is the loads'");
    scheduler.enter(FakeTransfer.whole("load", Lane.LOAD, MIB), 0);
    assertEquals("load:WHOLE", scheduler.takeNext(0).toString(), "at once");
  }

  @Test
  void withOneSlotALoadGoesAfterOnePiece() {
    one.enter(FakeTransfer.pieces("store", Lane.STORE, 32, MIB, 8), 0);
    one.done(one.takeNext(0), 0);
    Transfer.Piece body = one.takeNext(0);
    one.enter(FakeTransfer.whole("load", Lane.LOAD, MIB), 0);
    one.done(body, 0);
    assertEquals("load:WHOLE", one.takeNext(0).toString());
  }

  @Test
  void aTransferGoesPieceByPieceAndKeepsItsPlaceInFront() {
    one.enter(FakeTransfer.pieces("a", Lane.STORE, 2, 10, 1), 0);
    one.enter(FakeTransfer.pieces("b", Lane.STORE, 2, 10, 1), 0);
    assertEquals(
        List.of("a:OPEN", "a:BODY", "a:BODY", "a:CLOSE", "b:OPEN", "b:BODY", "b:BODY", "b:CLOSE"),
        order(one, 0));
  }

  @Test
  void whileOneOpensTheNextGoesOn() {
    LaneScheduler scheduler = scheduler(4, 0, MIB);
    scheduler.enter(FakeTransfer.pieces("a", Lane.LOAD, 3, 10, 2), 0);
    scheduler.enter(FakeTransfer.whole("b", Lane.LOAD, 10), 0);
    Transfer.Piece open = scheduler.takeNext(0);
    assertEquals("a:OPEN", open.toString());
    assertEquals("b:WHOLE", scheduler.takeNext(0).toString());
    assertNull(scheduler.takeNext(0));
    scheduler.done(open, 0);
    assertEquals("a:BODY", scheduler.takeNext(0).toString());
    assertEquals("a:BODY", scheduler.takeNext(0).toString());
    assertNull(scheduler.takeNext(0), "two of its pieces at a time");
  }

  @Test
  void whatExpiredBeforeItBeganIsDropped() {
    FakeTransfer late = new FakeTransfer("late", Lane.STORE, new PiecePlan(10, 10, 1), 500);
    FakeTransfer begun = new FakeTransfer("begun", Lane.LOAD, new PiecePlan(100, 10, 2), 500);
    one.enter(late, 0);
    one.enter(begun, 0);
    one.done(one.takeNext(0), 0);
    assertNull(one.takeExpiredHead(499));
    assertEquals(late, one.takeExpiredHead(500));
    assertNull(one.takeExpiredHead(500), "what has begun is brought to its end");
    assertEquals(0, one.waiting(Lane.STORE));
  }

  @Test
  void whatExpiresWhileItIsOnTheDeviceIsClosedAndNotGoneOnWith() {
    FakeTransfer late = new FakeTransfer("late", Lane.STORE, new PiecePlan(100, 10, 1), 500);
    one.enter(late, 0);
    one.done(one.takeNext(0), 0);
    one.done(one.takeNext(400), 600);
    assertEquals(Transfer.Cancelled.DEADLINE, late.cancelled);
    assertEquals(List.of("late:CLOSE"), order(one, 600));
    assertTrue(late.finished());
    assertTrue(one.idle());
  }

  @Test
  void aFailureTakesTheRestOfTheBodyOutOfTheLane() {
    LaneScheduler scheduler = scheduler(4, 0, MIB);
    FakeTransfer transfer = FakeTransfer.pieces("a", Lane.STORE, 10, 10, 3);
    scheduler.enter(transfer, 0);
    scheduler.done(scheduler.takeNext(0), 0);
    FakeTransfer.FakePiece first = (FakeTransfer.FakePiece) scheduler.takeNext(0);
    Transfer.Piece second = scheduler.takeNext(0);
    assertEquals(1, scheduler.waiting(Lane.STORE));
    first.fail(new IllegalStateException("x"));
    scheduler.done(first, 0);
    assertEquals(0, scheduler.waiting(Lane.STORE));
    assertNull(scheduler.takeNext(0));
    scheduler.done(second, 0);
    assertEquals(List.of("a:CLOSE"), order(scheduler, 0));
    assertTrue(scheduler.idle());
  }

  @Test
  void limitsAreChecked() {
    assertThrows(IllegalArgumentException.class, () -> scheduler(0, 0, 1));
    assertThrows(IllegalArgumentException.class, () -> scheduler(4, 4, 1));
    assertThrows(IllegalArgumentException.class, () -> scheduler(4, -1, 1));
    assertThrows(IllegalArgumentException.class, () -> scheduler(4, 0, 0));
    assertThrows(IllegalArgumentException.class, () -> new LaneScheduler.Limits(1, 0, 1, 0));
  }

  /** Whatever comes in whatever order: the bounds hold, nothing is lost, nothing starves. */
  @Test
  void theBoundsHoldAndEverythingIsServed() {
    Seeds.forEach(
        300,
        seed -> {
          Random random = new Random(seed);
          int pieces = 1 + random.nextInt(8);
          int reserved = random.nextInt(pieces);
          long bytes = 100L + random.nextInt(1_000);
          LaneScheduler scheduler = scheduler(pieces, reserved, bytes);
          List<FakeTransfer> all = new ArrayList<>();
          List<Transfer.Piece> out = new ArrayList<>();
          long now = 0;
          for (int step = 0; step < 2_000 || !scheduler.idle(); step++) {
            assertTrue(step < 100_000, "it does not come to an end");
            now += random.nextInt(200);
            if (step < 1_500 && random.nextInt(3) == 0) {
              Lane lane = LANES.get(random.nextInt(LANES.size()));
              FakeTransfer transfer =
                  new FakeTransfer(
                      lane + "-" + step,
                      lane,
                      new PiecePlan(
                          random.nextInt(400), 1 + random.nextInt(150), 1 + random.nextInt(4)),
                      random.nextInt(4) == 0 ? now + random.nextInt(2_000) : FakeTransfer.FAR);
              all.add(transfer);
              scheduler.enter(transfer, now);
            }
            Transfer expired;
            while ((expired = scheduler.takeExpiredHead(now)) != null) {
              expired.cancel(Transfer.Cancelled.DEADLINE);
              expired.finish();
            }
            if (random.nextBoolean()) {
              Transfer.Piece piece = scheduler.takeNext(now);
              if (piece != null) {
                out.add(piece);
              }
            } else if (!out.isEmpty()) {
              FakeTransfer.FakePiece piece =
                  (FakeTransfer.FakePiece) out.remove(random.nextInt(out.size()));
              if (random.nextInt(20) == 0) {
                piece.fail(new IllegalStateException("by the test"));
              }
              scheduler.done(piece, now);
              if (piece.transfer().finished()) {
                piece.transfer().finish();
              }
            }
            assertEquals(out.size(), scheduler.piecesOut());
            assertEquals(out.stream().mapToLong(Transfer.Piece::bytes).sum(), scheduler.bytesOut());
            assertTrue(out.size() <= pieces);
            assertTrue(
                scheduler.bytesOut() <= bytes
                    || out.stream().filter(piece -> piece.bytes() > 0).count() == 1);
            assertTrue(
                scheduler.piecesOut(Lane.STORE) + scheduler.piecesOut(Lane.DELETE)
                    <= pieces - reserved);
          }
          for (FakeTransfer transfer : all) {
            assertEquals(1, transfer.finishes.get(), transfer::toString);
          }
        });
  }

  /** While loads come, and a while after, the device gets few stores at once. */
  @Test
  void storesLeaveTheDeviceToLoadsThatCome() {
    LaneScheduler lanes = new LaneScheduler(new LaneScheduler.Limits(16, 2, 1_600, 100, 50, AGE));
    for (int i = 0; i < 10; i++) {
      lanes.enter(FakeTransfer.whole("store" + i, Lane.STORE, 100), 0);
    }
    assertNotNull(lanes.takeNext(0));
    Transfer.Piece second = lanes.takeNext(0);
    assertNotNull(second);
    lanes.enter(FakeTransfer.whole("load", Lane.LOAD, 100), 1);
    Transfer.Piece load = lanes.takeNext(1);
    assertNotNull(load);
    assertEquals(Lane.LOAD, load.transfer().lane());
    assertNull(lanes.takeNext(1), "200 bytes of stores are out, beside a load only 100 may be");
    lanes.done(second, 2);
    assertNull(lanes.takeNext(2));
    lanes.done(load, 3);
    assertNull(lanes.takeNext(50), "the next load may come");
    assertNotNull(lanes.takeNext(51));
    assertNotNull(lanes.takeNext(51));
  }
}
