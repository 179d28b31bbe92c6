package io.weft.cli.bench;

import io.weft.cli.bench.Bar.Reference;
import io.weft.cli.bench.Results.Cell;
import java.util.ArrayList;
import java.util.List;

/** All bars, as data. */
public final class Bars {
  static final int KIB_16 = 16 << 10;
  static final int KIB_128 = 128 << 10;
  static final int MIB_2 = 2 << 20;
  static final int MIB_32 = 32 << 20;

  /** Where processor time is compared. */
  static final int CPU_CHUNK_BYTES = MIB_2;

  /** Where open-loop loads are measured. */
  static final int LATENCY_CHUNK_BYTES = MIB_2;

  static final String LIMIT = "limit";
  static final String LIMIT_CRC = "limit+crc";
  static final String FLOOR = "floor";
  static final String FILE = "weft-file";
  static final String SLAB = "weft-slab";
  static final String RESP = "weft-resp";
  static final String REDIS = "redis";
  static final String ROCKSDB = "rocksdb";

  /** A store over an index of a million chunks that has no files. */
  static final String INDEX = "weft-index";

  private static final List<String> LAYOUTS = List.of(FILE, SLAB);
  private static final List<Integer> SIZES = List.of(KIB_16, KIB_128, MIB_2, MIB_32);
  private static final List<Integer> LARGE = List.of(MIB_2, MIB_32);

  private Bars() {}

  /** In the order in which they are printed. */
  public static List<Bar> all() {
    List<Bar> bars = new ArrayList<>();
    for (int size : LARGE) {
      for (String layout : LAYOUTS) {
        bars.add(rate("load", layout, Workload.LOAD, size, LIMIT, 0.95));
      }
      for (String layout : LAYOUTS) {
        bars.add(rate("store, steady state", layout, Workload.CAPACITY, size, LIMIT, 0.95));
      }
      bars.add(rate("store, new files", FILE, Workload.STORE, size, FLOOR, 0.95));
    }
    bars.add(rate("load", SLAB, Workload.LOAD, KIB_128, LIMIT, 0.90));
    bars.add(rate("store", SLAB, Workload.STORE, KIB_128, LIMIT, 0.90));
    bars.add(rate("store at capacity", SLAB, Workload.CAPACITY, KIB_128, LIMIT, 0.90));
    bars.add(rate("load", SLAB, Workload.LOAD, KIB_16, LIMIT, 0.75));
    bars.add(rate("store", SLAB, Workload.STORE, KIB_16, LIMIT, 0.75));
    for (int size : List.of(KIB_16, KIB_128)) {
      bars.add(rate("store, new files", FILE, Workload.STORE, size, FLOOR, 1.0));
      bars.add(rate("load", FILE, Workload.LOAD, size, FLOOR, 1.0));
    }
    bars.add(rate("store at capacity", FILE, Workload.CAPACITY, KIB_128, FLOOR, 2.0));
    for (int size : SIZES) {
      for (String layout : LAYOUTS) {
        for (Workload workload : List.of(Workload.STORE, Workload.LOAD)) {
          bars.add(
              new Bar(
                  "against the lesser of 2.0 RocksDB and 0.90 limit: " + workload.title(),
                  new Cell(workload, size, layout),
                  Measure.OPERATIONS,
                  List.of(new Reference(ROCKSDB, 2.0), new Reference(LIMIT, 0.90)),
                  1.0,
                  false));
        }
      }
    }
    for (String layout : LAYOUTS) {
      Cell loads = new Cell(Workload.LATENCY, LATENCY_CHUNK_BYTES, layout);
      bars.add(
          new Bar(
              "p99 of loads under a store backlog, against alone",
              loads,
              Measure.P99_FACTOR,
              List.of(),
              3.0,
              true));
      bars.add(
          new Bar(
              "share of their rate that the stores keep",
              loads,
              Measure.STORES_KEPT,
              List.of(),
              0.30,
              false));
    }
    for (String layout : LAYOUTS) {
      for (Workload workload : List.of(Workload.STORE, Workload.LOAD)) {
        bars.add(
            new Bar(
                "CPU per GB against bare threads with CRC32C: " + workload.title(),
                new Cell(workload, CPU_CHUNK_BYTES, layout),
                Measure.CPU,
                List.of(new Reference(LIMIT_CRC, 1.0)),
                1.5,
                true));
      }
    }
    for (int size : SIZES) {
      for (String layout : LAYOUTS) {
        for (Workload workload : List.of(Workload.STORE, Workload.LOAD)) {
          bars.add(
              new Bar(
                  "heap bytes per operation: " + workload.title(),
                  new Cell(workload, size, layout),
                  Measure.ALLOCATION,
                  List.of(),
                  2048,
                  true));
        }
      }
    }
    bars.add(
        new Bar(
            "keys a second, 1,000 in one message, a million chunks",
            new Cell(Workload.LOOKUP, Space.BLOCK_BYTES, INDEX),
            Measure.KEYS,
            List.of(),
            4e6,
            false));
    bars.add(
        new Bar(
            "seconds to serve again, a million chunks in the snapshot",
            new Cell(Workload.RESTART, Space.BLOCK_BYTES, INDEX),
            Measure.SECONDS,
            List.of(),
            3.0,
            true));
    for (int size : List.of(KIB_128, MIB_2)) {
      for (Workload workload : List.of(Workload.STORE, Workload.LOAD)) {
        bars.add(
            new Bar(
                "RESP against the lesser of Redis and the limit: " + workload.title(),
                new Cell(workload, size, RESP),
                Measure.OPERATIONS,
                List.of(new Reference(REDIS, 1.0), new Reference(LIMIT, 1.0)),
                0.8,
                false));
      }
    }
    return List.copyOf(bars);
  }

  private static Bar rate(
      String what, String contender, Workload workload, int size, String against, double bound) {
    return new Bar(
        what + ", against the " + against,
        new Cell(workload, size, contender),
        Measure.OPERATIONS,
        List.of(new Reference(against, 1.0)),
        bound,
        false);
  }

  /** Holds results against those bars that something was measured for. */
  public static List<Bar.Verdict> judge(Results results) {
    return all().stream()
        .filter(bar -> !results.rounds(bar.cell()).isEmpty())
        .map(bar -> bar.judge(results))
        .toList();
  }
}
