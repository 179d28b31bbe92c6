package io.weft.base;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.util.function.Consumer;

/**
 * The right to use one pooled, page-aligned, off-heap buffer. One owner at a time: handing a lease
 * to the store (in a store) or receiving one from it (in a load) moves the ownership, and the owner
 * releases it exactly once. A second release is a bug and throws.
 *
 * <p>The memory behind {@link #memory()} and {@link #buffer()} must not be touched after the
 * release: it may by then belong to another chunk.
 */
public final class BufferLease implements AutoCloseable {
  private static final VarHandle RELEASED;
  private static final long LEAST_BYTES = 4096;

  static {
    try {
      RELEASED = MethodHandles.lookup().findVarHandle(BufferLease.class, "released", boolean.class);
    } catch (ReflectiveOperationException impossible) {
      throw new ExceptionInInitializerError(impossible);
    }
  }

  private final MemorySegment whole;
  private final long length;
  private final Consumer<MemorySegment> home;

  @SuppressWarnings("unused") // read and written through RELEASED
  private volatile boolean released;

  /**
   * @param whole the aligned memory, as long as the pool's size class
   * @param length how many of its bytes are the owner's to see, from the start
   * @param home where the memory goes on release; called once, on the releasing thread
   */
  public BufferLease(MemorySegment whole, long length, Consumer<MemorySegment> home) {
    if (length < 0 || length > whole.byteSize()) {
      throw new IllegalArgumentException("length " + length + " of " + whole.byteSize());
    }
    this.whole = whole;
    this.length = length;
    this.home = home;
  }

  /**
   * What a lease of this length takes of its pool: the next power of two, {@value #LEAST_BYTES} at
   * the least.
   */
  public static long pooledBytes(long length) {
    if (length < 0 || length > 1L << 40) {
      throw new IllegalArgumentException("no buffer has " + length + " bytes");
    }
    long least = Math.max(length, LEAST_BYTES);
    return Long.highestOneBit(least - 1) << 1;
  }

  /** The bytes of the lease: {@link #length()} of them. */
  public MemorySegment memory() {
    return live().asSlice(0, length);
  }

  /** All the aligned memory, padding included: where O_DIRECT may write whole blocks. */
  public MemorySegment wholeMemory() {
    return live();
  }

  /** A fresh view of the bytes, position 0, limit {@link #length()}. */
  public ByteBuffer buffer() {
    return memory().asByteBuffer();
  }

  public long length() {
    return length;
  }

  public boolean isReleased() {
    return released;
  }

  /**
   * Gives the memory back.
   *
   * @throws IllegalStateException where it was given back before
   */
  public void release() {
    if (!RELEASED.compareAndSet(this, false, true)) {
      throw new IllegalStateException("a buffer lease was released twice");
    }
    home.accept(whole);
  }

  /** {@link #release()}, for use in try-with-resources. */
  @Override
  public void close() {
    release();
  }

  private MemorySegment live() {
    if (released) {
      throw new IllegalStateException("a buffer lease was used after its release");
    }
    return whole;
  }
}
