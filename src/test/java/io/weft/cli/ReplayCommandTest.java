package io.weft.cli;

import static io.weft.cli.Weft.weft;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.weft.cli.trace.GeneratedTrace;
import io.weft.cli.trace.TraceRecord;
import io.weft.core.PolicyContext;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ReplayCommandTest {
  private static final long CHUNK_BYTES = 16 << 10;
  private static final long FILE_BYTES = 20 << 10;

  @TempDir Path folder;

  @Test
  void aReplayKeepsTheCapacityAndVerifiesEveryByteThatItLoads() throws IOException {
    Path store = folder.resolve("store");
    Weft.Outcome outcome = replay(store, generated(60), "--capacity", "300chunks");
    JsonNode json = outcome.expect(ExitCodes.OK).json();
    assertEquals(60, json.at("/workload/requests").asInt());
    long loads = json.at("/traffic/loads").asLong();
    long stores = json.at("/traffic/stores").asLong();
    assertTrue(loads > 0, outcome.out());
    assertTrue(stores > 600, outcome.out());
    long lost = json.at("/hits/lost").asLong();
    assertEquals((loads - lost) * CHUNK_BYTES, json.at("/correctness/verifiedBytes").asLong());
    assertEquals(0, json.at("/correctness/wrongBytes").asLong());
    assertEquals(0, json.at("/correctness/corruptChunks").asLong());
    assertEquals(0, json.at("/traffic/failed").asLong());
    long references = json.at("/workload/blockReferences").asLong();
    assertEquals(references, stores + loads - lost + json.at("/traffic/duplicates").asLong());
    long chunks = json.at("/store/chunks").asLong();
    assertEquals(stores, chunks + json.at("/store/evictions").asLong());

    long capacity = 300 * FILE_BYTES;
    assertEquals(capacity, json.at("/store/capacityBytes").asLong());
    long physical = json.at("/disk/physicalBytesMax").asLong();
    assertTrue(physical > capacity / 2 && physical <= capacity, outcome.out());
    assertFalse(json.at("/disk/aboveCapacity").asBoolean());
    assertTrue(json.at("/latency/store/p99Micros").asLong() > 0, outcome.out());
    assertTrue(json.at("/latency/load/p50Micros").asLong() > 0, outcome.out());
    // The snapshot of the shutdown has to have its room, too.
    assertTrue(Math.abs(chunks - Weft.chunkFiles(store).size()) <= 10, outcome.out());
  }

  @Test
  void aSecondReplayHitsWhatTheFirstHasStored() throws IOException {
    Path store = folder.resolve("store");
    Path trace = generated(20);
    replay(store, trace, "--resume").expect(ExitCodes.USAGE);
    JsonNode first = replay(store, trace).expect(ExitCodes.OK).json();
    JsonNode second = replay(store, trace, "--resume").expect(ExitCodes.OK).json();
    assertTrue(first.at("/hits/blockHitRatio").asDouble() < 0.9, first.toString());
    assertEquals(1.0, second.at("/hits/prefixHitRatio").asDouble(), second.toString());
    assertEquals(first.at("/store/chunks").asLong(), second.at("/store/chunksAtStart").asLong());
    assertEquals(0, second.at("/traffic/stores").asLong());
    // The same blocks as chunks of another size are other chunks.
    JsonNode other = replay(store, trace, "--chunk-bytes", "5000").expect(ExitCodes.OK).json();
    assertEquals(first.at("/traffic/stores").asLong(), other.at("/traffic/stores").asLong());
    assertEquals(0, other.at("/correctness/wrongBytes").asLong());
  }

  @Test
  void aChunkWithOtherBytesIsFoundAndIsAFailure() throws IOException {
    Path store = folder.resolve("store");
    Path trace = folder.resolve("trace.jsonl");
    Files.writeString(trace, new TraceRecord(0, 1024, 1, new long[] {7, 8}).toString());
    replay(store, trace).expect(ExitCodes.OK);
    Path other = folder.resolve("other");
    Files.write(other, new byte[(int) CHUNK_BYTES]);
    String key = Replayer.key(8, CHUNK_BYTES).toString();
    weft("put", "--dir", store, "--mode", "replace", key, other).expect(ExitCodes.OK);

    Weft.Outcome outcome = replay(store, trace);
    JsonNode json = outcome.expect(ExitCodes.WRONG_DATA).json();
    assertEquals(1, json.at("/correctness/wrongChunks").asInt(), outcome.out());
    assertTrue(json.at("/correctness/wrongBytes").asLong() > CHUNK_BYTES * 0.98, outcome.out());

    Files.write(other, new byte[100]);
    weft("put", "--dir", store, "--mode", "replace", key, other).expect(ExitCodes.OK);
    assertEquals(1, replay(store, trace).json().at("/correctness/wrongChunks").asInt());
  }

  @Test
  void aChunkDamagedOnTheDeviceIsAMissAndAFailure() throws IOException {
    Path store = folder.resolve("store");
    Path trace = generated(10);
    replay(store, trace).expect(ExitCodes.OK);
    Path file = Weft.chunkFiles(store).getFirst();
    byte[] bytes = Files.readAllBytes(file);
    bytes[5000] ^= 1;
    Files.write(file, bytes);
    JsonNode json = replay(store, trace).expect(ExitCodes.WRONG_DATA).json();
    assertEquals(1, json.at("/correctness/corruptChunks").asInt(), json.toString());
    assertEquals(0, json.at("/correctness/wrongBytes").asInt(), json.toString());
    // It is stored anew, and the next replay finds nothing amiss.
    replay(store, trace).expect(ExitCodes.OK);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "lru",
        "LFU",
        "fifo",
        "mru",
        "s3fifo",
        "io.weft.cli.ReplayCommandTest$OldestFirst"
      })
  void everyPolicyServes(String policy) throws IOException {
    JsonNode json =
        replay(folder.resolve("s"), generated(15), "--policy", policy, "--capacity", "120chunks")
            .expect(ExitCodes.OK)
            .json();
    assertEquals(policy, json.at("/store/policy").asText());
    assertTrue(json.at("/store/evictions").asLong() > 0, json.toString());
    assertEquals(0, json.at("/correctness/wrongBytes").asLong());
  }

  /** A policy of a host's own, whole enough for a store: its order can be written down. */
  public static class OldestFirst extends OwnFifo {
    private final Map<Integer, Long> since = new HashMap<>();
    private long count;

    public OldestFirst(PolicyContext context) {
      super(context);
    }

    @Override
    public void add(int entry, long keyHash, long bytes) {
      super.add(entry, keyHash, bytes);
      since.put(entry, ++count);
    }

    @Override
    public void readmit(int entry, long keyHash, long bytes, int state) {
      add(entry, keyHash, bytes);
    }

    @Override
    public long stamp(int entry) {
      return since.getOrDefault(entry, 0L);
    }
  }

  /** {@link OwnFifo} throws where its order is to be written down. */
  @Test
  void aPolicyThatFailsAtTheShutdownCostsTheSnapshotAndNoTime() {
    assertTimeout(
        Duration.ofSeconds(25),
        () ->
            replay(folder.resolve("s"), generated(5), "--policy", OwnFifo.class.getName())
                .expect(ExitCodes.OK));
    JsonNode again =
        assertDoesNotThrow(() -> replay(folder.resolve("s"), generated(5)))
            .expect(ExitCodes.OK)
            .json();
    assertEquals(1.0, again.at("/hits/prefixHitRatio").asDouble(), again.toString());
    assertTrue(again.at("/store/recovery").asText().contains("found by a scan"));
  }

  @Test
  void chunksLargerThanAPieceAndOfOddLengthComeBackWhole() throws IOException {
    JsonNode json =
        replay(
                folder.resolve("s"),
                generated(6),
                "--chunk-bytes",
                "2500001",
                "--concurrency",
                "2",
                "--capacity",
                "60chunks")
            .expect(ExitCodes.OK)
            .json();
    assertTrue(json.at("/traffic/loads").asLong() > 0, json.toString());
    assertEquals(0, json.at("/correctness/wrongBytes").asLong());
  }

  @Test
  void withTheTracesClockRequestsWaitForTheirTime() throws IOException {
    Path trace = folder.resolve("trace.jsonl");
    Files.writeString(
        trace,
        List.of(
                new TraceRecord(0, 512, 1, new long[] {1}),
                new TraceRecord(3_000, 512, 1, new long[] {2}))
            .stream()
            .map(TraceRecord::toString)
            .collect(Collectors.joining("\n")));
    JsonNode json = replay(folder.resolve("s"), trace, "--speed", "10").expect(ExitCodes.OK).json();
    assertTrue(json.at("/workload/seconds").asDouble() >= 0.3, json.toString());
    assertEquals(10, json.at("/workload/speed").asDouble());
  }

  @Test
  void peopleGetATableAndProgressInLines() throws IOException {
    Weft.Outcome outcome =
        weft(
            "replay",
            "--trace",
            generated(10),
            "--dir",
            folder.resolve("s"),
            "--chunk-bytes",
            "4KiB",
            "--progress",
            "plain");
    outcome.expect(ExitCodes.OK);
    assertTrue(outcome.out().matches("(?s).*block hit ratio +0\\.\\d{4}\\R.*"), outcome.out());
    assertTrue(outcome.out().matches("(?s).*wrong bytes +0\\R.*"), outcome.out());
    assertTrue(outcome.out().matches("(?s).*above the capacity +never\\R"), outcome.out());
    assertTrue(outcome.err().contains("replay: 10 of 10 requests"), outcome.err());
  }

  @ParameterizedTest
  @CsvSource({
    "--chunk-bytes, huge, 'is no size'",
    "--chunk-bytes, 0, 'from 1 byte'",
    "--chunk-bytes, 3GiB, 'from 1 byte'",
    "--capacity, lots, 'is no size'",
    "--capacity, 4KiB, 'not even one chunk'",
    "--policy, newest, 'newest'",
    "--concurrency, 0, 'from 1 to 1024'",
    "--speed, -1, 'a positive number'",
    "--direct-io, perhaps, 'one of required, preferred, off'",
    "--config, /nonexistent/weft.conf, 'there is no file'"
  })
  void whatCannotBeIsRefusedInOneLine(String option, String value, String why) throws IOException {
    Weft.Outcome outcome =
        weft("replay", "--trace", generated(2), "--dir", folder.resolve("s"), option, value);
    outcome.expect(ExitCodes.USAGE);
    assertTrue(outcome.complaint().startsWith("weft replay: "), outcome.err());
    assertTrue(outcome.complaint().contains(why), outcome.err());
  }

  @Test
  void aTraceThatBreaksOffIsRefusedBeforeAnythingIsWritten() throws IOException {
    Path trace = generated(5);
    Files.writeString(trace, Files.readString(trace) + "\n{\"timestamp\": 1");
    Weft.Outcome outcome = replay(folder.resolve("s"), trace);
    outcome.expect(ExitCodes.USAGE);
    assertTrue(outcome.complaint().contains("line 6"), outcome.err());
    assertFalse(Files.exists(folder.resolve("s")));
  }

  @Test
  void optionsGoBeforeTheConfigurationFile() throws IOException {
    Path config = folder.resolve("weft.conf");
    Files.writeString(config, "weft { capacity = 123MiB, eviction.policy = mru }");
    JsonNode json =
        replay(folder.resolve("s"), generated(2), "--config", config, "--policy", "fifo")
            .expect(ExitCodes.OK)
            .json();
    assertEquals(123 << 20, json.at("/store/capacityBytes").asLong());
    assertEquals("fifo", json.at("/store/policy").asText());
  }

  private static Weft.Outcome replay(Path store, Path trace, Object... more) {
    List<Object> args =
        new ArrayList<>(List.of("replay", "--json", "--trace", trace, "--dir", store));
    args.addAll(List.of(more));
    if (!args.contains("--chunk-bytes")) {
      args.addAll(List.of("--chunk-bytes", CHUNK_BYTES));
    }
    return weft(args.toArray());
  }

  private Path generated(int requests) throws IOException {
    Path trace = folder.resolve("generated-" + requests + ".jsonl");
    Files.writeString(
        trace,
        GeneratedTrace.generate(GeneratedTrace.Parameters.of(3, requests)).stream()
            .map(TraceRecord::toString)
            .collect(Collectors.joining("\n")));
    return trace;
  }
}
