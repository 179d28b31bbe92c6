package io.weft.device;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/**
 * The areas of native memory that one vectored read or write touches, in order: the kernel's array
 * of {@code struct iovec}. Holds plain addresses; {@link Posix#preadv} says who keeps the memory.
 */
final class IoVector {
  private static final int MAX_AREAS = 4;
  private static final int AREA_BYTES = 16;
  static final int BYTES = MAX_AREAS * AREA_BYTES;

  private final MemorySegment areas;

  /** The areas as they were added: address and length of each. */
  private final long[] added = new long[2 * MAX_AREAS];

  private int first;
  private int end;
  private long bytes;

  IoVector(MemorySegment areas) {
    this.areas = areas;
  }

  void clear() {
    first = 0;
    end = 0;
    bytes = 0;
  }

  /** Appends {@code length} bytes from {@code address}; nothing where there are none. */
  void add(long address, long length) {
    if (length == 0) {
      return;
    }
    if (end == MAX_AREAS) {
      throw new IllegalStateException("more than " + MAX_AREAS + " areas");
    }
    added[2 * end] = address;
    added[2 * end + 1] = length;
    areas.set(JAVA_LONG, (long) end * AREA_BYTES, address);
    areas.set(JAVA_LONG, (long) end * AREA_BYTES + 8, length);
    end++;
    bytes += length;
  }

  void add(MemorySegment area) {
    add(area.address(), area.byteSize());
  }

  /** Drops the first {@code count} bytes: those that were moved. */
  void advance(long count) {
    bytes -= count;
    long left = count;
    while (left > 0) {
      long at = (long) first * AREA_BYTES;
      long length = areas.get(JAVA_LONG, at + 8);
      if (left < length) {
        areas.set(JAVA_LONG, at, areas.get(JAVA_LONG, at) + left);
        areas.set(JAVA_LONG, at + 8, length - left);
        return;
      }
      left -= length;
      first++;
    }
  }

  /** Takes back every {@link #advance}. */
  void rewind() {
    int count = end;
    clear();
    while (end < count) {
      add(added[2 * end], added[2 * end + 1]);
    }
  }

  /** The bytes of all areas. */
  long bytes() {
    return bytes;
  }

  long address() {
    return areas.address() + (long) first * AREA_BYTES;
  }

  int count() {
    return end - first;
  }
}
