package io.weft.cli;

import static io.weft.cli.Weft.weft;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.weft.cli.trace.GeneratedTrace;
import io.weft.cli.trace.TraceRecord;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A replay in a process of its own is killed with SIGKILL in the middle, again and again on the
 * same directory. After each kill no chunk is wrong, the next start leaves no unfinished file, and
 * everything that was published is a hit, byte for byte.
 *
 * <p>Three rounds; {@code -Dweft.crash.rounds=20} for the long form, {@code -Dseed=N} for other
 * moments. {@code scripts/crash-test} runs it and prints what was found.
 */
class CrashReplayTest {
  private static final long CHUNK_BYTES = 16 << 10;

  /** Less than the trace's blocks, so that evictions are under way when the process dies. */
  private static final int CAPACITY_CHUNKS = 600;

  private static final int REQUESTS_BEFORE_KILL = 120;
  private static final Pattern PROGRESS = Pattern.compile("replay: (\\d+) of \\d+ requests");
  private static final Pattern KEY = Pattern.compile(".*@([0-9a-f]{16})@bfloat16");

  @TempDir Path folder;

  @Test
  void nothingIsWrongOrLostAfterAKill() throws Exception {
    int rounds = Integer.getInteger("weft.crash.rounds", 3);
    long seed = Long.getLong("seed", 1);
    SplittableRandom random = new SplittableRandom(seed);
    Path store = folder.resolve("store");
    Path trace = folder.resolve("trace.jsonl");
    List<TraceRecord> requests =
        GeneratedTrace.generate(GeneratedTrace.Parameters.of(seed, 40 * REQUESTS_BEFORE_KILL));
    TextTable table =
        new TextTable(
            "round", "requests done", "whole chunks", "unfinished", "wrong", "hits", "wrong bytes");
    for (int round = 1; round <= rounds; round++) {
      // Each round goes on somewhere else in the trace: hits and misses both.
      int from = random.nextInt(requests.size() / 2);
      writeTrace(trace, requests.subList(from, requests.size()));
      int target = 1 + random.nextInt(REQUESTS_BEFORE_KILL);
      String where = "round %d, seed %d, killed at request %d".formatted(round, seed, target);
      int done = replayUntilKilled(store, trace, target);

      JsonNode dead = verify(store);
      assertEquals(0, dead.at("/files/wrong").asInt(), where + ": " + dead);
      assertEquals(0, dead.at("/files/unreadable").asInt(), where + ": " + dead);
      long whole = dead.at("/files/good").asLong();
      assertTrue(whole > 0, where);
      assertTrue(whole <= CAPACITY_CHUNKS, where);

      JsonNode listed = weft("ls", "--dir", store, "--json").expect(ExitCodes.OK).json();
      assertEquals(List.of(), Weft.stagingFiles(store), where);
      assertEquals(whole, listed.path("count").asLong(), where);
      JsonNode hits = loadEverything(store, listed);
      assertEquals(whole, hits.at("/hits/prefixHits").asLong(), where + ": " + hits);
      assertEquals(0, hits.at("/correctness/wrongBytes").asLong(), where + ": " + hits);
      JsonNode after = verify(store);
      assertEquals(whole, after.at("/files/good").asLong(), where);
      assertEquals(0, after.at("/files/staging").asLong(), where);

      table.row(
          "" + round,
          "" + done,
          "" + whole,
          dead.at("/files/staging").asText(),
          dead.at("/files/wrong").asText(),
          hits.at("/hits/prefixHits").asText(),
          hits.at("/correctness/wrongBytes").asText());
    }
    report(table);
  }

  /** Starts a replay and kills it once it says that so many requests are done. Returns how many. */
  private int replayUntilKilled(Path store, Path trace, int target) throws Exception {
    Process child =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--sun-misc-unsafe-memory-access=allow",
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Xmx256m",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "replay",
                "--trace",
                trace.toString(),
                "--dir",
                store.toString(),
                "--chunk-bytes",
                "" + CHUNK_BYTES,
                "--capacity",
                CAPACITY_CHUNKS + "chunks",
                "--progress",
                "plain")
            .redirectErrorStream(true)
            .start();
    StringBuilder said = new StringBuilder();
    int done = 0;
    try (BufferedReader output =
        new BufferedReader(new InputStreamReader(child.getInputStream(), UTF_8))) {
      String line = output.readLine();
      while (line != null && done < target) {
        Matcher progress = PROGRESS.matcher(line);
        if (progress.matches()) {
          done = Integer.parseInt(progress.group(1));
        }
        said.append(line).append('\n');
        line = done < target ? output.readLine() : line;
      }
      child.destroyForcibly();
      assertEquals(128 + 9, child.waitFor(), () -> "it ended by itself: " + said);
    } finally {
      child.destroyForcibly();
    }
    return done;
  }

  private static JsonNode verify(Path store) {
    return weft("verify", "--dir", store, "--json").expect(ExitCodes.OK).json();
  }

  /** Replays a trace that names what is there, and nothing else: all of it must be hits. */
  private JsonNode loadEverything(Path store, JsonNode listed) throws IOException {
    List<Long> blocks = new ArrayList<>();
    for (JsonNode chunk : listed.path("chunks")) {
      Matcher key = KEY.matcher(chunk.path("key").asText());
      assertTrue(key.matches(), chunk.toString());
      blocks.add(Long.parseUnsignedLong(key.group(1), 16));
    }
    List<TraceRecord> requests = new ArrayList<>();
    for (int from = 0; from < blocks.size(); from += 50) {
      List<Long> some = blocks.subList(from, Math.min(blocks.size(), from + 50));
      requests.add(new TraceRecord(0, 1, 1, some.stream().mapToLong(Long::longValue).toArray()));
    }
    Path trace = folder.resolve("everything.jsonl");
    writeTrace(trace, requests);
    return weft(
            "replay",
            "--resume",
            "--json",
            "--trace",
            trace,
            "--dir",
            store,
            "--chunk-bytes",
            CHUNK_BYTES)
        .expect(ExitCodes.OK)
        .json();
  }

  private static void writeTrace(Path file, List<TraceRecord> requests) throws IOException {
    Files.writeString(
        file, requests.stream().map(TraceRecord::toString).collect(Collectors.joining("\n")));
  }

  private static void report(TextTable table) throws IOException {
    String file = System.getProperty("weft.crash.report", "");
    if (!file.isEmpty()) {
      try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(Path.of(file)))) {
        table.print(out);
      }
    }
  }
}
