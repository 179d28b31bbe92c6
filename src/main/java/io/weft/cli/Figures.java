package io.weft.cli;

import io.weft.base.ByteSize;
import io.weft.base.Chunks;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;

/** How the commands write figures for people. */
final class Figures {
  private Figures() {}

  static String count(long count) {
    return String.format(Locale.ROOT, "%,d", count);
  }

  static String bytes(long bytes) {
    return new ByteSize(bytes).toString();
  }

  /** The unit for reading, the bytes for comparing. */
  static String exactBytes(long bytes) {
    return bytes < 1024 ? bytes(bytes) : bytes(bytes) + " (" + count(bytes) + " bytes)";
  }

  static String bytesPerSecond(double rate) {
    return new ByteSize(Math.max(0, (long) rate)) + "/s";
  }

  static String ratio(double ratio) {
    return String.format(Locale.ROOT, "%.4f", ratio);
  }

  static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", 100 * share);
  }

  static String seconds(double seconds) {
    return String.format(Locale.ROOT, seconds < 10 ? "%.2f s" : "%.1f s", seconds);
  }

  static String nanos(long nanos) {
    double micros = nanos / 1e3;
    if (micros < 1000) {
      return String.format(Locale.ROOT, "%.0f µs", micros);
    }
    return micros < 1e6
        ? String.format(Locale.ROOT, micros < 1e5 ? "%.2f ms" : "%.0f ms", micros / 1e3)
        : seconds(micros / 1e6);
  }

  /** A wall-clock time; {@code never} for {@link Chunks#NEVER}. */
  static String time(long epochMillis) {
    return epochMillis == Chunks.NEVER ? "never" : Instant.ofEpochMilli(epochMillis).toString();
  }

  static double seconds(Duration duration) {
    return duration.toNanos() / 1e9;
  }

  /** Cut to so many digits behind the point: what is beyond is noise in a file of figures. */
  static double rounded(double value, int digits) {
    return Double.isFinite(value)
        ? BigDecimal.valueOf(value).setScale(digits, RoundingMode.HALF_UP).doubleValue()
        : 0;
  }
}
