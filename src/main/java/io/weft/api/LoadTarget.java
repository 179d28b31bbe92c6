package io.weft.api;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Where the bytes of a chunk go on their way out. One target serves one request.
 *
 * <p>Memory of the caller is lent until {@link #released()}: before that the device may still write
 * into it, and what it holds means nothing before the load is answered as loaded. Native memory at
 * an address that is a multiple of the device's block, with room for whole blocks, is written by
 * the device where it lies; bytes beyond the chunk, up to the next block, may then be overwritten.
 */
public final class LoadTarget extends UseOnce {
  private final @Nullable MemorySegment memory;

  private LoadTarget(@Nullable MemorySegment memory) {
    this.memory = memory;
  }

  /** Into the buffer from its position on; the buffer itself is not moved. */
  public static LoadTarget into(ByteBuffer target) {
    if (target.isReadOnly()) {
      throw new IllegalArgumentException("a chunk cannot be loaded into a read-only buffer");
    }
    return new LoadTarget(MemorySegment.ofBuffer(target));
  }

  /** Into the segment, which any thread must be able to write. */
  public static LoadTarget into(MemorySegment target) {
    if (target.isReadOnly()) {
      throw new IllegalArgumentException("a chunk cannot be loaded into a read-only segment");
    }
    return new LoadTarget(target);
  }

  /** Into a lease that the store provides and the caller releases. */
  public static LoadTarget lease() {
    return new LoadTarget(null);
  }

  /** The caller's memory; null where a lease is asked for. */
  public @Nullable MemorySegment memory() {
    return memory;
  }

  /** How many bytes fit; as many as any chunk has where a lease is asked for. */
  public long capacityBytes() {
    return memory == null ? Long.MAX_VALUE : memory.byteSize();
  }

  @Override
  public String toString() {
    return memory == null ? "LoadTarget[lease]" : "LoadTarget[" + memory.byteSize() + " bytes]";
  }
}
