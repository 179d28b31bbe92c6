package io.weft.adapter;

import io.weft.base.ChunkMetadata;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * One chunk in memory of the caller's: its bytes, what is said of them, and how many hold it. It
 * begins with one reference, its maker's. Memory goes home with the last reference, once, on the
 * thread that gave it up; until then whoever holds a reference, the device included, may use it.
 *
 * <p>Thread-safe. Using an object that nobody holds any more is a bug and throws {@link
 * IllegalStateException}.
 */
public final class MemoryObject {
  private final MemorySegment whole;
  private final long length;
  private final ChunkMetadata metadata;
  private final Consumer<MemorySegment> home;
  private final AtomicInteger references = new AtomicInteger(1);

  /**
   * @param whole memory that any thread may use. What it has beyond {@code length} is padding: a
   *     load may overwrite it. Native memory at a multiple of 4096, with room for whole blocks, is
   *     read and written by the device where it lies; any other is copied
   * @param length how many bytes, from the start, are the chunk's
   * @param metadata dtype, shape, format: kept beside the chunk, and handed to the allocator that
   *     makes the object for a load
   * @param home takes the memory back; must not block
   */
  public MemoryObject(
      MemorySegment whole, long length, ChunkMetadata metadata, Consumer<MemorySegment> home) {
    if (length < 0 || length > whole.byteSize()) {
      throw new IllegalArgumentException("length " + length + " of " + whole.byteSize());
    }
    this.whole = whole;
    this.length = length;
    this.metadata = metadata;
    this.home = home;
  }

  /** The chunk's bytes. */
  public MemorySegment memory() {
    return live().asSlice(0, length);
  }

  /** All of the memory, padding included. */
  public MemorySegment wholeMemory() {
    return live();
  }

  /** The chunk's length in bytes. */
  public long length() {
    return length;
  }

  public ChunkMetadata metadata() {
    return metadata;
  }

  /** How many references there are now: for tests and logs. */
  public int references() {
    return references.get();
  }

  /** One reference more. The caller must be sure that somebody holds one meanwhile. */
  public MemoryObject retain() {
    references.getAndUpdate(
        count -> {
          if (count == 0) {
            throw new IllegalStateException("memory was retained after its last release");
          }
          return count + 1;
        });
    return this;
  }

  /** One reference less. */
  public void release() {
    int left =
        references.updateAndGet(
            count -> {
              if (count == 0) {
                throw new IllegalStateException("memory was released more often than it was held");
              }
              return count - 1;
            });
    if (left == 0) {
      home.accept(whole);
    }
  }

  private MemorySegment live() {
    if (references.get() == 0) {
      throw new IllegalStateException("memory was used after its last release");
    }
    return whole;
  }

  @Override
  public String toString() {
    return "MemoryObject[%d bytes, %d references]".formatted(length, references.get());
  }
}
