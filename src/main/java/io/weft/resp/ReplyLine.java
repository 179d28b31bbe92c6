package io.weft.resp;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.Objects;
import org.apache.pekko.util.ByteString;
import org.jspecify.annotations.Nullable;

/**
 * The replies that a connection is owed, in the order of its commands. RESP has no request ids: a
 * reply that is ready waits for those before it. Used in the connection's turn only.
 */
final class ReplyLine {
  /** The most bytes that are handed to the socket at once. */
  static final int PIECE = 256 << 10;

  private static final byte[] END = {'\r', '\n'};

  /** The place of one reply, or of one part of it. */
  final class Slot {
    private @Nullable ByteString head;
    private ValueMemory.@Nullable Held body;
    private MemorySegment rest = MemorySegment.NULL;
    private long bodyLength;

    /** The whole reply. */
    void ready(ByteString reply) {
      head = Objects.requireNonNull(reply);
      if (!gone) {
        heapBytes += reply.size();
      }
    }

    /** A bulk string, whose memory goes back when the socket has it. */
    void ready(ValueMemory.Held value, long length) {
      if (gone) {
        value.release();
        return;
      }
      body = value;
      rest = value.whole().asSlice(0, length);
      bodyLength = length;
      head = ByteString.fromArrayUnsafe(RespWriter.bulkHeader(length));
    }

    private long total() {
      return Objects.requireNonNull(head).size() + (body == null ? 0 : bodyLength + END.length);
    }
  }

  private final ArrayDeque<Slot> line = new ArrayDeque<>();

  /** How much of the first reply was handed out. */
  private long sent;

  /** What replies that are ready, and not handed out whole, hold of the heap. */
  private long heapBytes;

  private boolean gone;

  Slot slot() {
    Slot slot = new Slot();
    line.add(slot);
    return slot;
  }

  void ready(ByteString reply) {
    slot().ready(reply);
  }

  int size() {
    return line.size();
  }

  boolean isEmpty() {
    return line.isEmpty();
  }

  /** Bytes of the heap that the client is to read before it is listened to again. */
  long heapBytes() {
    return heapBytes;
  }

  /** The next bytes for the socket, {@value #PIECE} at the most; null where none are ready. */
  @Nullable ByteString next() {
    long ready = -sent;
    int parts = 0;
    for (Iterator<Slot> slots = line.iterator(); slots.hasNext() && ready < PIECE; parts++) {
      Slot slot = slots.next();
      if (slot.head == null) {
        break;
      }
      ready += slot.total();
    }
    if (ready <= 0) {
      return null;
    }
    Slot first = line.getFirst();
    if (parts == 1 && first.body == null && ready <= PIECE && sent == 0) {
      removeFirst();
      return first.head;
    }
    byte[] piece = new byte[(int) Math.min(ready, PIECE)];
    int at = 0;
    while (at < piece.length) {
      at += copy(line.getFirst(), piece, at);
    }
    return ByteString.fromArrayUnsafe(piece);
  }

  private void removeFirst() {
    Slot first = line.removeFirst();
    if (first.body == null) {
      heapBytes -= Objects.requireNonNull(first.head).size();
    }
  }

  /** Copies what fits of the first reply, and ends it where that was its last byte. */
  private int copy(Slot slot, byte[] piece, int at) {
    byte[] head = Objects.requireNonNull(slot.head).toArrayUnsafe();
    int copied = 0;
    int count;
    if (sent < head.length) {
      count = Math.min((int) (head.length - sent), piece.length - at);
      System.arraycopy(head, (int) sent, piece, at, count);
      copied += count;
      sent += count;
    }
    ValueMemory.Held body = slot.body;
    if (body != null) {
      long done = sent - head.length;
      if (done >= 0 && done < slot.bodyLength) {
        count = (int) Math.min(slot.bodyLength - done, piece.length - at - copied);
        MemorySegment.copy(slot.rest, done, MemorySegment.ofArray(piece), at + copied, count);
        copied += count;
        sent += count;
        done += count;
      }
      if (done >= slot.bodyLength && done < slot.bodyLength + END.length) {
        count = Math.min((int) (slot.bodyLength + END.length - done), piece.length - at - copied);
        System.arraycopy(END, (int) (done - slot.bodyLength), piece, at + copied, count);
        copied += count;
        sent += count;
      }
    }
    if (sent == slot.total()) {
      removeFirst();
      sent = 0;
      if (body != null) {
        body.release();
      }
    }
    return copied;
  }

  /** Nobody reads replies any more: what is ready, and what will be, gives its memory back. */
  void close() {
    gone = true;
    for (Slot slot : line) {
      if (slot.body != null) {
        slot.body.release();
      }
    }
    line.clear();
    heapBytes = 0;
  }
}
