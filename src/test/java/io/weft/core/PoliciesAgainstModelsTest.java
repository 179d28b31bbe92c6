package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every policy chooses the victims that its plain model chooses, through random additions, uses,
 * removals, evictions and returns of held victims; and a snapshot taken at any moment of that
 * restores the order. {@code -Dseed=} replays one seed.
 */
class PoliciesAgainstModelsTest {
  private static final int STEPS = 4_000;
  private static final int SEEDS = 25;
  private static final long CAPACITY_BYTES = 1_000;
  private static final int KEYS = 400;

  private record Chunk(int entry, int key, long bytes) {}

  static Stream<Arguments> runs() {
    Long only = Long.getLong("seed");
    return Policies.NAMES.stream()
        .flatMap(
            name ->
                Stream.iterate(1L, seed -> seed + 1)
                    .limit(only == null ? SEEDS : 1)
                    .map(seed -> Arguments.of(name, only == null ? seed : only)));
  }

  @ParameterizedTest(name = "{0} -Dseed={1}")
  @MethodSource("runs")
  void choosesTheVictimsOfItsModel(String name, long seed) {
    Random random = new Random(seed);
    EvictionPolicy policy = Policies.create(name, new PolicyContext(CAPACITY_BYTES));
    EvictionPolicy model = PolicyModels.create(name, CAPACITY_BYTES);
    List<Chunk> present = new ArrayList<>();
    List<Chunk> held = new ArrayList<>();
    List<Integer> spareEntries = new ArrayList<>();
    List<Integer> spareKeys = new ArrayList<>();
    for (int key = 0; key < KEYS; key++) {
      spareKeys.add(key);
      // Far apart, so that the arrays behind have gaps.
      spareEntries.add(key * 97);
    }
    long used = 0;
    for (int step = 0; step < STEPS; step++) {
      int choice = random.nextInt(100);
      if (choice < 40 && !spareKeys.isEmpty()) {
        int bytes = 1 + random.nextInt(12);
        while (used + bytes > CAPACITY_BYTES) {
          int victim = policy.evict();
          assertEquals(model.evict(), victim, "victim at step " + step);
          if (victim < 0) {
            break;
          }
          Chunk chunk = take(present, victim);
          if (random.nextInt(8) == 0) {
            held.add(chunk);
          } else {
            used -= chunk.bytes();
            spareEntries.add(victim);
            spareKeys.add(chunk.key());
          }
        }
        int entry = draw(spareEntries, random);
        int key = draw(spareKeys, random);
        Chunk chunk = new Chunk(entry, key, bytes);
        policy.add(entry, hash(key), bytes);
        model.add(entry, hash(key), bytes);
        present.add(chunk);
        used += bytes;
      } else if (choice < 88 && !present.isEmpty()) {
        // Few are used often, so that frequencies spread.
        double skewed = random.nextDouble() * random.nextDouble() * random.nextDouble();
        int entry = present.get((int) (skewed * present.size())).entry();
        policy.access(entry);
        model.access(entry);
      } else if (choice < 93 && !present.isEmpty()) {
        Chunk chunk = present.remove(random.nextInt(present.size()));
        policy.remove(chunk.entry());
        model.remove(chunk.entry());
        used -= chunk.bytes();
        spareEntries.add(chunk.entry());
        spareKeys.add(chunk.key());
      } else if (choice < 98 && !held.isEmpty()) {
        Chunk chunk = held.remove(random.nextInt(held.size()));
        policy.restore(chunk.entry());
        model.restore(chunk.entry());
        present.add(chunk);
      } else if (choice == 99 && random.nextInt(20) == 0) {
        EvictionPolicy before = policy;
        present.sort(Comparator.comparingLong(chunk -> before.stamp(chunk.entry())));
        policy =
            readmitted(Policies.create(name, new PolicyContext(CAPACITY_BYTES)), before, present);
        model = readmitted(PolicyModels.create(name, CAPACITY_BYTES), before, present);
        EvictionPolicy copy =
            readmitted(Policies.create(name, new PolicyContext(CAPACITY_BYTES)), before, present);
        for (int i = 0; i <= present.size(); i++) {
          assertEquals(before.evict(), copy.evict(), "victim " + i + " after a restart");
        }
        held.forEach(chunk -> spareEntries.add(chunk.entry()));
        held.forEach(chunk -> spareKeys.add(chunk.key()));
        used -= held.stream().mapToLong(Chunk::bytes).sum();
        held.clear();
      }
    }
    for (int victim = model.evict(); victim >= 0; victim = model.evict()) {
      assertEquals(victim, policy.evict(), "while draining");
    }
    assertEquals(-1, policy.evict());
  }

  /** A restart: {@code fresh} gets what {@code before} says of the chunks, in stamp order. */
  private static EvictionPolicy readmitted(
      EvictionPolicy fresh, EvictionPolicy before, List<Chunk> ordered) {
    for (Chunk chunk : ordered) {
      fresh.readmit(chunk.entry(), hash(chunk.key()), chunk.bytes(), before.state(chunk.entry()));
    }
    return fresh;
  }

  private static int draw(List<Integer> spare, Random random) {
    Collections.swap(spare, random.nextInt(spare.size()), spare.size() - 1);
    return spare.removeLast();
  }

  private static Chunk take(List<Chunk> chunks, int entry) {
    Chunk found = chunks.stream().filter(c -> c.entry() == entry).findFirst().orElseThrow();
    chunks.remove(found);
    return found;
  }

  /** Small numbers: no two of them share a fingerprint in the ghost queue. */
  private static long hash(int key) {
    return key;
  }
}
