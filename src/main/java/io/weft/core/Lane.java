package io.weft.core;

/** A priority class of the device queue, first to last. */
public enum Lane {
  /** A caller waits for these bytes. */
  LOAD(0),
  /** Bytes that will be wanted soon. */
  PREFETCH(1),
  /** Space that is given back; stores may be waiting for it. */
  DELETE(2),
  /** New chunks; nobody waits for a cache to be filled. */
  STORE(3);

  private final int rank;

  Lane(int rank) {
    this.rank = rank;
  }

  /** 0 goes first. */
  public int rank() {
    return rank;
  }
}
