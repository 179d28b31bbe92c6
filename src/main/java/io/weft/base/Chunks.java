package io.weft.base;

/** Constants that hold for every chunk. */
public final class Chunks {
  /** The expiry time of a chunk that does not expire. */
  public static final long NEVER = 0;

  /** The largest payload that any configuration may allow: what a Java buffer can hold. */
  public static final long MAX_PAYLOAD_BYTES = (1L << 31) - (1L << 20);

  /** The unit in which chunks take space; a chunk's self-describing block is one. */
  public static final int BLOCK_BYTES = 4096;

  private Chunks() {}

  /** What a chunk takes of the capacity: its bytes in whole blocks, and one that describes it. */
  public static long physicalBytes(long payloadLength) {
    return BLOCK_BYTES + Math.ceilDiv(payloadLength, BLOCK_BYTES) * BLOCK_BYTES;
  }

  /** Whether a chunk with this expiry time is gone at {@code nowMillis}. */
  public static boolean expired(long expiresAtMillis, long nowMillis) {
    return expiresAtMillis != NEVER && expiresAtMillis <= nowMillis;
  }
}
