package io.weft.core;

import io.weft.base.ChunkAddress;
import io.weft.core.CapacityLedger.Category;
import org.jspecify.annotations.Nullable;

/**
 * Room on the device for one chunk at a time: bytes of the capacity where each chunk has a file of
 * its own, or a slot of a segment, whose bytes were taken of the capacity with the whole segment.
 */
final class Room {
  /** There is none. */
  static final long NONE = Slabs.NONE;

  private final CapacityLedger ledger;
  private final @Nullable Slabs slabs;

  Room(CapacityLedger ledger, @Nullable Slabs slabs) {
    this.ledger = ledger;
    this.slabs = slabs;
  }

  /** Where the room of {@link #take} lies; {@link #NONE} where there is none now. */
  long take(long physicalBytes) {
    if (slabs == null) {
      return ledger.tryReserve(Category.STAGING, physicalBytes) ? ChunkAddress.FILE : NONE;
    }
    long location = slabs.take(physicalBytes);
    if (location != NONE) {
      ledger.move(Category.POOLED, Category.STAGING, physicalBytes);
    }
    return location;
  }

  /** Whether {@link #take} would find room. */
  boolean has(long physicalBytes) {
    return slabs == null ? ledger.free() >= physicalBytes : slabs.has(physicalBytes);
  }

  /**
   * Takes the room of a chunk that is on the device, and of which nobody knew.
   *
   * @return false where it cannot be there: another has the slot, or there is no such slot
   */
  boolean found(long location, long physicalBytes, Category category) {
    if (slabs == null) {
      ledger.charge(category, physicalBytes);
      return true;
    }
    if (!slabs.takeAt(location, physicalBytes)) {
      return false;
    }
    if (category == Category.RETIRED) {
      slabs.retire(location);
    }
    ledger.move(Category.POOLED, category, physicalBytes);
    return true;
  }

  /** What was written is published. */
  void published(long physicalBytes) {
    ledger.move(Category.STAGING, Category.CHUNKS, physicalBytes);
  }

  /** A published chunk is given up; its room is free when it is gone from the device. */
  void retired(long location, long physicalBytes) {
    ledger.move(Category.CHUNKS, Category.RETIRED, physicalBytes);
    if (slabs != null) {
      slabs.retire(location);
    }
  }

  /** A published chunk is given up, and its room written again. */
  void reused(long location, long physicalBytes) {
    ledger.move(Category.CHUNKS, Category.STAGING, physicalBytes);
    if (slabs != null) {
      slabs.reuse(location);
    }
  }

  /** What was to be published is not; what it left must be removed before its room is free. */
  void dirty(long location, long physicalBytes) {
    ledger.move(Category.STAGING, Category.RETIRED, physicalBytes);
    if (slabs != null) {
      slabs.retire(location);
    }
  }

  /** The room is free. */
  void free(Category from, long location, long physicalBytes) {
    if (slabs == null) {
      ledger.release(from, physicalBytes);
    } else {
      ledger.move(from, Category.POOLED, physicalBytes);
      slabs.free(location);
    }
  }
}
