package io.weft.device;

import io.weft.base.DeviceException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Writes the payload of one chunk piece by piece into an open file, and keeps the sums of the
 * pieces. The file stays in use until the last piece has returned from the kernel.
 */
final class PieceWriter {
  private final DataFile file;
  private final long payloadAt;
  private final PieceSums sums;
  private final UseCount uses;

  /**
   * @param payloadAt where in the file the payload begins
   * @param onClosed called once, when nobody uses the file any more
   */
  PieceWriter(DataFile file, long payloadAt, long payloadLength, Runnable onClosed) {
    this.file = file;
    this.payloadAt = payloadAt;
    this.sums = new PieceSums(payloadLength);
    this.uses = new UseCount(onClosed);
  }

  /** {@link ChunkMedium.ChunkWrite#write}. */
  void write(long payloadOffset, MemorySegment piece, IoScratch scratch) throws DeviceException {
    sums.check(payloadOffset, piece.byteSize());
    enter("write");
    try {
      int sum = PayloadIo.write(file, payloadAt + payloadOffset, piece, scratch);
      sums.add(payloadOffset, piece.byteSize(), sum);
    } finally {
      exit();
    }
  }

  /** {@link ChunkMedium.ChunkWrite#prepareWrite}. */
  @Nullable PreparedIo prepare(long payloadOffset, MemorySegment piece, IoScratch scratch)
      throws DeviceException {
    sums.check(payloadOffset, piece.byteSize());
    enter("write");
    return PayloadIo.prepareWrite(
        file, payloadAt + payloadOffset, piece, scratch, payloadOffset, sums, uses);
  }

  /** The checksum of the payload, where the pieces cover it. */
  int total() {
    return sums.total();
  }

  /** The file is in use until {@link #exit}; CLOSED where it is closed already. */
  void enter(String operation) throws DeviceException {
    if (!uses.enter()) {
      throw Layout.closed(operation, file.path());
    }
  }

  void exit() {
    uses.exit();
  }

  /** Nothing new is begun; idempotent. */
  void close() {
    uses.close();
  }
}
