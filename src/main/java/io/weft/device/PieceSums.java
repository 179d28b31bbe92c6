package io.weft.device;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** The checksums of a payload's pieces, until they cover all of it. Thread-safe. */
final class PieceSums {
  private record Piece(long offset, long length, int sum) {}

  private final long payloadLength;
  private final List<Piece> pieces = new ArrayList<>();

  PieceSums(long payloadLength) {
    this.payloadLength = payloadLength;
  }

  /**
   * Checks a piece before it is moved.
   *
   * @throws IllegalArgumentException where it does not begin on a block, leaves the payload, or
   *     ends neither on a block nor with the payload
   */
  void check(long offset, long length) {
    boolean inside = offset >= 0 && length >= 0 && length <= payloadLength - offset;
    boolean whole =
        ChunkFormat.isAligned(offset)
            && (ChunkFormat.isAligned(length) || offset + length == payloadLength);
    if (!inside || !whole) {
      throw new IllegalArgumentException(
          "a piece of %d bytes at %d of a payload of %d: pieces are whole blocks of %d bytes, the"
                  .formatted(length, offset, payloadLength, ChunkFormat.BLOCK_BYTES)
              + " last one excepted");
    }
  }

  synchronized void add(long offset, long length, int sum) {
    if (length > 0) {
      pieces.add(new Piece(offset, length, sum));
    }
  }

  /**
   * The sum of the whole payload.
   *
   * @throws IllegalStateException where pieces overlap or are missing
   */
  synchronized int total() {
    pieces.sort(Comparator.comparingLong(Piece::offset));
    long end = 0;
    int sum = 0;
    for (Piece piece : pieces) {
      if (piece.offset != end) {
        break;
      }
      sum = Crc32cCombine.combine(sum, piece.sum, piece.length);
      end += piece.length;
    }
    if (end != payloadLength || covered() != payloadLength) {
      throw new IllegalStateException(
          "the pieces cover %d of %d bytes in a row, %d with repetitions"
              .formatted(end, payloadLength, covered()));
    }
    return sum;
  }

  private long covered() {
    return pieces.stream().mapToLong(Piece::length).sum();
  }
}
