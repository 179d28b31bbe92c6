package io.weft.adapter;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkMetadata;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every {@link StorageBackend} promises, clause by clause. A backend is held against it by a
 * class that extends this one and opens it.
 */
public abstract class StorageBackendContract {
  /** The length of the chunks that fill a backend. */
  protected static final int CHUNK = 64 << 10;

  /** So many of them, and not many more, fit into the backend under test. */
  protected static final int CHUNKS = 8;

  /** Enough further chunks to evict all that can be evicted. */
  private static final int FLOOD = 3 * CHUNKS;

  private final NativeAllocator allocator = new NativeAllocator(64 << 20);
  private final AtomicInteger fillers = new AtomicInteger();
  private volatile boolean allocatorRefuses;
  private volatile boolean allocatorThrows;
  private StorageBackend backend;

  /**
   * An empty backend that holds {@link #CHUNKS} chunks of {@link #CHUNK} bytes, evicts the least
   * recently used one that is not pinned.
   */
  protected abstract StorageBackend open(AllocatorBackend allocator) throws Exception;

  /** Runs after the backend is closed. */
  protected void cleanUp() throws Exception {}

  @BeforeEach
  void begin() throws Exception {
    backend = open(this::allocate);
  }

  @AfterEach
  void end() throws Exception {
    backend.close();
    noMemoryIsHeld();
    allocator.close();
    cleanUp();
  }

  private @Nullable MemoryObject allocate(long length, ChunkMetadata metadata) {
    if (allocatorThrows) {
      throw new IllegalStateException("thrown by the test");
    }
    return allocatorRefuses ? null : allocator.allocate(length, metadata);
  }

  // ---------------------------------------------------------------- put and get

  @ParameterizedTest
  @ValueSource(ints = {1, 4095, 4096, 4097, CHUNK, (256 << 10) + 3})
  void whatWasPutIsGot(int length) {
    EngineKey key = key("a");
    assertFalse(backend.contains(key, false));
    assertTrue(put(key, content("a", length), metadata("float16 [2,256,1024]")));
    assertTrue(backend.contains(key, false));
    MemoryObject object = backend.getBlocking(key);
    assertNotNull(object);
    assertEquals(metadata("float16 [2,256,1024]"), object.metadata());
    assertEquals(length, object.length());
    assertArrayEquals(content("a", length), bytes(object));
    object.release();
  }

  @Test
  void aGetBringsOneReferenceOfTheAllocator() {
    assertTrue(put("a"));
    MemoryObject object = backend.getBlocking(key("a"));
    assertNotNull(object);
    soon(() -> object.references() == 1);
    assertTrue(allocator.usedBytes() >= CHUNK);
    object.release();
    noMemoryIsHeld();
    assertNotNull(backend.allocatorBackend());
  }

  @Test
  void missesAreNull() {
    assertNull(backend.getBlocking(key("a")));
    assertEquals(List.of(), backend.batchedGetBlocking(List.of()));
    assertEquals(List.of(), get(backend.batchedGetNonBlocking("r", List.of())));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aBatchHasOneEntryAKey(boolean blocking) {
    assertTrue(put("a"));
    assertTrue(put("c"));
    List<EngineKey> keys = keys("a", "b", "c", "a");
    List<@Nullable MemoryObject> objects =
        blocking
            ? backend.batchedGetBlocking(keys)
            : get(backend.batchedGetNonBlocking("request", keys));
    assertEquals(4, objects.size());
    assertHolds("a", objects.get(0));
    assertNull(objects.get(1));
    assertHolds("c", objects.get(2));
    assertHolds("a", objects.get(3));
    objects.stream().filter(each -> each != null).forEach(MemoryObject::release);
  }

  @Test
  void withoutMemoryAGetIsAMiss() {
    assertTrue(put("a"));
    allocatorRefuses = true;
    assertNull(backend.getBlocking(key("a")));
    allocatorRefuses = false;
    allocatorThrows = true;
    assertNull(backend.getBlocking(key("a")));
    assertEquals(Collections.singletonList(null), got("a"));
    allocatorThrows = false;
    assertNotNull(hit("a"));
  }

  private List<@Nullable MemoryObject> got(String name) {
    return get(backend.batchedGetNonBlocking("request", keys(name)));
  }

  @Test
  void theFirstPutOfAKeyWins() {
    assertTrue(put(key("a"), content("first", CHUNK), ChunkMetadata.EMPTY));
    assertTrue(put(key("a"), content("second", CHUNK), ChunkMetadata.EMPTY));
    MemoryObject object = backend.getBlocking(key("a"));
    assertNotNull(object);
    assertArrayEquals(content("first", CHUNK), bytes(object));
    object.release();
  }

  @Test
  void theCallbackComesOnceAKeyWhenTheChunkIsThere() {
    ConcurrentLinkedQueue<String> called = new ConcurrentLinkedQueue<>();
    List<CompletionStage<Boolean>> stages =
        submit(
            List.of("a", "b", "a"),
            key ->
                called.add(
                    "%s %s %s"
                        .formatted(
                            key.chunkHash(),
                            backend.contains(key, false),
                            backend.existsInPutTasks(key))));
    assertEquals(3, stages.size());
    stages.forEach(stage -> assertTrue(get(stage)));
    assertEquals(
        List.of(hash("a") + " true false", hash("b") + " true false"),
        called.stream()
            .sorted(java.util.Comparator.comparing(all -> all.startsWith(hash("b"))))
            .toList());
    assertTrue(get(submit(List.of("a"), key -> called.add("again")).getFirst()));
    assertTrue(called.contains("again"));
  }

  @Test
  void whatACallbackThrowsChangesNothing() {
    AtomicInteger calls = new AtomicInteger();
    List<CompletionStage<Boolean>> stages =
        submit(
            List.of("a", "b"),
            key -> {
              calls.incrementAndGet();
              throw new IllegalStateException("thrown by the test");
            });
    stages.forEach(stage -> assertTrue(get(stage)));
    assertEquals(2, calls.get());
    assertEquals(2, backend.batchedContains(keys("a", "b"), false));
  }

  @Test
  void aCallbackMayCallTheBackend() {
    ConcurrentLinkedQueue<byte[]> loaded = new ConcurrentLinkedQueue<>();
    List<String> names = names("n", CHUNKS);
    List<CompletionStage<Boolean>> stages =
        submit(
            names,
            key -> {
              MemoryObject object = backend.getBlocking(key);
              if (object != null) {
                loaded.add(bytes(object));
                object.release();
              }
            });
    stages.forEach(stage -> assertTrue(get(stage)));
    assertEquals(names.size(), loaded.size());
  }

  @Test
  void callbacksThatBlockHoldUpNothingElse() {
    assertTrue(put("a"));
    CountDownLatch opened = new CountDownLatch(1);
    List<CompletionStage<Boolean>> stages =
        submit(
            names("n", CHUNKS - 1),
            _ -> {
              try {
                assertTrue(opened.await(60, SECONDS));
              } catch (InterruptedException interrupted) {
                throw new IllegalStateException(interrupted);
              }
            });
    soon(() -> names("n", CHUNKS - 1).stream().allMatch(this::there));
    hit("a");
    assertTrue(backend.pin(key("a")));
    unpin("a");
    assertFalse(stages.getFirst().toCompletableFuture().isDone());
    opened.countDown();
    stages.forEach(stage -> assertTrue(get(stage)));
  }

  @Test
  void memoryOfAPutIsHeldUntilItIsWritten() {
    AtomicInteger home = new AtomicInteger();
    List<CompletionStage<Boolean>> stages = new ArrayList<>();
    for (String name : names("n", CHUNKS)) {
      MemoryObject object =
          new MemoryObject(
              MemorySegment.ofArray(content(name, CHUNK)),
              CHUNK,
              ChunkMetadata.EMPTY,
              memory -> {
                memory.fill((byte) 0);
                home.incrementAndGet();
              });
      stages.addAll(backend.batchedSubmitPutTask(keys(name), List.of(object), null));
      object.release();
    }
    stages.forEach(stage -> assertTrue(get(stage)));
    soon(() -> home.get() == CHUNKS);
    names("n", CHUNKS).forEach(this::hit);
  }

  @Test
  void putsThatAreDoneAreNotInFlight() {
    assertFalse(backend.existsInPutTasks(key("a")));
    assertTrue(put("a"));
    assertFalse(backend.existsInPutTasks(key("a")));
  }

  @Test
  void misuseThrows() {
    assertThrows(
        IllegalArgumentException.class,
        () -> backend.batchedSubmitPutTask(keys("a"), List.of(), null));
    MemoryObject freed = object("a");
    freed.release();
    assertThrows(
        IllegalStateException.class,
        () -> backend.batchedSubmitPutTask(keys("a"), List.of(freed), null));
    assertFalse(backend.existsInPutTasks(key("a")));
    assertTrue(put("a"));
  }

  // ---------------------------------------------------------------- lookups and pins

  @Test
  void aLookupCountsTheLeadingHits() {
    assertTrue(put("a"));
    assertTrue(put("b"));
    assertTrue(put("d"));
    assertEquals(2, backend.batchedContains(keys("a", "b", "c", "d"), false));
    assertEquals(0, backend.batchedContains(keys("c", "a"), false));
    assertEquals(2, backend.batchedContains(keys("a", "b"), false));
    assertEquals(0, backend.batchedContains(List.of(), true));
    assertEquals(2, get(backend.batchedAsyncContains("r", keys("a", "b", "c", "d"), false)));
    assertEquals(0, get(backend.batchedAsyncContains("r", List.of(), false)));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aPinningLookupPinsTheCountedPrefixAlone(boolean blocking) {
    for (String name : List.of("a", "b", "d")) {
      assertTrue(put(name));
    }
    List<EngineKey> keys = keys("a", "b", "c", "d");
    int hits =
        blocking
            ? backend.batchedContains(keys, true)
            : get(backend.batchedAsyncContains("r", keys, true));
    assertEquals(2, hits);
    flood();
    assertTrue(there("a"));
    assertTrue(there("b"));
    assertFalse(there("d"));
    unpin("a");
    unpin("b");
    flood();
    assertFalse(there("a"));
    assertFalse(there("b"));
  }

  @Test
  void aLookupWithoutPinPinsNothing() {
    assertTrue(put("a"));
    assertTrue(backend.contains(key("a"), false));
    flood();
    assertFalse(there("a"));
  }

  @Test
  void containsPinsToo() {
    assertTrue(put("a"));
    assertTrue(backend.contains(key("a"), true));
    assertFalse(backend.contains(key("b"), true));
    flood();
    assertTrue(there("a"));
    unpin("a");
  }

  @Test
  void pinsAreCounted() {
    assertTrue(put("a"));
    assertTrue(backend.pin(key("a")));
    assertTrue(backend.pin(key("a")));
    unpin("a");
    flood();
    assertTrue(there("a"));
    unpin("a");
    flood();
    assertFalse(there("a"));
  }

  @Test
  void whatIsAbsentIsNotPinned() {
    assertFalse(backend.pin(key("a")));
    assertFalse(backend.unpin(key("a")));
    assertTrue(put("a"));
    flood();
    assertFalse(there("a"));
  }

  @Test
  void unpinningHasNoFloor() {
    assertTrue(put("a"));
    unpin("a");
    assertTrue(backend.pin(key("a")));
    flood();
    assertFalse(there("a"), "one pin and one unpin before it are none");
    // The debt is gone with the chunk.
    assertTrue(put("b"));
    unpin("b");
    unpin("b");
    assertTrue(backend.pin(key("b")));
    assertTrue(backend.pin(key("b")));
    assertTrue(backend.pin(key("b")));
    flood();
    assertTrue(there("b"));
    unpin("b");
  }

  @Test
  void loadsLeavePinsAsTheyAre() {
    assertTrue(put("a"));
    assertTrue(backend.contains(key("a"), true));
    hit("a");
    List<@Nullable MemoryObject> objects = got("a");
    assertHolds("a", objects.getFirst());
    objects.forEach(MemoryObject::release);
    flood();
    assertTrue(there("a"));
    unpin("a");
  }

  @Test
  void touchedHeadsOutliveTheirTails() {
    List<String> request = names("p", 4);
    request.forEach(name -> assertTrue(put(name)));
    assertEquals(4, backend.batchedContains(keys(request), true));
    backend.touchCache();
    backend.touchCache();
    request.forEach(this::unpin);
    List<String> gone = new ArrayList<>();
    for (int i = 0; i < FLOOD; i++) {
      fill();
      request.stream().filter(name -> !there(name) && !gone.contains(name)).forEach(gone::add);
    }
    assertEquals(request.reversed(), gone);
  }

  // ---------------------------------------------------------------- removing, cancelling, closing

  @Test
  void removing() {
    assertTrue(put("a"));
    assertTrue(backend.remove(key("a"), true));
    assertFalse(there("a"));
    assertFalse(backend.remove(key("a"), true));
    assertNull(backend.getBlocking(key("a")));
    assertTrue(put("a"));
    assertTrue(put("b"));
    assertEquals(2, backend.batchedRemove(keys("a", "x", "b"), true));
    assertEquals(0, backend.batchedRemove(List.of(), true));
  }

  @Test
  void onlyForceRemovesWhatIsPinned() {
    assertTrue(put("a"));
    assertTrue(put("b"));
    assertTrue(backend.pin(key("a")));
    assertEquals(1, backend.batchedRemove(keys("a", "b"), false));
    assertTrue(there("a"));
    assertTrue(backend.remove(key("a"), true));
    assertFalse(there("a"));
    // Its pins went with it.
    assertTrue(put("a"));
    flood();
    assertFalse(there("a"));
  }

  @Test
  void anUnknownRequestIsCancelled() {
    backend.cancelRequest("nobody");
    assertTrue(put("a"));
    assertEquals(1, get(backend.batchedAsyncContains("r", keys("a"), false)));
    backend.cancelRequest("r");
    assertTrue(there("a"));
  }

  @Test
  void aClosedBackendIsEmptyAndTakesNothing() {
    assertTrue(put("a"));
    backend.close();
    backend.close();
    assertFalse(backend.contains(key("a"), true));
    assertFalse(backend.pin(key("a")));
    assertFalse(backend.unpin(key("a")));
    assertFalse(backend.remove(key("a"), true));
    assertNull(backend.getBlocking(key("a")));
    assertEquals(Collections.singletonList(null), got("a"));
    AtomicInteger calls = new AtomicInteger();
    assertFalse(get(submit(List.of("b"), _ -> calls.incrementAndGet()).getFirst()));
    assertEquals(1, calls.get());
    backend.touchCache();
    backend.cancelRequest("r");
  }

  @Test
  void closingLetsPutsEnd() {
    List<CompletionStage<Boolean>> stages = submit(names("n", CHUNKS), null);
    backend.close();
    stages.forEach(stage -> assertTrue(get(stage)));
  }

  // ---------------------------------------------------------------- all at once

  @Test
  void manyThreadsGetRightBytesOrMisses() throws Exception {
    int threads = 6;
    int rounds = 60;
    List<String> names = names("n", 2 * CHUNKS);
    AtomicInteger callbacks = new AtomicInteger();
    ExecutorService pool = Executors.newFixedThreadPool(threads);
    try {
      List<Future<Integer>> ends = new ArrayList<>();
      for (int t = 0; t < threads; t++) {
        Random random = new Random(t);
        ends.add(
            pool.submit(
                () -> {
                  int puts = 0;
                  for (int i = 0; i < rounds; i++) {
                    String name = names.get(random.nextInt(names.size()));
                    switch (random.nextInt(5)) {
                      case 0 -> {
                        submit(List.of(name), _ -> callbacks.incrementAndGet());
                        puts++;
                      }
                      case 1 -> rightOrMiss(name, backend.getBlocking(key(name)));
                      case 2 -> rightOrMiss(name, got(name).getFirst());
                      case 3 -> {
                        if (backend.pin(key(name))) {
                          backend.unpin(key(name));
                        }
                      }
                      default -> backend.remove(key(name), true);
                    }
                  }
                  return puts;
                }));
      }
      int puts = 0;
      for (Future<Integer> end : ends) {
        puts += end.get(60, SECONDS);
      }
      int expected = puts;
      soon(() -> callbacks.get() == expected);
    } finally {
      pool.shutdown();
    }
    noMemoryIsHeld();
    // Nothing is left pinned: all that is there can go.
    names.forEach(name -> backend.remove(key(name), true));
    assertTrue(put("last"));
    hit("last");
  }

  // ---------------------------------------------------------------- helpers

  private void flood() {
    for (int i = 0; i < FLOOD; i++) {
      fill();
    }
  }

  private void fill() {
    assertTrue(put("filler" + fillers.incrementAndGet()));
  }

  private boolean there(String name) {
    return backend.contains(key(name), false);
  }

  private void unpin(String name) {
    assertTrue(backend.unpin(key(name)));
  }

  private boolean put(String name) {
    return put(key(name), content(name, CHUNK), ChunkMetadata.EMPTY);
  }

  private boolean put(EngineKey key, byte[] content, ChunkMetadata metadata) {
    MemoryObject object = object(content, metadata);
    try {
      return get(backend.batchedSubmitPutTask(List.of(key), List.of(object), null).getFirst());
    } finally {
      object.release();
    }
  }

  private List<CompletionStage<Boolean>> submit(
      List<String> names, java.util.function.@Nullable Consumer<? super EngineKey> callback) {
    List<MemoryObject> objects = names.stream().map(this::object).toList();
    List<CompletionStage<Boolean>> stages =
        backend.batchedSubmitPutTask(keys(names), objects, callback);
    objects.forEach(MemoryObject::release);
    return stages;
  }

  private MemoryObject object(String name) {
    return object(content(name, CHUNK), ChunkMetadata.EMPTY);
  }

  private MemoryObject object(byte[] content, ChunkMetadata metadata) {
    MemoryObject object = allocator.allocate(content.length, metadata);
    assertNotNull(object);
    object.memory().copyFrom(MemorySegment.ofArray(content));
    return object;
  }

  private MemoryObject hit(String name) {
    MemoryObject object = backend.getBlocking(key(name));
    assertHolds(name, object);
    object.release();
    return object;
  }

  private static void rightOrMiss(String name, @Nullable MemoryObject object) {
    if (object != null) {
      assertHolds(name, object);
      object.release();
    }
  }

  private static void assertHolds(String name, @Nullable MemoryObject object) {
    assertNotNull(object, name);
    assertArrayEquals(content(name, CHUNK), bytes(object), name);
  }

  private static byte[] bytes(MemoryObject object) {
    return object.memory().toArray(ValueLayout.JAVA_BYTE);
  }

  private void noMemoryIsHeld() {
    soon(() -> allocator.usedBytes() == 0);
  }

  private static byte[] content(String name, int length) {
    byte[] bytes = new byte[length];
    new Random(name.hashCode()).nextBytes(bytes);
    return bytes;
  }

  private static ChunkMetadata metadata(String text) {
    return ChunkMetadata.of(text.getBytes(StandardCharsets.UTF_8));
  }

  private static String hash(String name) {
    return "%08x".formatted(name.hashCode());
  }

  static EngineKey key(String name) {
    return new EngineKey(
        "meta-llama/Llama-3.1-8B", 1, 0, hash(name), "bfloat16", OptionalInt.empty(), List.of());
  }

  private static List<EngineKey> keys(String... names) {
    return keys(List.of(names));
  }

  private static List<EngineKey> keys(List<String> names) {
    return names.stream().map(StorageBackendContract::key).toList();
  }

  private static List<String> names(String prefix, int count) {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      names.add(prefix + i);
    }
    return names;
  }

  static <T> T get(CompletionStage<T> stage) {
    try {
      return stage.toCompletableFuture().get(60, SECONDS);
    } catch (Exception failed) {
      throw new AssertionError("no answer", failed);
    }
  }

  static void soon(Callable<Boolean> condition) {
    await().atMost(30, SECONDS).pollInterval(java.time.Duration.ofMillis(5)).until(condition);
  }
}
