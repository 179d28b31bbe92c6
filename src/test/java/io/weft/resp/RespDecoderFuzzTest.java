package io.weft.resp;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.testing.Seeds;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Bent input from a seed corpus: the decoder throws nothing, holds no more than it may, and makes
 * the same of it however it is cut. {@code -Dweft.fuzz.seconds=N} goes on for so long.
 */
class RespDecoderFuzzTest {
  private static final int INPUTS_A_SEED = 500;

  @Test
  void whateverComesIsTakenTheSameWayHoweverItIsCut() throws Exception {
    List<byte[]> corpus = RespMutations.corpus();
    assertTrue(corpus.size() >= 10, "the seed corpus");
    for (byte[] seed : corpus) {
      DecoderRun.check(seed, _ -> 1);
    }
    Duration time = Duration.ofSeconds(Long.getLong("weft.fuzz.seconds", 0));
    if (time.isZero()) {
      Seeds.forEach(20, seed -> fuzz(seed, corpus));
      return;
    }
    long end = System.nanoTime() + time.toNanos();
    long inputs = 0;
    for (long seed = System.nanoTime(); System.nanoTime() - end < 0; seed++) {
      fuzz(seed, corpus);
      inputs += INPUTS_A_SEED;
    }
    System.err.println(inputs + " inputs");
  }

  private static void fuzz(long seed, List<byte[]> corpus) {
    Random random = new Random(seed);
    RespMutations mutations = new RespMutations(random, corpus);
    for (int i = 0; i < INPUTS_A_SEED; i++) {
      byte[] input = mutations.next();
      // A byte at a time takes the square of a line's length: for short input only.
      int longest = input.length < 2_000 && random.nextInt(4) == 0 ? 1 : 2 + random.nextInt(5_000);
      try {
        DecoderRun.check(input, _ -> 1 + random.nextInt(longest));
      } catch (AssertionError | RuntimeException found) {
        throw new AssertionError(
            "with seed %d, input %d: %s: %s"
                .formatted(seed, i, found, io.weft.base.ChunkKey.of(head(input))),
            found);
      }
    }
  }

  private static byte[] head(byte[] input) {
    return java.util.Arrays.copyOf(input, Math.clamp(input.length, 1, 2048));
  }
}
