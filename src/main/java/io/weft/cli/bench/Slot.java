package io.weft.cli.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/**
 * Memory for one operation at a time, aligned for direct I/O.
 *
 * @param memory room for a chunk and the block that describes it
 * @param payload its beginning, a chunk long
 * @param buffer the same memory as {@code memory}
 * @param payloadBuffer the same memory as {@code payload}
 */
public record Slot(
    MemorySegment memory, MemorySegment payload, ByteBuffer buffer, ByteBuffer payloadBuffer) {

  static Slot allocate(Arena arena, int chunkBytes) {
    MemorySegment memory = arena.allocate(chunkBytes + Space.BLOCK_BYTES, Space.BLOCK_BYTES);
    MemorySegment payload = memory.asSlice(0, chunkBytes);
    return new Slot(memory, payload, memory.asByteBuffer(), payload.asByteBuffer());
  }
}
