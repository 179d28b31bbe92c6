package io.weft.actor;

import io.weft.base.Ticker;
import java.time.Duration;
import java.util.ArrayDeque;

/** Counts restarts within a sliding window. */
final class Restarts {
  private final int max;
  private final long windowNanos;
  private final Ticker ticker;
  private final ArrayDeque<Long> recent = new ArrayDeque<>();

  Restarts(int max, Duration window, Ticker ticker) {
    this.max = max;
    this.windowNanos = window.toNanos();
    this.ticker = ticker;
  }

  /** Counts one more, and says whether it is still within the bound. */
  boolean allowed() {
    long now = ticker.nanoTime();
    recent.addLast(now);
    while (!recent.isEmpty() && now - recent.getFirst() > windowNanos) {
      recent.removeFirst();
    }
    return recent.size() <= max;
  }
}
