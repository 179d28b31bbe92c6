package io.weft.stream;

import io.weft.core.Transfer;

/** Who runs pieces on the device; the pool of I/O workers, seen from the stream. */
public interface PieceRunner {
  /** How many pieces may be handed over and not back. */
  int capacity();

  /** Runs the piece, and tells the listener on any thread. */
  void run(Transfer.Piece piece, Listener listener);

  /** Hears what becomes of a piece. */
  interface Listener {
    /** The kernel is done with it. Exactly once for each piece. */
    void done(Transfer.Piece piece);

    /**
     * The kernel has kept it for too long: another thread serves in the place of its own, and its
     * room is free. {@link #done} comes all the same, whenever the kernel lets go.
     */
    void stuck(Transfer.Piece piece);
  }
}
