package io.weft.base;

import java.time.Duration;

/**
 * The moment by which a request is answered, in the nanoseconds of {@link Ticker#nanoTime()}. It
 * travels in the message: work that has passed it is answered without touching the device.
 */
public record Deadline(long nanos) {

  /** The deadline {@code timeout} from now on the machine's clock. */
  public static Deadline in(Duration timeout) {
    return in(timeout, Ticker.system());
  }

  /** The deadline {@code timeout} from now on {@code ticker}; a century at the most. */
  public static Deadline in(Duration timeout, Ticker ticker) {
    Duration century = Duration.ofDays(36_500);
    Duration bounded = timeout.compareTo(century) > 0 ? century : timeout;
    return new Deadline(ticker.nanoTime() + bounded.toNanos());
  }

  public boolean passed(long nowNanos) {
    return nowNanos - nanos >= 0;
  }
}
