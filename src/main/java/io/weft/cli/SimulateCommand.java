package io.weft.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import io.weft.cli.chart.LineChart;
import io.weft.cli.trace.TraceFormatException;
import io.weft.cli.trace.TraceSource;
import io.weft.core.Policies;
import io.weft.core.PolicyContext;
import java.io.IOException;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code weft simulate}: what each eviction policy would hit, over a trace, at each capacity. */
@Command(
    name = "simulate",
    description = {
      "Runs eviction policies alone over a trace, without a store and without I/O, and compares"
          + " what they hit.",
      "",
      "The blocks of each request are walked in order: one that is present is used, one that is"
          + " absent is added, a victim first where the capacity is full. The block hit ratio is"
          + " the share of references that were hits; the prefix hit ratio is the share that was in"
          + " the leading run of hits of its request.",
      ""
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:done",
      "2:the command line, or a file that it names, is not usable",
      "3:the chart could not be written, or a policy failed"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft simulate --trace conversation_trace.jsonl",
      "  weft simulate --trace conversation_trace.jsonl --policy lru,s3fifo \\",
      "                --capacity-chunks 1827,9139,18279,45697 --chart hits.svg",
      "  weft simulate --seed 7 --policy lfu,com.example.OwnPolicy --json"
    })
final class SimulateCommand implements Callable<Integer> {
  /** Shares of the distinct blocks that are simulated when no capacity is named. */
  private static final double[] DEFAULT_SHARES = {0.01, 0.05, 0.10, 0.25};

  @Spec private @Nullable CommandSpec spec;

  @Mixin private final TraceOptions traceOptions = new TraceOptions();

  @Option(
      names = "--policy",
      paramLabel = "P",
      split = ",",
      description =
          "Policies: lru, lfu, fifo, mru, s3fifo, or the name of a class on the class path that"
              + " implements io.weft.core.EvictionPolicy (default: all five).")
  private List<String> policies = new ArrayList<>();

  @Option(
      names = "--capacity-chunks",
      paramLabel = "N",
      split = ",",
      description =
          "Capacities in chunks (default: 1, 5, 10 and 25 %% of the trace's distinct blocks).")
  private List<Integer> capacities = new ArrayList<>();

  @Option(names = "--json", description = "Write the result as JSON.")
  private boolean json;

  @Option(
      names = "--chart",
      paramLabel = "FILE",
      description = "Draw block hit ratio against capacity: FILE.svg or FILE.html.")
  private @Nullable Path chart;

  private record Row(String policy, int capacityChunks, Simulation.Result result) {}

  @Override
  public Integer call() throws IOException {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    Set<String> names = policyNames(command);
    checkChart(command);
    TraceSource source = traceOptions.resolve(command);
    BlockTrace trace = read(command, source);
    Set<Integer> sizes = capacities(command, trace);

    List<Row> rows = new ArrayList<>();
    long steps = (long) trace.references() * sizes.size() * names.size();
    try (Progress progress = Progress.start("simulate", steps, "blocks")) {
      for (int capacity : sizes) {
        for (String name : names) {
          progress.note(name + " at " + capacity);
          Simulation.Result result =
              Simulation.run(
                  trace,
                  Policies.create(name, new PolicyContext(capacity)),
                  capacity,
                  progress::advance);
          rows.add(new Row(name, capacity, result));
        }
      }
    }

    HitRatio bound = trace.infiniteCache();
    if (chart != null) {
      LineChart drawing = drawing(source, trace, bound, names, rows);
      Files.writeString(chart, isHtml(chart) ? drawing.html() : drawing.svg());
    }
    if (json) {
      printJson(command.getOut(), source, trace, bound, rows);
    } else {
      printTable(command.getOut(), source, trace, bound, rows);
    }
    return ExitCodes.OK;
  }

  /** Each policy once, checked before any work is done. */
  private Set<String> policyNames(CommandLine command) {
    Set<String> names = new LinkedHashSet<>();
    for (String name : policies.isEmpty() ? Policies.NAMES : policies) {
      try {
        Policies.create(name, new PolicyContext(1));
      } catch (IllegalArgumentException e) {
        throw new ParameterException(command, "--policy: " + e.getMessage(), e);
      }
      names.add(Policies.canonical(name));
    }
    return names;
  }

  private void checkChart(CommandLine command) {
    if (chart == null) {
      return;
    }
    if (!isHtml(chart) && !lowerName(chart).endsWith(".svg")) {
      throw new ParameterException(
          command, "--chart: name a file that ends in .svg or .html, not '" + chart + "'");
    }
    Path folder = chart.toAbsolutePath().getParent();
    if (Files.isDirectory(chart) || folder == null || !Files.isDirectory(folder)) {
      throw new ParameterException(
          command, "--chart: '" + chart + "' cannot be a file: there is no such folder");
    }
  }

  private static BlockTrace read(CommandLine command, TraceSource source) {
    BlockTrace trace;
    try {
      trace = BlockTrace.read(source);
    } catch (TraceFormatException e) {
      throw new ParameterException(command, "no trace: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new ParameterException(command, "the trace cannot be read: " + e, e);
    }
    if (trace.references() == 0) {
      throw new ParameterException(command, source.description() + " names no blocks at all");
    }
    return trace;
  }

  private Set<Integer> capacities(CommandLine command, BlockTrace trace) {
    Set<Integer> sizes = new TreeSet<>(capacities);
    for (int capacity : sizes) {
      if (capacity < 1) {
        throw new ParameterException(
            command, "--capacity-chunks: a cache holds at least 1 chunk, not " + capacity);
      }
    }
    if (sizes.isEmpty()) {
      for (double share : DEFAULT_SHARES) {
        sizes.add(Math.max(1, (int) (trace.distinctBlocks() * share)));
      }
    }
    return sizes;
  }

  private static void printTable(
      PrintWriter out, TraceSource source, BlockTrace trace, HitRatio bound, List<Row> rows) {
    out.printf("trace: %s%n", source.description());
    out.printf(
        Locale.ROOT,
        "%,d requests, %,d block references, %,d distinct blocks%n%n",
        trace.requests(),
        trace.references(),
        trace.distinctBlocks());
    TextTable table =
        new TextTable(
            "capacity (chunks)",
            "of distinct",
            "policy",
            "block hit ratio",
            "prefix hit ratio",
            "evictions");
    for (Row row : rows) {
      HitRatio ratio = row.result().ratio();
      table.row(
          String.format(Locale.ROOT, "%,d", row.capacityChunks()),
          String.format(
              Locale.ROOT, "%.1f %%", 100.0 * row.capacityChunks() / trace.distinctBlocks()),
          row.policy(),
          digits(ratio.blocks()),
          digits(ratio.prefix()),
          String.format(Locale.ROOT, "%,d", row.result().evictions()));
    }
    table.row("", "", "infinite cache", digits(bound.blocks()), digits(bound.prefix()), "0");
    table.print(out);
    out.flush();
  }

  private static void printJson(
      PrintWriter out, TraceSource source, BlockTrace trace, HitRatio bound, List<Row> rows)
      throws IOException {
    JsonFactory factory =
        JsonFactory.builder().configure(JsonWriteFeature.ESCAPE_NON_ASCII, true).build();
    try (JsonGenerator generator = factory.createGenerator(out)) {
      generator.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
      generator.useDefaultPrettyPrinter();
      generator.writeStartObject();
      generator.writeStringField("trace", source.description());
      generator.writeNumberField("requests", trace.requests());
      generator.writeNumberField("blockReferences", trace.references());
      generator.writeNumberField("distinctBlocks", trace.distinctBlocks());
      generator.writeObjectFieldStart("infiniteCache");
      writeRatios(generator, bound);
      generator.writeEndObject();
      generator.writeArrayFieldStart("results");
      for (Row row : rows) {
        generator.writeStartObject();
        generator.writeStringField("policy", row.policy());
        generator.writeNumberField("capacityChunks", row.capacityChunks());
        writeRatios(generator, row.result().ratio());
        generator.writeNumberField("hits", row.result().ratio().hits());
        generator.writeNumberField("prefixHits", row.result().ratio().prefixHits());
        generator.writeNumberField("evictions", row.result().evictions());
        generator.writeEndObject();
      }
      generator.writeEndArray();
      generator.writeEndObject();
    }
    out.println();
    out.flush();
  }

  private static void writeRatios(JsonGenerator generator, HitRatio ratio) throws IOException {
    generator.writeNumberField("blockHitRatio", new BigDecimal(digits(ratio.blocks())));
    generator.writeNumberField("prefixHitRatio", new BigDecimal(digits(ratio.prefix())));
  }

  private static LineChart drawing(
      TraceSource source, BlockTrace trace, HitRatio bound, Set<String> names, List<Row> rows) {
    String origin =
        switch (source) {
          case TraceSource.TraceFile file -> String.valueOf(file.file().getFileName());
          case TraceSource.Generated generated ->
              "generated conversations, seed " + generated.parameters().seed();
        };
    LineChart drawing =
        new LineChart("Block hit ratio by eviction policy")
            .subtitle(
                String.format(
                    Locale.ROOT,
                    "%s: %,d requests, %,d block references, %,d distinct blocks",
                    origin,
                    trace.requests(),
                    trace.references(),
                    trace.distinctBlocks()))
            .xTitle("capacity (chunks, logarithmic)")
            .yTitle("block hit ratio")
            .logX()
            .yFormat(LineChart::plain, SimulateCommand::digits)
            .reference("infinite cache", bound.blocks());
    for (String name : names) {
      drawing.line(
          new LineChart.Series(
              name,
              rows.stream()
                  .filter(row -> row.policy().equals(name))
                  .map(
                      row ->
                          new LineChart.Point(row.capacityChunks(), row.result().ratio().blocks()))
                  .toList()));
    }
    return drawing;
  }

  private static String digits(double ratio) {
    return BigDecimal.valueOf(ratio).setScale(4, RoundingMode.HALF_UP).toPlainString();
  }

  private static boolean isHtml(Path file) {
    return lowerName(file).endsWith(".html");
  }

  private static String lowerName(Path file) {
    return file.toString().toLowerCase(Locale.ROOT);
  }
}
