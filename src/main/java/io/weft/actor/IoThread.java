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

  /**
   * A piece and who is told of its end.
   *
   * @param done told by the worker when it has heard of the end
   */
  record Job(DeviceTransfer.DevicePiece piece, PieceRunner.DoneListener done) {}

  /** Hears of finished pieces. */
  @FunctionalInterface
  interface Listener {
    /**
     * @param givenUp whether the thread was given up as stuck while it ran the piece
     */
    void finished(Job job, boolean givenUp);
  }

  private sealed interface Item {
    record Work(Job job) implements Item {}

    record End() implements Item {}
  }

  private final LinkedBlockingQueue<Item> queue = new LinkedBlockingQueue<>();
  private final Ticker ticker;
  private final Listener finished;
  private volatile @Nullable Long busySinceNanos;
  private boolean givenUp;

  /**
   * @param pieceBytes the longest piece
   * @param finished told of every finished piece, on this thread
   */
  IoThread(String name, long pieceBytes, Ticker ticker, Listener finished) {
    this.ticker = ticker;
    this.finished = finished;
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
   * The present piece counts as stuck; its end will say so.
   *
   * @return false where there is no present piece any more
   */
  synchronized boolean giveUp() {
    givenUp = busySinceNanos != null;
    return givenUp;
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
        busySinceNanos = ticker.nanoTime();
        job.piece().run(scratch);
        boolean wasGivenUp;
        synchronized (this) {
          busySinceNanos = null;
          wasGivenUp = givenUp;
          givenUp = false;
        }
        finished.finished(job, wasGivenUp);
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
