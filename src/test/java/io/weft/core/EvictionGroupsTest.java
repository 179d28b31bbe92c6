package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.weft.testing.Seeds;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The orders of the store and of its quotas, against plain lists. */
class EvictionGroupsTest {
  private static final int SALTS = 4;

  private static EvictionGroups groups() {
    EvictionGroups groups = new EvictionGroups(LruPolicy::new, 1_000);
    groups.isolate(2, 100);
    groups.isolate(3, 100);
    return groups;
  }

  @Test
  void saltsWithoutQuotaShareOneOrder() {
    EvictionGroups groups = groups();
    groups.add(10, 0, 0, 1);
    groups.add(11, 1, 0, 1);
    groups.add(12, 2, 0, 1);
    assertEquals(10, groups.evict(1));
    assertEquals(11, groups.evict(0));
    assertEquals(-1, groups.evict(0));
    assertEquals(12, groups.evict(2));
    assertEquals(-1, groups.evict(2));
  }

  @Test
  void forTheWholeStoreTheCommonOrderGoesFirstThenTheLargest() {
    EvictionGroups groups = groups();
    groups.add(1, 2, 0, 1);
    groups.add(2, 3, 0, 1);
    groups.add(3, 3, 0, 1);
    groups.add(4, 0, 0, 1);
    assertEquals(4, groups.evictAny());
    assertEquals(2, groups.evictAny());
    groups.restore(2, 3);
    groups.access(2, 3);
    assertEquals(3, groups.evictAny());
  }

  @Test
  void behavesAsPlainListsDo() {
    Seeds.forEach(
        100,
        seed -> {
          Random random = new Random(seed);
          EvictionGroups groups = groups();
          List<List<Integer>> model = new ArrayList<>();
          for (int i = 0; i < SALTS; i++) {
            model.add(new ArrayList<>());
          }
          model.set(1, model.get(0));
          int[] saltOf = new int[3_000];
          List<Integer> aside = new ArrayList<>();
          List<Integer> free = new ArrayList<>();
          for (int i = 0; i < saltOf.length; i++) {
            free.add(i);
          }
          for (int step = 0; step < 3_000; step++) {
            int salt = random.nextInt(SALTS);
            List<Integer> order = model.get(salt);
            int what = random.nextInt(10);
            if (what < 4 && !free.isEmpty()) {
              int entry = draw(free, random);
              saltOf[entry] = salt;
              groups.add(entry, salt, entry, 1);
              order.add(entry);
            } else if (what < 6 && !order.isEmpty()) {
              Integer entry = draw(order, random);
              groups.access(entry, saltOf[entry]);
              order.add(entry);
            } else if (what == 6 && !order.isEmpty()) {
              Integer entry = draw(order, random);
              groups.remove(entry, saltOf[entry]);
              free.add(entry);
            } else if (what == 7) {
              int victim = groups.evict(salt);
              assertEquals(order.isEmpty() ? -1 : order.getFirst(), victim, "step " + step);
              if (victim >= 0) {
                order.removeFirst();
                aside.add(victim);
              }
            } else if (what == 8 && !aside.isEmpty()) {
              Integer entry = draw(aside, random);
              if (random.nextBoolean()) {
                groups.restore(entry, saltOf[entry]);
                model.get(saltOf[entry]).addFirst(entry);
              } else {
                groups.forget(entry, saltOf[entry]);
                free.add(entry);
              }
            } else if (what == 9) {
              List<Integer> from = model.get(0);
              if (from.isEmpty()) {
                from = model.get(2).size() >= model.get(3).size() ? model.get(2) : model.get(3);
              }
              if (model.get(2).size() == model.get(3).size() && model.get(0).isEmpty()) {
                continue; // which of two of one size is open
              }
              int victim = groups.evictAny();
              assertEquals(from.isEmpty() ? -1 : from.getFirst(), victim, "step " + step);
              if (victim >= 0) {
                from.removeFirst();
                aside.add(victim);
              }
            }
          }
        });
  }

  private static Integer draw(List<Integer> list, Random random) {
    int index = random.nextInt(list.size());
    Integer drawn = list.get(index);
    list.subList(index, index + 1).clear();
    return drawn;
  }
}
