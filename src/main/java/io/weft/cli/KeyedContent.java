package io.weft.cli;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.weft.base.ChunkKey;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Chunk contents that follow from the key alone, so that whoever loads a chunk knows every byte
 * that it must have: word {@code i} is the {@code i}-th number of splitmix64 seeded with the key's
 * {@link ChunkKey#hash64()}. Fast enough to keep a device busy from one thread.
 */
final class KeyedContent {
  private static final ValueLayout.OfLong WORD =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final long STEP = 0x9E3779B97F4A7C15L;

  private KeyedContent() {}

  /** Writes the first {@code target.byteSize()} bytes of the key's content. */
  static void fill(ChunkKey key, MemorySegment target) {
    long state = key.hash64();
    long length = target.byteSize();
    long whole = length & -Long.BYTES;
    for (long at = 0; at < whole; at += Long.BYTES) {
      state += STEP;
      target.set(WORD, at, mix(state));
    }
    if (whole < length) {
      long last = mix(state + STEP);
      for (long at = whole; at < length; at++) {
        target.set(JAVA_BYTE, at, (byte) last);
        last >>>= Byte.SIZE;
      }
    }
  }

  /** How many of the bytes are not those of the key's content. */
  static long wrongBytes(ChunkKey key, MemorySegment loaded) {
    long state = key.hash64();
    long length = loaded.byteSize();
    long whole = length & -Long.BYTES;
    long wrong = 0;
    for (long at = 0; at < whole; at += Long.BYTES) {
      state += STEP;
      long difference = loaded.get(WORD, at) ^ mix(state);
      if (difference != 0) {
        wrong += bytesSet(difference);
      }
    }
    if (whole < length) {
      long last = mix(state + STEP);
      for (long at = whole; at < length; at++) {
        if (loaded.get(JAVA_BYTE, at) != (byte) last) {
          wrong++;
        }
        last >>>= Byte.SIZE;
      }
    }
    return wrong;
  }

  private static int bytesSet(long word) {
    int count = 0;
    for (long left = word; left != 0; left >>>= Byte.SIZE) {
      if ((left & 0xff) != 0) {
        count++;
      }
    }
    return count;
  }

  private static long mix(long state) {
    long mixed = (state ^ (state >>> 30)) * 0xBF58476D1CE4E5B9L;
    mixed = (mixed ^ (mixed >>> 27)) * 0x94D049BB133111EBL;
    return mixed ^ (mixed >>> 31);
  }
}
