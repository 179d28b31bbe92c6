package io.weft.core;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Runs the simulation over many seeds, on every core. What {@code scripts/sim} starts; ends with 1
 * where a seed failed, after it was replayed with a trace, and with 2 for wrong arguments.
 */
final class Simulate {
  private static final int TRACE_LINES = 400;

  private record Failure(long seed, Throwable why) {}

  private Simulate() {}

  public static void main(String[] args) throws InterruptedException {
    List<String> words = Arrays.asList(args);
    boolean trace = words.contains("--trace");
    try {
      if (words.contains("--seed")) {
        System.exit(one(Long.parseLong(after(words, "--seed")), trace));
      }
      String[] range = after(words, "--seeds").split("\\.\\.", 2);
      System.exit(many(Long.parseLong(range[0]), Long.parseLong(range[1])));
    } catch (IllegalArgumentException | IndexOutOfBoundsException _) {
      System.err.println("what to run: --seeds A..B, or --seed N [--trace]");
      System.exit(2);
    }
  }

  private static String after(List<String> words, String option) {
    return words.get(words.indexOf(option) + 1);
  }

  private static int one(long seed, boolean trace) {
    try {
      for (SimulatedLives lives : SimulatedLives.values()) {
        lives.judged(
            seed,
            trace ? TRACE_LINES : 0,
            world -> System.out.println(lives + " is in order. " + (trace ? world.trace() : "")));
      }
      return 0;
    } catch (AssertionError failure) {
      System.out.println(failure.getMessage());
      failure.printStackTrace(System.out);
      return 1;
    }
  }

  private static int many(long first, long last) throws InterruptedException {
    AtomicLong next = new AtomicLong(first);
    AtomicLong done = new AtomicLong();
    AtomicReference<Failure> failed = new AtomicReference<>();
    Thread[] threads = new Thread[Runtime.getRuntime().availableProcessors()];
    long begun = System.nanoTime();
    for (int i = 0; i < threads.length; i++) {
      threads[i] =
          new Thread(
              () -> {
                long seed;
                while (failed.get() == null && (seed = next.getAndIncrement()) <= last) {
                  try {
                    for (SimulatedLives lives : SimulatedLives.values()) {
                      lives.judged(seed, 0, _ -> {});
                    }
                    done.incrementAndGet();
                  } catch (AssertionError failure) {
                    failed.compareAndSet(null, new Failure(seed, failure));
                  }
                }
              });
      threads[i].start();
    }
    for (Thread thread : threads) {
      while (thread.isAlive()) {
        thread.join(5_000);
        report(done.get(), last - first + 1, begun);
      }
    }
    Failure failure = failed.get();
    if (failure == null) {
      System.out.printf("%,d seeds, %d lives each: all in order%n", done.get(), lives());
      return 0;
    }
    System.out.printf(
        "seed %d failed. Replayed with scripts/sim --seed %d --trace:%n",
        failure.seed(), failure.seed());
    if (one(failure.seed(), true) == 0) {
      System.out.println("It did not fail again: the simulation is not deterministic.");
      failure.why().printStackTrace(System.out);
    }
    return 1;
  }

  private static int lives() {
    return SimulatedLives.values().length;
  }

  private static void report(long done, long all, long begun) {
    double seconds = (System.nanoTime() - begun) / 1e9;
    System.err.printf(
        "%,d of %,d seeds, %.0f s, %,.0f an hour%n", done, all, seconds, done / seconds * 3600);
  }
}
