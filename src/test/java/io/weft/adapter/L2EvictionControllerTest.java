package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.adapter.EvictionSettings.Policy;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Cycles run by hand, over an adapter of 100 bytes that holds chunks of one. */
class L2EvictionControllerTest {
  private static final EvictionSettings LRU = EvictionSettings.DEFAULT;

  private final MemoryL2Adapter adapter = new MemoryL2Adapter(100);
  private final L2Quotas quotas = new L2Quotas();

  private static ObjectKey key(String salt, int number) {
    return Chain.key("m", salt, number);
  }

  private static List<ObjectKey> keys(String salt, int from, int count) {
    List<ObjectKey> keys = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      keys.add(key(salt, from + i));
    }
    return keys;
  }

  private void store(List<ObjectKey> keys) {
    List<MemorySegment> bytes = keys.stream().map(_ -> Chain.memory(1)).toList();
    L2AdapterContract.store(adapter, keys, bytes);
  }

  private void use(ObjectKey... keys) {
    List<ObjectKey> list = List.of(keys);
    L2AdapterContract.load(adapter, list, list.stream().map(_ -> Chain.memory(1)).toList());
  }

  /** The numbers of the salt's chunks. */
  private Set<Integer> left(String salt) {
    Set<Integer> left = new TreeSet<>();
    L2Listing.Page page = (L2Listing.Page) adapter.listKeys("", 1000, null);
    page.keys().stream()
        .filter(key -> key.cacheSalt().equals(salt))
        .forEach(key -> left.add(Integer.parseInt(key.chunkHash(), 16)));
    return left;
  }

  private L2EvictionController controller(EvictionSettings settings) {
    return new L2EvictionController(adapter, settings, quotas);
  }

  @Test
  void nothingGoesBelowTheWatermark() {
    try (L2EvictionController controller = controller(LRU)) {
      store(keys("", 0, 79));
      assertEquals(0, controller.cycle());
      store(keys("", 79, 1));
      assertEquals(16, controller.cycle(), "a fifth of 80");
      assertEquals(0, controller.cycle());
      assertEquals(64, controller.keys());
    }
  }

  /** The head of a chain is its newest key. */
  @Test
  void theTailOfTheOldestChainGoesFirst() {
    try (L2EvictionController controller = controller(LRU)) {
      store(keys("", 0, 40));
      store(keys("", 40, 40));
      assertEquals(16, controller.cycle());
      assertEquals(Set.copyOf(range(0, 24)), below(40));
      assertTrue(left("").containsAll(range(40, 80)));
    }
  }

  private Set<Integer> below(int number) {
    Set<Integer> below = new TreeSet<>(left(""));
    below.removeIf(each -> each >= number);
    return below;
  }

  private static List<Integer> range(int from, int to) {
    return java.util.stream.IntStream.range(from, to).boxed().toList();
  }

  @Test
  void aUsedKeyIsNew() {
    try (L2EvictionController controller = controller(LRU)) {
      for (int i = 0; i < 80; i++) {
        store(keys("", i, 1));
      }
      use(key("", 0), key("", 5));
      assertEquals(16, controller.cycle());
      assertTrue(left("").containsAll(List.of(0, 5)));
      assertFalse(left("").contains(1));
      assertFalse(left("").contains(17));
      assertTrue(left("").contains(18));
    }
  }

  @Test
  void atLeastOneKeyGoes() {
    try (L2EvictionController controller =
        controller(new EvictionSettings(Policy.LRU, 0.01, 0.2))) {
      store(keys("", 0, 3));
      assertEquals(1, controller.cycle());
      assertEquals(Set.of(0, 1), left(""));
    }
  }

  /** What was not answered may be there still: it is asked about again. */
  @Test
  void keysOfADeleteWithoutAnAnswerGoInALaterCycle() {
    try (L2EvictionController controller = controller(LRU)) {
      store(keys("", 0, 80));
      adapter.busy = true;
      assertEquals(0, controller.cycle());
      assertEquals(80, controller.keys());
      adapter.busy = false;
      assertEquals(16, controller.cycle());
      assertEquals(Set.copyOf(range(0, 64)), left(""));
    }
  }

  @Test
  void lockedKeysStayAndOthersGoInstead() {
    try (L2EvictionController controller = controller(LRU)) {
      for (int i = 0; i < 80; i++) {
        store(keys("", i, 1));
      }
      L2AdapterContract.lock(adapter, keys("", 0, 10));
      assertEquals(16, controller.cycle());
      assertTrue(left("").containsAll(range(0, 10)));
      assertFalse(left("").contains(25));
      adapter.submitUnlock(keys("", 0, 10));
      store(keys("", 80, 16));
      assertEquals(16, controller.cycle());
      assertFalse(left("").contains(0), "they kept their place");
    }
  }

  @Test
  void isolatedTakesOfEachSaltItsPart() {
    try (L2EvictionController controller =
        controller(new EvictionSettings(Policy.ISOLATED_LRU, 0.8, 0.2))) {
      store(keys("a", 0, 60));
      store(keys("b", 0, 20));
      assertEquals(12 + 4, controller.cycle());
      assertEquals(48, left("a").size());
      assertEquals(16, left("b").size());
    }
  }

  @Test
  void noopEvictsNothing() {
    try (L2EvictionController controller =
        controller(new EvictionSettings(Policy.NOOP, 0.8, 0.2))) {
      store(keys("", 0, 100));
      assertEquals(0, controller.cycle());
    }
  }

  @Test
  void aCapacityThatIsNotKnownTriggersNothing() {
    MemoryL2Adapter endless = new MemoryL2Adapter(0);
    try (L2EvictionController controller = new L2EvictionController(endless, LRU, quotas)) {
      L2AdapterContract.store(endless, keys("", 0, 1), List.of(Chain.memory(1)));
      assertEquals(-1, endless.usage().fraction());
      assertFalse(endless.supportsGlobalEviction());
      assertEquals(0, controller.cycle());
    }
  }

  @Test
  void whereQuotasAreUsedAnUnknownSaltIsPurgedAtTheNextCycle() {
    quotas.set("a", 50);
    quotas.set("_default", 10);
    try (L2EvictionController controller = controller(LRU)) {
      store(keys("a", 0, 5));
      store(keys("", 0, 3));
      store(keys("unknown", 0, 7));
      assertEquals(7, controller.cycle());
      assertEquals(Set.of(), left("unknown"));
      assertEquals(5, left("a").size());
      assertEquals(3, left("").size());
    }
  }

  @Test
  void aSaltAtItsQuotasWatermarkLosesAPartOfItsOwn() {
    quotas.set("a", 10);
    quotas.set("b", 100);
    try (L2EvictionController controller = controller(LRU)) {
      store(keys("b", 0, 20));
      store(keys("a", 0, 10));
      assertEquals(2, controller.cycle());
      assertEquals(Set.of(0, 1, 2, 3, 4, 5, 6, 7), left("a"));
      assertEquals(20, left("b").size());
      assertEquals(1, controller.cycle(), "8 of 10 are at the watermark still");
      assertEquals(0, controller.cycle());
    }
  }

  @Test
  void quotasAreSetReadAndTakenAway() {
    quotas.set("_default", 5);
    quotas.set("a", 7);
    assertEquals(OptionalLong.of(5), quotas.get(""));
    assertEquals(java.util.Map.of("_default", 5L, "a", 7L), quotas.all());
    assertTrue(quotas.remove("_default"));
    assertFalse(quotas.remove(""));
    assertEquals(OptionalLong.empty(), quotas.get("_default"));
    assertThrows(IllegalArgumentException.class, () -> quotas.set("a", -1));
  }

  /** What was there before the controller is known, and older than what came since. */
  @Test
  void chunksOfBeforeAreTakenIn() {
    store(keys("", 0, 600));
    try (L2EvictionController controller = controller(LRU)) {
      store(keys("", 600, 50));
      adapter.delete(keys("", 0, 1));
      assertEquals(129, controller.cycle(), "a fifth of 649");
      assertEquals(520, controller.keys());
      assertTrue(left("").containsAll(range(600, 650)));
    }
  }

  @Test
  void aRunningControllerGoesByItself(@TempDir Path folder) {
    try (L2Adapter ours = NvmeofL2AdapterTest.open(folder, "1MiB");
        L2EvictionController controller =
            L2EvictionController.start(ours, new EvictionSettings(Policy.LRU, 0.5, 0.2), quotas)) {
      for (int i = 0; i < 80; i++) {
        List<ObjectKey> one = keys("", i, 1);
        assertTrue(L2AdapterContract.store(ours, one, List.of(Chain.memory(1))).success());
      }
      L2AdapterContract.soon().until(() -> ours.usage().fraction() < 0.5);
      L2AdapterContract.soon().until(() -> controller.keys() * 8192L == ours.usage().totalBytes());
    }
  }
}
