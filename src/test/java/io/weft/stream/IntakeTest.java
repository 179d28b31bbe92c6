package io.weft.stream;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.ReplyTo;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.Metric;
import io.weft.base.Metrics;
import io.weft.sim.SimTicker;
import io.weft.stream.Intake.Admission;
import io.weft.testing.Seeds;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** The permits, the line in front of them, and that everyone is answered once. */
class IntakeTest {
  private static final Failed CLOSED = new Failed(Failed.Cause.CLOSED, "the end", null);

  private final SimTicker ticker = new SimTicker();
  private final Metrics metrics = new Metrics();
  private final List<String> answers = Collections.synchronizedList(new ArrayList<>());
  private final List<String> log = new ArrayList<>();

  private Intake intake(int operations, long bytes, int waiting) {
    return new Intake(operations, bytes, waiting, metrics, ticker);
  }

  private Deadline in(long millis) {
    return Deadline.in(Duration.ofMillis(millis), ticker);
  }

  private Admitted<String> take(Intake intake, String name, long bytes) {
    return intake.tryAdmit(
        bytes,
        in(1_000),
        failed -> failed.cause().toString(),
        reply -> answers.add(name + "=" + reply));
  }

  private Admission line(
      Intake intake, String name, long bytes, long millis, List<Admitted<String>> admitted) {
    return intake.admit(
        bytes,
        in(millis),
        failed -> failed.cause().toString(),
        (ReplyTo<String>) reply -> answers.add(name + "=" + reply),
        () -> log.add(name + " unused"),
        request -> {
          log.add(name + " admitted");
          admitted.add(request);
        });
  }

  @Test
  void noMoreOperationsThanAllowed() {
    Intake intake = intake(2, 1_000, 0);
    Admitted<String> first = take(intake, "a", 0);
    assertNotNull(take(intake, "b", 0));
    assertNull(take(intake, "c", 0));
    assertEquals(1, metrics.get(Metric.BUSY));
    assertEquals(2, intake.operations());
    assertTrue(first.answer("done"));
    assertEquals(1, intake.operations());
    assertNotNull(take(intake, "d", 0));
    assertEquals(List.of("a=done"), answers);
  }

  @Test
  void noMoreBytesThanAllowed() {
    Intake intake = intake(100, 1_000, 0);
    Admitted<String> first = take(intake, "a", 600);
    assertNull(take(intake, "b", 401));
    assertNotNull(take(intake, "c", 400));
    assertNotNull(take(intake, "no memory", 0));
    assertEquals(1_000, intake.bytesHeld());
    first.answer("done");
    assertNull(take(intake, "d", 1), "the memory is still held");
    first.memoryFree();
    first.memoryFree();
    assertEquals(400, intake.bytesHeld(), "given back once");
    assertNotNull(take(intake, "e", 600));
  }

  @Test
  void whatIsLargerThanAllGoesAlone() {
    Intake intake = intake(100, 1_000, 0);
    Admitted<String> small = take(intake, "small", 1);
    assertNull(take(intake, "huge", 5_000));
    small.memoryFree();
    assertNotNull(take(intake, "huge", 5_000));
    assertNull(take(intake, "next", 1));
    assertNotNull(take(intake, "no memory", 0));
  }

  @Test
  void whoDoesNotFitWaitsInLineInOrder() {
    Intake intake = intake(10, 1_000, 3);
    List<Admitted<String>> admitted = new ArrayList<>();
    assertEquals(Admission.ADMITTED, line(intake, "a", 1_000, 100, admitted));
    assertEquals(Admission.WAITING, line(intake, "b", 900, 100, admitted));
    assertEquals(Admission.WAITING, line(intake, "c", 200, 100, admitted));
    assertEquals(Admission.WAITING, line(intake, "d", 0, 100, admitted), "behind the others");
    assertEquals(Admission.BUSY, line(intake, "e", 0, 100, admitted), "the line is full");
    assertNull(take(intake, "raw", 0), "nobody passes the line");
    assertEquals(2, metrics.get(Metric.BUSY));
    admitted.getFirst().answer("x");
    assertEquals(1, admitted.size(), "the bytes are what they wait for");
    admitted.getFirst().memoryFree();
    assertEquals(List.of("a admitted", "b admitted"), log, "c does not fit beside b");
    admitted.get(1).answer("x");
    admitted.get(1).memoryFree();
    assertEquals(List.of("a admitted", "b admitted", "c admitted", "d admitted"), log);
  }

  @Test
  void deadlinesOfTheAcceptedAndOfThoseInLine() {
    Intake intake = intake(1, 1_000, 10);
    List<Admitted<String>> admitted = new ArrayList<>();
    line(intake, "accepted", 100, 50, admitted);
    line(intake, "soon", 0, 20, admitted);
    line(intake, "later", 0, 80, admitted);
    ticker.advance(Duration.ofMillis(19));
    intake.answerOverdue();
    assertEquals(List.of(), answers);
    ticker.advance(Duration.ofMillis(1));
    intake.answerOverdue();
    assertEquals(List.of("soon=DEADLINE"), answers);
    assertEquals(List.of("accepted admitted", "soon unused"), log, "its memory goes back");
    ticker.advance(Duration.ofMillis(30));
    intake.answerOverdue();
    assertEquals(List.of("soon=DEADLINE", "accepted=DEADLINE"), answers);
    assertEquals(2, metrics.get(Metric.DEADLINES));
    assertEquals(100, intake.bytesHeld(), "the memory of the accepted is still in use");
    assertEquals("later admitted", log.getLast(), "its operation lets the next in");
    assertFalse(admitted.getFirst().answer("too late"));
    admitted.getFirst().memoryFree();
    assertEquals(0, intake.bytesHeld());
    assertEquals(2, answers.size());
  }

  @Test
  void closedItTakesNothingAndAnswersTheLine() {
    Intake intake = intake(1, 1_000, 10);
    List<Admitted<String>> admitted = new ArrayList<>();
    line(intake, "accepted", 0, 50, admitted);
    line(intake, "waiting", 0, 50, admitted);
    assertFalse(intake.isClosed());
    intake.close(CLOSED);
    assertTrue(intake.isClosed());
    assertEquals(List.of("waiting=CLOSED"), answers);
    assertEquals(List.of("accepted admitted", "waiting unused"), log);
    assertEquals(Admission.CLOSED, line(intake, "late", 0, 50, admitted));
    assertNull(take(intake, "raw", 0));
    assertTrue(admitted.getFirst().answer("done"), "what was accepted goes on");
    line(intake, "again", 0, 50, admitted);
    assertEquals(List.of("waiting=CLOSED", "accepted=done"), answers);
  }

  @Test
  void allThatIsAcceptedCanBeFailed() {
    Intake intake = intake(10, 1_000, 10);
    take(intake, "a", 1);
    take(intake, "b", 1).answer("done");
    take(intake, "c", 1);
    intake.failAccepted(CLOSED);
    assertEquals(0, intake.operations());
    assertEquals(List.of("a=CLOSED", "b=done", "c=CLOSED"), answers.stream().sorted().toList());
  }

  /** What a host's answer throws stays with the host. */
  @Test
  void anAnswerThatThrowsHarmsNobodyElse() {
    Intake intake = intake(1, 1_000, 10);
    Admitted<String> bad =
        intake.tryAdmit(
            0,
            in(10),
            Failed::toString,
            reply -> {
              throw new IllegalStateException("the host's bug");
            });
    List<Admitted<String>> admitted = new ArrayList<>();
    intake.admit(
        0,
        in(10),
        Failed::toString,
        (ReplyTo<String>)
            reply -> {
              throw new IllegalStateException("the host's bug");
            },
        () -> log.add("unused"),
        admitted::add);
    line(intake, "good", 0, 10, admitted);
    ticker.advance(Duration.ofMillis(10));
    intake.answerOverdue();
    assertTrue(bad.answered());
    assertEquals(List.of("unused", "good unused"), log);
    assertEquals(List.of("good=DEADLINE"), answers);
    assertEquals(0, intake.operations());
  }

  /** Real threads: bounds hold at every moment, each is answered once, nothing is left. */
  @Test
  void underStress() throws Exception {
    int operations = 8;
    long bytes = 1_000;
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      Seeds.forEach(
          5,
          seed -> {
            Intake intake = intake(operations, bytes, 5_000);
            AtomicInteger begun = new AtomicInteger();
            AtomicInteger refused = new AtomicInteger();
            AtomicInteger replies = new AtomicInteger();
            AtomicInteger inside = new AtomicInteger();
            AtomicLong held = new AtomicLong();
            AtomicInteger violations = new AtomicInteger();
            AtomicBoolean over = new AtomicBoolean();
            ConcurrentLinkedQueue<Runnable> work = new ConcurrentLinkedQueue<>();
            List<Future<?>> running = new ArrayList<>();
            for (int t = 0; t < 4; t++) {
              Random random = new Random(seed * 41 + t);
              running.add(
                  threads.submit(
                      () -> {
                        for (int i = 0; i < 2_000; i++) {
                          long size = random.nextInt(4) == 0 ? 0 : random.nextInt(400);
                          begun.incrementAndGet();
                          boolean line = random.nextInt(5) > 0;
                          java.util.function.Consumer<Admitted<String>> next =
                              admitted -> {
                                if (inside.incrementAndGet() > operations
                                    || held.addAndGet(size) > bytes) {
                                  violations.incrementAndGet();
                                }
                                work.add(
                                    () -> {
                                      inside.decrementAndGet();
                                      admitted.answer("done");
                                      held.addAndGet(-size);
                                      admitted.memoryFree();
                                    });
                              };
                          ReplyTo<String> reply = _ -> replies.incrementAndGet();
                          if (line) {
                            Admission admission =
                                intake.admit(
                                    size, in(60_000), Failed::toString, reply, () -> {}, next);
                            if (admission == Admission.BUSY) {
                              refused.incrementAndGet();
                            }
                          } else {
                            Admitted<String> admitted =
                                intake.tryAdmit(size, in(60_000), Failed::toString, reply);
                            if (admitted == null) {
                              refused.incrementAndGet();
                            } else {
                              next.accept(admitted);
                            }
                          }
                        }
                      }));
            }
            for (int t = 0; t < 3; t++) {
              running.add(
                  threads.submit(
                      () -> {
                        while (!over.get() || !work.isEmpty()) {
                          Runnable next = work.poll();
                          if (next == null) {
                            Thread.onSpinWait();
                          } else {
                            next.run();
                          }
                        }
                      }));
            }
            for (int t = 0; t < 4; t++) {
              running.get(t).get(30, SECONDS);
            }
            org.awaitility.Awaitility.await()
                .pollInterval(Duration.ofMillis(2))
                .until(() -> replies.get() + refused.get() == begun.get());
            over.set(true);
            for (Future<?> each : running) {
              each.get(30, SECONDS);
            }
            assertEquals(0, violations.get(), "the bounds were passed");
            assertEquals(0, intake.operations());
            assertEquals(0, intake.bytesHeld());
            assertTrue(replies.get() > 3_000, () -> replies.get() + " got in");
          });
    }
  }
}
