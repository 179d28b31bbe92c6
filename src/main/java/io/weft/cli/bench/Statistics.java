package io.weft.cli.bench;

import java.util.Arrays;
import java.util.stream.IntStream;

/** Medians. */
final class Statistics {
  private Statistics() {}

  /** Of the numbers that are there; NaN where none is. */
  static double median(double[] values) {
    double[] sorted = Arrays.stream(values).filter(Double::isFinite).sorted().toArray();
    if (sorted.length == 0) {
      return Double.NaN;
    }
    int half = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  /** Each round's own ratio; rounds that only one side has are left out. */
  static double[] ratios(double[] values, double[] references) {
    return IntStream.range(0, Math.min(values.length, references.length))
        .mapToDouble(round -> values[round] / references[round])
        .filter(Double::isFinite)
        .toArray();
  }
}
