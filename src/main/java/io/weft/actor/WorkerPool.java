package io.weft.actor;

import io.weft.core.Transfer;
import io.weft.device.IoScratch;
import io.weft.stream.PieceRunner;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The I/O workers as one: gives what a ring can run to the ring's worker, and every other piece to
 * the worker that has the fewest. After {@link #close()} there are no workers any more: what is
 * left of a transfer, undoing mostly, gets a daemon thread of its own. What waits in an inbox by
 * then, whose worker may have ended, comes back without having run, or is undone likewise.
 */
final class WorkerPool implements PieceRunner {
  private final List<Inbox> threads;
  private final @Nullable Inbox ring;
  private final int ringDepth;
  private final int capacity;
  private final long pieceBytes;
  private volatile boolean closed;
  private int next;

  /**
   * @param threads the inboxes of workers with a blocking thread each
   * @param queuePerWorker pieces that each of them may have
   * @param ring the inbox of the worker with a ring; null where there is none
   * @param ringDepth pieces that it may have
   */
  WorkerPool(
      List<Inbox> threads,
      int queuePerWorker,
      @Nullable Inbox ring,
      int ringDepth,
      long pieceBytes) {
    this.threads = List.copyOf(threads);
    this.ring = ring;
    this.ringDepth = ringDepth;
    int onThreads = threads.size() * queuePerWorker;
    this.capacity = ring == null ? onThreads : Math.max(onThreads, ringDepth);
    this.pieceBytes = pieceBytes;
  }

  void close() {
    closed = true;
    emptyInboxes();
  }

  /** As many as the threads have room for, or the ring has slots, whichever is more. */
  @Override
  public int capacity() {
    return capacity;
  }

  @Override
  public void run(Transfer.Piece piece, Listener listener) {
    Inbox deep = ring;
    if (deep != null
        && deep.outstanding() < ringDepth
        && ((DeviceTransfer.DevicePiece) piece).mayBePrepared()) {
      hand(deep, piece, listener);
    } else {
      hand(leastBusy(), piece, listener);
    }
  }

  /** The ring found that it cannot run this one. */
  void runOnThread(Inbox.Job job) {
    job.leave();
    hand(leastBusy(), job.piece(), job.listener());
  }

  private void hand(Inbox worker, Transfer.Piece piece, Listener listener) {
    if (closed) {
      runAlone(piece, listener);
      return;
    }
    worker.add(piece, listener);
    if (closed) {
      emptyInboxes();
    }
  }

  /** Beside workers that may still run, each piece is taken by one of the two. */
  private void emptyInboxes() {
    threads.forEach(this::emptyInbox);
    if (ring != null) {
      emptyInbox(ring);
    }
  }

  private void emptyInbox(Inbox inbox) {
    Inbox.Job job;
    while ((job = inbox.poll()) != null) {
      job.leave();
      if (job.piece().withdraw()) {
        job.listener().done(job.piece());
      } else {
        runAlone(job.piece(), job.listener());
      }
    }
  }

  private void runAlone(Transfer.Piece piece, Listener listener) {
    Thread undoing =
        new Thread(
            () -> {
              try (IoScratch scratch = new IoScratch(pieceBytes)) {
                ((DeviceTransfer.DevicePiece) piece).run(scratch);
              }
              listener.done(piece);
            },
            "weft-undo");
    undoing.setDaemon(true);
    undoing.start();
  }

  /** A guess is good enough: two callers may choose the same worker. */
  private Inbox leastBusy() {
    int start = (next + 1) % threads.size();
    next = start;
    Inbox best = threads.get(start);
    int fewest = best.outstanding();
    for (int i = 1; i < threads.size() && fewest > 0; i++) {
      Inbox candidate = threads.get((start + i) % threads.size());
      int has = candidate.outstanding();
      if (has < fewest) {
        best = candidate;
        fewest = has;
      }
    }
    return best;
  }
}
