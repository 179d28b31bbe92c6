package io.weft.cli.bench;

import io.weft.cli.bench.Results.Cell;
import io.weft.cli.bench.Results.Depths;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One run of the bench: for each chunk size, all contenders are prepared side by side; then, round
 * by round and workload by workload, each has its turn, in an order that moves on with each round.
 * So two sides of a ratio are measured within seconds of each other.
 */
public final class Bench {
  /** The memory of all operations in flight. */
  private static final long IN_FLIGHT_BYTES = 512L << 20;

  /** A contender is warm when a round is no faster than the best before by more than this. */
  private static final double STILL_RISING = 1.05;

  private static final int DEPTH_DEFAULT = 16;
  private static final int TRACE_PARTS = 8;

  private final BenchPlan plan;
  private final Consumer<String> progress;
  private final Results results = new Results();

  private Bench(BenchPlan plan, Consumer<String> progress) {
    this.plan = plan;
    this.progress = progress;
  }

  /** Names of the contenders that are on this class path, whether or not their tools are there. */
  public static List<String> names() {
    return contenders(8, new WeftSettings("relaxed", List.of())).stream()
        .map(Contender::name)
        .toList();
  }

  private static List<Contender> contenders(int connections, WeftSettings settings) {
    List<Contender> all = new ArrayList<>();
    all.add(new LimitContender(false));
    all.add(new LimitContender(true));
    all.add(new FioContender("io_uring"));
    all.add(new FioContender("psync"));
    all.add(new FloorContender());
    all.add(new WeftContender(Bars.FILE, "weft.layout = file", false, settings));
    all.add(new WeftContender(Bars.SLAB, "weft.layout = slab", true, settings));
    all.add(new WeftRespContender(connections, settings));
    all.add(new RedisContender(connections));
    for (ContenderSource source : ServiceLoader.load(ContenderSource.class)) {
      all.addAll(source.contenders());
    }
    return all;
  }

  /**
   * Runs the plan.
   *
   * @param progress is told what is being done, a line at a time
   * @throws WrongBytes where a contender returned other bytes than were stored
   * @throws IllegalArgumentException where the configuration of a store is wrong
   */
  public static Results run(BenchPlan plan, Consumer<String> progress) throws Exception {
    Bench bench = new Bench(plan, progress);
    bench.run();
    return bench.results;
  }

  private void run() throws Exception {
    List<Contender> contenders =
        contenders(plan.connections(), plan.settings()).stream()
            .filter(each -> plan.contenders().isEmpty() || plan.contenders().contains(each.name()))
            .filter(this::toolIsThere)
            .toList();
    for (int chunkBytes : plan.sizes()) {
      try (Equipment equipment = new Equipment(chunkBytes)) {
        sideBySide(
            contenders,
            List.of(Workload.STORE, Workload.LOAD, Workload.MIXED, Workload.TRACE),
            equipment,
            false);
        sideBySide(contenders, List.of(Workload.CAPACITY), equipment, true);
      }
    }
    if (plan.runs(Workload.LATENCY)) {
      latency(contenders);
    }
    if (plan.runs(Workload.LOOKUP) || plan.runs(Workload.RESTART)) {
      new IndexRun(plan, results, progress).run();
    }
  }

  private boolean toolIsThere(Contender contender) {
    String tool =
        switch (contender) {
          case FioContender _ -> "fio";
          case RedisContender _ -> "redis-server";
          default -> "";
        };
    if (tool.isEmpty() || Tools.isThere(tool)) {
      return true;
    }
    results.note(contender.name() + " was left out: there is no " + tool);
    return false;
  }

  /** All rounds of some workloads at one size. */
  private void sideBySide(
      List<Contender> all, List<Workload> possible, Equipment equipment, boolean bounded)
      throws Exception {
    int chunkBytes = equipment.chunkBytes();
    List<Workload> workloads = needed(possible);
    List<Contender> contenders =
        all.stream()
            .filter(each -> workloads.stream().anyMatch(one -> each.runs(one, chunkBytes)))
            .toList();
    if (workloads.isEmpty() || contenders.isEmpty()) {
      return;
    }
    Phase phase = new Phase(contenders, workloads, equipment, plan.chunks(chunkBytes), bounded);
    try {
      phase.prepare();
      phase.calibrate();
      phase.warmUp();
      for (int round = 0; round < plan.rounds(); round++) {
        say(chunkBytes, "round " + (round + 1) + " of " + plan.rounds());
        phase.round(round, true);
      }
    } finally {
      phase.close();
    }
  }

  /** Those that were asked for, and the one that the others find their chunks stored by. */
  private List<Workload> needed(List<Workload> possible) {
    List<Workload> wanted = possible.stream().filter(plan::runs).toList();
    return wanted.isEmpty() || possible.size() == 1 || wanted.contains(Workload.STORE)
        ? wanted
        : Stream.concat(Stream.of(Workload.STORE), wanted.stream()).toList();
  }

  private void say(int chunkBytes, String what) {
    progress.accept(size(chunkBytes) + ": " + what);
  }

  /** A chunk size for people. */
  public static String size(int chunkBytes) {
    return chunkBytes % (1 << 20) == 0 ? (chunkBytes >> 20) + " MiB" : (chunkBytes >> 10) + " KiB";
  }

  private void latency(List<Contender> all) throws Exception {
    int chunkBytes =
        plan.sizes().contains(Bars.LATENCY_CHUNK_BYTES)
            ? Bars.LATENCY_CHUNK_BYTES
            : Collections.max(plan.sizes());
    List<WeftContender> stores =
        all.stream()
            .filter(WeftContender.class::isInstance)
            .map(WeftContender.class::cast)
            .toList();
    if (!stores.isEmpty()) {
      say(chunkBytes, "loads by the clock, alone and beside stores");
      new LatencyRun(plan, results, chunkBytes).run(stores);
    }
  }

  private Path directory(Contender contender) throws IOException {
    return Files.createDirectories(plan.directory().resolve(contender.name()));
  }

  /** Contenders that are prepared for the same chunks. */
  private final class Phase {
    private final List<Contender> contenders;
    private final List<Workload> workloads;
    private final Equipment equipment;
    private final int chunkBytes;
    private final int count;
    private final boolean bounded;

    /** The next number that each contender stores where room is bounded. */
    private final Map<Contender, Integer> nextStore = new HashMap<>();

    private final Map<Cell, Double> best = new HashMap<>();

    private @Nullable Script trace;

    Phase(
        List<Contender> contenders,
        List<Workload> workloads,
        Equipment equipment,
        int count,
        boolean bounded) {
      this.contenders = contenders;
      this.workloads = workloads;
      this.equipment = equipment;
      this.chunkBytes = equipment.chunkBytes();
      this.count = count;
      this.bounded = bounded;
    }

    void prepare() throws Exception {
      for (Contender contender : contenders) {
        say(chunkBytes, "preparing " + contender.name());
        contender.prepare(new Space(directory(contender), chunkBytes, count, bounded));
        if (bounded) {
          // An eighth more than fits: from here on each store makes an old chunk go.
          contender.measure(
              Workload.CAPACITY,
              nextStores(contender, count + count / 8),
              depthMax(DEPTH_DEFAULT),
              equipment);
        }
      }
    }

    private Script nextStores(Contender contender, int howMany) {
      int numbers = Space.numbersComingAgain(count);
      int from = nextStore.getOrDefault(contender, 0);
      nextStore.put(contender, (from + howMany) % numbers);
      return Script.stores(from, howMany, 0, numbers);
    }

    private int depthMax(int wanted) {
      long byMemory = IN_FLIGHT_BYTES / (chunkBytes + Space.BLOCK_BYTES);
      return Math.clamp(Math.min(byMemory, count), 1, wanted);
    }

    private Depths depths(Contender contender) {
      Map<String, Depths> known = results.depths().getOrDefault(chunkBytes, Map.of());
      int usual = depthMax(DEPTH_DEFAULT);
      Depths limit = known.getOrDefault(Bars.LIMIT, new Depths(usual, usual));
      return known.getOrDefault(contender.name(), limit);
    }

    /** Finds out how many operations in flight suit whom. */
    void calibrate() throws Exception {
      for (Contender contender : contenders) {
        List<Integer> tried =
            contender.depths().stream().map(this::depthMax).distinct().sorted().toList();
        boolean known =
            results.depths().getOrDefault(chunkBytes, Map.of()).containsKey(contender.name());
        if (tried.isEmpty() || known) {
          continue;
        }
        if (tried.size() == 1 || plan.quick()) {
          int depth = tried.get(Math.min(1, tried.size() - 1));
          results.depths(chunkBytes, contender.name(), new Depths(depth, depth));
          continue;
        }
        say(chunkBytes, "calibrating " + contender.name());
        int some = Math.max(Math.min(count, 32), count / 4);
        int store = tried.getFirst();
        int load = tried.getFirst();
        double bestStore = 0;
        double bestLoad = 0;
        for (int depth : tried) {
          double rate;
          if (bounded) {
            rate = rate(contender, Workload.CAPACITY, nextStores(contender, some), depth);
          } else {
            contender.empty();
            rate = rate(contender, Workload.STORE, Script.stores(some), depth);
            double loads = rate(contender, Workload.LOAD, Script.loads(some, depth), depth);
            if (loads > bestLoad) {
              bestLoad = loads;
              load = depth;
            }
          }
          if (rate > bestStore) {
            bestStore = rate;
            store = depth;
          }
        }
        results.depths(chunkBytes, contender.name(), new Depths(store, bounded ? store : load));
      }
    }

    private double rate(Contender contender, Workload workload, Script script, int depth)
        throws Exception {
      return contender.measure(workload, script, depth, equipment).value(Measure.OPERATIONS);
    }

    /** Rounds that do not count, until no contender becomes faster. */
    void warmUp() throws Exception {
      int rounds = 0;
      boolean rising = true;
      while (rounds < plan.warmUpsMax() && rising) {
        say(chunkBytes, "warm-up " + (rounds + 1));
        rising = round(rounds, false);
        rounds++;
      }
      results.warmUps(chunkBytes, rounds);
    }

    /** Returns whether some contender was faster than ever before. */
    boolean round(int number, boolean counts) throws Exception {
      List<Contender> order = new ArrayList<>(contenders);
      Collections.rotate(order, -number);
      if (!bounded) {
        for (Contender contender : order) {
          contender.empty();
        }
        if (!plan.quick()) {
          settle();
        }
      }
      boolean rising = false;
      for (Workload workload : workloads) {
        for (Contender contender : order) {
          if (!contender.runs(workload, chunkBytes)) {
            continue;
          }
          Script script = script(workload, contender, number);
          Measurement measured =
              contender.measure(workload, script, depths(contender).of(workload), equipment);
          Cell cell = new Cell(workload, chunkBytes, contender.name());
          double rate = measured.value(Measure.OPERATIONS);
          rising |= rate > STILL_RISING * best.getOrDefault(cell, 0.0);
          best.merge(cell, rate, Math::max);
          if (counts && plan.runs(workload)) {
            results.add(cell, measured);
          }
        }
      }
      return rising;
    }

    /** The device does what emptying has left to do, before anything is timed. */
    private void settle() throws IOException, InterruptedException {
      if (Tools.isThere("sync")) {
        Tools.run(List.of("sync", "-f", plan.directory().toString()));
      }
    }

    private Script script(Workload workload, Contender contender, int number) throws IOException {
      return switch (workload) {
        case STORE -> Script.stores(count);
        case LOAD -> Script.loads(count, number);
        case MIXED -> Script.mixed(count, number);
        case TRACE -> trace();
        case CAPACITY -> nextStores(contender, count);
        case LATENCY, LOOKUP, RESTART -> throw new IllegalArgumentException(workload.label());
      };
    }

    /** Numbers above those of the mixed workload. */
    private Script trace() throws IOException {
      Script known = trace;
      if (known == null) {
        known =
            Script.trace(
                plan.trace(),
                count + count / 3 + 1,
                count / 2,
                count,
                Math.ceilDiv(count, TRACE_PARTS));
        trace = known;
      }
      return known;
    }

    void close() throws Exception {
      for (Contender contender : contenders) {
        contender.close();
        Trees.delete(directory(contender));
      }
    }
  }
}
