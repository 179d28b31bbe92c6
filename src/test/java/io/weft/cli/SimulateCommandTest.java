package io.weft.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.weft.cli.trace.GeneratedTrace;
import io.weft.cli.trace.TraceRecord;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

class SimulateCommandTest {

  private record Outcome(int exitCode, String out, String err) {}

  @TempDir Path folder;
  private Path trace;

  @BeforeEach
  void writeTrace() throws IOException {
    trace = folder.resolve("trace.jsonl");
    Files.writeString(
        trace,
        GeneratedTrace.generate(GeneratedTrace.Parameters.of(4, 200)).stream()
            .map(TraceRecord::toString)
            .collect(Collectors.joining("\n")));
  }

  @Test
  void printsBothRatiosOfEachPolicyAtEachCapacityAndTheBound() {
    Outcome outcome = weft("--policy", "LRU,S3-FIFO", "--capacity-chunks", "300,20");
    assertEquals(ExitCodes.OK, outcome.exitCode(), outcome.err());
    assertTrue(outcome.out().startsWith("trace: " + trace + " (--trace)"), outcome.out());
    List<String> rows =
        outcome
            .out()
            .lines()
            .filter(line -> line.matches(".*\\s0\\.\\d{4}\\s+0\\.\\d{4}\\s.*"))
            .map(line -> line.strip().replaceAll(" +", " "))
            .toList();
    assertEquals(5, rows.size(), outcome.out());
    assertTrue(rows.get(0).matches("20 0\\.\\d % lru 0.*"), rows.get(0));
    assertTrue(rows.get(1).matches("20 0\\.\\d % s3fifo 0.*"), rows.get(1));
    assertTrue(rows.get(2).startsWith("300 "), rows.get(2));
    assertTrue(rows.get(4).startsWith("infinite cache 0."), rows.get(4));
  }

  @Test
  void writesTheSameFiguresAsJson() throws IOException {
    Outcome outcome = weft("--policy", "fifo", "--capacity-chunks", "100", "--json");
    JsonNode json = new ObjectMapper().readTree(outcome.out());
    JsonNode result = json.path("results").path(0);
    assertEquals(200, json.path("requests").asInt());
    assertEquals("fifo", result.path("policy").asText());
    assertEquals(100, result.path("capacityChunks").asInt());
    double ratio = result.path("hits").asDouble() / json.path("blockReferences").asDouble();
    assertEquals(ratio, result.path("blockHitRatio").asDouble(), 0.00005);
    assertTrue(result.path("prefixHitRatio").asDouble() <= result.path("blockHitRatio").asDouble());
    assertTrue(json.path("infiniteCache").path("blockHitRatio").asDouble() > ratio);
  }

  @Test
  void runsEveryPolicyAtFourCapacitiesUnlessTold() throws IOException {
    JsonNode results = new ObjectMapper().readTree(weft("--json").out()).path("results");
    List<String> policies = new ArrayList<>();
    results.forEach(result -> policies.add(result.path("policy").asText()));
    assertEquals(20, policies.size());
    assertEquals(List.of("lru", "lfu", "fifo", "mru", "s3fifo"), policies.subList(0, 5));
  }

  @Test
  void runsAPolicyByItsClassName() throws IOException {
    String own = OwnFifo.class.getName();
    Outcome outcome = weft("--policy", own + ",fifo", "--capacity-chunks", "50", "--json");
    JsonNode results = new ObjectMapper().readTree(outcome.out()).path("results");
    assertEquals(own, results.path(0).path("policy").asText());
    assertEquals(results.path(1).path("hits"), results.path(0).path("hits"));
  }

  @Test
  void drawsAChartAsPictureAndAsPage() throws IOException {
    Path picture = folder.resolve("hits.svg");
    Path page = folder.resolve("hits.HTML");
    assertEquals(ExitCodes.OK, weft("--chart", picture.toString()).exitCode());
    assertEquals(ExitCodes.OK, weft("--chart", page.toString()).exitCode());
    assertTrue(Files.readString(picture).startsWith("<svg "));
    assertTrue(Files.readString(picture).contains("trace.jsonl: 200 requests"));
    assertTrue(Files.readString(page).startsWith("<!DOCTYPE html>"));
    assertTrue(Files.readString(page).contains(">s3fifo<"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "--policy belady | 'belady' is no eviction policy",
        "--policy lru,,fifo | '' is no eviction policy",
        "--capacity-chunks 0 | a cache holds at least 1 chunk, not 0",
        "--capacity-chunks 5,-2 | a cache holds at least 1 chunk, not -2",
        "--capacity-chunks 1e9 | '1e9' is not an int",
        "--chart hits.png | name a file that ends in .svg or .html",
        "--chart /no/such/folder/hits.svg | there is no such folder",
        "--trace /no/such/trace | /no/such/trace",
        "--trace /dev/null | no file that can be read",
        "--speed 3 | Unknown option",
      })
  void badUsageIsRefusedWithAMessageAndCodeTwo(String arguments, String message) {
    List<String> given = new ArrayList<>(List.of(arguments.split(" ", -1)));
    if (!arguments.startsWith("--trace")) {
      given.addAll(List.of("--trace", trace.toString()));
    }
    Outcome outcome = run("simulate", given);
    assertEquals(ExitCodes.USAGE, outcome.exitCode(), outcome.out());
    assertTrue(outcome.err().contains(message), outcome.err());
    assertTrue(outcome.err().contains("weft simulate --help"), outcome.err());
    assertEquals("", outcome.out());
  }

  @Test
  void aTraceWithABadLineOrWithoutBlocksIsRefused() throws IOException {
    Files.writeString(trace, "\n{\"timestamp\": 1}\n");
    Outcome bad = weft();
    assertEquals(ExitCodes.USAGE, bad.exitCode());
    assertTrue(bad.err().contains(trace + ", line 2: lacks input_length"), bad.err());
    Files.writeString(trace, "");
    Outcome empty = weft();
    assertEquals(ExitCodes.USAGE, empty.exitCode());
    assertTrue(empty.err().contains("names no blocks at all"), empty.err());
  }

  @Test
  void helpHasExamplesAndExitCodes() {
    Outcome outcome = run("simulate", List.of("--help"));
    assertEquals(ExitCodes.OK, outcome.exitCode());
    for (String part : List.of("Examples:", "--capacity-chunks", "Exit codes:", "s3fifo")) {
      assertTrue(outcome.out().contains(part), outcome.out());
    }
  }

  @Test
  void weftNamesItsCommandsItsVersionAndWhatItDoesNotKnow() {
    Outcome help = run("--help", List.of());
    assertEquals(ExitCodes.OK, help.exitCode());
    assertTrue(help.out().contains("simulate"), help.out());
    assertTrue(run("--version", List.of()).out().startsWith("weft "));
    Outcome nothing = run("", List.of());
    assertEquals(ExitCodes.USAGE, nothing.exitCode());
    assertTrue(nothing.err().contains("Usage: weft"), nothing.err());
    Outcome unknown = run("simulat", List.of());
    assertEquals(ExitCodes.USAGE, unknown.exitCode());
    assertTrue(unknown.err().contains("weft simulate"), unknown.err());
  }

  @Test
  void aFailureOfWeftItselfIsCodeThree() {
    Outcome outcome = weft("--policy", OwnFifo.Broken.class.getName(), "--capacity-chunks", "2");
    assertEquals(ExitCodes.FAILURE, outcome.exitCode());
    assertTrue(outcome.err().contains("gives up number -7"), outcome.err());
    assertFalse(outcome.out().contains("ratio"), outcome.out());
  }

  private Outcome weft(String... arguments) {
    List<String> all = new ArrayList<>(List.of("--trace", trace.toString()));
    all.addAll(List.of(arguments));
    return run("simulate", all);
  }

  private static Outcome run(String command, List<String> arguments) {
    List<String> all = new ArrayList<>();
    if (!command.isEmpty()) {
      all.add(command);
    }
    all.addAll(arguments);
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine line = Main.commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
    int exitCode = line.execute(all.toArray(String[]::new));
    return new Outcome(exitCode, out.toString(), err.toString());
  }
}
