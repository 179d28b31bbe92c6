package io.weft.cli.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.cli.trace.GeneratedTrace.Parameters;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GeneratedTraceTest {

  @ParameterizedTest
  @CsvSource({"2000, 8000", "2000, 32000", "2000, 128000", "12000, 192000"})
  void hasTheWantedSizeAndTheHitsOfAChatService(int requests, long distinctBlocks) {
    for (long seed = 1; seed <= 5; seed++) {
      List<TraceRecord> records =
          GeneratedTrace.generate(Parameters.of(seed, requests, distinctBlocks));
      assertEquals(requests, records.size());
      Set<Long> seen = new HashSet<>();
      long references = 0;
      for (TraceRecord record : records) {
        references += record.blocks();
        for (long id : record.hashIds()) {
          seen.add(id);
        }
      }
      assertEquals(1, (double) seen.size() / distinctBlocks, 0.03, "distinct, seed " + seed);
      double hitRatio = 1 - (double) seen.size() / references;
      assertTrue(hitRatio >= 0.3 && hitRatio <= 0.5, "hit ratio " + hitRatio + ", seed " + seed);
    }
  }

  @Test
  void isTheSameForTheSameSeedAndAnotherForAnother() {
    List<TraceRecord> first = GeneratedTrace.generate(Parameters.of(7, 300));
    assertEquals(first, GeneratedTrace.generate(Parameters.of(7, 300)));
    assertNotEquals(first, GeneratedTrace.generate(Parameters.of(8, 300)));
  }

  /** The trace of seed 1, pinned: another sum means that every generated workload has changed. */
  @Test
  void isTheSameOnEveryMachine() {
    long sum = 0;
    for (TraceRecord record : GeneratedTrace.generate(Parameters.of(1, 500))) {
      sum = sum * 31 + record.hashCode() + record.outputLength();
    }
    assertEquals(-5761585336487884517L, sum);
  }

  @Test
  void isInTheFormOfATrace() {
    long before = 0;
    for (TraceRecord record : GeneratedTrace.generate(Parameters.of(3, 2_000))) {
      assertTrue(record.timestampMillis() >= before, "in the order of time");
      before = record.timestampMillis();
      assertTrue(record.inputLength() >= 1 && record.outputLength() >= 1);
      assertEquals(Math.ceilDiv(record.inputLength(), TraceRecord.BLOCK_TOKENS), record.blocks());
      assertEquals(
          record.blocks(), record.hashIds().length - repeated(record), "each block once a request");
    }
  }

  /** Equal ids are equal prefixes: what stands before a block is always the same. */
  @Test
  void aBlockAlwaysFollowsTheSameBlock() {
    Map<Long, Long> before = new HashMap<>();
    int extended = 0;
    for (TraceRecord record : GeneratedTrace.generate(Parameters.of(5, 2_000))) {
      long previous = -1;
      for (long id : record.hashIds()) {
        Long known = before.put(id, previous);
        extended += known == null ? 0 : 1;
        assertTrue(known == null || known == previous, "block " + id);
        previous = id;
      }
    }
    assertTrue(extended > 0);
  }

  /** Without a system prompt, the requests with one first block are one conversation. */
  @Test
  void turnsOfAConversationAreApartByItsThinkTime() {
    Parameters parameters = new Parameters(1, 3_000, 48_000, 3, 1, 0, 40_000, 6_000_000);
    Map<Long, Long> lastTurns = new HashMap<>();
    List<Long> pauses = new ArrayList<>();
    for (TraceRecord record : GeneratedTrace.generate(parameters)) {
      Long before = lastTurns.put(record.block(0), record.timestampMillis());
      if (before != null) {
        pauses.add(record.timestampMillis() - before);
      }
    }
    double turns = 3_000.0 / lastTurns.size();
    assertEquals(3, turns, 0.4, "turns of a conversation");
    double pauseMean = pauses.stream().mapToLong(pause -> pause).average().orElse(0);
    assertTrue(pauseMean > 40_000 && pauseMean < 55_000, "pause " + pauseMean);
  }

  @Test
  void oneRequestIsAWorkloadToo() {
    List<TraceRecord> records = GeneratedTrace.generate(Parameters.of(1, 1, 1));
    assertEquals(1, records.size());
    assertEquals(1, records.getFirst().blocks());
  }

  @Test
  void impossibleParametersAreNamed() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> Parameters.of(1, 0)).getMessage();
    assertTrue(message.contains("requests = 0: it must be at least 1"), message);
    assertThrows(IllegalArgumentException.class, () -> Parameters.of(1, 10, 9));
    assertThrows(IllegalArgumentException.class, () -> new Parameters(1, 1, 1, 0.5, 1, 0, 1, 1));
    assertThrows(
        IllegalArgumentException.class, () -> new Parameters(1, 1, 1, Double.NaN, 1, 0, 1, 1));
  }

  private static int repeated(TraceRecord record) {
    Set<Long> ids = new HashSet<>();
    for (long id : record.hashIds()) {
      ids.add(id);
    }
    return record.blocks() - ids.size();
  }
}
