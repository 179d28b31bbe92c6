package io.weft.device;

import io.weft.base.DeviceException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A chunk that is being read in pieces; its block was verified when it was opened. The descriptor
 * stays open until the last piece read has returned from the kernel.
 */
final class OpenChunk implements ChunkMedium.ChunkRead {
  private final DataFile file;
  private final long payloadAt;
  private final int payloadSum;
  private final PieceSums sums;
  private final UseCount uses;

  /**
   * @param offset where the chunk begins in the file
   * @param onClosed called once, when nobody uses the file any more
   */
  OpenChunk(DataFile file, long offset, ChunkBlock block, Runnable onClosed) {
    this.file = file;
    this.payloadAt = offset + ChunkFormat.BLOCK_BYTES;
    this.payloadSum = block.payloadCrc();
    this.sums = new PieceSums(block.payloadLength());
    this.uses = new UseCount(onClosed);
  }

  @Override
  public void read(long payloadOffset, MemorySegment piece, long spareBytes, IoScratch scratch)
      throws DeviceException {
    sums.check(payloadOffset, piece.byteSize());
    Layout.requireWritable(piece);
    if (!uses.enter()) {
      throw Layout.closed("read", file.path());
    }
    try {
      int sum = PayloadIo.read(file, payloadAt + payloadOffset, piece, spareBytes, scratch);
      sums.add(payloadOffset, piece.byteSize(), sum);
    } finally {
      uses.exit();
    }
  }

  @Override
  public @Nullable PreparedIo prepareRead(
      long payloadOffset, MemorySegment piece, long spareBytes, IoScratch scratch)
      throws DeviceException {
    sums.check(payloadOffset, piece.byteSize());
    Layout.requireWritable(piece);
    if (piece.byteSize() == 0 || !file.takesInPlace(piece)) {
      return null;
    }
    if (!uses.enter()) {
      throw Layout.closed("read", file.path());
    }
    IoVector vector = scratch.vector();
    long tail = PayloadIo.addTarget(vector, file, piece, spareBytes, scratch);
    return new PreparedTransfer(
        file,
        false,
        vector,
        payloadAt + payloadOffset,
        piece,
        () -> {
          PayloadIo.finishTail(piece, tail, scratch);
          sums.add(payloadOffset, piece.byteSize(), Crc32c.of(piece));
        },
        uses::exit);
  }

  @Override
  public void verify() throws DeviceException {
    Layout.requireSum(file::path, payloadSum, sums.total());
  }

  @Override
  public void close() {
    uses.close();
  }
}
