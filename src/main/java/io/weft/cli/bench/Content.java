package io.weft.cli.bench;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/**
 * What the chunks of a run hold: the same noise everywhere, which no device can compress, and the
 * chunk's number at its head, its middle and its tail. So a store costs the bench three words, and
 * a load shows whose bytes they are. Memory once {@link #fill filled} needs {@link #stamp} alone
 * before each store; a load into it leaves it so.
 */
public final class Content {
  private static final long WORD = 0x9E3779B97F4A7C15L;

  private final MemorySegment noise;
  private final long middle;
  private final long tail;

  Content(Arena arena, int chunkBytes) {
    noise = arena.allocate(chunkBytes, Space.BLOCK_BYTES);
    middle = chunkBytes / 2;
    tail = (long) chunkBytes - Long.BYTES;
    SplittableRandom random = new SplittableRandom(chunkBytes);
    for (long at = 0; at < chunkBytes; at += Long.BYTES) {
      noise.set(JAVA_LONG_UNALIGNED, at, random.nextLong());
    }
    stamp(0, noise);
  }

  /** Makes the memory a chunk of number 0. */
  public void fill(MemorySegment payload) {
    MemorySegment.copy(noise, 0, payload, 0, noise.byteSize());
  }

  /** Makes filled memory the chunk of that number. */
  public void stamp(int chunk, MemorySegment payload) {
    long mark = mark(chunk);
    payload.set(JAVA_LONG_UNALIGNED, 0, mark);
    payload.set(JAVA_LONG_UNALIGNED, middle, mark);
    payload.set(JAVA_LONG_UNALIGNED, tail, mark);
  }

  /** Whether the marks of the chunk of that number stand in the memory. */
  public boolean isMarked(int chunk, MemorySegment payload) {
    long mark = mark(chunk);
    return payload.get(JAVA_LONG_UNALIGNED, 0) == mark
        && payload.get(JAVA_LONG_UNALIGNED, middle) == mark
        && payload.get(JAVA_LONG_UNALIGNED, tail) == mark;
  }

  /** Whether every byte is that of the chunk of that number. */
  public boolean isWhole(int chunk, MemorySegment payload) {
    return isMarked(chunk, payload)
        && same(Long.BYTES, middle, payload)
        && same(middle + Long.BYTES, tail, payload);
  }

  private boolean same(long from, long to, MemorySegment payload) {
    return MemorySegment.mismatch(noise, from, to, payload, from, to) < 0;
  }

  private static long mark(int chunk) {
    return (chunk + 1L) * WORD;
  }
}
