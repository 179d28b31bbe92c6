package io.weft.stream;

import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.Metrics;
import io.weft.base.Ticker;
import io.weft.testing.Interleavings;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.ThreadIdGen;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The permits of the intake, its line and the one answer of a request, in any order of events. */
@Tag("interleavings")
class IntakeInterleavingsTest {
  private static final int THREADS_MAX = 8;
  private static final Ticker STILL =
      new Ticker() {
        @Override
        public long nanoTime() {
          return 0;
        }

        @Override
        public long epochMillis() {
          return 0;
        }
      };
  private static final Deadline LATER = Deadline.in(Duration.ofDays(1), STILL);

  private static List<ArrayDeque<Admitted<String>>> requests() {
    return Stream.generate(ArrayDeque<Admitted<String>>::new).limit(THREADS_MAX).toList();
  }

  /** Two operations and three bytes. */
  @Param(name = "thread", gen = ThreadIdGen.class)
  @Param(name = "bytes", gen = IntGen.class, conf = "0:4")
  public static final class Permits {
    private final Intake intake = new Intake(2, 3, 0, new Metrics(), STILL);
    private final List<ArrayDeque<Admitted<String>>> running = requests();
    private final List<ArrayDeque<Admitted<String>>> answered = requests();

    @Operation
    public boolean admit(@Param(name = "thread") int thread, @Param(name = "bytes") int bytes) {
      Admitted<String> request = intake.tryAdmit(bytes, LATER, Failed::detail, _ -> {});
      if (request != null) {
        running.get(thread).add(request);
      }
      return request != null;
    }

    @Operation
    public boolean answer(@Param(name = "thread") int thread) {
      Admitted<String> request = running.get(thread).poll();
      if (request != null) {
        answered.get(thread).add(request);
      }
      return request != null && request.answer("done");
    }

    @Operation
    public boolean freeMemory(@Param(name = "thread") int thread) {
      Admitted<String> request = answered.get(thread).poll();
      if (request != null) {
        request.memoryFree();
        request.memoryFree();
      }
      return request != null;
    }

    @Operation
    public int operations() {
      return intake.operations();
    }

    @Operation
    public long bytesHeld() {
      return intake.bytesHeld();
    }
  }

  /**
   * With a line of two. Not asked for what is held: it is in between while a thread that gives back
   * lets the next one in.
   */
  @Param(name = "thread", gen = ThreadIdGen.class)
  @Param(name = "bytes", gen = IntGen.class, conf = "1:3")
  public static final class Line {
    private final AtomicInteger lettingIn = new AtomicInteger();
    private final AtomicInteger waiting = new AtomicInteger();
    private final Intake intake = new Intake(2, 3, 2, new Metrics(), STILL);
    private final List<ArrayDeque<Admitted<String>>> running = requests();

    @Operation
    public String wait(@Param(name = "bytes") int bytes) {
      Intake.Admission admission =
          intake.admit(
              bytes,
              LATER,
              Failed::detail,
              _ -> {},
              () -> {},
              (Admitted<String> _) -> lettingIn.incrementAndGet());
      if (admission == Intake.Admission.ADMITTED || admission == Intake.Admission.WAITING) {
        waiting.incrementAndGet();
      }
      return admission.name();
    }

    @Operation
    public boolean admit(@Param(name = "thread") int thread, @Param(name = "bytes") int bytes) {
      Admitted<String> request = intake.tryAdmit(bytes, LATER, Failed::detail, _ -> {});
      if (request != null) {
        running.get(thread).add(request);
      }
      return request != null;
    }

    @Operation
    public boolean finish(@Param(name = "thread") int thread) {
      Admitted<String> request = running.get(thread).poll();
      if (request != null) {
        request.memoryFree();
        request.answer("done");
      }
      return request != null;
    }

    @Validate
    public void nobodyWaitsBesideRoom() {
      int inside = lettingIn.get() + running.stream().mapToInt(ArrayDeque::size).sum();
      if (intake.operations() != inside || inside > 2) {
        throw new AssertionError(intake.operations() + " operations, " + inside + " inside");
      }
      if (intake.bytesHeld() == 0 && waiting.get() > lettingIn.get()) {
        throw new AssertionError("somebody waits, and nothing is held");
      }
    }
  }

  /** One request, which all want to answer. */
  public static final class OneRequest {
    private final AtomicInteger replies = new AtomicInteger();
    private final Intake intake = new Intake(1, 1, 0, new Metrics(), STILL);
    private final Admitted<String> request =
        java.util.Objects.requireNonNull(
            intake.tryAdmit(1, LATER, Failed::detail, _ -> replies.incrementAndGet()));

    @Operation
    public boolean answer() {
      return request.answer("done");
    }

    @Operation
    public boolean fail() {
      return request.fail(Failed.deadline());
    }

    @Operation
    public void freeMemory() {
      request.memoryFree();
    }

    @Operation
    public void failAll() {
      intake.failAccepted(Failed.deadline());
    }

    @Validate
    public void oneReplyAndNoPermitTwice() {
      if (replies.get() != (request.answered() ? 1 : 0)) {
        throw new AssertionError(replies + " replies");
      }
      if (intake.operations() != (request.answered() ? 0 : 1) || intake.bytesHeld() < 0) {
        throw new AssertionError(intake.operations() + " operations, " + intake.bytesHeld());
      }
    }
  }

  @Test
  void permitsAreNeverMoreThanThereAre() {
    Interleavings.exploreWhenLong(Permits.class);
    Interleavings.stress(Permits.class);
  }

  @Test
  void theLineGoesOnWithEveryPermitThatComesBack() {
    Interleavings.exploreWhenLong(Line.class);
    Interleavings.stress(Line.class);
  }

  @Test
  void aRequestIsAnsweredOnce() {
    Interleavings.exploreWhenLong(OneRequest.class);
    Interleavings.stress(OneRequest.class);
  }
}
