package io.weft.adapter;

import io.weft.base.ChunkMetadata;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Plain native memory, aligned for the device and bounded in bytes. Memory that comes back is kept
 * for the next chunk of its size, as nearly all chunks of a model have one size, and given to the
 * system when another size needs the room.
 */
public final class NativeAllocator implements AllocatorBackend, AutoCloseable {
  private static final long ALIGNMENT = 4096;

  private record Block(Arena arena, MemorySegment memory) {}

  private final long capacityBytes;
  private final Map<Long, Deque<Block>> spare = new HashMap<>();
  private long takenBytes;
  private long spareBytes;
  private boolean closed;

  /**
   * @param capacityBytes the most that is taken from the system at any time, whole blocks counted
   */
  public NativeAllocator(long capacityBytes) {
    if (capacityBytes < ALIGNMENT) {
      throw new IllegalArgumentException("not even one block: " + capacityBytes);
    }
    this.capacityBytes = capacityBytes;
  }

  @Override
  public @Nullable MemoryObject allocate(long length, ChunkMetadata metadata) {
    Block block = block(Math.max(1, Math.ceilDiv(length, ALIGNMENT)) * ALIGNMENT);
    return block == null
        ? null
        : new MemoryObject(block.memory(), length, metadata, _ -> comesBack(block));
  }

  /** Bytes in objects that somebody holds. */
  public synchronized long usedBytes() {
    return takenBytes - spareBytes;
  }

  private @Nullable Block block(long size) {
    synchronized (this) {
      Deque<Block> sameSize = spare.get(size);
      Block block = sameSize == null ? null : sameSize.poll();
      if (block != null) {
        spareBytes -= size;
        return block;
      }
      if (closed || size > capacityBytes - (takenBytes - spareBytes)) {
        return null;
      }
      giveUpSpare(capacityBytes - size);
      takenBytes += size;
    }
    Arena arena = Arena.ofShared();
    try {
      return new Block(arena, arena.allocate(size, ALIGNMENT));
    } catch (OutOfMemoryError _) {
      // The system has no more: that is no memory for this chunk, and nothing worse.
      arena.close();
      synchronized (this) {
        takenBytes -= size;
      }
      return null;
    }
  }

  private synchronized void comesBack(Block block) {
    long size = block.memory().byteSize();
    spare.computeIfAbsent(size, _ -> new ArrayDeque<>()).push(block);
    spareBytes += size;
    if (closed) {
      giveUpSpare(0);
    }
  }

  /** Gives spare blocks to the system until no more than this is taken, or none is spare. */
  private void giveUpSpare(long mostTaken) {
    Iterator<Deque<Block>> sizes = spare.values().iterator();
    while (takenBytes > mostTaken && sizes.hasNext()) {
      Deque<Block> blocks = sizes.next();
      while (takenBytes > mostTaken && !blocks.isEmpty()) {
        Block block = blocks.pop();
        takenBytes -= block.memory().byteSize();
        spareBytes -= block.memory().byteSize();
        block.arena().close();
      }
      if (blocks.isEmpty()) {
        sizes.remove();
      }
    }
  }

  /** Gives back what nobody holds, now; the rest when it is released. */
  @Override
  public synchronized void close() {
    closed = true;
    giveUpSpare(0);
  }
}
