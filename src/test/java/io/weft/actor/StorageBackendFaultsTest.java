package io.weft.actor;

import static io.weft.actor.TestStore.bytes;
import static io.weft.actor.TestStore.get;
import static io.weft.actor.TestStore.soon;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.adapter.EngineKey;
import io.weft.adapter.MemoryObject;
import io.weft.adapter.NativeAllocator;
import io.weft.adapter.NvmeofStorageBackend;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.base.KeysOutcome;
import io.weft.base.StatOutcome;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.base.Ticker;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The storage backend on a device that fails or does not answer, and beside other users. */
class StorageBackendFaultsTest {
  private static final int LENGTH = 20_000;

  /** Beyond the impatient store's time and the backend's grace. */
  private static final Duration BOUND = Duration.ofSeconds(10);

  private static final String IMPATIENT = "weft.request-timeout = 1500ms";
  private static ActorTestKit kit;

  @TempDir private Path directory;
  private final NativeAllocator allocator = new NativeAllocator(8 << 20);

  @BeforeAll
  static void startSystem() {
    kit = TestStore.kit("StorageBackendFaultsTest");
  }

  @AfterAll
  static void stopSystem() {
    kit.shutdownTestKit();
  }

  @AfterEach
  void noMemoryIsHeld() {
    soon().until(() -> allocator.usedBytes() == 0);
    allocator.close();
  }

  private static EngineKey key(String name) {
    return new EngineKey(
        "model",
        1,
        0,
        Integer.toHexString(name.hashCode()),
        "half",
        OptionalInt.empty(),
        List.of());
  }

  private MemoryObject object(String name) {
    MemoryObject object = allocator.allocate(LENGTH, ChunkMetadata.EMPTY);
    assertNotNull(object);
    object.memory().copyFrom(MemorySegment.ofArray(bytes(name, LENGTH)));
    return object;
  }

  private CompletionStage<Boolean> putting(
      NvmeofStorageBackend backend,
      String name,
      java.util.function.@Nullable Consumer<? super EngineKey> callback) {
    MemoryObject object = object(name);
    CompletionStage<Boolean> stage =
        backend.batchedSubmitPutTask(List.of(key(name)), List.of(object), callback).getFirst();
    object.release();
    return stage;
  }

  private void put(NvmeofStorageBackend backend, String name) {
    assertTrue(get(putting(backend, name, null)));
  }

  private void hit(NvmeofStorageBackend backend, String name) {
    MemoryObject object = backend.getBlocking(key(name));
    assertNotNull(object);
    assertArrayEquals(bytes(name, LENGTH), bytes(object.memory()));
    object.release();
  }

  private static <T> T inTime(java.util.function.Supplier<T> call) {
    return Assertions.assertTimeoutPreemptively(BOUND, call::get);
  }

  @Test
  void aGetThatTheKernelKeepsIsAMissAndItsMemoryStaysAway() {
    try (TestStore store = TestStore.start(kit, directory, IMPATIENT);
        NvmeofStorageBackend backend = new NvmeofStorageBackend(store.facade, allocator)) {
      put(backend, "a");
      put(backend, "b");
      soon().until(() -> allocator.usedBytes() == 0);
      FaultyMedium.Gate gate =
          store.faults.gateOn(java.util.Set.of(key("a").encode()), "load", "loaded");
      List<@Nullable MemoryObject> objects =
          inTime(() -> backend.batchedGetBlocking(List.of(key("a"), key("b"))));
      assertNull(objects.get(0));
      MemoryObject other = objects.get(1);
      assertNotNull(other);
      assertArrayEquals(bytes("b", LENGTH), bytes(other.memory()));
      other.release();
      // What the kernel may still write into is nobody's to have.
      assertEquals(1, gate.waiting.get());
      soon().until(() -> allocator.usedBytes() == 20_480);
      assertEquals(1, backend.troubles());
      gate.open();
      soon().until(() -> allocator.usedBytes() == 0);
      hit(backend, "a");
    }
  }

  @Test
  void aCancelledGetEndsAtOnceAndItsMemoryStaysAway() {
    try (TestStore store = TestStore.start(kit, directory);
        NvmeofStorageBackend backend = new NvmeofStorageBackend(store.facade, allocator)) {
      put(backend, "a");
      soon().until(() -> allocator.usedBytes() == 0);
      FaultyMedium.Gate gate = store.faults.gate("load");
      CompletableFuture<List<@Nullable MemoryObject>> got =
          backend.batchedGetNonBlocking("r", List.of(key("a"))).toCompletableFuture();
      soon().until(() -> gate.waiting.get() == 1);
      backend.cancelRequest("another");
      assertFalse(got.isDone());
      backend.cancelRequest("r");
      assertEquals(Collections.singletonList(null), get(got));
      assertEquals(20_480, allocator.usedBytes());
      gate.open();
      soon().until(() -> allocator.usedBytes() == 0);
      hit(backend, "a");
    }
  }

  @Test
  void aPutThatTheKernelKeepsFailsAndItsMemoryStaysAway() {
    try (TestStore store = TestStore.start(kit, directory, IMPATIENT);
        NvmeofStorageBackend backend = new NvmeofStorageBackend(store.facade, allocator)) {
      FaultyMedium.Gate gate = store.faults.gate("store");
      AtomicInteger calls = new AtomicInteger();
      CompletionStage<Boolean> first = putting(backend, "a", _ -> calls.incrementAndGet());
      assertTrue(backend.existsInPutTasks(key("a")));
      // A second put of the key is none: it holds no memory and ends with the first.
      CompletionStage<Boolean> second = putting(backend, "a", _ -> calls.incrementAndGet());
      assertEquals(20_480, allocator.usedBytes());
      assertFalse(get(first));
      assertFalse(get(second));
      assertEquals(2, calls.get());
      assertFalse(backend.existsInPutTasks(key("a")));
      assertEquals(20_480, allocator.usedBytes());
      gate.open();
      soon().until(() -> allocator.usedBytes() == 0);
      put(backend, "a");
      hit(backend, "a");
    }
  }

  @Test
  void aDeviceThatFailsIsMissesAndIsCounted() {
    try (TestStore store = TestStore.start(kit, directory);
        NvmeofStorageBackend backend = new NvmeofStorageBackend(store.facade, allocator)) {
      put(backend, "a");
      assertEquals(0, backend.troubles());
      store.faults.fail(DeviceException.Kind.IO_ERROR, "load", "store");
      assertNull(backend.getBlocking(key("a")));
      AtomicInteger calls = new AtomicInteger();
      assertFalse(get(putting(backend, "b", _ -> calls.incrementAndGet())));
      assertEquals(1, calls.get());
      assertEquals(2, backend.troubles());
      store.faults.none();
      put(backend, "b");
      hit(backend, "b");
    }
  }

  @Test
  void closingEndsAlthoughTheKernelDoesNotAnswer() {
    try (TestStore store = TestStore.start(kit, directory, IMPATIENT)) {
      NvmeofStorageBackend backend = new NvmeofStorageBackend(store.facade, allocator);
      put(backend, "a");
      FaultyMedium.Gate gate = store.faults.gate("load", "store");
      CompletionStage<Boolean> stored = putting(backend, "b", null);
      CompletionStage<List<@Nullable MemoryObject>> got =
          backend.batchedGetNonBlocking("r", List.of(key("a")));
      soon().until(() -> gate.waiting.get() == 2);
      inTime(
          () -> {
            backend.close();
            return true;
          });
      assertFalse(get(stored));
      assertEquals(Collections.singletonList(null), get(got));
      assertTrue(allocator.usedBytes() > 0);
      gate.open();
    }
  }

  @Test
  void aStoreThatIsGoneIsMisses() {
    TestStore store = TestStore.start(kit, directory, IMPATIENT);
    try (NvmeofStorageBackend backend = new NvmeofStorageBackend(store.facade, allocator)) {
      put(backend, "a");
      assertTrue(backend.pin(key("a")));
      store.close();
      assertFalse(inTime(() -> backend.contains(key("a"), true)));
      assertFalse(inTime(() -> backend.unpin(key("a"))));
      assertNull(inTime(() -> backend.getBlocking(key("a"))));
      assertFalse(get(putting(backend, "b", null)));
      assertTrue(backend.troubles() > 0);
    }
  }

  private static int pins(TestStore store, String name) {
    return get(store.facade.stat(List.of(key(name).toChunkKey()), io.weft.base.Deadline.in(BOUND)))
                .getFirst()
            instanceof StatOutcome.Present present
        ? present.pins()
        : -1;
  }

  @Test
  void pinsOfOthersAreNeverGivenBack() {
    try (TestStore store = TestStore.start(kit, directory)) {
      NvmeofStorageBackend backend = new NvmeofStorageBackend(store.facade, allocator);
      put(backend, "a");
      KeysOutcome host = get(store.facade.keys(KeyOperation.PIN, List.of(key("a").toChunkKey())));
      assertTrue(host instanceof KeysOutcome.Done);
      assertTrue(backend.unpin(key("a")));
      assertEquals(1, pins(store, "a"));
      // The debt swallows one.
      assertTrue(backend.pin(key("a")));
      soon().until(() -> pins(store, "a") == 1);
      assertTrue(backend.pin(key("a")));
      assertTrue(backend.contains(key("a"), true));
      assertEquals(3, pins(store, "a"));
      assertTrue(backend.unpin(key("a")));
      assertEquals(2, pins(store, "a"));
      backend.close();
      assertEquals(1, pins(store, "a"));
    }
  }

  /** A forced delete by another: what the backend counted is worth nothing any more. */
  @Test
  void pinsThatTheStoreLostAreForgotten() {
    try (TestStore store = TestStore.start(kit, directory);
        NvmeofStorageBackend backend = new NvmeofStorageBackend(store.facade, allocator)) {
      put(backend, "a");
      assertTrue(backend.pin(key("a")));
      assertTrue(backend.pin(key("a")));
      get(store.facade.keys(KeyOperation.DELETE_FORCED, List.of(key("a").toChunkKey())));
      put(backend, "a");
      get(store.facade.keys(KeyOperation.PIN, List.of(key("a").toChunkKey())));
      get(store.facade.keys(KeyOperation.UNPIN, List.of(key("a").toChunkKey())));
      assertTrue(backend.unpin(key("a")));
      assertEquals(0, pins(store, "a"));
      get(store.facade.keys(KeyOperation.PIN, List.of(key("a").toChunkKey())));
      assertTrue(backend.unpin(key("a")));
      assertEquals(1, pins(store, "a"));
    }
  }

  /** A store that still looks at its device: it answers later than anybody waits. */
  @Test
  void lateAnswersLeaveNoPin() {
    try (TestStore store = TestStore.start(kit, directory);
        NvmeofStorageBackend backend = new NvmeofStorageBackend(store.facade, allocator)) {
      put(backend, "a");
      store.kill();
    }
    FaultyMedium.Faults faults = new FaultyMedium.Faults();
    FaultyMedium.Gate gate = faults.gate("scan");
    try (TestStore store = TestStore.starting(kit, directory, Ticker.system(), faults)) {
      NvmeofStorageBackend backend = new NvmeofStorageBackend(store.facade, allocator);
      CompletionStage<Integer> cancelled =
          backend.batchedAsyncContains("r", List.of(key("a")), true);
      CompletionStage<Integer> waiting = backend.batchedAsyncContains("s", List.of(key("a")), true);
      backend.cancelRequest("r");
      assertEquals(0, get(cancelled));
      assertFalse(waiting.toCompletableFuture().isDone());
      gate.open();
      assertEquals(1, get(waiting));
      soon().until(() -> pins(store, "a") == 1);
      assertTrue(backend.unpin(key("a")));
      assertEquals(0, pins(store, "a"));
      backend.close();
    }
  }

  /** Another user of the store replaces a chunk by a longer one between the two questions. */
  @Test
  void aChunkThatGrowsMeanwhileIsLoadedWhole() {
    try (TestStore store = TestStore.start(kit, directory)) {
      AtomicInteger allocations = new AtomicInteger();
      NvmeofStorageBackend backend =
          new NvmeofStorageBackend(
              store.facade,
              (length, metadata) -> {
                if (allocations.incrementAndGet() == 1) {
                  StoreOutcome outcome =
                      get(
                          store.facade.store(
                              key("a").toChunkKey(),
                              Payload.of(bytes("longer", 3 * LENGTH)),
                              StoreOptions.DEFAULT.withMode(StoreMode.REPLACE),
                              io.weft.base.Deadline.in(BOUND)));
                  assertTrue(outcome instanceof StoreOutcome.Stored);
                }
                return allocator.allocate(length, metadata);
              });
      put(backend, "a");
      MemoryObject object = backend.getBlocking(key("a"));
      assertNotNull(object);
      assertArrayEquals(bytes("longer", 3 * LENGTH), bytes(object.memory()));
      object.release();
      assertEquals(2, allocations.get());
      backend.close();
    }
  }
}
