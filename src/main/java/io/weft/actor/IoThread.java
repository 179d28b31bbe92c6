package io.weft.actor;

import io.weft.base.Ticker;
import io.weft.device.IoScratch;
import io.weft.stream.PieceRunner;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * One daemon thread that runs pieces on the device, one after the other, outside every dispatcher:
 * a call that the kernel does not return keeps this thread, and nothing else. It is never
 * interrupted; a thread that is given up ends by itself when the kernel lets go of it.
 */
final class IoThread {

  /** A piece and who is told what becomes of it. */
  record Job(DeviceTransfer.DevicePiece piece, PieceRunner.Listener listener) {}

  /** Hears, for its own bookkeeping, of pieces whose listener was told already. */
  @FunctionalInterface
  interface Observer {
    /**
     * @param givenUp whether the thread was given up as stuck while it ran the piece
     */
    void ended(DeviceTransfer.DevicePiece piece, boolean givenUp);
  }

  private sealed interface Item {
    record Work(Job job) implements Item {}

    record End() implements Item {}
  }

  private final LinkedBlockingQueue<Item> queue = new LinkedBlockingQueue<>();
  private final Ticker ticker;
  private final Observer observer;
  private volatile @Nullable Long busySinceNanos;
  private @Nullable Job current;
  private boolean givenUp;

  /**
   * @param pieceBytes the longest piece
   * @param observer told of every piece after its listener, on this thread
   */
  IoThread(String name, long pieceBytes, Ticker ticker, Observer observer) {
    this.ticker = ticker;
    this.observer = observer;
    Thread thread = new Thread(() -> run(pieceBytes), name);
    thread.setDaemon(true);
    thread.start();
  }

  void submit(Job job) {
    queue.add(new Item.Work(job));
  }

  /** How long the present piece has been with the kernel; 0 where there is none. */
  long busyNanos() {
    Long since = busySinceNanos;
    return since == null ? 0 : ticker.nanoTime() - since;
  }

  /**
   * The present piece counts as stuck: its listener hears so now, and of its end all the same.
   *
   * @return false where there is no present piece any more, or it was given up before
   */
  synchronized boolean giveUp() {
    Job kept = current;
    if (kept == null || givenUp) {
      return false;
    }
    givenUp = true;
    kept.listener().stuck(kept.piece());
    return true;
  }

  /** A job that waits behind the present one; null where none does. */
  @Nullable Job takeWaiting() {
    return queue.poll() instanceof Item.Work(Job job) ? job : null;
  }

  /** The thread ends after what was submitted before. */
  void end() {
    queue.add(new Item.End());
  }

  private void run(long pieceBytes) {
    try (IoScratch scratch = new IoScratch(pieceBytes)) {
      while (next() instanceof Item.Work(Job job)) {
        synchronized (this) {
          current = job;
          busySinceNanos = ticker.nanoTime();
        }
        job.piece().run(scratch);
        boolean wasGivenUp;
        synchronized (this) {
          busySinceNanos = null;
          current = null;
          wasGivenUp = givenUp;
          givenUp = false;
        }
        job.listener().done(job.piece());
        observer.ended(job.piece(), wasGivenUp);
      }
    }
  }

  private Item next() {
    while (true) {
      try {
        return queue.take();
      } catch (InterruptedException _) {
        // Only a stranger can interrupt this thread; its work goes on.
      }
    }
  }
}
