package io.weft.resp;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Objects;
import org.apache.pekko.util.ByteString;
import org.jspecify.annotations.Nullable;

/**
 * The bytes that came from a client and are not consumed yet, as they came: nothing is joined and
 * nothing is copied until it has a place. Not thread-safe.
 */
final class RespInput {
  private final ArrayDeque<ByteBuffer> buffers = new ArrayDeque<>();
  private long available;

  void add(ByteString bytes) {
    if (!bytes.isEmpty()) {
      buffers.add(bytes.asByteBuffer());
      available += bytes.size();
    }
  }

  /** Puts bytes before what is there. */
  void addFirst(byte[] bytes) {
    if (bytes.length > 0) {
      buffers.addFirst(ByteBuffer.wrap(bytes));
      available += bytes.length;
    }
  }

  long available() {
    return available;
  }

  /** Whatever was not consumed is forgotten. */
  void clear() {
    buffers.clear();
    available = 0;
  }

  /** The next byte, not consumed. */
  byte peek() {
    ByteBuffer first = first();
    return first.get(first.position());
  }

  byte take() {
    byte value = first().get();
    consumed(1);
    return value;
  }

  /**
   * The bytes up to the next line feed, which is consumed with the carriage return before it.
   *
   * @param most how many bytes the line may have, its end included
   * @return null where the end has not come, and nothing is consumed
   * @throws TooLong where the end does not come in time
   */
  byte @Nullable [] line(int most) throws TooLong {
    int length = 0;
    boolean found = false;
    search:
    for (ByteBuffer buffer : buffers) {
      for (int i = buffer.position(); i < buffer.limit(); i++) {
        length++;
        if (buffer.get(i) == '\n') {
          found = true;
          break search;
        }
        if (length >= most) {
          throw new TooLong();
        }
      }
    }
    if (!found) {
      return null;
    }
    byte[] line = new byte[length];
    copyTo(MemorySegment.ofArray(line), 0, length);
    int end = length - 1;
    if (end > 0 && line[end - 1] == '\r') {
      end--;
    }
    return java.util.Arrays.copyOf(line, end);
  }

  /** Consumes up to {@code most} bytes into {@code target}; says how many. */
  long copyTo(MemorySegment target, long offset, long most) {
    long copied = 0;
    while (copied < most && available > 0) {
      ByteBuffer buffer = first();
      int count = (int) Math.min(buffer.remaining(), most - copied);
      MemorySegment.copy(MemorySegment.ofBuffer(buffer), 0, target, offset + copied, count);
      buffer.position(buffer.position() + count);
      consumed(count);
      copied += count;
    }
    return copied;
  }

  /** Consumes up to {@code most} bytes; says how many. */
  long skip(long most) {
    long skipped = 0;
    while (skipped < most && available > 0) {
      ByteBuffer buffer = first();
      int count = (int) Math.min(buffer.remaining(), most - skipped);
      buffer.position(buffer.position() + count);
      consumed(count);
      skipped += count;
    }
    return skipped;
  }

  private ByteBuffer first() {
    return Objects.requireNonNull(buffers.peekFirst(), "nothing is there");
  }

  private void consumed(int count) {
    available -= count;
    if (!first().hasRemaining()) {
      buffers.removeFirst();
    }
  }

  /** A line that is longer than it may be. */
  static final class TooLong extends Exception {
    private static final long serialVersionUID = 1;

    TooLong() {
      super(null, null, false, false);
    }
  }
}
