package io.weft.cli.bench;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/**
 * What one run of one workload gave.
 *
 * @param values what was measured; what does not apply is not there
 * @param invalid why the run does not count; empty where it does
 */
public record Measurement(Map<Measure, Double> values, String invalid) {
  public Measurement {
    EnumMap<Measure, Double> copy = new EnumMap<>(Measure.class);
    copy.putAll(values);
    values = Collections.unmodifiableMap(copy);
  }

  /** A run that counts. */
  public static Measurement of(Map<Measure, Double> values) {
    return new Measurement(values, "");
  }

  /** The figure; NaN where it was not taken. */
  public double value(Measure measure) {
    return values.getOrDefault(measure, Double.NaN);
  }
}
