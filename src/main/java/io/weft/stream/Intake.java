package io.weft.stream;

import io.weft.api.ReplyTo;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.Metric;
import io.weft.base.Metrics;
import io.weft.base.Ticker;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The gate in front of the store: how many requests, and how much of their memory, are in flight at
 * once. It knows every accepted request until that is answered, so that each is answered by its
 * deadline whatever happens behind the gate.
 *
 * <p>A request that does not fit is refused ({@link #tryAdmit}) or waits in line, first come first
 * served ({@link #admit}). One that is larger than all the bytes allowed goes when nothing else
 * holds memory. Thread-safe; nothing in here blocks.
 */
public final class Intake {

  /** A call that waits in line. */
  private static final class Waiter<R> {
    final long bytes;
    final Deadline deadline;
    final Function<Failed, ? extends R> failure;
    final ReplyTo<? super R> replyTo;
    final Runnable unused;
    final Consumer<Admitted<R>> admitted;

    Waiter(
        long bytes,
        Deadline deadline,
        Function<Failed, ? extends R> failure,
        ReplyTo<? super R> replyTo,
        Runnable unused,
        Consumer<Admitted<R>> admitted) {
      this.bytes = bytes;
      this.deadline = deadline;
      this.failure = failure;
      this.replyTo = replyTo;
      this.unused = unused;
      this.admitted = admitted;
    }

    Runnable begin(Intake intake) {
      Admitted<R> request = intake.register(bytes, deadline, failure, replyTo);
      return () -> admitted.accept(request);
    }

    Runnable fail(Failed failed) {
      return () -> {
        unused.run();
        Replies.<R>send(replyTo, failure.apply(failed));
      };
    }
  }

  private final int maxOperations;
  private final long maxBytes;
  private final int maxWaiting;
  private final Metrics metrics;
  private final Ticker ticker;

  private final Set<Admitted<?>> accepted = ConcurrentHashMap.newKeySet();
  private final Object lock = new Object();
  private final ArrayDeque<Waiter<?>> line = new ArrayDeque<>();
  private int operations;
  private long bytesHeld;
  private boolean closed;

  /**
   * @param maxWaiting how many calls may wait in line
   */
  public Intake(int maxOperations, long maxBytes, int maxWaiting, Metrics metrics, Ticker ticker) {
    this.maxOperations = maxOperations;
    this.maxBytes = maxBytes;
    this.maxWaiting = maxWaiting;
    this.metrics = metrics;
    this.ticker = ticker;
  }

  /**
   * Takes the permits of one request.
   *
   * @param bytes the memory that it will hold
   * @param failure how a failure is said in the request's own answer
   * @return null where there is no room or others wait in line
   */
  public <R> @Nullable Admitted<R> tryAdmit(
      long bytes,
      Deadline deadline,
      Function<Failed, ? extends R> failure,
      ReplyTo<? super R> replyTo) {
    synchronized (lock) {
      if (closed || !line.isEmpty() || !fits(bytes)) {
        metrics.add(Metric.BUSY);
        return null;
      }
      return register(bytes, deadline, failure, replyTo);
    }
  }

  /** What became of a call of {@link #admit}. */
  public enum Admission {
    ADMITTED,
    WAITING,
    /** The line is full. */
    BUSY,
    CLOSED
  }

  /**
   * Takes the permits of one request now, or waits in line for them. {@code admitted} runs once,
   * now on the caller's thread or later on whichever thread frees the room; a waiter whose deadline
   * passes is answered with that instead.
   *
   * @param unused gives the request's memory back, where it ends while it waits in line
   */
  public <R> Admission admit(
      long bytes,
      Deadline deadline,
      Function<Failed, ? extends R> failure,
      ReplyTo<? super R> replyTo,
      Runnable unused,
      Consumer<Admitted<R>> admitted) {
    Admitted<R> request;
    synchronized (lock) {
      if (closed) {
        return Admission.CLOSED;
      }
      if (!line.isEmpty() || !fits(bytes)) {
        if (line.size() >= maxWaiting) {
          metrics.add(Metric.BUSY);
          return Admission.BUSY;
        }
        line.add(new Waiter<>(bytes, deadline, failure, replyTo, unused, admitted));
        return Admission.WAITING;
      }
      request = register(bytes, deadline, failure, replyTo);
    }
    admitted.accept(request);
    return Admission.ADMITTED;
  }

  /** Answers every accepted and every waiting request whose deadline has passed. */
  public void answerOverdue() {
    long now = ticker.nanoTime();
    List<Runnable> late = new ArrayList<>();
    synchronized (lock) {
      for (Iterator<Waiter<?>> waiters = line.iterator(); waiters.hasNext(); ) {
        Waiter<?> waiter = waiters.next();
        if (waiter.deadline.passed(now)) {
          waiters.remove();
          late.add(waiter.fail(Failed.deadline()));
          metrics.add(Metric.DEADLINES);
        }
      }
    }
    late.forEach(Runnable::run);
    // After the line, so that the room goes to someone who is not late.
    for (Admitted<?> request : accepted) {
      if (request.deadline().passed(now) && request.fail(Failed.deadline())) {
        metrics.add(Metric.DEADLINES);
      }
    }
    letIn();
  }

  /** Answers everything that is accepted now with {@code failed}. */
  public void failAccepted(Failed failed) {
    for (Admitted<?> request : accepted) {
      request.fail(failed);
    }
  }

  /** Takes nothing any more; whoever waits in line is answered with {@code failed}. */
  public void close(Failed failed) {
    List<Runnable> waiting = new ArrayList<>();
    synchronized (lock) {
      closed = true;
      for (Waiter<?> waiter : line) {
        waiting.add(waiter.fail(failed));
      }
      line.clear();
    }
    waiting.forEach(Runnable::run);
  }

  public boolean isClosed() {
    synchronized (lock) {
      return closed;
    }
  }

  public int operations() {
    synchronized (lock) {
      return operations;
    }
  }

  public long bytesHeld() {
    synchronized (lock) {
      return bytesHeld;
    }
  }

  void answered(Admitted<?> request) {
    accepted.remove(request);
    synchronized (lock) {
      operations--;
    }
    letIn();
  }

  void memoryFree(long bytes) {
    synchronized (lock) {
      bytesHeld -= bytes;
    }
    letIn();
  }

  private <R> Admitted<R> register(
      long bytes,
      Deadline deadline,
      Function<Failed, ? extends R> failure,
      ReplyTo<? super R> replyTo) {
    Admitted<R> request = new Admitted<>(this, bytes, deadline, failure, replyTo);
    operations++;
    bytesHeld += bytes;
    accepted.add(request);
    return request;
  }

  private void letIn() {
    while (true) {
      Runnable next;
      synchronized (lock) {
        Waiter<?> head = line.peekFirst();
        if (head == null || !fits(head.bytes)) {
          return;
        }
        line.removeFirst();
        next = head.begin(this);
      }
      next.run();
    }
  }

  private boolean fits(long bytes) {
    return operations < maxOperations
        && (bytes == 0 || bytesHeld == 0 || bytesHeld + bytes <= maxBytes);
  }
}
