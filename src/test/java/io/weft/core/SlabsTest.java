package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.testing.Seeds;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class SlabsTest {
  private static final long BLOCK = 4096;
  private static final long SEGMENT = 13 * BLOCK;

  private final Slabs slabs = new Slabs(SEGMENT, BLOCK);

  private long taken(long blocks) {
    long location = slabs.take(blocks * BLOCK);
    assertTrue(location > 0, "there is a slot");
    return location;
  }

  @Test
  void withoutASegmentThereIsNoSlot() {
    assertFalse(slabs.has(BLOCK));
    assertEquals(Slabs.NONE, slabs.take(BLOCK));
    assertEquals(0, slabs.soon(BLOCK));
    assertEquals(-1, slabs.letEmptyGo());
    assertNull(slabs.beginEmptying(0, true, _ -> false));
  }

  @Test
  void aSegmentHasOneSizeUntilItsLastSlotIsFree() {
    slabs.add(0);
    assertEquals(6, slabs.slotsPerSegment(2 * BLOCK));
    long first = taken(2);
    assertEquals(Slabs.NONE, slabs.take(3 * BLOCK));
    long second = taken(2);
    slabs.free(first);
    assertEquals(Slabs.NONE, slabs.take(3 * BLOCK));
    slabs.free(second);
    assertEquals(4, slabs.soon(3 * BLOCK));
    assertTrue(taken(3) > 0);
  }

  @Test
  void aSlotIsFreedOnce() {
    slabs.add(0);
    long slot = taken(2);
    long other = taken(2);
    slabs.free(slot);
    assertThrows(IllegalStateException.class, () -> slabs.free(slot));
    slabs.free(other);
    assertThrows(IllegalStateException.class, () -> slabs.add(0));
  }

  @Test
  void aVerySlotIsTakenWhereItIsFreeAndOfThatSize() {
    slabs.add(2);
    assertFalse(slabs.takeAt(ChunkAddress.slot(0, 0), BLOCK), "no such segment");
    assertFalse(slabs.takeAt(ChunkAddress.slot(2, 6), 2 * BLOCK), "no such place");
    assertFalse(slabs.takeAt(ChunkAddress.FILE, BLOCK), "no slot");
    assertTrue(slabs.takeAt(ChunkAddress.slot(2, 5), 2 * BLOCK));
    assertFalse(slabs.takeAt(ChunkAddress.slot(2, 5), 2 * BLOCK), "taken");
    assertFalse(slabs.takeAt(ChunkAddress.slot(2, 0), 3 * BLOCK), "of another size");
    for (int i = 0; i < 5; i++) {
      assertTrue(taken(2) != ChunkAddress.slot(2, 5));
    }
    assertFalse(slabs.has(2 * BLOCK));
  }

  @Test
  void aSegmentIsNotEmptiedWhileASlotIsWritten() {
    slabs.add(0);
    long written = taken(2);
    long published = taken(2);
    slabs.holds(published, 7);
    assertNull(slabs.beginEmptying(0, false, _ -> false));
    slabs.holds(written, 8);
    assertNull(slabs.beginEmptying(0, false, entry -> entry == 8));
    slabs.reuse(published);
    assertNull(slabs.beginEmptying(0, false, _ -> false));
    slabs.holds(published, 9);
    assertNull(slabs.beginEmptying(2 * BLOCK, false, _ -> false), "of the size that is wanted");
    assertEquals(Set.of(8, 9), new HashSet<>(slabs.beginEmptying(3 * BLOCK, false, _ -> false)));
    assertFalse(slabs.has(2 * BLOCK), "its free slots are not to be had");
    assertEquals(4, slabs.soon(3 * BLOCK));
  }

  /** What is retired in a segment that is emptied does not come back as a slot of its size. */
  @Test
  void retiredSlotsOfAnEmptyingSegmentAreNotCountedTwice() {
    slabs.add(0);
    long early = taken(2);
    long late = taken(2);
    slabs.holds(early, 1);
    slabs.holds(late, 2);
    slabs.retire(early);
    assertEquals(List.of(2), slabs.beginEmptying(3 * BLOCK, true, _ -> false));
    slabs.retire(late);
    assertEquals(0, slabs.soon(2 * BLOCK), "it leaves");
    slabs.free(early);
    assertEquals(List.of(), slabs.takeLeft());
    slabs.free(late);
    assertEquals(List.of(0), slabs.takeLeft());
    assertEquals(List.of(), slabs.takeLeft(), "said once");
    assertEquals(0, slabs.soon(2 * BLOCK));
    assertEquals(SEGMENT, slabs.leavingBytes());
    slabs.remove(0);
    assertEquals(0, slabs.leavingBytes());
  }

  @Test
  void segmentsThatAreNotThereGoWithTheirLastSlot() {
    slabs.add(0);
    slabs.add(1);
    slabs.add(2);
    long slot = taken(2);
    int used = ChunkAddress.segmentOf(slot);
    slabs.keepOnly(Set.of());
    List<Integer> left = slabs.takeLeft();
    assertEquals(2, left.size());
    assertFalse(left.contains(used));
    slabs.free(slot);
    assertEquals(List.of(used), slabs.takeLeft());
    assertFalse(slabs.has(2 * BLOCK));
  }

  private enum Holds {
    WRITING,
    PUBLISHED,
    RETIRED
  }

  /** The same, without anything counted. */
  private static final class Model {
    final Map<Integer, Long> sizes = new TreeMap<>();
    final Map<Long, Holds> slots = new HashMap<>();
    final Map<Long, Integer> entries = new HashMap<>();
    final Set<Integer> emptying = new HashSet<>();
    final Set<Integer> leaving = new HashSet<>();

    long used(int segment) {
      return slots.keySet().stream().filter(at -> ChunkAddress.segmentOf(at) == segment).count();
    }

    long soon(Slabs slabs, long size) {
      long soon = 0;
      for (Map.Entry<Integer, Long> each : sizes.entrySet()) {
        int number = each.getKey();
        if (leaving.contains(number)) {
          continue;
        }
        if (each.getValue() == 0 || emptying.contains(number)) {
          soon += slabs.slotsPerSegment(size);
        } else if (each.getValue() == size) {
          long staying =
              slots.entrySet().stream()
                  .filter(at -> ChunkAddress.segmentOf(at.getKey()) == number)
                  .filter(at -> at.getValue() != Holds.RETIRED)
                  .count();
          soon += slabs.slotsPerSegment(size) - staying;
        }
      }
      return soon;
    }

    boolean has(Slabs slabs, long size) {
      return sizes.entrySet().stream()
          .filter(each -> !emptying.contains(each.getKey()) && !leaving.contains(each.getKey()))
          .anyMatch(
              each ->
                  each.getValue() == 0
                      || (each.getValue() == size
                          && used(each.getKey()) < slabs.slotsPerSegment(size)));
    }

    Set<Integer> entriesOf(int segment) {
      Set<Integer> its = new HashSet<>();
      entries.forEach(
          (at, entry) -> {
            if (ChunkAddress.segmentOf(at) == segment) {
              its.add(entry);
            }
          });
      return its;
    }

    /** The segment with the least in it of those that can be emptied. */
    int toBeEmptied(long except, int stays) {
      int best = -1;
      for (int number : sizes.keySet()) {
        long size = sizes.get(number);
        boolean writing =
            slots.entrySet().stream()
                .anyMatch(
                    at ->
                        ChunkAddress.segmentOf(at.getKey()) == number
                            && at.getValue() == Holds.WRITING);
        if (size != 0
            && size != except
            && !emptying.contains(number)
            && !writing
            && entriesOf(number).stream().noneMatch(entry -> entry % 4 == stays)
            && (best < 0 || used(number) * size < used(best) * sizes.get(best))) {
          best = number;
        }
      }
      return best;
    }

    /** The last slot of a segment may have become free. */
    void freed(int segment) {
      if (used(segment) == 0) {
        sizes.put(segment, 0L);
        emptying.remove(segment);
      }
    }
  }

  @Test
  void agreesWithAModelThatCountsNothing() {
    Seeds.forEach(200, SlabsTest::against);
  }

  private static void against(long seed) {
    Random random = new Random(seed);
    Slabs slabs = new Slabs(SEGMENT, BLOCK);
    Model model = new Model();
    int nextEntry = 0;
    for (int step = 0; step < 400; step++) {
      long size = (1 + random.nextInt(4)) * BLOCK;
      List<Long> slots = new ArrayList<>(model.slots.keySet());
      long slot = slots.isEmpty() ? 0 : slots.get(random.nextInt(slots.size()));
      Holds holds = model.slots.get(slot);
      switch (random.nextInt(12)) {
        case 0 -> {
          if (model.sizes.size() < 5) {
            int number = slabs.unusedNumber(random.nextInt(3));
            slabs.add(number);
            assertNull(model.sizes.put(number, 0L));
          }
        }
        case 1, 2, 3, 4 -> {
          boolean has = model.has(slabs, size);
          long taken;
          if (random.nextInt(4) == 0) {
            taken = ChunkAddress.slot(random.nextInt(6), random.nextInt(13));
            int segment = ChunkAddress.segmentOf(taken);
            Long its = model.sizes.get(segment);
            boolean free =
                its != null
                    && !model.emptying.contains(segment)
                    && !model.leaving.contains(segment)
                    && (its == 0 || its == size)
                    && ChunkAddress.placeOf(taken) < slabs.slotsPerSegment(size)
                    && !model.slots.containsKey(taken);
            assertEquals(free, slabs.takeAt(taken, size), "the very slot");
            taken = free ? taken : Slabs.NONE;
          } else {
            taken = slabs.take(size);
            assertEquals(has, taken != Slabs.NONE, "a slot");
          }
          if (taken != Slabs.NONE) {
            assertNull(model.slots.put(taken, Holds.WRITING), "it was free");
            long was = model.sizes.put(ChunkAddress.segmentOf(taken), size);
            assertTrue(was == 0 || was == size);
          }
        }
        case 5, 6 -> {
          if (holds == Holds.WRITING) {
            slabs.holds(slot, nextEntry);
            model.slots.put(slot, Holds.PUBLISHED);
            model.entries.put(slot, nextEntry++);
          }
        }
        case 7 -> {
          if (holds != null && holds != Holds.RETIRED) {
            slabs.retire(slot);
            model.slots.put(slot, Holds.RETIRED);
            model.entries.remove(slot);
          }
        }
        case 8 -> {
          if (holds == Holds.PUBLISHED) {
            slabs.reuse(slot);
            model.slots.put(slot, Holds.WRITING);
            model.entries.remove(slot);
          }
        }
        case 9 -> {
          if (holds != null) {
            slabs.free(slot);
            model.slots.remove(slot);
            model.entries.remove(slot);
            model.freed(ChunkAddress.segmentOf(slot));
          }
        }
        case 10 -> {
          boolean leaving = random.nextInt(3) == 0;
          int stays = random.nextInt(4);
          List<Integer> given = slabs.beginEmptying(size, leaving, entry -> entry % 4 == stays);
          int expected = model.toBeEmptied(size, stays);
          assertEquals(expected < 0, given == null, "whether one can be emptied");
          if (expected >= 0) {
            assertEquals(model.entriesOf(expected), new HashSet<>(given));
            model.emptying.add(expected);
            if (leaving) {
              model.leaving.add(expected);
            }
          }
        }
        default -> {
          if (random.nextBoolean()) {
            int number = slabs.letEmptyGo();
            if (number >= 0) {
              assertEquals(0, model.sizes.get(number));
              model.leaving.add(number);
            }
          }
          for (int left : slabs.takeLeft()) {
            assertEquals(0, model.used(left));
            assertTrue(model.leaving.contains(left));
          }
          for (int number : List.copyOf(model.leaving)) {
            if (model.used(number) == 0) {
              slabs.remove(number);
              model.sizes.remove(number);
              model.leaving.remove(number);
            }
          }
        }
      }
      judge(slabs, model);
    }
  }

  private static void judge(Slabs slabs, Model model) {
    long taken = 0;
    for (Map.Entry<Long, Holds> each : model.slots.entrySet()) {
      long size = model.sizes.get(ChunkAddress.segmentOf(each.getKey()));
      taken += size;
      int entry = model.entries.getOrDefault(each.getKey(), -1);
      assertEquals(entry, slabs.entryAt(each.getKey(), size));
      assertEquals(-1, slabs.entryAt(each.getKey(), size + 1));
    }
    assertEquals(taken, slabs.takenBytes());
    assertEquals(model.sizes.size(), slabs.segments());
    assertEquals(model.leaving.size() * SEGMENT, slabs.leavingBytes());
    for (long size = BLOCK; size <= 4 * BLOCK; size += BLOCK) {
      assertEquals(model.has(slabs, size), slabs.has(size), "has");
      assertEquals(model.soon(slabs, size), slabs.soon(size), "soon");
    }
  }
}
