package io.weft.stream;

import io.weft.api.ReplyTo;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;

/**
 * An accepted request: it holds permits of the {@link Intake}, and it is answered exactly once,
 * whoever comes first: the store with the outcome, or the intake because the deadline passed.
 *
 * <p>The permit of the operation goes back with the answer. The permit of the bytes goes back with
 * {@link #memoryFree()}, which may be later: when the request was answered while the kernel still
 * held its memory.
 *
 * @param <R> the type of the answer
 */
public final class Admitted<R> {
  private final Intake intake;
  private final long bytes;
  private final Deadline deadline;
  private final Function<Failed, ? extends R> failure;
  private final ReplyTo<? super R> replyTo;
  private final AtomicBoolean answered = new AtomicBoolean();
  private final AtomicBoolean memoryFree = new AtomicBoolean();

  Admitted(
      Intake intake,
      long bytes,
      Deadline deadline,
      Function<Failed, ? extends R> failure,
      ReplyTo<? super R> replyTo) {
    this.intake = intake;
    this.bytes = bytes;
    this.deadline = deadline;
    this.failure = failure;
    this.replyTo = replyTo;
  }

  public Deadline deadline() {
    return deadline;
  }

  public boolean answered() {
    return answered.get();
  }

  /** Answers the request. Returns false, and does nothing, where it was answered before. */
  public boolean answer(R reply) {
    if (!answered.compareAndSet(false, true)) {
      return false;
    }
    intake.answered(this);
    Replies.send(replyTo, reply);
    return true;
  }

  /** {@link #answer} with a failure. */
  public boolean fail(Failed failed) {
    return answer(failure.apply(failed));
  }

  /** Neither the store nor the kernel uses the request's memory any more. Idempotent. */
  public void memoryFree() {
    if (memoryFree.compareAndSet(false, true)) {
      intake.memoryFree(bytes);
    }
  }
}
