package io.weft.core;

import io.weft.base.ChunkAddress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * The slots of the segments: which are free, of which size those of each segment are, and which
 * chunk lies in each.
 *
 * <p>A segment has slots of one size from the first that is taken until the last is free again;
 * then it may get another size. A slot is free, being written, holds a published chunk, or is
 * retired: given up, and not yet cleared on the device.
 *
 * <p><b>Memory.</b> Two ints a slot. All operations are O(1) unless they say otherwise.
 */
final class Slabs {
  /** No slot. */
  static final long NONE = -1;

  private static final int FREE = -1;
  private static final int WRITING = -2;
  private static final int RETIRED = -3;

  private static final class Segment {
    final int number;
    long slotBytes;
    int[] holds = {};
    int[] free = {};
    int freeCount;
    int writing;

    /** Its chunks were given up, so that it can get another size, or go. */
    boolean emptying;

    /** It is removed once it is empty. */
    boolean leaving;

    Segment(int number) {
      this.number = number;
    }

    int used() {
      return holds.length - freeCount;
    }
  }

  /** The segments of one slot size. */
  private static final class SizeClass {
    final ArrayDeque<Segment> withRoom = new ArrayDeque<>();
    int freeSlots;
    int retired;
  }

  private final long segmentBytes;
  private final long headerBytes;
  private final Map<Integer, Segment> segments = new TreeMap<>();
  private final ArrayDeque<Segment> empty = new ArrayDeque<>();
  private final Map<Long, SizeClass> classes = new HashMap<>();
  private final List<Integer> leftEmpty = new ArrayList<>();
  private int emptying;

  /**
   * @param segmentBytes what each segment takes
   * @param headerBytes what of it lies before the first slot
   */
  Slabs(long segmentBytes, long headerBytes) {
    this.segmentBytes = segmentBytes;
    this.headerBytes = headerBytes;
  }

  long segmentBytes() {
    return segmentBytes;
  }

  int segments() {
    return segments.size();
  }

  boolean hasSegment(int number) {
    return segments.containsKey(number);
  }

  /** The lowest number from {@code from} on that no segment has. O(segments). */
  int unusedNumber(int from) {
    int number = from;
    while (segments.containsKey(number)) {
      number++;
    }
    return number;
  }

  /** An empty segment is there. */
  void add(int number) {
    Segment segment = new Segment(number);
    if (segments.putIfAbsent(number, segment) != null) {
      throw new IllegalStateException("segment " + number + " is there already");
    }
    empty.add(segment);
  }

  /** How many slots of this size a segment has. */
  int slotsPerSegment(long slotBytes) {
    return (int) Math.min((segmentBytes - headerBytes) / slotBytes, ChunkAddress.PLACES_MAX);
  }

  /** Whether {@link #take} would find a slot. */
  boolean has(long slotBytes) {
    SizeClass size = classes.get(slotBytes);
    return (size != null && size.freeSlots > 0) || !empty.isEmpty();
  }

  /** How many slots of this size there will be once everything given up is cleared. */
  long soon(long slotBytes) {
    SizeClass size = classes.get(slotBytes);
    long own = size == null ? 0 : size.freeSlots + size.retired;
    return own + (long) (empty.size() + emptying) * slotsPerSegment(slotBytes);
  }

  /** Takes a free slot, to be written; {@link #NONE} where there is none. */
  long take(long slotBytes) {
    SizeClass size = classes.computeIfAbsent(slotBytes, _ -> new SizeClass());
    Segment segment = size.withRoom.peekFirst();
    if (segment == null) {
      segment = empty.pollFirst();
      if (segment == null) {
        return NONE;
      }
      assign(segment, slotBytes);
      segment = size.withRoom.getFirst();
    }
    int place = segment.free[--segment.freeCount];
    size.freeSlots--;
    if (segment.freeCount == 0) {
      size.withRoom.removeFirst();
    }
    segment.holds[place] = WRITING;
    segment.writing++;
    return ChunkAddress.slot(segment.number, place);
  }

  /**
   * Takes this very slot, where it is free and of this size; for what is found on the device.
   * Linear in the segment's free slots.
   */
  boolean takeAt(long location, long slotBytes) {
    Segment segment = segments.get(ChunkAddress.segmentOf(location));
    int place = ChunkAddress.placeOf(location);
    if (segment == null
        || segment.emptying
        || (segment.slotBytes != 0 && segment.slotBytes != slotBytes)
        || place >= slotsPerSegment(slotBytes)) {
      return false;
    }
    if (segment.slotBytes == 0) {
      empty.remove(segment);
      assign(segment, slotBytes);
    }
    if (segment.holds[place] != FREE) {
      return false;
    }
    for (int i = segment.freeCount - 1; i >= 0; i--) {
      if (segment.free[i] == place) {
        System.arraycopy(segment.free, i + 1, segment.free, i, segment.freeCount - i - 1);
        break;
      }
    }
    segment.freeCount--;
    SizeClass size = classOf(segment);
    size.freeSlots--;
    if (segment.freeCount == 0) {
      size.withRoom.remove(segment);
    }
    segment.holds[place] = WRITING;
    segment.writing++;
    return true;
  }

  /** The slot holds this published chunk. */
  void holds(long location, int entry) {
    Segment segment = segment(location);
    int place = ChunkAddress.placeOf(location);
    if (segment.holds[place] == WRITING) {
      segment.writing--;
    }
    segment.holds[place] = entry;
  }

  /** The chunk in the slot is given up; it is free once it is cleared on the device. */
  void retire(long location) {
    Segment segment = segment(location);
    int place = ChunkAddress.placeOf(location);
    if (segment.holds[place] == WRITING) {
      segment.writing--;
    }
    segment.holds[place] = RETIRED;
    classOf(segment).retired++;
  }

  /** The chunk in the slot is given up, and another is written over it. */
  void reuse(long location) {
    Segment segment = segment(location);
    segment.holds[ChunkAddress.placeOf(location)] = WRITING;
    segment.writing++;
  }

  /** The slot is free again. */
  void free(long location) {
    Segment segment = segment(location);
    int place = ChunkAddress.placeOf(location);
    SizeClass size = classOf(segment);
    switch (segment.holds[place]) {
      case FREE -> throw new IllegalStateException("the slot is free already: " + location);
      case WRITING -> segment.writing--;
      case RETIRED -> size.retired--;
      default -> {}
    }
    segment.holds[place] = FREE;
    segment.free[segment.freeCount++] = place;
    if (!segment.emptying) {
      size.freeSlots++;
      if (segment.freeCount == 1) {
        size.withRoom.addLast(segment);
      }
    }
    if (segment.used() == 0) {
      unassign(segment, size);
    }
  }

  /**
   * Begins to empty the segment that holds the least and can be emptied: none of its slots is being
   * written, and none of its chunks is held. Linear in the slots looked at.
   *
   * @param exceptSlotBytes segments with slots of this size stay; 0 for any
   * @param leaving whether it is removed once it is empty
   * @param held whether a chunk must stay
   * @return the chunks that are to be given up; null where no segment can be emptied
   */
  @Nullable List<Integer> beginEmptying(long exceptSlotBytes, boolean leaving, IntPredicate held) {
    List<Segment> candidates =
        segments.values().stream()
            .filter(each -> !each.emptying && each.writing == 0)
            .filter(each -> each.slotBytes != 0 && each.slotBytes != exceptSlotBytes)
            .sorted(Comparator.comparingLong(each -> each.used() * each.slotBytes))
            .toList();
    for (Segment segment : candidates) {
      List<Integer> entries = new ArrayList<>();
      boolean free = true;
      for (int i = 0; i < segment.holds.length && free; i++) {
        if (segment.holds[i] >= 0) {
          entries.add(segment.holds[i]);
          free = !held.test(segment.holds[i]);
        }
      }
      if (free) {
        SizeClass size = classOf(segment);
        size.freeSlots -= segment.freeCount;
        size.withRoom.remove(segment);
        segment.emptying = true;
        segment.leaving = leaving;
        emptying += leaving ? 0 : 1;
        return entries;
      }
    }
    return null;
  }

  /** Lets an empty segment go; -1 where none is empty. It has left with {@link #remove}. */
  int letEmptyGo() {
    Segment segment = empty.pollLast();
    if (segment == null) {
      return -1;
    }
    segment.leaving = true;
    return segment.number;
  }

  /** The segments that are empty now and are to be removed; each is said once. */
  List<Integer> takeLeft() {
    List<Integer> left = List.copyOf(leftEmpty);
    leftEmpty.clear();
    return left;
  }

  /** The segment is not there any more. */
  void remove(int number) {
    segments.remove(number);
  }

  /** Bytes of segments on their way out, or, that failing, still there. */
  long leavingBytes() {
    return segments.values().stream().filter(each -> each.leaving).count() * segmentBytes;
  }

  private void assign(Segment segment, long slotBytes) {
    int count = slotsPerSegment(slotBytes);
    segment.slotBytes = slotBytes;
    segment.holds = new int[count];
    Arrays.fill(segment.holds, FREE);
    segment.free = new int[count];
    for (int i = 0; i < count; i++) {
      segment.free[i] = count - 1 - i;
    }
    segment.freeCount = count;
    SizeClass size = classes.computeIfAbsent(slotBytes, _ -> new SizeClass());
    size.freeSlots += count;
    size.withRoom.addFirst(segment);
  }

  private void unassign(Segment segment, SizeClass size) {
    if (!segment.emptying) {
      size.freeSlots -= segment.freeCount;
      size.withRoom.remove(segment);
    } else if (!segment.leaving) {
      emptying--;
    }
    segment.emptying = false;
    segment.slotBytes = 0;
    segment.holds = new int[0];
    segment.free = new int[0];
    segment.freeCount = 0;
    if (segment.leaving) {
      leftEmpty.add(segment.number);
    } else {
      empty.addLast(segment);
    }
  }

  private SizeClass classOf(Segment segment) {
    SizeClass size = classes.get(segment.slotBytes);
    if (size == null) {
      throw new IllegalStateException("segment " + segment.number + " has no slots");
    }
    return size;
  }

  private Segment segment(long location) {
    Segment segment = segments.get(ChunkAddress.segmentOf(location));
    if (segment == null) {
      throw new IllegalStateException("no segment has the slot " + location);
    }
    return segment;
  }
}
