package io.weft.core;

import io.weft.base.ChunkKey;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The bytes of the index's keys, in byte arrays of 256 KiB instead of an object a key. (Not larger:
 * an array of 1 MiB and its header takes two whole regions of a small G1 heap.)
 *
 * <p>A key stands in a room of whole granules of 8 bytes and is named by a reference of 48 bits:
 * the granule it starts at, and its length in bytes. The room of a removed key joins the list of
 * free rooms of exactly its size, threaded through the rooms themselves, and is taken again by the
 * next key of that size. While the sizes of keys keep their proportions, that reuse is near
 * complete.
 *
 * <p>When they drift (a model with a longer name comes in), rooms of sizes that nobody asks for any
 * more would stay behind. So, when a key finds no room of its size although more than a sixteenth
 * of the blocks in use is free room, a compaction starts: the emptiest sixteenth of the blocks is
 * leaving, their keys are moved out in bounded steps, and the blocks are spare ones, to be used
 * anew. The owner drives it, for only the owner knows who holds references: {@link
 * #dropLeavingRooms}, then {@link #move} for every reference that is {@link #leaving}, then {@link
 * #endCompaction}.
 *
 * <p>Bounds: padding is at most 7 bytes a key. While the arena grows, about a sixteenth of it is
 * free room (or one block, in a small one) and another sixteenth is leaving. The arena never gives
 * memory back: it stays at the size that its largest content asked for.
 */
final class KeyArena {
  /** How many low bits of a long a reference takes. Never zero as a whole. */
  static final int REFERENCE_BITS = 48;

  /** The low bits of a reference that hold the length; not zero in any reference. */
  static final int LENGTH_BITS = 12;

  static final int BLOCK_BYTES = 1 << 18;

  private static final int LENGTH_MASK = (1 << LENGTH_BITS) - 1;
  private static final int GRANULE_SHIFT = 3;
  private static final int GRANULES_PER_BLOCK = BLOCK_BYTES >>> GRANULE_SHIFT;
  private static final int BLOCK_SHIFT = Integer.numberOfTrailingZeros(GRANULES_PER_BLOCK);
  private static final int MAX_BLOCKS = 1 << (REFERENCE_BITS - LENGTH_BITS - BLOCK_SHIFT);
  private static final int MAX_ROOM_GRANULES = granules(ChunkKey.MAX_BYTES);

  /** A compaction starts above, and frees at most, one part in so many. */
  private static final int COMPACTION_SHARE = 16;

  private static final int FILL_GRADES = 64;
  private static final long NO_ROOM = -1;

  /** What a block is: in use, leaving, or spare. */
  private static final byte USED = 0;

  private static final byte LEAVING = 1;
  private static final byte SPARE = 2;

  /** No compaction starts while more than one block in so many is spare. */
  private static final int SPARE_SHARE = 64;

  private static final int ARRAY_HEADER_BYTES = 16;
  private static final VarHandle LINKS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private byte[][] blocks = new byte[16][];
  private int blockCount;

  /** Granules in use, by block. */
  private int[] live = new int[16];

  /** Blocks that hold nothing, and no room of which is on a list. */
  private int[] spares = new int[16];

  private int spareCount;

  /** First free room by size in granules; a free room's first granule holds the next one. */
  private final long[] freeRooms = new long[MAX_ROOM_GRANULES + 1];

  /** The rest of the block that fresh room is cut from. */
  private long freshFrom;

  private long freshTo;

  private long liveGranules;
  private long keyBytes;

  private int[] leavingBlocks = new int[0];
  private byte[] states = new byte[16];

  /** The size whose free rooms are being sorted out, and those of them not yet looked at. */
  private int sortedSize;

  private long unsortedRooms = NO_ROOM;

  KeyArena() {
    Arrays.fill(freeRooms, NO_ROOM);
  }

  /** Stores the key's bytes and returns the reference to them. */
  long store(ChunkKey key) {
    int length = key.length();
    long granule = allocate(granules(length));
    key.copyTo(block(granule), offset(granule));
    keyBytes += length;
    return granule << LENGTH_BITS | length;
  }

  /** Gives the room of a key back; the reference is void. */
  void free(long reference) {
    keyBytes -= length(reference);
    vacate(reference);
  }

  boolean holds(long reference, ChunkKey key) {
    long granule = reference >>> LENGTH_BITS;
    return key.sameAs(block(granule), offset(granule), length(reference));
  }

  ChunkKey key(long reference) {
    long granule = reference >>> LENGTH_BITS;
    return ChunkKey.of(block(granule), offset(granule), length(reference));
  }

  /** {@link ChunkKey#hash64()} of the key. */
  long hash(long reference) {
    long granule = reference >>> LENGTH_BITS;
    return ChunkKey.hash(block(granule), offset(granule), length(reference));
  }

  /** The lengths of all keys, summed. */
  long keyBytes() {
    return keyBytes;
  }

  /** What the arena takes of the heap. */
  long memoryBytes() {
    return blockCount * (long) (BLOCK_BYTES + ARRAY_HEADER_BYTES)
        + blocks.length * (long) (Integer.BYTES * 3 + 1);
  }

  /** Bytes of blocks in use that hold neither a key nor fresh room. */
  long wastedBytes() {
    return wastedGranules() << GRANULE_SHIFT;
  }

  /** Whether blocks are leaving, so that the owner has steps to do. */
  boolean compacting() {
    return leavingBlocks.length > 0;
  }

  /** Whether the key stands in a block that is leaving. */
  boolean leaving(long reference) {
    return isLeaving(reference >>> LENGTH_BITS);
  }

  /**
   * Takes free rooms of leaving blocks off their lists, looking at no more than {@code steps} rooms
   * and sizes. Returns the steps that were left over: none, unless all lists are done. From then on
   * nothing is stored in leaving blocks any more, so that each reference needs one look.
   */
  int dropLeavingRooms(int steps) {
    int left = steps;
    while (left > 0 && sortedSize <= MAX_ROOM_GRANULES) {
      left--;
      if (unsortedRooms == NO_ROOM) {
        sortedSize++;
        if (sortedSize <= MAX_ROOM_GRANULES) {
          unsortedRooms = freeRooms[sortedSize];
          freeRooms[sortedSize] = NO_ROOM;
        }
      } else {
        long room = unsortedRooms;
        unsortedRooms = nextRoom(room);
        if (!isLeaving(room)) {
          addRoom(room, sortedSize);
        }
      }
    }
    return left;
  }

  /** Moves a key out of a leaving block and returns its new reference; the old one is void. */
  long move(long reference) {
    int length = length(reference);
    long from = reference >>> LENGTH_BITS;
    long to = allocate(granules(length));
    System.arraycopy(block(from), offset(from), block(to), offset(to), length);
    vacate(reference);
    return to << LENGTH_BITS | length;
  }

  /** The leaving blocks are used anew. Every key was moved out of them, or freed, by now. */
  void endCompaction() {
    for (int block : leavingBlocks) {
      if (live[block] != 0) {
        throw new IllegalStateException("a leaving block still holds keys");
      }
      states[block] = SPARE;
      spares[spareCount++] = block;
    }
    leavingBlocks = new int[0];
  }

  private long allocate(int granules) {
    long granule = reuse(granules);
    if (granule == NO_ROOM) {
      if (!compacting() && wasteful()) {
        beginCompaction();
      }
      if (freshTo - freshFrom < granules) {
        openBlock();
      }
      granule = freshFrom;
      freshFrom += granules;
    }
    live[blockOf(granule)] += granules;
    liveGranules += granules;
    return granule;
  }

  /**
   * May be of a leaving block while its list is not yet sorted out; the key is moved like others.
   */
  private long reuse(int granules) {
    long room = freeRooms[granules];
    if (room != NO_ROOM) {
      freeRooms[granules] = nextRoom(room);
    }
    return room;
  }

  private void vacate(long reference) {
    int granules = granules(length(reference));
    long granule = reference >>> LENGTH_BITS;
    int block = blockOf(granule);
    live[block] -= granules;
    liveGranules -= granules;
    if (states[block] != LEAVING) {
      addRoom(granule, granules);
    }
  }

  private void addRoom(long room, int granules) {
    LINKS.set(block(room), offset(room), freeRooms[granules]);
    freeRooms[granules] = room;
  }

  private long nextRoom(long room) {
    return (long) LINKS.get(block(room), offset(room));
  }

  private void openBlock() {
    if (freshFrom < freshTo) {
      addRoom(freshFrom, (int) (freshTo - freshFrom));
    }
    int block = spareCount > 0 ? spares[--spareCount] : newBlock();
    states[block] = USED;
    freshFrom = (long) block << BLOCK_SHIFT;
    freshTo = freshFrom + GRANULES_PER_BLOCK;
  }

  private int newBlock() {
    if (blockCount == MAX_BLOCKS) {
      throw new IllegalStateException("the keys take more than the arena can address");
    }
    if (blockCount == blocks.length) {
      int capacity = blockCount * 2;
      blocks = Arrays.copyOf(blocks, capacity);
      live = Arrays.copyOf(live, capacity);
      spares = Arrays.copyOf(spares, capacity);
      states = Arrays.copyOf(states, capacity);
    }
    blocks[blockCount] = new byte[BLOCK_BYTES];
    return blockCount++;
  }

  private long wastedGranules() {
    return usedGranules() - liveGranules - (freshTo - freshFrom);
  }

  private long usedGranules() {
    return (long) (blockCount - spareCount) << BLOCK_SHIFT;
  }

  private boolean wasteful() {
    long wasted = wastedGranules();
    return wasted > GRANULES_PER_BLOCK
        && wasted * COMPACTION_SHARE > usedGranules()
        && spareCount * (long) SPARE_SHARE <= blockCount;
  }

  /** Chooses the emptiest blocks in use, the one that fresh room is cut from aside. */
  private void beginCompaction() {
    int fresh = freshFrom < freshTo ? blockOf(freshFrom) : -1;
    int[] blocksByGrade = new int[FILL_GRADES + 1];
    for (int block = 0; block < blockCount; block++) {
      if (states[block] == USED && block != fresh) {
        blocksByGrade[grade(block)]++;
      }
    }
    int wanted = Math.max(1, (blockCount - spareCount) / COMPACTION_SHARE);
    int lastGrade = 0;
    int ofLastGrade = wanted;
    while (ofLastGrade > blocksByGrade[lastGrade]) {
      ofLastGrade -= blocksByGrade[lastGrade++];
    }
    int[] chosen = new int[wanted];
    int count = 0;
    for (int block = 0; count < wanted; block++) {
      int grade = grade(block);
      if (states[block] == USED
          && block != fresh
          && (grade < lastGrade || (grade == lastGrade && ofLastGrade-- > 0))) {
        chosen[count++] = block;
        states[block] = LEAVING;
      }
    }
    leavingBlocks = chosen;
    sortedSize = 0;
    unsortedRooms = NO_ROOM;
  }

  private int grade(int block) {
    return (int) ((long) live[block] * FILL_GRADES / GRANULES_PER_BLOCK);
  }

  private boolean isLeaving(long granule) {
    return states[blockOf(granule)] == LEAVING;
  }

  private byte[] block(long granule) {
    return blocks[blockOf(granule)];
  }

  private static int blockOf(long granule) {
    return (int) (granule >>> BLOCK_SHIFT);
  }

  private static int offset(long granule) {
    return ((int) granule & (GRANULES_PER_BLOCK - 1)) << GRANULE_SHIFT;
  }

  private static int length(long reference) {
    return (int) reference & LENGTH_MASK;
  }

  private static int granules(int bytes) {
    return (bytes + (1 << GRANULE_SHIFT) - 1) >>> GRANULE_SHIFT;
  }
}
