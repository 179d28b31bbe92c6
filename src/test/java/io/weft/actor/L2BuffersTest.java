package io.weft.actor;

import static io.weft.actor.TestStore.bytes;
import static io.weft.actor.TestStore.soon;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.adapter.L2Event;
import io.weft.adapter.L2StoreResult;
import io.weft.adapter.NvmeofL2Adapter;
import io.weft.adapter.ObjectKey;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An L2 task has no result while the kernel still has its buffers. */
class L2BuffersTest {
  private static final List<ObjectKey> KEYS = List.of(new ObjectKey("m", 1, 0, "aa", ""));
  private static final Duration SHORT = Duration.ofMillis(200);
  private static final Duration LONG = Duration.ofSeconds(30);
  private static ActorTestKit kit;

  @TempDir Path directory;

  @BeforeAll
  static void start() {
    kit = TestStore.kit("l2-buffers");
  }

  @AfterAll
  static void stop() {
    kit.shutdownTestKit();
  }

  private static List<MemorySegment> memory() {
    return List.of(MemorySegment.ofArray(bytes("k", 10_000)));
  }

  @Test
  void aTaskEndsWhenTheKernelIsDoneWithItsBuffersAndNotAtItsDeadline() {
    try (TestStore store = TestStore.start(kit, directory, "weft.request-timeout = 200ms")) {
      NvmeofL2Adapter adapter = new NvmeofL2Adapter(store.facade, LONG);
      FaultyMedium.Gate gate = store.faults.gate("store");
      var _ = adapter.submitStore(KEYS, memory());
      soon().until(() -> gate.waiting.get() == 1);
      soon().until(() -> store.status().operationsInFlight() == 0);
      assertEquals(Map.of(), adapter.popCompletedStores(), "answered, but in the kernel");
      gate.open();
      assertTrue(adapter.await(L2Event.STORE, LONG));
      assertEquals(
          List.of(L2StoreResult.FAILED), List.copyOf(adapter.popCompletedStores().values()));
      adapter.close();
    }
  }

  @Test
  void closingIsBoundedAndATaskInTheKernelStaysPending() {
    try (TestStore store = TestStore.start(kit, directory, "weft.request-timeout = 200ms")) {
      NvmeofL2Adapter adapter = new NvmeofL2Adapter(store.facade, SHORT);
      var _ = adapter.submitStore(KEYS, memory());
      assertTrue(adapter.await(L2Event.STORE, LONG));
      assertTrue(adapter.popCompletedStores().values().iterator().next().success());
      FaultyMedium.Gate gate = store.faults.gate("load");
      List<MemorySegment> room = List.of(MemorySegment.ofArray(new byte[10_000]));
      long task = adapter.submitLoad(KEYS, room);
      soon().until(() -> gate.waiting.get() == 1);
      long begun = System.nanoTime();
      adapter.close();
      assertTrue(System.nanoTime() - begun < Duration.ofSeconds(5).toNanos());
      soon().until(() -> store.status().operationsInFlight() == 0);
      assertNull(adapter.queryLoad(task), "its buffer is in use");
      gate.open();
      BitSet[] loaded = new BitSet[1];
      soon().until(() -> (loaded[0] = adapter.queryLoad(task)) != null);
      assertTrue(loaded[0].isEmpty());
    }
  }

  /** A lookup that is answered after the adapter's end takes locks, and gives them back. */
  @Test
  void aLookupBeyondTheEndLeavesNoLock() {
    try (TestStore store = TestStore.start(kit, directory, "weft.request-timeout = 20s")) {
      NvmeofL2Adapter adapter = new NvmeofL2Adapter(store.facade, LONG);
      var _ = adapter.submitStore(KEYS, memory());
      assertTrue(adapter.await(L2Event.STORE, LONG));
      for (int i = 0; i < 100; i++) {
        var _ = adapter.submitLookupAndLock(KEYS);
      }
      adapter.close();
      soon().until(() -> adapter.delete(KEYS).removed().cardinality() == 1);
    }
  }
}
