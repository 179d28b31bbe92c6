package io.weft.actor;

import io.weft.base.Ticker;
import io.weft.device.IoScratch;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** Runs pieces one after the other: blocking calls, for which it waits with the kernel. */
final class IoThread implements IoExecutor {
  private static final long IDLE = Long.MIN_VALUE;

  private final Inbox inbox;
  private final Ticker ticker;
  private final Observer observer;
  private final Thread thread;
  private volatile boolean asleep;
  private volatile boolean retired;
  private volatile boolean ending;
  private volatile long busySinceNanos = IDLE;
  private Inbox.@Nullable Job current;
  private boolean givenUp;

  /**
   * @param pieceBytes the longest piece
   * @param observer told of every piece after its listener, on this thread
   */
  IoThread(String name, Inbox inbox, long pieceBytes, Ticker ticker, Observer observer) {
    this.inbox = inbox;
    this.ticker = ticker;
    this.observer = observer;
    this.thread = new Thread(() -> run(pieceBytes), name);
    thread.setDaemon(true);
    thread.start();
    inbox.servedBy(this::wake);
  }

  @Override
  public long busyNanos() {
    long since = busySinceNanos;
    return since == IDLE ? 0 : ticker.nanoTime() - since;
  }

  @Override
  public synchronized int giveUp(long stuckNanos, int most) {
    Inbox.Job kept = current;
    if (kept == null || givenUp || most < 1 || busyNanos() < stuckNanos) {
      return 0;
    }
    givenUp = true;
    kept.stuck();
    return 1;
  }

  @Override
  public boolean outlivesStuck() {
    return false;
  }

  @Override
  public void retire() {
    retired = true;
    wake();
  }

  @Override
  public void end() {
    ending = true;
    wake();
  }

  private void wake() {
    if (asleep) {
      LockSupport.unpark(thread);
    }
  }

  private void run(long pieceBytes) {
    try (IoScratch scratch = new IoScratch(pieceBytes)) {
      Inbox.Job job;
      while ((job = next()) != null) {
        synchronized (this) {
          current = job;
          busySinceNanos = ticker.nanoTime();
        }
        job.piece().run(scratch);
        boolean wasGivenUp;
        synchronized (this) {
          busySinceNanos = IDLE;
          current = null;
          wasGivenUp = givenUp;
          givenUp = false;
        }
        job.done();
        observer.ended(job.piece(), wasGivenUp);
      }
    } catch (RuntimeException | Error bug) {
      observer.broke(bug);
    }
  }

  /** The next job; null where this thread is to end. */
  private Inbox.@Nullable Job next() {
    while (!retired) {
      Inbox.Job job = inbox.poll();
      if (job != null || ending) {
        return job;
      }
      // Whoever adds a job looks at this afterwards: one of the two sees the other.
      asleep = true;
      if (inbox.isEmpty() && !retired && !ending) {
        LockSupport.park(this);
        // Only a stranger can interrupt this thread; its work goes on.
        var _ = Thread.interrupted();
      }
      asleep = false;
    }
    return null;
  }
}
