package io.weft.core;

import org.jspecify.annotations.Nullable;

/**
 * The device work of one request, cut into pieces that the lanes choose between. A transfer lives
 * in the lanes only: all of its methods are called from one place at a time, by the owner of the
 * {@link LaneScheduler}.
 *
 * <p>Life: the scheduler takes pieces while {@link #nextPieceBytes()} is not negative; every piece
 * comes back through {@link #pieceDone}; when {@link #finished()} holds, {@link #finish()} is
 * called once and reports the result to whoever made the transfer.
 */
public interface Transfer {

  Lane lane();

  /** {@link io.weft.base.Deadline#nanos()} of the request. */
  long deadlineNanos();

  /**
   * The device bytes of the next piece; -1 while there is none to run (all are out, or the next
   * step needs the earlier ones done).
   */
  long nextPieceBytes();

  /** Takes the next piece. Called only while {@link #nextPieceBytes()} is not negative. */
  Piece takePiece();

  /** A piece came back. */
  void pieceDone(Piece piece);

  /** The pieces that were taken and did not come back. */
  java.util.Collection<Piece> piecesOut();

  /** Whether any piece was taken yet. */
  boolean started();

  /**
   * Gives the transfer up: no further piece of the work itself is handed out, but what it already
   * did on the device may still need pieces to be undone.
   */
  void cancel(Cancelled why);

  /** Whether nothing is out and nothing is left to do. */
  boolean finished();

  /** Reports the result. Once, after {@link #finished()}. */
  void finish();

  /** Why a transfer was given up. */
  enum Cancelled {
    DEADLINE,
    CLOSED,
    RESTARTED
  }

  /** One step on the device. */
  interface Piece {
    Transfer transfer();

    /** The bytes that the piece moves: what it counts against the bytes in flight. */
    long bytes();

    /** What stopped it, set before it comes back; null after success. */
    @Nullable Throwable failure();

    /** Takes the right to run the piece, or to give it up unrun. True for one caller only. */
    boolean claim();
  }
}
