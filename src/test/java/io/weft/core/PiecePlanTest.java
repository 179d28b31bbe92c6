package io.weft.core;

import static io.weft.core.PiecePlan.Step.BODY;
import static io.weft.core.PiecePlan.Step.CLOSE;
import static io.weft.core.PiecePlan.Step.OPEN;
import static io.weft.core.PiecePlan.Step.WHOLE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.testing.Seeds;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every step of a transfer's way, and every way off it. */
class PiecePlanTest {

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 99, 100})
  void whatFitsOnePieceGoesInOneStep(long length) {
    PiecePlan plan = new PiecePlan(length, 100, 4);
    assertTrue(plan.single());
    assertTrue(plan.ready());
    assertFalse(plan.started());
    assertEquals(WHOLE, plan.peek());
    assertEquals(0, plan.offset());
    assertEquals(length, plan.bytes());
    assertEquals(WHOLE, plan.take());
    assertTrue(plan.started());
    assertFalse(plan.ready());
    assertFalse(plan.finished());
    plan.done(WHOLE, true);
    assertTrue(plan.finished());
    assertFalse(plan.ready());
    assertFalse(plan.stopped());
  }

  @Test
  void whatIsLongerIsOpenedWrittenPieceByPieceAndClosed() {
    PiecePlan plan = new PiecePlan(250, 100, 2);
    assertFalse(plan.single());
    assertEquals(OPEN, plan.peek());
    assertEquals(0, plan.bytes());
    assertEquals(OPEN, plan.take());
    assertFalse(plan.ready(), "nothing before it is open");
    plan.done(OPEN, true);
    assertEquals(0, plan.offset());
    assertEquals(100, plan.bytes());
    assertEquals(BODY, plan.take());
    assertEquals(100, plan.offset());
    assertEquals(BODY, plan.take());
    assertFalse(plan.ready(), "two at a time");
    plan.done(BODY, true);
    assertEquals(200, plan.offset());
    assertEquals(50, plan.bytes());
    assertEquals(BODY, plan.take());
    assertFalse(plan.ready());
    plan.done(BODY, true);
    assertFalse(plan.ready(), "not closed while a piece is out");
    plan.done(BODY, true);
    assertEquals(CLOSE, plan.peek());
    assertEquals(0, plan.bytes());
    assertEquals(CLOSE, plan.take());
    assertFalse(plan.ready());
    plan.done(CLOSE, true);
    assertTrue(plan.finished());
    assertFalse(plan.stopped());
  }

  @Test
  void aFailedOpeningEndsIt() {
    PiecePlan plan = new PiecePlan(250, 100, 2);
    plan.take();
    plan.done(OPEN, false);
    assertTrue(plan.finished());
    assertFalse(plan.ready());
    assertTrue(plan.stopped());
  }

  @Test
  void aFailedPieceStopsTheBodyAndWhatIsOpenIsClosed() {
    PiecePlan plan = new PiecePlan(1000, 100, 3);
    plan.take();
    plan.done(OPEN, true);
    plan.take();
    plan.take();
    plan.done(BODY, false);
    assertTrue(plan.stopped());
    assertFalse(plan.ready(), "one piece is still out");
    plan.done(BODY, true);
    assertEquals(CLOSE, plan.take());
    plan.done(CLOSE, true);
    assertTrue(plan.finished());
  }

  @Test
  void stoppedBeforeItBeganItIsOver() {
    for (long length : new long[] {10, 250}) {
      PiecePlan plan = new PiecePlan(length, 100, 2);
      plan.stop();
      assertTrue(plan.finished());
      assertFalse(plan.ready());
      assertFalse(plan.started());
    }
  }

  @Test
  void stoppedWhileItOpensItIsClosedWithoutABody() {
    PiecePlan plan = new PiecePlan(250, 100, 2);
    plan.take();
    plan.stop();
    assertFalse(plan.finished());
    plan.done(OPEN, true);
    assertEquals(CLOSE, plan.take());
    plan.done(CLOSE, true);
    assertTrue(plan.finished());
  }

  @Test
  void stoppedInItsOneStepItEndsWithTheStep() {
    PiecePlan plan = new PiecePlan(10, 100, 2);
    plan.take();
    plan.stop();
    assertFalse(plan.ready());
    assertFalse(plan.finished());
    plan.done(WHOLE, true);
    assertTrue(plan.finished());
  }

  @Test
  void stoppedWhileItClosesItEndsWithTheClosing() {
    PiecePlan plan = new PiecePlan(150, 100, 2);
    plan.take();
    plan.done(OPEN, true);
    plan.take();
    plan.take();
    plan.done(BODY, true);
    plan.done(BODY, true);
    plan.take();
    plan.stop();
    assertFalse(plan.ready());
    plan.done(CLOSE, false);
    assertTrue(plan.finished());
    plan.stop();
    assertTrue(plan.finished());
  }

  @Test
  void noStepIsTakenWhereThereIsNone() {
    PiecePlan plan = new PiecePlan(10, 100, 2);
    plan.take();
    assertThrows(IllegalStateException.class, plan::take);
    assertThrows(IllegalStateException.class, plan::peek);
    PiecePlan opening = new PiecePlan(250, 100, 2);
    opening.take();
    assertThrows(IllegalStateException.class, opening::take);
  }

  @Test
  void sizesAreChecked() {
    assertThrows(IllegalArgumentException.class, () -> new PiecePlan(-1, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> new PiecePlan(1, 0, 1));
    assertThrows(IllegalArgumentException.class, () -> new PiecePlan(1, 1, 0));
  }

  /** In any order of answers, with any failure or stop: it ends, and what was opened is closed. */
  @Test
  void everyWayEnds() {
    Seeds.forEach(
        2_000,
        seed -> {
          Random random = new Random(seed);
          long length = random.nextInt(2_000);
          int pieceBytes = 1 + random.nextInt(300);
          int width = 1 + random.nextInt(5);
          PiecePlan plan = new PiecePlan(length, pieceBytes, width);
          boolean faulty = random.nextBoolean();
          List<PiecePlan.Step> out = new ArrayList<>();
          BitSet covered = new BitSet();
          boolean opened = false;
          boolean closed = false;
          for (int step = 0; !plan.finished(); step++) {
            assertTrue(step < 20_000, "it does not end");
            assertTrue(plan.ready() || !out.isEmpty(), "nothing is out and nothing can be taken");
            if (plan.ready() && (out.isEmpty() || random.nextBoolean())) {
              long offset = plan.offset();
              long bytes = plan.bytes();
              PiecePlan.Step next = plan.take();
              out.add(next);
              assertTrue(out.size() <= width);
              if (next == BODY || next == WHOLE) {
                assertTrue(bytes <= pieceBytes);
                assertEquals(-1, covered.get((int) offset) ? offset : -1, "no byte twice");
                covered.set((int) offset, (int) (offset + bytes));
              }
              closed |= next == CLOSE;
            } else {
              PiecePlan.Step back = out.remove(random.nextInt(out.size()));
              boolean ok = !faulty || random.nextInt(10) > 0;
              opened |= back == OPEN && ok;
              plan.done(back, ok);
            }
            if (faulty && random.nextInt(30) == 0) {
              plan.stop();
            }
          }
          assertEquals(opened, closed, "what was opened is closed");
          if (!plan.stopped()) {
            assertEquals(length, covered.cardinality(), "every byte");
          }
          assertTrue(faulty || !plan.stopped());
        });
  }

  @Test
  void nothingIsClosedWhereTheOpeningNeverRan() {
    PiecePlan plan = new PiecePlan(10, 4, 1);
    PiecePlan.Step open = plan.take();
    plan.stop();
    plan.withdrawn(open);
    assertTrue(plan.finished());
  }

  @Test
  void aClosingThatNeverRanIsHandedOutAgain() {
    PiecePlan plan = new PiecePlan(10, 4, 1);
    plan.done(plan.take(), true);
    plan.stop();
    PiecePlan.Step close = plan.take();
    assertEquals(PiecePlan.Step.CLOSE, close);
    plan.withdrawn(close);
    assertFalse(plan.finished());
    assertEquals(PiecePlan.Step.CLOSE, plan.take());
    plan.done(PiecePlan.Step.CLOSE, true);
    assertTrue(plan.finished());
  }
}
