package io.weft.device;

import io.weft.base.BufferLease;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Aligned off-heap memory for payloads, leased in size classes of powers of two and bounded in
 * bytes. Memory that comes back is kept for the next lease of its class; where another class needs
 * the room, free memory of the other classes is given back to the system, the largest first.
 *
 * <p>New memory is all zeros. Memory that was leased before holds the bytes of its earlier leases
 * beyond the lease's own length, except that the rest of the last block of {@link
 * IoScratch#ALIGNMENT} bytes is zeroed at each lease. The bytes of the lease itself are whatever
 * they were: the new owner writes them before it reads them.
 *
 * <p>Thread-safe. The lock is held for a few steps over deques; memory is allocated and freed
 * outside of it.
 */
public final class AlignedBufferPool implements AutoCloseable {
  private static final int SMALLEST_CLASS = Integer.numberOfTrailingZeros(IoScratch.ALIGNMENT);

  private final long boundBytes;
  private final Object lock = new Object();

  /** Free memory by size class, the most recently used first: it is the warmest. */
  private final List<Deque<Pooled>> free = new ArrayList<>();

  /** What the system has given us: leased, free, or about to be either. */
  private long heldBytes;

  private long leasedBytes;
  private boolean closed;

  /** One piece of memory, and the way home for its leases. */
  private final class Pooled implements Consumer<MemorySegment> {
    final Arena arena;
    final MemorySegment memory;

    Pooled(Arena arena, MemorySegment memory) {
      this.arena = arena;
      this.memory = memory;
    }

    @Override
    public void accept(MemorySegment whole) {
      giveBack(this);
    }
  }

  /**
   * @param boundBytes the most memory that the pool ever holds, leased and free together
   */
  public AlignedBufferPool(long boundBytes) {
    if (boundBytes < 0) {
      throw new IllegalArgumentException("a pool cannot hold " + boundBytes + " bytes");
    }
    this.boundBytes = boundBytes;
    for (int i = SMALLEST_CLASS; i < Long.SIZE; i++) {
      free.add(new ArrayDeque<>());
    }
  }

  /**
   * Leases memory of this length.
   *
   * @return null where the bound, or the system, has no room for it now; also once closed
   */
  public @Nullable BufferLease tryLease(long length) {
    long bytes = BufferLease.pooledBytes(length);
    Pooled pooled;
    List<Pooled> givenUp = List.of();
    synchronized (lock) {
      if (closed) {
        return null;
      }
      pooled = free.get(index(bytes)).pollFirst();
      if (pooled == null) {
        if (bytes > boundBytes - leasedBytes) {
          return null;
        }
        givenUp = giveUp(heldBytes + bytes - boundBytes);
        heldBytes += bytes;
      }
      leasedBytes += bytes;
    }
    // Before new memory is asked for: the bound is passed by no more than another thread is just
    // about to free.
    givenUp.forEach(other -> other.arena.close());
    if (pooled == null) {
      pooled = allocate(bytes);
      if (pooled == null) {
        return null;
      }
    }
    long end = Math.min(ChunkFormat.roundUp(length), bytes);
    pooled.memory.asSlice(length, end - length).fill((byte) 0);
    return new BufferLease(pooled.memory, length, pooled);
  }

  /** What it holds now: leased and free. */
  long heldBytes() {
    synchronized (lock) {
      return heldBytes;
    }
  }

  /** What is leased now, in whole size classes. */
  long leasedBytes() {
    synchronized (lock) {
      return leasedBytes;
    }
  }

  /** Frees what is free; what is leased is freed when it comes back. Idempotent. */
  @Override
  public void close() {
    List<Pooled> freed;
    synchronized (lock) {
      closed = true;
      freed = giveUp(Long.MAX_VALUE);
    }
    freed.forEach(pooled -> pooled.arena.close());
  }

  private @Nullable Pooled allocate(long bytes) {
    Arena arena = Arena.ofShared();
    try {
      return new Pooled(arena, arena.allocate(bytes, IoScratch.ALIGNMENT));
    } catch (OutOfMemoryError noMemory) {
      arena.close();
      synchronized (lock) {
        heldBytes -= bytes;
        leasedBytes -= bytes;
      }
      return null;
    }
  }

  private void giveBack(Pooled pooled) {
    long bytes = pooled.memory.byteSize();
    synchronized (lock) {
      leasedBytes -= bytes;
      if (!closed) {
        free.get(index(bytes)).addFirst(pooled);
        return;
      }
      heldBytes -= bytes;
    }
    pooled.arena.close();
  }

  /** Takes free memory out of the pool, for the caller to close, until this much is gained. */
  private List<Pooled> giveUp(long wantedBytes) {
    List<Pooled> taken = new ArrayList<>();
    long gained = 0;
    for (int i = free.size() - 1; i >= 0 && gained < wantedBytes; i--) {
      Deque<Pooled> deque = free.get(i);
      while (!deque.isEmpty() && gained < wantedBytes) {
        Pooled last = deque.removeLast();
        gained += last.memory.byteSize();
        heldBytes -= last.memory.byteSize();
        taken.add(last);
      }
    }
    return taken;
  }

  private static int index(long bytes) {
    return Long.numberOfTrailingZeros(bytes) - SMALLEST_CLASS;
  }
}
