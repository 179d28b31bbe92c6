package io.weft.actor;

import io.weft.core.Transfer;
import io.weft.device.IoScratch;
import io.weft.stream.PieceRunner;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.apache.pekko.actor.typed.ActorRef;

/**
 * The I/O workers as one: gives each piece to the worker that has the fewest. After {@link
 * #close()}, what is left of a transfer runs on the I/O thread that brings its last piece back, so
 * that files and memory are given back even then.
 */
final class WorkerPool implements PieceRunner {
  private final List<ActorRef<IoWorkerActor.Command>> workers;
  private final AtomicIntegerArray outstanding;
  private final int capacity;
  private final long pieceBytes;
  private volatile boolean closed;
  private int next;

  WorkerPool(List<ActorRef<IoWorkerActor.Command>> workers, int queuePerWorker, long pieceBytes) {
    this.pieceBytes = pieceBytes;
    this.workers = List.copyOf(workers);
    this.outstanding = new AtomicIntegerArray(workers.size());
    this.capacity = workers.size() * queuePerWorker;
  }

  @Override
  public int capacity() {
    return capacity;
  }

  void close() {
    closed = true;
  }

  @Override
  public void run(Transfer.Piece piece, DoneListener done) {
    if (closed) {
      try (IoScratch scratch = new IoScratch(pieceBytes)) {
        ((DeviceTransfer.DevicePiece) piece).run(scratch);
      }
      done.done(piece);
      return;
    }
    int worker = leastBusy();
    outstanding.incrementAndGet(worker);
    workers
        .get(worker)
        .tell(
            IoWorkerActor.execute(
                piece,
                back -> {
                  outstanding.decrementAndGet(worker);
                  done.done(back);
                }));
  }

  private int leastBusy() {
    int start = next++ % workers.size();
    int best = start;
    for (int i = 1; i < workers.size() && outstanding.get(best) > 0; i++) {
      int candidate = (start + i) % workers.size();
      if (outstanding.get(candidate) < outstanding.get(best)) {
        best = candidate;
      }
    }
    if (next > 1 << 30) {
      next = 0;
    }
    return best;
  }
}
