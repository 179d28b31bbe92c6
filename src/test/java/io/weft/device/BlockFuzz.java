package io.weft.device;

import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Where a fuzzer comes in: the self-describing block of a chunk, {@code scripts/fuzz block}. */
public final class BlockFuzz {
  private static final int CRC_AT = ChunkFormat.BLOCK_BYTES - 4;

  private BlockFuzz() {}

  /**
   * @param input a block; read as it is, and once more with a checksum that fits
   */
  public static void fuzzerTestOneInput(byte[] input) {
    byte[] block = Arrays.copyOf(input, ChunkFormat.BLOCK_BYTES);
    check(block);
    MemorySegment.ofArray(block).set(ChunkFormat.U32, CRC_AT, Crc32c.of(block, 0, CRC_AT));
    check(block);
  }

  private static void check(byte[] bytes) {
    MemorySegment memory = MemorySegment.ofArray(bytes);
    var _ = ChunkFormat.fields(memory);
    ChunkBlock block;
    try {
      block = ChunkFormat.decode(memory);
    } catch (ChunkFormatException refused) {
      return;
    }
    require(block.payloadLength() >= 0 && block.payloadLength() <= Chunks.MAX_PAYLOAD_BYTES);
    require(block.key().length() <= ChunkKey.MAX_BYTES);
    require(block.metadata().length() <= ChunkMetadata.MAX_BYTES);
    byte[] again = new byte[ChunkFormat.BLOCK_BYTES];
    ChunkFormat.encode(block, MemorySegment.ofArray(again));
    int used = 64 + block.key().length() + block.metadata().length();
    require(Arrays.equals(bytes, 0, used, again, 0, used));
  }

  private static void require(boolean right) {
    if (!right) {
      throw new AssertionError("a block that no store writes was taken");
    }
  }
}
