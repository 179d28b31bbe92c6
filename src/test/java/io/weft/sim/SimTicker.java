package io.weft.sim;

import io.weft.base.Ticker;
import java.time.Duration;

/** A clock that stands still until it is turned. */
public final class SimTicker implements Ticker {
  private volatile long nanos;
  private final long epochAtStart;

  public SimTicker() {
    this(1_000_000_000L, 1_700_000_000_000L);
  }

  public SimTicker(long nanos, long epochMillis) {
    this.nanos = nanos;
    this.epochAtStart = epochMillis - nanos / 1_000_000;
  }

  @Override
  public long nanoTime() {
    return nanos;
  }

  @Override
  public long epochMillis() {
    return epochAtStart + nanos / 1_000_000;
  }

  /** Turns both clocks. */
  public void advance(Duration by) {
    synchronized (this) {
      nanos += by.toNanos();
    }
  }
}
