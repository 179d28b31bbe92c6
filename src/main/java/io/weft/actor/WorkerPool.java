package io.weft.actor;

import io.weft.core.Transfer;
import io.weft.device.IoScratch;
import io.weft.stream.PieceRunner;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.apache.pekko.actor.typed.ActorRef;

/**
 * The I/O workers as one: gives each piece to the worker that has the fewest. After {@link
 * #close()} there are no workers any more: what is left of a transfer, undoing mostly, gets a
 * daemon thread of its own.
 */
final class WorkerPool implements PieceRunner {
  private final List<ActorRef<IoWorkerActor.Command>> workers;
  private final AtomicIntegerArray outstanding;
  private final int capacity;
  private final long pieceBytes;
  private volatile boolean closed;
  private int next;

  WorkerPool(List<ActorRef<IoWorkerActor.Command>> workers, int queuePerWorker, long pieceBytes) {
    this.workers = List.copyOf(workers);
    this.outstanding = new AtomicIntegerArray(workers.size());
    this.capacity = workers.size() * queuePerWorker;
    this.pieceBytes = pieceBytes;
  }

  void close() {
    closed = true;
  }

  @Override
  public int capacity() {
    return capacity;
  }

  @Override
  public void run(Transfer.Piece piece, Listener listener) {
    if (closed) {
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
      return;
    }
    int worker = leastBusy();
    outstanding.incrementAndGet(worker);
    workers
        .get(worker)
        .tell(
            IoWorkerActor.execute(
                piece,
                new Listener() {
                  private boolean counts = true;

                  @Override
                  public void done(Transfer.Piece back) {
                    countOut();
                    listener.done(back);
                  }

                  // The worker goes on with another thread: it has this piece no more.
                  @Override
                  public void stuck(Transfer.Piece kept) {
                    countOut();
                    listener.stuck(kept);
                  }

                  private void countOut() {
                    if (counts) {
                      counts = false;
                      outstanding.decrementAndGet(worker);
                    }
                  }
                }));
  }

  /** A guess is good enough: two callers may choose the same worker. */
  private int leastBusy() {
    int start = (next + 1) % workers.size();
    next = start;
    int best = start;
    for (int i = 1; i < workers.size() && outstanding.get(best) > 0; i++) {
      int candidate = (start + i) % workers.size();
      if (outstanding.get(candidate) < outstanding.get(best)) {
        best = candidate;
      }
    }
    return best;
  }
}
