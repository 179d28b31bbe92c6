package io.weft.core;

import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * How long to wait before the next attempt: doubling from a least to a greatest time, each varied
 * by a fifth either way, so that the hosts of a target that came back do not all come at once.
 */
public final class Backoff {
  private static final double JITTER = 0.2;

  private final long leastNanos;
  private final long mostNanos;
  private final RandomGenerator random;
  private long nextNanos;

  /**
   * @param random seeded by the caller
   */
  public Backoff(Duration least, Duration most, RandomGenerator random) {
    this.leastNanos = least.toNanos();
    this.mostNanos = most.toNanos();
    this.random = random;
    this.nextNanos = leastNanos;
  }

  /** The wait before the next attempt; the one after it waits longer. */
  public Duration next() {
    long wait = nextNanos;
    nextNanos = Math.min(mostNanos, nextNanos * 2);
    return Duration.ofNanos((long) (wait * random.nextDouble(1 - JITTER, 1 + JITTER)));
  }

  /** It worked: the next failure begins anew. */
  public void reset() {
    nextNanos = leastNanos;
  }
}
