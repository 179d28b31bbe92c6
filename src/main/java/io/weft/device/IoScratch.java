package io.weft.device;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The aligned memory of one I/O thread: one block for self-describing blocks and a bounce area for
 * payload memory that O_DIRECT cannot take as it is (on the heap, misaligned, or of an odd length).
 * Used by one operation at a time, and not closed while one that the kernel holds may still use it.
 */
public final class IoScratch implements AutoCloseable {
  /** The alignment of everything here: no supported device asks for more. */
  public static final int ALIGNMENT = 4096;

  private final Arena arena;
  private final MemorySegment block;
  private final MemorySegment bounce;
  private final IoVector vector;

  /**
   * @param pieceBytes the longest payload piece that will go through the bounce area
   */
  public IoScratch(long pieceBytes) {
    this(Arena.ofShared(), pieceBytes);
  }

  /**
   * @param arena where the memory comes from; closed with this, and with it all that shares it
   */
  public IoScratch(Arena arena, long pieceBytes) {
    this.arena = arena;
    block = arena.allocate(ALIGNMENT, ALIGNMENT);
    long rounded = (pieceBytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    bounce = arena.allocate(Math.max(rounded, ALIGNMENT), ALIGNMENT);
    vector = new IoVector(arena.allocate(IoVector.BYTES, 16));
  }

  /** One block, for the self-describing block. */
  public MemorySegment block() {
    return block;
  }

  /** The bounce area: at least one piece, rounded up to whole blocks. */
  public MemorySegment bounce() {
    return bounce;
  }

  /** The vector of a {@link PreparedIo}, emptied. */
  IoVector vector() {
    vector.clear();
    return vector;
  }

  @Override
  public void close() {
    arena.close();
  }
}
