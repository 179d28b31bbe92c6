package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkKey;
import io.weft.testing.Seeds;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class KeyArenaTest {

  /** Keys and references side by side, compactions driven as an owner does. */
  private static final class Owner {
    private final SplittableRandom random;
    private final KeyArena arena = new KeyArena();
    private final List<ChunkKey> keys = new ArrayList<>();
    private final List<Long> references = new ArrayList<>();
    private int compactions;
    private int swept;

    private Owner(SplittableRandom random) {
      this.random = random;
    }

    private void store(ChunkKey key) {
      keys.add(key);
      references.add(arena.store(key));
    }

    private void freeAny() {
      int chosen = random.nextInt(keys.size());
      arena.free(references.get(chosen));
      keys.set(chosen, keys.getLast());
      references.set(chosen, references.getLast());
      keys.removeLast();
      references.removeLast();
    }

    /** Finishes a compaction at once, other than the index, which keeps an order by entries. */
    private void compact() {
      if (arena.compacting() && arena.dropLeavingRooms(random.nextInt(1, 500)) > 0) {
        for (int i = 0; i < keys.size(); i++) {
          long reference = references.get(i);
          if (arena.leaving(reference)) {
            references.set(i, arena.move(reference));
            swept++;
          }
        }
        arena.endCompaction();
        compactions++;
      }
    }

    private void compareAll() {
      long bytes = 0;
      for (int i = 0; i < keys.size(); i++) {
        ChunkKey key = keys.get(i);
        long reference = references.get(i);
        bytes += key.length();
        assertEquals(key, arena.key(reference));
        assertEquals(key.hash64(), arena.hash(reference));
        assertTrue(arena.holds(reference, key));
        assertFalse(arena.holds(reference, keys.get((i + 1) % keys.size())));
        assertTrue(reference >>> KeyArena.REFERENCE_BITS == 0);
      }
      assertEquals(bytes, arena.keyBytes());
    }
  }

  @Test
  void keepsEveryKeyThroughReuseAndCompaction() {
    Seeds.forEach(
        10,
        seed -> {
          SplittableRandom random = new SplittableRandom(seed);
          Owner owner = new Owner(random);
          for (int phase = 0; phase < 6; phase++) {
            int longest = random.nextInt(16, ChunkKey.MAX_BYTES);
            for (int step = 0; step < 12_000; step++) {
              if (owner.keys.size() > 4_000 || (!owner.keys.isEmpty() && random.nextInt(3) == 0)) {
                owner.freeAny();
              } else {
                byte[] bytes = new byte[random.nextInt(longest * 3 / 4, longest + 1)];
                random.nextBytes(bytes);
                owner.store(ChunkKey.of(bytes));
              }
              owner.compact();
            }
            owner.compareAll();
          }
          assertNotEquals(0, owner.compactions, "the test compacts");
          assertNotEquals(0, owner.swept, "the test moves keys");
        });
  }

  @Test
  void aFreedRoomIsTakenAgain() {
    KeyArena arena = new KeyArena();
    long first = arena.store(ChunkKey.of("0123456789"));
    arena.store(ChunkKey.of("abcdefghij"));
    arena.free(first);
    assertEquals(first + 1, arena.store(ChunkKey.of("ABCDEFGHIJK")), "same room, one byte longer");
    assertEquals(0, arena.wastedBytes());
  }

  @Test
  void memoryIsConstantWhileSizesKeepTheirProportions() {
    SplittableRandom random = new SplittableRandom(3);
    Owner owner = new Owner(random);
    byte[] bytes = new byte[120];
    for (int i = 0; i < 20_000; i++) {
      random.nextBytes(bytes);
      owner.store(ChunkKey.of(bytes));
    }
    long memory = owner.arena.memoryBytes();
    for (int i = 0; i < 100_000; i++) {
      owner.freeAny();
      random.nextBytes(bytes);
      owner.store(ChunkKey.of(bytes));
    }
    assertEquals(memory, owner.arena.memoryBytes());
    long blocks = memory / KeyArena.BLOCK_BYTES;
    assertTrue(owner.arena.wastedBytes() < blocks * bytes.length, "no more than the blocks' tails");
  }

  /** Large enough that compactions begin while there are spare blocks of the one before. */
  @Test
  void memoryIsBoundedWhileSizesDrift() {
    SplittableRandom random = new SplittableRandom(6);
    Owner owner = new Owner(random);
    for (int length = 1_200; length <= ChunkKey.MAX_BYTES; length += 50) {
      for (int step = 0; step < 20_000; step++) {
        if (owner.keys.size() == 20_000) {
          owner.freeAny();
        }
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        owner.store(ChunkKey.of(bytes));
        owner.compact();
      }
      double share = (double) owner.arena.memoryBytes() / owner.arena.keyBytes();
      assertTrue(share < 1.2, share + " times the keys' bytes");
    }
    owner.compareAll();
  }

  @Test
  void endingACompactionEarlyIsRefused() {
    Owner owner = new Owner(new SplittableRandom(4));
    for (int i = 0; i < 40_000; i++) {
      owner.store(ChunkKey.of("a key of some length, number " + i));
    }
    for (int i = 0; i < 20_000; i++) {
      owner.freeAny();
    }
    for (int i = 0; i < 100_000 && !owner.arena.compacting(); i++) {
      owner.store(ChunkKey.of("a key of another length, rather longer, number " + i));
    }
    assertThrows(IllegalStateException.class, owner.arena::endCompaction);
  }
}
