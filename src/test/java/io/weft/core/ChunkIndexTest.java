package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkKey;
import io.weft.testing.Seeds;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

class ChunkIndexTest {

  /** What the model knows of one entry. */
  private static final class Chunk {
    private final ChunkKey key;
    private final int entry;
    private final int salt;
    private long generation;
    private long payloadLength;
    private long expiresAtMillis;
    private int flags;
    private final int[] counts = new int[3];

    private Chunk(ChunkKey key, int entry, int salt) {
      this.key = key;
      this.entry = entry;
      this.salt = salt;
    }
  }

  /** A map of chunks and the numbers that are free, beside the index that is tested. */
  private static final class Model {
    private final RandomGenerator random;
    private final List<ChunkKey> keys;
    private final ChunkIndex index = new ChunkIndex();
    private final Map<ChunkKey, Chunk> chunks = new HashMap<>();
    private final Deque<Integer> free = new ArrayDeque<>();
    private int bound;
    private long keyBytes;

    private Model(RandomGenerator random, List<ChunkKey> keys) {
      this.random = random;
      this.keys = keys;
    }

    /** One random operation; {@code insertShare} of 100 of those that change the set insert. */
    private void step(int insertShare) {
      ChunkKey key = keys.get(random.nextInt(keys.size()));
      Chunk chunk = chunks.get(key);
      assertEquals(chunk == null ? ChunkIndex.NONE : chunk.entry, index.find(key));
      if (chunk == null) {
        if (random.nextInt(100) < insertShare) {
          insert(key);
        }
      } else if (random.nextInt(200) < 100 - insertShare) {
        remove(chunk);
      } else {
        change(chunk);
        compare(chunk);
      }
    }

    private void insert(ChunkKey key) {
      int expected = free.isEmpty() ? bound++ : free.removeFirst();
      int salt = random.nextInt() >>> random.nextInt(1, 32);
      Chunk chunk = new Chunk(key, index.insert(key, salt), salt);
      assertEquals(expected, chunk.entry, "the least recently freed number is taken");
      chunks.put(key, chunk);
      keyBytes += key.length();
      compare(chunk);
    }

    private void remove(Chunk chunk) {
      index.remove(chunk.entry);
      chunks.remove(chunk.key);
      free.addLast(chunk.entry);
      keyBytes -= chunk.key.length();
      assertFalse(index.occupied(chunk.entry));
      if (random.nextInt(32) == 0) {
        assertThrows(IllegalStateException.class, () -> index.generation(chunk.entry));
      }
    }

    private void change(Chunk chunk) {
      int mask = random.nextInt(1 << ChunkIndex.FLAG_BITS);
      switch (random.nextInt(6)) {
        case 0 -> {
          chunk.generation = random.nextLong();
          index.setGeneration(chunk.entry, chunk.generation);
        }
        case 1 -> {
          chunk.payloadLength = random.nextLong(1L << random.nextInt(32));
          index.setPayloadLength(chunk.entry, chunk.payloadLength);
        }
        case 2 -> {
          chunk.expiresAtMillis = random.nextLong();
          index.setExpiresAtMillis(chunk.entry, chunk.expiresAtMillis);
        }
        case 3 -> {
          chunk.flags |= mask;
          index.setFlag(chunk.entry, mask);
        }
        case 4 -> {
          chunk.flags &= ~mask;
          index.clearFlag(chunk.entry, mask);
        }
        default -> count(chunk, random.nextInt(3), random.nextBoolean());
      }
    }

    private void count(Chunk chunk, int counter, boolean up) {
      boolean expected = up || chunk.counts[counter] > 0;
      if (expected) {
        chunk.counts[counter] += up ? 1 : -1;
      }
      int entry = chunk.entry;
      boolean done =
          switch (counter) {
            case 0 -> up ? index.incrementLocks(entry) : index.decrementLocks(entry);
            case 1 -> up ? index.incrementPins(entry) : index.decrementPins(entry);
            default -> up ? index.incrementReaders(entry) : index.decrementReaders(entry);
          };
      assertEquals(expected, done);
    }

    private void compare(Chunk chunk) {
      int entry = chunk.entry;
      assertTrue(index.occupied(entry));
      assertEquals(chunk.key, index.key(entry));
      assertEquals(chunk.key.hash64(), index.keyHash(entry));
      assertEquals(chunk.salt, index.salt(entry));
      assertEquals(chunk.generation, index.generation(entry));
      assertEquals(chunk.payloadLength, index.payloadLength(entry));
      assertEquals(chunk.expiresAtMillis, index.expiresAtMillis(entry));
      assertEquals(chunk.counts[0], index.locks(entry));
      assertEquals(chunk.counts[1], index.pins(entry));
      assertEquals(chunk.counts[2], index.readers(entry));
      assertEquals(chunk.counts[0] + chunk.counts[1] + chunk.counts[2] > 0, index.held(entry));
      for (int bit = 0; bit < ChunkIndex.FLAG_BITS; bit++) {
        assertEquals((chunk.flags >> bit & 1) != 0, index.flag(entry, 1 << bit));
      }
      assertEquals(chunk.flags != 0, index.flag(entry, 0xffff));
    }

    private void compareAll() {
      assertEquals(chunks.size(), index.size());
      assertEquals(keyBytes, index.keyBytes());
      assertEquals(bound, index.entryBound());
      chunks.values().forEach(this::compare);
      Set<Integer> walked = new HashSet<>();
      for (int at = index.nextOccupied(0); at != -1; at = index.nextOccupied(at + 1)) {
        assertTrue(walked.add(at));
      }
      Set<Integer> occupied = new HashSet<>();
      chunks.values().forEach(chunk -> occupied.add(chunk.entry));
      assertEquals(occupied, walked);
      int[] found = new int[keys.size() + 1];
      found[keys.size()] = 77;
      index.findAll(keys, found);
      int[] expected = new int[keys.size() + 1];
      for (int i = 0; i < keys.size(); i++) {
        Chunk chunk = chunks.get(keys.get(i));
        expected[i] = chunk == null ? -1 : chunk.entry;
      }
      expected[keys.size()] = 77;
      assertArrayEquals(expected, found);
    }
  }

  private static List<ChunkKey> randomKeys(RandomGenerator random, int count) {
    Set<ChunkKey> keys = new HashSet<>();
    while (keys.size() < count) {
      keys.add(TestKeys.random(random));
    }
    return List.copyOf(keys);
  }

  /** Waves of growth and shrinkage against the model. */
  private static void play(RandomGenerator random, List<ChunkKey> keys, int steps) {
    Model model = new Model(random, keys);
    for (int wave = 0; wave < 4; wave++) {
      int insertShare = wave % 2 == 0 ? 90 : 15;
      for (int step = 0; step < steps / 4; step++) {
        model.step(insertShare);
      }
      model.compareAll();
    }
    List.copyOf(model.chunks.values()).forEach(model::remove);
    model.compareAll();
    assertEquals(-1, model.index.nextOccupied(0));
  }

  @Test
  void behavesLikeAMap() {
    Seeds.forEach(
        8,
        seed -> {
          SplittableRandom random = new SplittableRandom(seed);
          play(random, randomKeys(random, 50 + random.nextInt(8_000)), 40_000);
        });
  }

  @Test
  void behavesLikeAMapWhenKeysShareATable() {
    Seeds.forEach(
        10,
        seed -> {
          SplittableRandom random = new SplittableRandom(seed);
          play(random, TestKeys.ofOneTable(random, 5 + random.nextInt(800)), 20_000);
        });
  }

  @Test
  void behavesLikeAMapWhenHashesCollide() {
    Seeds.forEach(
        20,
        seed -> {
          SplittableRandom random = new SplittableRandom(seed);
          List<ChunkKey> keys = new ArrayList<>(TestKeys.ofOneTable(random, 100));
          for (int hash = 0; hash < 3; hash++) {
            List<ChunkKey> colliding = TestKeys.ofOneHash(random, 40);
            assertEquals(
                1, colliding.stream().map(ChunkKey::hash64).distinct().count(), "hashes collide");
            keys.addAll(colliding);
          }
          play(random, keys, 20_000);
        });
  }

  @Test
  void takesKeysOfEveryLengthAndEveryByte() {
    ChunkIndex index = new ChunkIndex();
    Map<Integer, ChunkKey> keys = new HashMap<>();
    for (int length = ChunkKey.MIN_BYTES; length <= ChunkKey.MAX_BYTES; length++) {
      byte[] bytes = new byte[length];
      for (int at = 0; at < length; at++) {
        bytes[at] = (byte) (at + length);
      }
      ChunkKey key = ChunkKey.of(bytes);
      keys.put(index.insert(key, 0), key);
    }
    for (int value = 0; value < 256; value++) {
      ChunkKey key = ChunkKey.of(new byte[] {(byte) value});
      if (index.find(key) == ChunkIndex.NONE) {
        keys.put(index.insert(key, 0), key);
      }
    }
    assertEquals(ChunkKey.MAX_BYTES + 255, index.size());
    keys.forEach(
        (entry, key) -> {
          assertEquals(key, index.key(entry));
          assertEquals(entry, index.find(key));
        });
    assertEquals(-1, index.find(ChunkKey.of(new byte[] {2, 2})));
  }

  @Test
  void aWalkInStepsSeesEachSurvivorOnce() {
    Seeds.forEach(
        10,
        seed -> {
          SplittableRandom random = new SplittableRandom(seed);
          ChunkIndex index = new ChunkIndex();
          Set<Integer> survivors = new HashSet<>();
          List<Integer> others = new ArrayList<>();
          for (int chunk = 0; chunk < 20_000; chunk++) {
            int entry = index.insert(ChunkKey.of("old" + chunk), 0);
            if (random.nextInt(3) == 0) {
              survivors.add(entry);
            } else {
              others.add(entry);
            }
          }
          Map<Integer, Integer> seen = new HashMap<>();
          int inserted = 0;
          for (int at = index.nextOccupied(0); at != -1; at = index.nextOccupied(at + 1)) {
            seen.merge(at, 1, Integer::sum);
            for (int change = 0; change < 3 && !others.isEmpty(); change++) {
              if (random.nextBoolean()) {
                int chosen = random.nextInt(others.size());
                index.remove(others.set(chosen, others.getLast()));
                others.removeLast();
              } else {
                others.add(index.insert(ChunkKey.of("new" + inserted++), 0));
              }
            }
          }
          for (int survivor : survivors) {
            assertEquals(1, seen.getOrDefault(survivor, 0), "entry " + survivor);
          }
          assertEquals(seen.size(), seen.values().stream().mapToInt(count -> count).sum());
        });
  }

  @Test
  void nextOccupiedCrossesEmptyPages() {
    ChunkIndex index = new ChunkIndex();
    for (int chunk = 0; chunk < 20_000; chunk++) {
      index.insert(ChunkKey.of("key" + chunk), 0);
    }
    for (int entry = 0; entry < 20_000; entry++) {
      if (entry != 63 && entry != 64 && entry != 19_999) {
        index.remove(entry);
      }
    }
    assertEquals(63, index.nextOccupied(0));
    assertEquals(63, index.nextOccupied(63));
    assertEquals(64, index.nextOccupied(64));
    assertEquals(19_999, index.nextOccupied(65));
    assertEquals(-1, index.nextOccupied(20_000));
    assertEquals(-1, index.nextOccupied(Integer.MAX_VALUE));
    assertEquals(20_000, index.entryBound());
  }

  @Test
  void countersStopAtTheirEnds() {
    ChunkIndex index = new ChunkIndex();
    int entry = index.insert(ChunkKey.of("key"), 0);
    assertFalse(index.decrementPins(entry));
    assertTrue(index.incrementLocks(entry));
    assertTrue(index.incrementReaders(entry));
    for (int pin = 0; pin < ChunkIndex.MAX_COUNT; pin++) {
      assertTrue(index.incrementPins(entry));
    }
    assertFalse(index.incrementPins(entry));
    assertEquals(ChunkIndex.MAX_COUNT, index.pins(entry));
    assertEquals(1, index.locks(entry));
    assertEquals(1, index.readers(entry));
    assertTrue(index.held(entry));
  }

  @Test
  void refusesMisuse() {
    ChunkIndex index = new ChunkIndex();
    ChunkKey key = ChunkKey.of("key");
    int entry = index.insert(key, 3);
    assertThrows(IllegalStateException.class, () -> index.insert(key, 3));
    assertThrows(IllegalArgumentException.class, () -> index.insert(ChunkKey.of("other"), -1));
    assertThrows(IllegalArgumentException.class, () -> index.setPayloadLength(entry, -1));
    assertThrows(IllegalArgumentException.class, () -> index.setPayloadLength(entry, 1L << 31));
    assertThrows(IllegalArgumentException.class, () -> index.setFlag(entry, 1 << 16));
    assertThrows(IndexOutOfBoundsException.class, () -> index.generation(1));
    assertThrows(IndexOutOfBoundsException.class, () -> index.generation(-1));
    assertThrows(
        IndexOutOfBoundsException.class, () -> index.findAll(List.of(key, key), new int[1]));
    assertFalse(index.occupied(-1));
    assertFalse(index.occupied(1));
    assertEquals(1, index.size());
    index.remove(entry);
    assertThrows(IllegalStateException.class, () -> index.remove(entry));
    assertEquals(0, index.size());
  }

  /** The design's bound, less what an eviction policy may take, at every size on the way up. */
  @Test
  void memoryStaysWithinTheBound() {
    SplittableRandom random = new SplittableRandom(5);
    ChunkIndex index = new ChunkIndex();
    byte[] bytes = new byte[120];
    double worst = 0;
    for (int chunk = 0; chunk < 1_000_000; chunk++) {
      random.nextBytes(bytes);
      index.insert(ChunkKey.of(bytes), 0);
      if (index.size() >= 100_000) {
        worst = Math.max(worst, (double) (index.memoryBytes() - index.keyBytes()) / index.size());
      }
    }
    assertTrue(worst <= 64, worst + " bytes an entry");
  }

  /** Keys that get longer and shorter again: the rooms of sizes gone by are used anew. */
  @Test
  void memoryStaysWithinTheBoundWhenKeySizesDrift() {
    Seeds.forEach(
        2,
        seed -> {
          SplittableRandom random = new SplittableRandom(seed);
          ChunkIndex index = new ChunkIndex();
          Map<Integer, ChunkKey> chunks = new HashMap<>();
          int count = 60_000;
          long longestSum = 0;
          for (int length : new int[] {80, 96, 112, 88, 136}) {
            for (int turn = 0; turn < 2 * count; turn++) {
              int victim = random.nextInt(count);
              if (chunks.containsKey(victim)) {
                index.remove(victim);
                chunks.remove(victim);
              } else if (index.entryBound() == count) {
                continue;
              }
              byte[] bytes = new byte[length - random.nextInt(16)];
              random.nextBytes(bytes);
              ChunkKey key = ChunkKey.of(bytes);
              chunks.put(index.insert(key, 0), key);
              longestSum = Math.max(longestSum, index.keyBytes());
            }
            long beyond = index.memoryBytes() - longestSum;
            assertTrue(
                beyond <= 80L * count,
                () -> beyond / count + " bytes an entry at length " + length);
            chunks.forEach(
                (entry, key) -> {
                  assertEquals(key, index.key(entry));
                  assertEquals(entry, index.find(key));
                });
          }
        });
  }
}
