package io.weft.device;

import io.weft.base.DeviceException;
import java.lang.foreign.MemorySegment;

/**
 * A chunk that is being read in pieces; its block was verified when it was opened. The descriptor
 * stays open until the last piece read has returned from the kernel.
 */
final class OpenChunk implements ChunkMedium.ChunkRead {
  private final DataFile file;
  private final int payloadSum;
  private final PieceSums sums;
  private final UseCount uses;

  /**
   * @param onClosed called once, when nobody uses the file any more
   */
  OpenChunk(DataFile file, ChunkBlock block, Runnable onClosed) {
    this.file = file;
    this.payloadSum = block.payloadCrc();
    this.sums = new PieceSums(block.payloadLength());
    this.uses = new UseCount(onClosed);
  }

  @Override
  public void read(long payloadOffset, MemorySegment piece, long spareBytes, IoScratch scratch)
      throws DeviceException {
    sums.check(payloadOffset, piece.byteSize());
    FileLayout.requireWritable(piece);
    if (!uses.enter()) {
      throw FileLayout.closed("read", file.path());
    }
    try {
      int sum =
          PayloadIo.read(file, ChunkFormat.BLOCK_BYTES + payloadOffset, piece, spareBytes, scratch);
      sums.add(payloadOffset, piece.byteSize(), sum);
    } finally {
      uses.exit();
    }
  }

  @Override
  public void verify() throws DeviceException {
    FileLayout.requireSum(file.path(), payloadSum, sums.total());
  }

  @Override
  public void close() {
    uses.close();
  }
}
