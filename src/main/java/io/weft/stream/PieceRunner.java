package io.weft.stream;

import io.weft.core.Transfer;

/** Who runs pieces on the device; the pool of I/O workers, seen from the stream. */
public interface PieceRunner {
  /** How many pieces may be handed over and not back. */
  int capacity();

  /**
   * Runs the piece. {@code done} is called exactly once for it, on any thread, when the kernel is
   * done with it.
   */
  void run(Transfer.Piece piece, DoneListener done);

  /** Hears of finished pieces. */
  @FunctionalInterface
  interface DoneListener {
    void done(Transfer.Piece piece);
  }
}
