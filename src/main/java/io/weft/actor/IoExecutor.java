package io.weft.actor;

/**
 * What runs the pieces of one worker's {@link Inbox}, on a daemon thread of its own, outside every
 * dispatcher: what the kernel does not return keeps this thread, or a slot of it, and nothing else.
 * The thread is never interrupted; one that is given up ends by itself when the kernel lets go.
 */
sealed interface IoExecutor permits IoThread, RingThread {

  /** Hears, for its own bookkeeping, of pieces whose listener was told already. */
  interface Observer {
    /**
     * @param givenUp whether the piece was given up as stuck before
     */
    void ended(DeviceTransfer.DevicePiece piece, boolean givenUp);

    /** The executor takes nothing more, because of this: a bug, or a ring that cannot be made. */
    void broke(Throwable why);
  }

  /** How long the oldest piece that is not given up has been with the kernel; 0 for none. */
  long busyNanos();

  /**
   * Pieces that have been with the kernel for so long count as stuck: their listeners hear so now,
   * and of their end all the same.
   *
   * @param most give up so many at the most
   * @return how many were
   */
  int giveUp(long stuckNanos, int most);

  /** Whether it goes on with other pieces while the kernel keeps one. */
  boolean outlivesStuck();

  /** It takes nothing more: another executor has the inbox. What it began, it ends. */
  void retire();

  /** It ends once the inbox is empty. */
  void end();
}
