package io.weft.core;

import io.weft.base.ChunkAddress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
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

  private static final int WRITING = -2;
  private static final int RETIRED = -3;

  /** A free slot holds this, less its index among the free ones. */
  private static final int FREE = -4;

  private static final class Segment {
    final int number;
    long slotBytes;

    /** By place: the chunk's entry, or one of the constants. */
    int[] holds = {};

    /** The places of the free slots: the first {@link #freeCount} of them. */
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

    boolean isFree(int place) {
      return holds[place] <= FREE;
    }

    void putFree(int place) {
      holds[place] = FREE - freeCount;
      free[freeCount++] = place;
    }

    void takeFree(int place) {
      int index = FREE - holds[place];
      int last = free[--freeCount];
      free[index] = last;
      holds[last] = FREE - index;
    }
  }

  /** The segments of one slot size, without those that are being emptied. */
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

  /** Whether a segment of this size has a free slot. */
  boolean hasFree(long slotBytes) {
    SizeClass size = classes.get(slotBytes);
    return size != null && size.freeSlots > 0;
  }

  /** Whether {@link #take} would find a slot. */
  boolean has(long slotBytes) {
    return hasFree(slotBytes) || !empty.isEmpty();
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
    int place = segment.free[segment.freeCount - 1];
    segment.takeFree(place);
    size.freeSlots--;
    if (segment.freeCount == 0) {
      size.withRoom.removeFirst();
    }
    segment.holds[place] = WRITING;
    segment.writing++;
    return ChunkAddress.slot(segment.number, place);
  }

  /** Takes this very slot, where it is free and of this size; for what is found on the device. */
  boolean takeAt(long location, long slotBytes) {
    Segment segment = segments.get(ChunkAddress.segmentOf(location));
    int place = ChunkAddress.placeOf(location);
    if (segment == null
        || segment.emptying
        || segment.leaving
        || (segment.slotBytes != 0 && segment.slotBytes != slotBytes)
        || place >= slotsPerSegment(slotBytes)) {
      return false;
    }
    if (segment.slotBytes == 0) {
      empty.remove(segment);
      assign(segment, slotBytes);
    }
    if (!segment.isFree(place)) {
      return false;
    }
    segment.takeFree(place);
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
    classOf(segment).retired += segment.emptying ? 0 : 1;
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
    if (segment.isFree(place)) {
      throw new IllegalStateException("the slot is free already: " + location);
    }
    switch (segment.holds[place]) {
      case WRITING -> segment.writing--;
      case RETIRED -> size.retired -= segment.emptying ? 0 : 1;
      default -> {}
    }
    segment.putFree(place);
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
   * The chunk that has this very slot; -1 where none has, or the segment has slots of another size.
   */
  int entryAt(long location, long slotBytes) {
    Segment segment = segments.get(ChunkAddress.segmentOf(location));
    int place = ChunkAddress.placeOf(location);
    return segment == null || segment.slotBytes != slotBytes || place >= segment.holds.length
        ? -1
        : Math.max(-1, segment.holds[place]);
  }

  /** A chunk in a slot of this size that need not stay; -1 where there is none. Linear. */
  int anyChunk(long slotBytes, IntPredicate mustStay) {
    for (Segment segment : segments.values()) {
      if (segment.slotBytes == slotBytes && !segment.emptying) {
        for (int entry : segment.holds) {
          if (entry >= 0 && !mustStay.test(entry)) {
            return entry;
          }
        }
      }
    }
    return -1;
  }

  /** Whether {@link #beginEmptying} would find a segment. */
  boolean canEmpty(long exceptSlotBytes, IntPredicate mustStay) {
    return toBeEmptied(exceptSlotBytes, mustStay) != null;
  }

  /**
   * Begins to empty the segment that holds the least and can be emptied: none of its slots is being
   * written, and none of its chunks must stay. Linear in the slots looked at.
   *
   * @param exceptSlotBytes segments with slots of this size stay; 0 for any
   * @param leaving whether it is removed once it is empty
   * @return the chunks that are to be given up; null where no segment can be emptied
   */
  @Nullable List<Integer> beginEmptying(
      long exceptSlotBytes, boolean leaving, IntPredicate mustStay) {
    Segment segment = toBeEmptied(exceptSlotBytes, mustStay);
    if (segment == null) {
      return null;
    }
    segment.leaving = leaving;
    startEmptying(segment);
    return Arrays.stream(segment.holds).filter(entry -> entry >= 0).boxed().toList();
  }

  /**
   * Where nothing in the segment of this slot is published or being written any more, it gets
   * another size once it is cleared.
   *
   * @return whether it is so
   */
  boolean emptyIfVacated(long location) {
    Segment segment = segment(location);
    if (segment.emptying
        || segment.leaving
        || segment.writing > 0
        || segment.used() == 0
        || Arrays.stream(segment.holds).anyMatch(entry -> entry >= 0)) {
      return false;
    }
    startEmptying(segment);
    return true;
  }

  private @Nullable Segment toBeEmptied(long exceptSlotBytes, IntPredicate mustStay) {
    return segments.values().stream()
        .filter(each -> !each.emptying && each.writing == 0)
        .filter(each -> each.slotBytes != 0 && each.slotBytes != exceptSlotBytes)
        .sorted(Comparator.comparingLong(each -> each.used() * each.slotBytes))
        .filter(
            each ->
                Arrays.stream(each.holds).noneMatch(entry -> entry >= 0 && mustStay.test(entry)))
        .findFirst()
        .orElse(null);
  }

  /** None of its slots is to be had any more. */
  private void startEmptying(Segment segment) {
    SizeClass size = classOf(segment);
    size.freeSlots -= segment.freeCount;
    for (int holds : segment.holds) {
      size.retired -= holds == RETIRED ? 1 : 0;
    }
    size.withRoom.remove(segment);
    segment.emptying = true;
    emptying += segment.leaving ? 0 : 1;
  }

  /** Every segment that is not among these goes once nothing is in it any more. */
  void keepOnly(Collection<Integer> numbers) {
    for (Segment segment : segments.values()) {
      if (numbers.contains(segment.number) || segment.leaving) {
        continue;
      }
      segment.leaving = true;
      if (segment.slotBytes == 0) {
        empty.remove(segment);
        leftEmpty.add(segment.number);
      } else if (segment.emptying) {
        emptying--;
      } else {
        startEmptying(segment);
      }
    }
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

  /** Bytes of all slots that are not free. Linear in the segments. */
  long takenBytes() {
    return segments.values().stream().mapToLong(each -> each.used() * each.slotBytes).sum();
  }

  /** Bytes of segments on their way out. */
  long leavingBytes() {
    return segments.values().stream().filter(each -> each.leaving).count() * segmentBytes;
  }

  private void assign(Segment segment, long slotBytes) {
    int count = slotsPerSegment(slotBytes);
    segment.slotBytes = slotBytes;
    segment.holds = new int[count];
    segment.free = new int[count];
    segment.freeCount = 0;
    for (int place = count - 1; place >= 0; place--) {
      segment.putFree(place);
    }
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
