package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.KeysOutcome;
import io.weft.base.StoreMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Ours, in a directory. */
class NvmeofL2AdapterTest extends L2AdapterContract {
  @TempDir Path folder;

  @Override
  L2Adapter open() throws Exception {
    return open(Files.createTempDirectory(folder, "store"), "64MiB");
  }

  /** As JSON makes it. */
  static L2Adapter open(Path directory, String capacity) {
    return L2Adapters.find()
        .plan(
            """
            {"type": "nvmeof", "weft": {
              "directory": "%s", "capacity": "%s", "reserve": "0",
              "io": {"threads": 4, "reserved-for-loads": 2, "lease-pool": "8MiB"}}}
            """
                .formatted(directory, capacity))
        .create();
  }

  private ChunkStore store() {
    return ChunkStore.start(
        ConfigFactory.parseString(
                "weft { directory = \"%s\", reserve = 0, io.lease-pool = 8MiB }"
                    .formatted(folder.resolve("shared")))
            .withFallback(ConfigFactory.load()));
  }

  @Test
  void itsWorkIsDoneOnADispatcherOfItsOwn() {
    Set<String> threads = new HashSet<>();
    adapter.addListener(
        new L2Listener() {
          @Override
          public void stored(List<ObjectKey> keys, long[] sizes) {
            threads.add(Thread.currentThread().getName());
          }

          @Override
          public void accessed(List<ObjectKey> keys) {}

          @Override
          public void deleted(List<ObjectKey> keys, long[] sizes) {}
        });
    store(Chain.keys(0, 2));
    soon().until(() -> adapter.usage().totalBytes() > 0);
    adapter.close();
    assertTrue(
        threads.stream().allMatch(name -> name.contains("weft.adapter.dispatcher")),
        threads::toString);
    assertFalse(threads.isEmpty());
  }

  @Test
  void afterARestartChunksAreThereAndCounted() throws Exception {
    Path directory = Files.createTempDirectory(folder, "restart");
    List<ObjectKey> keys = List.of(Chain.key("m", "a", 1), Chain.key("m", "", 2));
    AdapterUsage before;
    try (L2Adapter first = open(directory, "64MiB")) {
      store(first, keys, Chain.bytes(keys));
      soon().until(() -> first.usage().bySalt().size() == 2);
      before = first.usage();
    }
    try (L2Adapter second = open(directory, "64MiB")) {
      assertEquals(before, second.usage());
      assertEquals(true, second.reportStatus().get("usage_is_counted"));
      assertEquals(bits(0, 1), load(second, keys, Chain.room(keys)));
    }
  }

  @Test
  void whatTheStoreEvictsByItselfIsToldAndCounted() throws Exception {
    try (L2Adapter small = open(Files.createTempDirectory(folder, "small"), "1MiB")) {
      Heard heard = new Heard();
      small.addListener(heard);
      for (int i = 0; i < 60; i++) {
        List<ObjectKey> one = List.of(Chain.key(i));
        assertTrue(store(small, one, List.of(Chain.bytes(one.getFirst(), 40_000))).success());
      }
      soon().until(() -> heard.sizes.size() < 30);
      soon()
          .until(
              () ->
                  small.usage().totalBytes()
                      == heard.sizes.values().stream().mapToLong(Long::longValue).sum());
      assertTrue(small.usage().totalBytes() <= 1 << 20);
    }
  }

  /** The store's other users, of other keys, count; their chunks are not the adapter's to list. */
  @Test
  void aSharedStoreIsCountedAsAWholeAndLeftOpen() throws Exception {
    try (ChunkStore shared = store()) {
      put(shared, "not an object key", 5000);
      NvmeofL2Adapter ours = new NvmeofL2Adapter(shared, Duration.ofSeconds(5));
      ours.counted().toCompletableFuture().get();
      assertEquals(Map.of("", 12288L), ours.usage().bySalt());
      put(shared, "not an object key", 1);
      soon().until(() -> ours.usage().bySalt().equals(Map.of("", 8192L)));
      put(shared, Chain.key(1).encode(), 1);
      soon().until(() -> ours.usage().bySalt().equals(Map.of("", 16384L)));
      L2Listing.Page page = (L2Listing.Page) ours.listKeys("", 500, null);
      assertEquals(List.of(Chain.key(1)), page.keys());
      ours.close();
      assertTrue(shared.status().toCompletableFuture().get().serving());
    }
  }

  private static void put(ChunkStore store, String key, int length) throws Exception {
    store
        .store(
            ChunkKey.of(key),
            Payload.of(new byte[length]),
            StoreOptions.DEFAULT.withMode(StoreMode.REPLACE),
            Deadline.in(LONG))
        .toCompletableFuture()
        .get();
  }

  /** Whatever stands beside it in the list, a lock goes back. */
  @Test
  void aKeyThatIsTooLongKeepsNoOtherFromBeingUnlocked() {
    List<ObjectKey> keys = Chain.keys(0, 1);
    try (ChunkStore shared = store();
        NvmeofL2Adapter adapter = new NvmeofL2Adapter(shared, Duration.ofSeconds(5))) {
      store(adapter, keys, Chain.bytes(keys));
      lock(adapter, keys);
      assertEquals(bits(0), adapter.delete(keys).locked());
      adapter.submitUnlock(List.of(keys.getFirst(), Chain.key("m".repeat(3000), "", 1)));
      soon().until(() -> adapter.delete(keys).removed().equals(bits(0)));
    }
  }

  /** Results that nobody asked for hold locks too. */
  @Test
  void closingGivesBackTheLocksThatItHoldsAndNoOthers() throws Exception {
    List<ObjectKey> keys = Chain.keys(0, 3);
    List<ChunkKey> chunks = keys.stream().map(ObjectKey::toChunkKey).toList();
    try (ChunkStore shared = store()) {
      NvmeofL2Adapter ours = new NvmeofL2Adapter(shared, Duration.ofSeconds(5));
      NvmeofL2Adapter other = new NvmeofL2Adapter(shared, Duration.ofSeconds(5));
      store(ours, keys, Chain.bytes(keys));
      lock(ours, keys);
      lock(ours, keys.subList(0, 1));
      lock(other, keys.subList(2, 3));
      ours.submitUnlock(keys.subList(2, 3));
      ours.submitUnlock(keys.subList(2, 3));
      var _ = ours.submitLookupAndLock(keys);
      assertEquals(bits(), ours.delete(keys).removed());
      ours.close();
      KeysOutcome.Done deleted =
          (KeysOutcome.Done) shared.keys(KeyOperation.DELETE, chunks).toCompletableFuture().get();
      assertEquals(bits(0, 1), deleted.hits());
      assertEquals(bits(2), deleted.held(), "the other adapter's");
      other.close();
      deleted =
          (KeysOutcome.Done) shared.keys(KeyOperation.DELETE, chunks).toCompletableFuture().get();
      assertEquals(bits(2), deleted.hits());
    }
  }

  @Test
  void aStoreThatIsClosedUnderItFailsTasksAndDoesNotHangItsEnd() throws Exception {
    List<ObjectKey> keys = Chain.keys(0, 2);
    ChunkStore shared = store();
    NvmeofL2Adapter ours = new NvmeofL2Adapter(shared, Duration.ofSeconds(5));
    store(ours, keys, Chain.bytes(keys));
    lock(ours, keys);
    shared.close();
    assertEquals(L2StoreResult.FAILED, store(ours, keys, Chain.bytes(keys)));
    assertEquals(bits(), load(ours, keys, Chain.room(keys)));
    assertEquals(bits(), lock(ours, keys));
    assertEquals(bits(), ours.delete(keys).removed());
    assertEquals(false, ours.reportStatus().get("is_healthy"));
    long begun = System.nanoTime();
    ours.close();
    assertTrue(System.nanoTime() - begun < Duration.ofSeconds(12).toNanos());
  }

  /** No store takes a key of more than 2,048 bytes; the controller is told by a result. */
  @Test
  void aKeyThatNoStoreTakesFailsItsTask() {
    List<ObjectKey> tooLong = List.of(Chain.key("m".repeat(3000), "", 1));
    assertEquals(L2StoreResult.FAILED, store(adapter, tooLong, Chain.bytes(tooLong)));
    assertEquals(bits(), lock(adapter, tooLong));
    assertEquals(bits(), load(adapter, tooLong, Chain.room(tooLong)));
  }
}
