package io.weft.resp;

/** How work from other threads gets into a connection's turn: one thing at a time, in order. */
interface Turns {
  /**
   * @param inTurn runs in the connection's turn
   * @param gone runs instead where the connection is gone, on any thread; one of the two runs once
   */
  void later(Runnable inTurn, Runnable gone);
}
