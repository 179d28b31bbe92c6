package io.weft.soak;

import io.weft.base.ChunkKey;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The bytes of a key's n-th value. They follow from key and number alone, length included, and hold
 * the number: whoever loads a chunk knows which value it is, and every byte that it must have.
 */
final class Values {
  /** What {@link #read} says of bytes that are no value of the key. */
  static final long NONE = -1;

  private static final ValueLayout.OfLong WORD =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final long STEP = 0x9E3779B97F4A7C15L;
  private static final int LEAST_BYTES = 4 << 10;

  private Values() {}

  /** From 4 KiB up to {@code longest}, in words; short ones are more frequent. */
  static int length(ChunkKey key, long number, int longest) {
    long mixed = mix(seed(key, number) + STEP);
    int size = LEAST_BYTES << (mixed & 7);
    int length = size + (int) ((mixed >>> 8) % size);
    return Math.min(length, longest) & -Long.BYTES;
  }

  /** Fills memory of the value's length. */
  static void fill(ChunkKey key, long number, MemorySegment target) {
    long state = seed(key, number);
    target.set(WORD, 0, number ^ key.hash64());
    for (long at = Long.BYTES; at < target.byteSize(); at += Long.BYTES) {
      state += STEP;
      target.set(WORD, at, mix(state));
    }
  }

  /**
   * The number of the value that these bytes are, each of them; {@link #NONE} where they are not.
   */
  static long read(ChunkKey key, MemorySegment loaded, int longest) {
    if (loaded.byteSize() < LEAST_BYTES) {
      return NONE;
    }
    long number = loaded.get(WORD, 0) ^ key.hash64();
    if (number < 0 || loaded.byteSize() != length(key, number, longest)) {
      return NONE;
    }
    long state = seed(key, number);
    for (long at = Long.BYTES; at < loaded.byteSize(); at += Long.BYTES) {
      state += STEP;
      if (loaded.get(WORD, at) != mix(state)) {
        return NONE;
      }
    }
    return number;
  }

  private static long seed(ChunkKey key, long number) {
    return mix(key.hash64() + number * STEP);
  }

  private static long mix(long state) {
    long mixed = (state ^ (state >>> 30)) * 0xBF58476D1CE4E5B9L;
    mixed = (mixed ^ (mixed >>> 27)) * 0x94D049BB133111EBL;
    return mixed ^ (mixed >>> 31);
  }
}
