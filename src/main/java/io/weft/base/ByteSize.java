package io.weft.base;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A count of bytes, written and read with binary units: {@code 16 KiB}, {@code 1.5 GiB}. */
public record ByteSize(long bytes) implements Comparable<ByteSize> {
  private static final Pattern FORM =
      Pattern.compile("\\s*([0-9]+(?:\\.[0-9]+)?)\\s*([kmgtp]?)(i?b?|b)\\s*");
  private static final String UNITS = "kmgtp";

  public ByteSize {
    if (bytes < 0) {
      throw new IllegalArgumentException("a size is not negative: " + bytes);
    }
  }

  public static ByteSize ofKibibytes(long count) {
    return new ByteSize(Math.multiplyExact(count, 1L << 10));
  }

  public static ByteSize ofMebibytes(long count) {
    return new ByteSize(Math.multiplyExact(count, 1L << 20));
  }

  public static ByteSize ofGibibytes(long count) {
    return new ByteSize(Math.multiplyExact(count, 1L << 30));
  }

  /**
   * Reads {@code 4096}, {@code 64k}, {@code 64KiB}, {@code 1.5 GiB}. Every unit is binary ({@code
   * k} = {@code KB} = {@code KiB} = 1024), as storage tools of this field take it.
   *
   * @throws IllegalArgumentException where the text is no size, naming the text and the form
   */
  public static ByteSize parse(String text) {
    Matcher matcher = FORM.matcher(text.toLowerCase(Locale.ROOT));
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "'" + text + "' is no size: write a number with a unit, as in 16KiB, 2MiB or 1.5GiB");
    }
    int power = matcher.group(2).isEmpty() ? 0 : UNITS.indexOf(matcher.group(2)) + 1;
    java.math.BigDecimal value =
        new java.math.BigDecimal(matcher.group(1))
            .multiply(java.math.BigDecimal.valueOf(1L << (10 * power)));
    if (value.compareTo(java.math.BigDecimal.valueOf(Long.MAX_VALUE)) > 0) {
      throw new IllegalArgumentException("'" + text + "' is more than a store can hold");
    }
    return new ByteSize(value.longValue());
  }

  @Override
  public int compareTo(ByteSize other) {
    return Long.compare(bytes, other.bytes);
  }

  /** For people: at most two decimals, the largest unit that leaves one digit before the point. */
  @Override
  public String toString() {
    if (bytes < 1024) {
      return bytes + " B";
    }
    int power = (63 - Long.numberOfLeadingZeros(bytes)) / 10;
    double scaled = bytes / (double) (1L << (10 * power));
    String digits = String.format(Locale.ROOT, scaled >= 100 ? "%.0f" : "%.2f", scaled);
    if (digits.contains(".")) {
      digits = digits.replaceAll("0+$", "").replaceAll("\\.$", "");
    }
    return digits + " " + "KMGTPE".charAt(power - 1) + "iB";
  }
}
