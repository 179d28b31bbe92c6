package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.adapter.FaultInjectingL2Adapter.Faults;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Without faults it keeps the contract of what it wraps; with faults it breaks loads alone. */
class FaultInjectingL2AdapterTest extends L2AdapterContract {
  @TempDir Path folder;

  @Override
  L2Adapter open() throws Exception {
    return new FaultInjectingL2Adapter(
        NvmeofL2AdapterTest.open(Files.createTempDirectory(folder, "store"), "64MiB"), Faults.NONE);
  }

  private static FaultInjectingL2Adapter with(Faults faults, List<ObjectKey> keys) {
    FaultInjectingL2Adapter faulty =
        new FaultInjectingL2Adapter(new MemoryL2Adapter(64L << 20), faults);
    assertTrue(store(faulty, keys, Chain.bytes(keys)).success());
    return faulty;
  }

  @Test
  void lookupsSayPresentAndLoadsDropByHashAndPosition() {
    List<ObjectKey> keys = Chain.keys(0, 5);
    Faults faults = new Faults(Set.of(keys.get(3).chunkHash()), Set.of(0), 0, 0);
    try (FaultInjectingL2Adapter faulty = with(faults, keys)) {
      assertEquals(bits(0, 1, 2, 3, 4), lock(faulty, keys));
      assertEquals(bits(1, 2, 4), load(faulty, keys, Chain.room(keys)));
      List<ObjectKey> turned = keys.reversed();
      assertEquals(bits(2, 3, 4), load(faulty, turned, Chain.room(turned)));
      assertEquals(4, faulty.dropped());
      assertEquals(4L, faulty.reportStatus().get("injected_load_faults"));
    }
  }

  @Test
  void aSeedGivesTheSameFaultsAgain() {
    List<ObjectKey> keys = Chain.keys(0, 40);
    List<List<BitSet>> runs = new ArrayList<>();
    for (long seed : new long[] {7, 7, 8}) {
      try (FaultInjectingL2Adapter faulty =
          with(new Faults(Set.of(), Set.of(), 0.25, seed), keys)) {
        List<BitSet> loads = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
          loads.add(load(faulty, keys, Chain.room(keys)));
        }
        runs.add(loads);
        assertTrue(faulty.dropped() > 50 && faulty.dropped() < 150, "of 400: " + faulty.dropped());
      }
    }
    assertEquals(runs.get(0), runs.get(1));
    assertTrue(!runs.get(0).equals(runs.get(2)));
  }

  @Test
  void aRateIsAPart() {
    assertThrows(IllegalArgumentException.class, () -> new Faults(Set.of(), Set.of(), 1.5, 0));
  }

  @Test
  void controllersUnlockAfterLoadsThatFailed() {
    MemoryL2Adapter inner = new MemoryL2Adapter(64L << 20);
    try (FaultInjectingL2Adapter faulty =
        new FaultInjectingL2Adapter(inner, new Faults(Set.of(), Set.of(2), 0.3, 5))) {
      try (SimulatedControllers controllers = new SimulatedControllers(List.of(faulty))) {
        controllers.run(60, 5);
        assertEquals(0, controllers.wrongBytes());
      }
      assertTrue(faulty.dropped() > 0);
      assertEquals(bits(), faulty.delete(SimulatedControllers.allKeys()).locked());
    }
  }
}
