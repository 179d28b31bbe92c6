package io.weft.actor;

import io.weft.core.Transfer;
import io.weft.stream.PieceRunner;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * What waits at one worker. Pieces come from any thread, and straight to the thread that runs them:
 * a way through the mailbox of the worker's actor would cost a switch of threads for each. One
 * {@link IoExecutor} at a time takes them; it may be replaced at any time, and nothing is lost.
 */
final class Inbox {

  /** A piece and who is told what becomes of it. */
  final class Job {
    private final DeviceTransfer.DevicePiece piece;
    private final PieceRunner.Listener listener;
    private boolean counts = true;

    private Job(DeviceTransfer.DevicePiece piece, PieceRunner.Listener listener) {
      this.piece = piece;
      this.listener = listener;
    }

    DeviceTransfer.DevicePiece piece() {
      return piece;
    }

    PieceRunner.Listener listener() {
      return listener;
    }

    /** The kernel is done with it. */
    void done() {
      leave();
      listener.done(piece);
    }

    /** The kernel keeps it; its executor says when it lets go. */
    void stuck() {
      if (!stuckOnesCount) {
        leave();
      }
      listener.stuck(piece);
    }

    /** It is this worker's no more. */
    void leave() {
      if (counts) {
        counts = false;
        outstanding.decrementAndGet();
      }
    }
  }

  private final ConcurrentLinkedQueue<Job> waiting = new ConcurrentLinkedQueue<>();
  private final AtomicInteger outstanding = new AtomicInteger();
  private final boolean stuckOnesCount;
  private volatile @Nullable Runnable wakeUp;

  /**
   * @param stuckOnesCount whether a piece that the kernel keeps goes on taking the room of one
   */
  Inbox(boolean stuckOnesCount) {
    this.stuckOnesCount = stuckOnesCount;
  }

  /** How many pieces are here and not back. */
  int outstanding() {
    return outstanding.get();
  }

  void add(Transfer.Piece piece, PieceRunner.Listener listener) {
    outstanding.incrementAndGet();
    waiting.add(new Job((DeviceTransfer.DevicePiece) piece, listener));
    Runnable serving = wakeUp;
    if (serving != null) {
      serving.run();
    }
  }

  /** The next one, for the executor that serves; null where none waits. */
  @Nullable Job poll() {
    return waiting.poll();
  }

  boolean isEmpty() {
    return waiting.isEmpty();
  }

  /**
   * Another executor takes the pieces from now on.
   *
   * @param wake wakes it where it waits for one; thread-safe, and never blocks
   */
  void servedBy(Runnable wake) {
    wakeUp = wake;
    wake.run();
  }
}
