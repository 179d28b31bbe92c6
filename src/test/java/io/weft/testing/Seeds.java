package io.weft.testing;

/**
 * Runs a randomised test over several seeds. A failure names its seed, and {@code -Dseed=N} runs
 * that one alone.
 */
public final class Seeds {
  private static final String PROPERTY = "seed";

  private Seeds() {}

  /** A test of one seed. */
  @FunctionalInterface
  public interface SeededTest {
    void run(long seed) throws Exception;
  }

  /** Runs the test with the seeds from 1 to {@code count}, or with the one that is asked for. */
  public static void forEach(int count, SeededTest test) {
    Long chosen = Long.getLong(PROPERTY);
    if (chosen != null) {
      run(chosen, test);
      return;
    }
    for (long seed = 1; seed <= count; seed++) {
      run(seed, test);
    }
  }

  private static void run(long seed, SeededTest test) {
    try {
      test.run(seed);
    } catch (Exception | AssertionError failure) {
      throw new AssertionError(
          "with seed %d (replay with -D%s=%d): %s".formatted(seed, PROPERTY, seed, failure),
          failure);
    }
  }
}
