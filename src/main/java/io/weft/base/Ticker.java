package io.weft.base;

/**
 * The one source of time. Everything that decides takes its time from a ticker, so that tests and
 * simulations can turn the clock by hand.
 */
public interface Ticker {
  /** Monotonic nanoseconds of no particular origin: for deadlines and intervals. */
  long nanoTime();

  /** Wall-clock milliseconds since the epoch: for expiry times, which outlive the process. */
  long epochMillis();

  /** The clocks of this machine. */
  static Ticker system() {
    return SystemTicker.INSTANCE;
  }
}
