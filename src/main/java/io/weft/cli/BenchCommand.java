package io.weft.cli;

import io.weft.base.ByteSize;
import io.weft.base.Durability;
import io.weft.cli.bench.Bar.Verdict;
import io.weft.cli.bench.Bars;
import io.weft.cli.bench.Bench;
import io.weft.cli.bench.BenchPage;
import io.weft.cli.bench.BenchPlan;
import io.weft.cli.bench.Measure;
import io.weft.cli.bench.Measurement;
import io.weft.cli.bench.Results;
import io.weft.cli.bench.Results.Cell;
import io.weft.cli.bench.Trees;
import io.weft.cli.bench.WeftSettings;
import io.weft.cli.bench.Workload;
import io.weft.cli.bench.WrongBytes;
import io.weft.cli.trace.GeneratedTrace;
import io.weft.cli.trace.TraceSource;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code weft bench}: how fast the store is, beside the device and its peers. */
@Command(
    name = "bench",
    description = {
      "Measures the store beside what the device can do, beside the least that a file for each"
          + " chunk costs, and beside other stores, all in turns on the same directory, and says"
          + " which bars are reached.",
      "",
      "Figures are medians over the rounds; a bar is the median of the rounds' own ratios. fio and"
          + " Redis take part where they are installed, RocksDB where scripts/bench starts the"
          + " bench, which installs all three. A whole run takes some 30 minutes and 20 GiB.",
      ""
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:done, whether or not every bar was reached",
      "1:wrong bytes were loaded, or operations of a contender failed",
      "2:the command line, or a file that it names, is not usable",
      "3:the device, the store or a contender failed"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft bench --dir /mnt/nvme/bench --html bench.html",
      "  weft bench --quick --json",
      "  weft bench --sizes 128KiB,2MiB --workloads store,load --contenders limit,weft-file \\",
      "             --rounds 9 --set weft.io.threads=8"
    })
final class BenchCommand implements Callable<Integer> {
  private static final int SIZE_MAX = 512 << 20;

  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description =
          "Where a directory for the run is made, and removed at the end: on the device in"
              + " question (default: the system's temporary directory).")
  private @Nullable Path directory;

  @Option(
      names = "--sizes",
      paramLabel = "SIZE",
      split = ",",
      description = "Chunk sizes, multiples of 4 KiB (default: 16KiB,128KiB,2MiB,32MiB).")
  private List<ByteSize> sizes = List.of();

  @Option(
      names = "--workloads",
      paramLabel = "W",
      split = ",",
      description =
          "Which of store, load, mixed, trace, capacity, latency, lookup, restart (default: all).")
  private List<String> workloads = List.of();

  @Option(
      names = "--contenders",
      paramLabel = "C",
      split = ",",
      description =
          "Which of limit, limit+crc, fio-io_uring, fio-psync, floor, weft-file, weft-slab,"
              + " weft-resp, redis, rocksdb (default: all).")
  private List<String> contenders = List.of();

  @Option(names = "--rounds", paramLabel = "N", description = "How many rounds count (default: 5).")
  private @Nullable Integer rounds;

  @Option(
      names = "--mib",
      paramLabel = "N",
      description =
          "MiB that each contender stores in a round, at least 32 and at most 16384 chunks"
              + " (default: 512).")
  private @Nullable Integer mib;

  @Option(
      names = "--connections",
      paramLabel = "N",
      defaultValue = "8",
      description = "Connections of the RESP contenders (default: ${DEFAULT-VALUE}).")
  private int connections;

  @Option(
      names = "--index-chunks",
      paramLabel = "N",
      description =
          "Chunks of the index that is looked up and restarted without files (default: 1000000).")
  private @Nullable Integer indexChunks;

  @Option(
      names = "--restart-chunks",
      paramLabel = "N",
      description = "Real chunks of 4 KiB to restart over; 0 for none (default: 100000).")
  private @Nullable Integer restartChunks;

  @Option(
      names = "--durability",
      paramLabel = "D",
      defaultValue = "relaxed",
      description = "Of every store: relaxed, data or full (default: ${DEFAULT-VALUE}).")
  private Durability durability = Durability.RELAXED;

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description = "A setting of every store, as in weft.io.threads=8. May be repeated.")
  private List<String> settings = List.of();

  @Option(
      names = "--trace",
      paramLabel = "FILE",
      description =
          "The trace to replay; without it, the one that -Dweft.trace names; without that,"
              + " generated conversations.")
  private @Nullable Path trace;

  @Option(
      names = "--quick",
      description =
          "A look at whether it all works, in a minute or two: small, one round, no"
              + " calibration. Its figures say nothing.")
  private boolean quick;

  @Option(names = "--html", paramLabel = "FILE", description = "Write a page with charts, too.")
  private @Nullable Path html;

  @Option(names = "--json", description = "Write the results as one JSON object.")
  private boolean json;

  @Override
  public Integer call() throws Exception {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    // Before there are threads: what they would log meanwhile is announced as intercepted.
    var _ = LoggerFactory.getILoggerFactory();
    Path where = makeDirectory(command);
    Thread whenInterrupted = new Thread(() -> remove(where), "weft-bench-remove");
    Runtime.getRuntime().addShutdownHook(whenInterrupted);
    try {
      BenchPlan plan = plan(command, where);
      PrintWriter err = command.getErr();
      Results results =
          Bench.run(
              plan,
              line -> {
                err.println(line);
                err.flush();
              });
      report(command, plan, results);
      return results.valid() ? ExitCodes.OK : ExitCodes.WRONG_DATA;
    } catch (WrongBytes wrong) {
      throw new CommandFailed(ExitCodes.WRONG_DATA, String.valueOf(wrong.getMessage()));
    } catch (IllegalArgumentException setting) {
      throw new ParameterException(command, String.valueOf(setting.getMessage()), setting);
    } finally {
      remove(where);
      Runtime.getRuntime().removeShutdownHook(whenInterrupted);
    }
  }

  private Path makeDirectory(CommandLine command) {
    try {
      return directory == null
          ? Files.createTempDirectory("weft-bench-")
          : Files.createTempDirectory(Files.createDirectories(directory), "weft-bench-");
    } catch (IOException e) {
      throw new ParameterException(command, "--dir: no directory can be made there: " + e, e);
    }
  }

  private static void remove(Path directory) {
    try {
      Trees.delete(directory);
    } catch (IOException left) {
      System.err.println("weft bench: " + directory + " could not be removed: " + left);
    }
  }

  private BenchPlan plan(CommandLine command, Path where) {
    List<Integer> chunkBytes = new ArrayList<>();
    List<ByteSize> wanted = sizes;
    if (wanted.isEmpty()) {
      wanted =
          quick
              ? List.of(ByteSize.ofKibibytes(16), ByteSize.ofMebibytes(2))
              : List.of(
                  ByteSize.ofKibibytes(16),
                  ByteSize.ofKibibytes(128),
                  ByteSize.ofMebibytes(2),
                  ByteSize.ofMebibytes(32));
    }
    for (ByteSize size : wanted) {
      if (size.bytes() < 4096 || size.bytes() % 4096 != 0 || size.bytes() > SIZE_MAX) {
        throw new ParameterException(
            command, "--sizes: multiples of 4 KiB up to 512 MiB, not " + size);
      }
      chunkBytes.add((int) size.bytes());
    }
    return new BenchPlan(
        where,
        chunkBytes,
        workloads(command),
        contenders(command),
        atLeast(command, "--rounds", rounds, 1, quick ? 1 : 5),
        quick ? 1 : 6,
        (long) atLeast(command, "--mib", mib, 1, quick ? 8 : 512) << 20,
        atLeast(command, "--connections", connections, 1, 8),
        atLeast(command, "--index-chunks", indexChunks, 1, quick ? 20_000 : 1_000_000),
        atLeast(command, "--restart-chunks", restartChunks, 0, quick ? 1_000 : 100_000),
        quick ? Duration.ofMillis(200) : Duration.ofSeconds(5),
        quick,
        traceSource(command),
        new WeftSettings(durability.name().toLowerCase(Locale.ROOT), settings));
  }

  private static int atLeast(
      CommandLine command, String option, @Nullable Integer value, int least, int otherwise) {
    if (value != null && value < least) {
      throw new ParameterException(command, option + ": at least " + least + ", not " + value);
    }
    return value == null ? otherwise : value;
  }

  private Set<Workload> workloads(CommandLine command) {
    Set<Workload> chosen = new LinkedHashSet<>();
    for (String name : workloads) {
      chosen.add(
          Arrays.stream(Workload.values())
              .filter(each -> each.label().equalsIgnoreCase(name.strip()))
              .findFirst()
              .orElseThrow(
                  () ->
                      new ParameterException(
                          command,
                          "--workloads: there is no '%s', there are %s"
                              .formatted(
                                  name,
                                  Arrays.stream(Workload.values())
                                      .map(Workload::label)
                                      .toList()))));
    }
    return chosen.isEmpty() ? Set.of(Workload.values()) : chosen;
  }

  private Set<String> contenders(CommandLine command) {
    List<String> known = Bench.names();
    for (String name : contenders) {
      if (!known.contains(name)) {
        throw new ParameterException(
            command, "--contenders: there is no '%s' here, there are %s".formatted(name, known));
      }
    }
    return Set.copyOf(contenders);
  }

  private TraceSource traceSource(CommandLine command) {
    try {
      return TraceSource.resolve(trace, GeneratedTrace.Parameters.of(1, 2_000));
    } catch (IOException | IllegalArgumentException e) {
      throw new ParameterException(command, String.valueOf(e.getMessage()), e);
    }
  }

  // ---------------------------------------------------------------- the report

  private void report(CommandLine command, BenchPlan plan, Results results) throws IOException {
    List<Verdict> verdicts = Bars.judge(results);
    Map<String, String> conditions = conditions(plan, results);
    if (html != null) {
      Files.writeString(html, new BenchPage(results, verdicts, conditions).html());
    }
    PrintWriter out = command.getOut();
    if (json) {
      doesNotCount(results).forEach(command.getErr()::println);
      command.getErr().flush();
      Report.printJson(out, asJson(results, verdicts, conditions));
      return;
    }
    conditions.forEach((name, value) -> out.println(name + ": " + value));
    results.notes().forEach(out::println);
    out.println();
    table(results).print(out);
    out.println();
    doesNotCount(results).forEach(out::println);
    // A quick run's figures say nothing, and so would its bars.
    if (!verdicts.isEmpty() && !quick) {
      bars(verdicts).print(out);
    }
    out.flush();
  }

  private static Map<String, String> conditions(BenchPlan plan, Results results)
      throws IOException {
    Map<String, String> conditions = new LinkedHashMap<>();
    conditions.put(
        "machine",
        "%d processors, %s, %s %s, Java %s"
            .formatted(
                Runtime.getRuntime().availableProcessors(),
                System.getProperty("os.arch"),
                System.getProperty("os.name"),
                System.getProperty("os.version"),
                Runtime.version()));
    conditions.put("filesystem", Files.getFileStore(plan.directory()).type());
    conditions.put("rounds", String.valueOf(plan.rounds()));
    conditions.put("MiB a round", String.valueOf(plan.roundBytes() >> 20));
    conditions.put("durability", plan.settings().durability());
    if (!plan.settings().overrides().isEmpty()) {
      conditions.put("settings", String.join(", ", plan.settings().overrides()));
    }
    conditions.put("trace", plan.trace().description());
    results
        .warmUps()
        .forEach((size, count) -> conditions.put("warm-ups, " + Bench.size(size), "" + count));
    results
        .depths()
        .forEach(
            (size, depths) -> {
              List<String> each = new ArrayList<>();
              depths.forEach(
                  (name, depth) ->
                      each.add("%s %d/%d".formatted(name, depth.store(), depth.load())));
              conditions.put("in flight, store/load, " + Bench.size(size), String.join(", ", each));
            });
    return conditions;
  }

  /** A line for each part of the run that is not valid, and why. */
  private static List<String> doesNotCount(Results results) {
    return results.cells().stream()
        .filter(cell -> !results.invalid(cell).isEmpty())
        .map(
            cell ->
                "does not count: %s, %s, %s: %s"
                    .formatted(
                        cell.workload().label(),
                        Bench.size(cell.chunkBytes()),
                        cell.contender(),
                        results.invalid(cell)))
        .toList();
  }

  private static TextTable table(Results results) {
    TextTable table =
        new TextTable(
            "workload",
            "chunk",
            "contender",
            "ops/s",
            "MB/s",
            "p50 us",
            "p99 us",
            "p99.9 us",
            "CPU s/GB",
            "heap B/op",
            "peak MiB",
            "/limit",
            "other");
    for (Cell cell : results.cells()) {
      table.row(
          cell.workload().label(),
          Bench.size(cell.chunkBytes()),
          cell.contender(),
          figure(results, cell, Measure.OPERATIONS),
          figure(results, cell, Measure.MEGABYTES),
          figure(results, cell, Measure.P50),
          figure(results, cell, Measure.P99),
          figure(results, cell, Measure.P999),
          figure(results, cell, Measure.CPU),
          figure(results, cell, Measure.ALLOCATION),
          figure(results, cell, Measure.PEAK),
          BenchPage.figure(results.toLimit(cell)),
          other(results, cell));
    }
    return table;
  }

  private static String figure(Results results, Cell cell, Measure measure) {
    return BenchPage.figure(results.median(cell, measure));
  }

  /** What only workloads of their own kind have, and whether the row counts. */
  private static String other(Results results, Cell cell) {
    List<String> parts = new ArrayList<>();
    if (!results.invalid(cell).isEmpty()) {
      parts.add("does not count");
    }
    if (cell.workload() == Workload.RESTART) {
      parts.add(figure(results, cell, Measure.SECONDS) + " s");
    }
    if (cell.workload() == Workload.LOOKUP) {
      parts.add(figure(results, cell, Measure.KEYS) + " keys/s");
    }
    if (Double.isFinite(results.median(cell, Measure.P99_FACTOR))) {
      parts.add(
          "p99 x%s, stores keep %s"
              .formatted(
                  figure(results, cell, Measure.P99_FACTOR),
                  figure(results, cell, Measure.STORES_KEPT)));
    }
    return String.join(", ", parts);
  }

  private static TextTable bars(List<Verdict> verdicts) {
    TextTable table = new TextTable("bar", "contender", "chunk", "value", "bound", "");
    for (Verdict verdict : verdicts) {
      table.row(
          verdict.bar().what(),
          verdict.bar().cell().contender(),
          Bench.size(verdict.bar().cell().chunkBytes()),
          BenchPage.figure(verdict.value()),
          (verdict.bar().atMost() ? "<= " : ">= ") + BenchPage.figure(verdict.bar().bound()),
          verdict.state().label());
    }
    return table;
  }

  private static Map<String, Object> asJson(
      Results results, List<Verdict> verdicts, Map<String, String> conditions) {
    List<Map<String, Object>> rows = new ArrayList<>();
    for (Cell cell : results.cells()) {
      Map<String, Object> row = cell(cell);
      List<Map<String, Object>> rounds = new ArrayList<>();
      for (Measurement round : results.rounds(cell)) {
        rounds.add(figures(round.values()));
      }
      Map<Measure, Double> medians = new LinkedHashMap<>();
      for (Measure measure : Measure.values()) {
        double median = results.median(cell, measure);
        if (Double.isFinite(median)) {
          medians.put(measure, median);
        }
      }
      row.put("medians", figures(medians));
      double toLimit = results.toLimit(cell);
      row.put("toLimit", Double.isFinite(toLimit) ? toLimit : null);
      row.put("invalid", results.invalid(cell));
      row.put("rounds", rounds);
      rows.add(row);
    }
    List<Map<String, Object>> bars = new ArrayList<>();
    for (Verdict verdict : verdicts) {
      Map<String, Object> bar = cell(verdict.bar().cell());
      bar.put("what", verdict.bar().what());
      bar.put("value", Double.isFinite(verdict.value()) ? verdict.value() : null);
      bar.put("bound", verdict.bar().bound());
      bar.put("atMost", verdict.bar().atMost());
      bar.put("state", verdict.state().name());
      bars.add(bar);
    }
    Map<String, Object> root = new LinkedHashMap<>();
    root.put("conditions", conditions);
    root.put("notes", results.notes());
    root.put("rows", rows);
    root.put("bars", bars);
    return root;
  }

  private static Map<String, Object> cell(Cell cell) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("workload", cell.workload().label());
    map.put("chunkBytes", cell.chunkBytes());
    map.put("contender", cell.contender());
    return map;
  }

  private static Map<String, Object> figures(Map<Measure, Double> values) {
    Map<String, Object> map = new LinkedHashMap<>();
    values.forEach((measure, value) -> map.put(measure.label(), value));
    return map;
  }
}
