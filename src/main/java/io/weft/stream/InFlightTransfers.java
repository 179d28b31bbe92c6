package io.weft.stream;

import io.weft.core.Transfer;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Every transfer between its offer and its end, and every piece that is with the workers. It makes
 * sure of two things: a transfer is finished once, and when the stream around it fails, whatever
 * the stream held is brought to its end without it.
 */
final class InFlightTransfers {
  private static final Logger LOG = LoggerFactory.getLogger(InFlightTransfers.class);

  private final Set<Transfer> transfers = ConcurrentHashMap.newKeySet();
  private final Set<Transfer.Piece> withWorkers = ConcurrentHashMap.newKeySet();
  private final PieceRunner runner;

  private final PieceRunner.Listener withoutStream =
      new PieceRunner.Listener() {
        @Override
        public void done(Transfer.Piece piece) {
          back(piece);
          doneWithoutStream(piece);
        }

        @Override
        public void stuck(Transfer.Piece piece) {}
      };

  InFlightTransfers(PieceRunner runner) {
    this.runner = runner;
  }

  void add(Transfer transfer) {
    transfers.add(transfer);
  }

  void finish(Transfer transfer) {
    if (transfers.remove(transfer)) {
      transfer.finish();
    }
  }

  /**
   * @param listener calls {@link #back} for the piece
   */
  void run(Transfer.Piece piece, PieceRunner.Listener listener) {
    withWorkers.add(piece);
    runner.run(piece, listener);
  }

  /** The workers are done with it: whoever listens says so first of all. */
  void back(Transfer.Piece piece) {
    withWorkers.remove(piece);
  }

  /**
   * The stream is gone: gives up what it held. What is with the workers ends when it comes back.
   */
  void takeOverAll() {
    List.copyOf(transfers).forEach(this::takeOver);
  }

  /** Gives one transfer up; nothing happens to one that is finished. */
  void takeOver(Transfer transfer) {
    synchronized (transfer) {
      transfer.cancel(Transfer.Cancelled.RESTARTED);
      for (Transfer.Piece piece : List.copyOf(transfer.piecesOut())) {
        // Claimed: it will not run any more, wherever it lies.
        if (piece.claim() || !withWorkers.contains(piece)) {
          withWorkers.remove(piece);
          transfer.pieceDone(piece);
        }
      }
      drive(transfer);
    }
  }

  /** A piece came back after the stream was gone. */
  void doneWithoutStream(Transfer.Piece piece) {
    Transfer transfer = piece.transfer();
    synchronized (transfer) {
      if (transfer.piecesOut().contains(piece)) {
        transfer.pieceDone(piece);
      }
      transfer.cancel(Transfer.Cancelled.RESTARTED);
      drive(transfer);
    }
  }

  private void drive(Transfer transfer) {
    boolean broken = false;
    try {
      while (transfer.nextPieceBytes() >= 0) {
        run(transfer.takePiece(), withoutStream);
      }
    } catch (RuntimeException bug) {
      // Its own undoing; the others come to their end all the same.
      LOG.error("a transfer cannot be undone", bug);
      broken = true;
    }
    if (transfer.finished() || (broken && transfer.piecesOut().isEmpty())) {
      finish(transfer);
    }
  }
}
