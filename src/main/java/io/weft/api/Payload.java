package io.weft.api;

import io.weft.base.BufferLease;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * The bytes of a chunk on their way in, and who owns them. One payload serves one request.
 *
 * <ul>
 *   <li>Memory of the caller ({@link #of(ByteBuffer)}, {@link #of(MemorySegment)}, {@link
 *       #of(byte[])}) is lent: it must stay as it is, and alive, until {@link #released()}. Native
 *       memory whose address is a multiple of the device's block is read by the device where it
 *       lies; any other is copied piece by piece through a bounce buffer.
 *   <li>A lease ({@link #of(BufferLease)}) is handed over: the store releases it.
 * </ul>
 */
public final class Payload extends UseOnce {
  private final MemorySegment memory;
  private final @Nullable BufferLease lease;

  private Payload(MemorySegment memory, @Nullable BufferLease lease) {
    this.memory = memory;
    this.lease = lease;
  }

  /** The bytes between the buffer's position and limit; the buffer itself is not moved. */
  public static Payload of(ByteBuffer bytes) {
    return new Payload(MemorySegment.ofBuffer(bytes), null);
  }

  /** All bytes of the segment, which any thread must be able to read. */
  public static Payload of(MemorySegment bytes) {
    return new Payload(bytes, null);
  }

  public static Payload of(byte[] bytes) {
    return new Payload(MemorySegment.ofArray(bytes), null);
  }

  /** The lease's bytes; the lease is the store's from the call that takes this payload on. */
  public static Payload of(BufferLease lease) {
    return new Payload(lease.memory(), lease);
  }

  public long length() {
    return memory.byteSize();
  }

  public MemorySegment memory() {
    return memory;
  }

  @Override
  void onRelease() {
    if (lease != null) {
      lease.release();
    }
  }

  @Override
  public String toString() {
    return "Payload[" + length() + " bytes]";
  }
}
