package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.LinkedHashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class GhostQueueTest {

  /** Grows to thousands, so that buckets split many times, and shrinks to none. */
  @Test
  void remembersWhatAPlainSetRemembers() {
    long seed = Long.getLong("seed", 42L);
    Random random = new Random(seed);
    GhostQueue ghosts = new GhostQueue();
    Set<Integer> model = new LinkedHashSet<>();
    for (int step = 0; step < 60_000; step++) {
      // Multiples of 64 crowd the buckets.
      int fingerprint = random.nextInt(20_000) * (random.nextBoolean() ? 64 : 1) - 5_000;
      if (random.nextInt(5) < 2) {
        assertEquals(
            model.remove(fingerprint), ghosts.remove(fingerprint), "step " + step + " of " + seed);
      } else if (model.add(fingerprint)) {
        ghosts.add(fingerprint);
      }
      if (step % 20_000 == 19_999) {
        int limit = model.size() / 3;
        ghosts.trim(limit);
        while (model.size() > limit) {
          model.remove(model.iterator().next());
        }
      }
      assertEquals(model.size(), ghosts.size());
    }
    for (int fingerprint = -5_000; fingerprint < 20_000 * 64; fingerprint++) {
      assertEquals(model.remove(fingerprint), ghosts.remove(fingerprint), "seed " + seed);
    }
    ghosts.trim(0);
    assertEquals(0, ghosts.size());
  }

  @Test
  void twoKeysOfOneFingerprintAreForgottenOneByOne() {
    GhostQueue ghosts = new GhostQueue();
    ghosts.add(7);
    ghosts.add(7);
    ghosts.trim(1);
    assertEquals(true, ghosts.remove(7));
    assertEquals(false, ghosts.remove(7));
  }
}
