package io.weft.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.cli.trace.GeneratedTrace;
import io.weft.cli.trace.TraceSource;
import io.weft.core.EvictionPolicy;
import io.weft.core.FifoPolicy;
import io.weft.core.Policies;
import io.weft.core.PolicyContext;
import io.weft.core.PolicyModels;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Hit ratios over whole traces. The policies are compared with their plain models on a generated
 * trace, always. Where {@code -Dweft.trace} names the conversation trace of Mooncake, the published
 * acceptance figures are held against it; elsewhere those tests compare policy and model on the
 * trace there is, and say so.
 */
class SimulationTest {
  private static final GeneratedTrace.Parameters GENERATED =
      GeneratedTrace.Parameters.of(Long.getLong("seed", 11L), 500, 8_000);

  private static TraceSource source;
  private static BlockTrace given;
  private static boolean conversations;
  private static BlockTrace generated;

  @BeforeAll
  static void read() throws IOException {
    source = TraceSource.resolve(null, GENERATED);
    given = BlockTrace.read(source);
    conversations =
        given.requests() == 12_031
            && given.references() == 288_500
            && given.distinctBlocks() == 182_790;
    generated = BlockTrace.read(new TraceSource.Generated(GENERATED));
    System.out.println(
        "SimulationTest: trace: "
            + source.description()
            + (conversations
                ? ": the acceptance figures hold"
                : ": policies against models instead of the acceptance figures"));
  }

  @ParameterizedTest
  @CsvSource({
    "lru, 1827, 0.0523",
    "lru, 9139, 0.1954",
    "lru, 18279, 0.2784",
    "lru, 45697, 0.3535",
    "fifo, 1827, 0.0505",
    "fifo, 9139, 0.1796",
    "fifo, 18279, 0.2558",
    "fifo, 45697, 0.3344",
    "mru, 1827, 0.0057",
    "mru, 9139, 0.0282",
    "mru, 18279, 0.0662",
    "mru, 45697, 0.1308",
    "lfu, 1827, 0.0582",
    "lfu, 9139, 0.1269",
    "lfu, 18279, 0.1948",
    "lfu, 45697, 0.3364",
    "s3fifo, 1827, 0.0749",
  })
  void blockHitRatio(String policy, int capacity, String expected) {
    if (conversations) {
      assertEquals(expected, digits(simulate(given, policy, capacity).ratio().blocks()));
    } else {
      assertAsModel(given, policy, share(capacity));
    }
  }

  @ParameterizedTest
  @CsvSource({"fifo, 18279, 0.2481", "mru, 18279, 0.0231"})
  void prefixHitRatio(String policy, int capacity, String expected) {
    if (conversations) {
      assertEquals(expected, digits(simulate(given, policy, capacity).ratio().prefix()));
    } else {
      assertAsModel(given, policy, share(capacity));
    }
  }

  @Test
  void noPolicyHitsMoreThanAnInfiniteCache() {
    HitRatio bound = given.infiniteCache();
    if (conversations) {
      assertEquals("0.3664", digits(bound.blocks()));
    }
    assertEquals(given.references() - given.distinctBlocks(), bound.hits());
    for (String policy : Policies.NAMES) {
      HitRatio limited = simulate(given, policy, Math.max(1, given.distinctBlocks() / 10)).ratio();
      assertTrue(limited.hits() <= bound.hits(), policy);
      assertTrue(limited.prefixHits() <= limited.hits(), policy);
      assertEquals(bound, simulate(given, policy, given.distinctBlocks()).ratio(), policy);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"lru", "lfu", "fifo", "mru", "s3fifo"})
  void everyPolicyHitsWhatItsModelHits(String policy) {
    for (int capacity : new int[] {1, 7, 80, 800, 2_000}) {
      assertAsModel(generated, policy, capacity);
    }
  }

  @Test
  void hitsAreCountedByBlockAndByLeadingRun(@TempDir Path folder) throws IOException {
    BlockTrace trace = trace(folder, "[1, 2, 3]", "[1, 9, 3]", "[]", "[4, 1]");
    Simulation.Result result = simulate(trace, "lru", 10);
    assertEquals(new HitRatio(8, 3, 1), result.ratio());
    assertEquals(0, result.evictions());
    assertEquals(0.375, result.ratio().blocks());
    assertEquals(0.125, result.ratio().prefix());
    assertEquals(5, trace.distinctBlocks());
    assertEquals(4, trace.requests());
  }

  @Test
  void aVictimGoesBeforeEachBlockThatIsTooMany(@TempDir Path folder) throws IOException {
    Simulation.Result result = simulate(trace(folder, "[1, 2]", "[3, 1]", "[2, 1]"), "fifo", 2);
    // 1 2 | 3 for 1, 1 for 2 | 2 for 3, then 1 is there.
    assertEquals(new HitRatio(6, 1, 0), result.ratio());
    assertEquals(3, result.evictions());
  }

  @Test
  void aHitIsAUse(@TempDir Path folder) throws IOException {
    BlockTrace trace = trace(folder, "[1, 2]", "[1]", "[3]", "[1]");
    assertEquals(new HitRatio(5, 2, 2), simulate(trace, "lru", 2).ratio());
    assertEquals(new HitRatio(5, 1, 1), simulate(trace, "fifo", 2).ratio());
  }

  @Test
  void progressAddsUpToTheReferences() {
    AtomicLong done = new AtomicLong();
    Simulation.run(given, new FifoPolicy(new PolicyContext(5)), 5, done::addAndGet);
    assertEquals(given.references(), done.get());
  }

  @Test
  void aPolicyThatGivesUpWhatItDoesNotHoldIsFound() {
    EvictionPolicy broken = PolicyModels.create("fifo", 10);
    broken.add(1_000_000, 1, 1);
    String message =
        assertThrows(
                IllegalStateException.class,
                () -> Simulation.run(generated, broken, 10, steps -> {}))
            .getMessage();
    assertTrue(message.contains("1000000, which is none of them"), message);
  }

  private static void assertAsModel(BlockTrace trace, String policy, int capacity) {
    assertEquals(
        Simulation.run(trace, PolicyModels.create(policy, capacity), capacity, steps -> {}),
        simulate(trace, policy, capacity),
        policy + " at " + capacity + " of " + source.description());
  }

  /** The same share of the blocks as that capacity is of the conversation trace, but quick. */
  private static int share(int capacity) {
    return Math.clamp((long) given.distinctBlocks() * capacity / 182_790, 1, 2_000);
  }

  private static Simulation.Result simulate(BlockTrace trace, String policy, int capacity) {
    return Simulation.run(
        trace, Policies.create(policy, new PolicyContext(capacity)), capacity, steps -> {});
  }

  private static String digits(double ratio) {
    return BigDecimal.valueOf(ratio).setScale(4, RoundingMode.HALF_UP).toPlainString();
  }

  private static BlockTrace trace(Path folder, String... requests) throws IOException {
    StringBuilder lines = new StringBuilder();
    for (String ids : requests) {
      lines
          .append("{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": ")
          .append(ids)
          .append("}\n");
    }
    Path file = Files.writeString(folder.resolve("trace.jsonl"), lines);
    return BlockTrace.read(new TraceSource.TraceFile(file, "test"));
  }
}
