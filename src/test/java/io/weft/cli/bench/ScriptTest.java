package io.weft.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.cli.trace.GeneratedTrace;
import io.weft.cli.trace.TraceSource;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ScriptTest {
  @Test
  void everyChunkIsLoadedOnceInAnOrderOfItsSeed() {
    Script script = Script.loads(1_000, 3);
    BitSet seen = new BitSet();
    int inPlace = 0;
    for (int i = 0; i < script.length(); i++) {
      assertTrue(script.isLoad(i));
      seen.set(script.chunk(i));
      inPlace += script.chunk(i) == i ? 1 : 0;
    }
    assertEquals(1_000, seen.cardinality());
    assertTrue(inPlace < 50);
    assertEquals(script.chunk(7), Script.loads(1_000, 3).chunk(7));
  }

  @Test
  void storesGoRoundBetweenTheirNumbers() {
    Script script = Script.stores(8, 5, 2, 10);
    int[] chunks = new int[5];
    for (int i = 0; i < 5; i++) {
      chunks[i] = script.chunk(i);
    }
    assertEquals(
        "8 9 2 3 4",
        "%d %d %d %d %d".formatted(chunks[0], chunks[1], chunks[2], chunks[3], chunks[4]));
    assertEquals(5, script.stores());
  }

  @Test
  void ofTenMixedOperationsThreeStoreWhatIsNew() {
    Script script = Script.mixed(1_000, 1);
    assertEquals(300, script.stores());
    BitSet stored = new BitSet();
    for (int i = 0; i < script.length(); i++) {
      assertEquals(script.isLoad(i), script.chunk(i) < 1_000);
      if (!script.isLoad(i)) {
        assertFalse(stored.get(script.chunk(i)));
        stored.set(script.chunk(i));
      }
    }
  }

  @Test
  void aTraceLoadsNothingThatMayStillBeOnItsWay() throws IOException {
    Script script =
        Script.trace(
            new TraceSource.Generated(GeneratedTrace.Parameters.of(1, 300)), 100, 2_000, 4_000, 64);
    Map<Integer, Integer> storedAt = new HashMap<>();
    int loads = 0;
    for (int i = 0; i < script.length(); i++) {
      if (script.isLoad(i)) {
        loads++;
        assertTrue(i / 64 > storedAt.get(script.chunk(i)) / 64, "of an earlier part");
      } else {
        assertEquals(100 + storedAt.size(), script.chunk(i));
        storedAt.put(script.chunk(i), i);
      }
    }
    assertEquals(2_000, storedAt.size());
    assertTrue(loads > 100, () -> "some references come again");
    List<Script> parts = script.parts();
    assertEquals(Math.ceilDiv(script.length(), 64), parts.size());
    for (int i = 0; i < script.length(); i++) {
      Script part = parts.get(i / 64);
      assertEquals(script.chunk(i), part.chunk(i % 64));
      assertEquals(script.isLoad(i), part.isLoad(i % 64));
    }
    assertEquals(1, Script.stores(10).parts().size());
  }

  @Test
  void aChunkShowsWhoseBytesItHolds() {
    try (Arena arena = Arena.ofConfined()) {
      Content content = new Content(arena, 8192);
      MemorySegment memory = arena.allocate(8192);
      content.fill(memory);
      content.stamp(5, memory);
      assertTrue(content.isWhole(5, memory));
      assertFalse(content.isMarked(6, memory));

      memory.set(
          ValueLayout.JAVA_BYTE, 5_000, (byte) (memory.get(ValueLayout.JAVA_BYTE, 5_000) + 1));
      assertTrue(content.isMarked(5, memory));
      assertFalse(content.isWhole(5, memory));
    }
  }
}
