package io.weft.base;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;

/** The counters of one store. Thread-safe; counting is cheap and never blocks. */
public final class Metrics {
  private final Map<Metric, LongAdder> counters = new EnumMap<>(Metric.class);

  public Metrics() {
    for (Metric metric : Metric.values()) {
      counters.put(metric, new LongAdder());
    }
  }

  public void add(Metric metric) {
    counter(metric).increment();
  }

  public void add(Metric metric, long count) {
    counter(metric).add(count);
  }

  public long get(Metric metric) {
    return counter(metric).sum();
  }

  /** All counters at about one moment. */
  public Map<Metric, Long> snapshot() {
    Map<Metric, Long> values = new EnumMap<>(Metric.class);
    counters.forEach((metric, counter) -> values.put(metric, counter.sum()));
    return Collections.unmodifiableMap(values);
  }

  private LongAdder counter(Metric metric) {
    return Objects.requireNonNull(counters.get(metric));
  }
}
