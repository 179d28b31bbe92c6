package io.weft.cli.bench;

/** A figure that is taken of a contender under a workload. */
public enum Measure {
  OPERATIONS("operationsPerSecond", "operations a second"),
  /** Payload alone, in millions of bytes. */
  MEGABYTES("megabytesPerSecond", "MB a second"),
  P50("p50Micros", "p50, microseconds"),
  P99("p99Micros", "p99, microseconds"),
  P999("p999Micros", "p99.9, microseconds"),
  /** Processor time, of every process that takes part, for a thousand million payload bytes. */
  CPU("cpuSecondsPerGigabyte", "CPU seconds per GB"),
  /** Bytes of the heap that this process allocated for one operation, the bench's own included. */
  ALLOCATION("allocatedBytesPerOperation", "heap bytes per operation"),
  /** The most resident memory of any process that takes part, in MiB. */
  PEAK("peakResidentMebibytes", "peak resident MiB"),
  KEYS("keysPerSecond", "keys a second"),
  SECONDS("seconds", "seconds"),
  /** The p99 of loads beside stores, as a multiple of the p99 of the same loads alone. */
  P99_FACTOR("p99Factor", "p99 beside stores against alone"),
  /** The rate of stores beside loads, as a share of their rate alone. */
  STORES_KEPT("storesKept", "share of their rate that stores keep");

  private final String label;
  private final String title;

  Measure(String label, String title) {
    this.label = label;
    this.title = title;
  }

  /** The name in the JSON. */
  public String label() {
    return label;
  }

  /** For people, with the unit. */
  public String title() {
    return title;
  }
}
