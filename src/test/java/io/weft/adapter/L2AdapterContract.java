package io.weft.adapter;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What every L2 adapter keeps. A test class of an adapter extends this and says how to open it. */
abstract class L2AdapterContract {
  static final Duration LONG = Duration.ofSeconds(30);

  private final List<L2Adapter> opened = new ArrayList<>();
  L2Adapter adapter;

  /** An empty adapter of at least 64 MiB, apart from every other. */
  abstract L2Adapter open() throws Exception;

  @BeforeEach
  void openOne() throws Exception {
    adapter = another();
  }

  final L2Adapter another() throws Exception {
    L2Adapter another = open();
    opened.add(another);
    return another;
  }

  @AfterEach
  void closeAll() {
    opened.forEach(L2Adapter::close);
  }

  static ConditionFactory soon() {
    return await().atMost(30, SECONDS).pollInterval(Duration.ofMillis(5));
  }

  // ---------------------------------------------------------------- as a controller does

  static L2StoreResult store(L2Adapter adapter, List<ObjectKey> keys, List<MemorySegment> bytes) {
    long task = adapter.submitStore(keys, bytes);
    Map<Long, L2StoreResult> done = Map.of();
    while (!done.containsKey(task)) {
      assertTrue(adapter.await(L2Event.STORE, LONG), "the eventfd is signalled");
      done = adapter.popCompletedStores();
    }
    return done.get(task);
  }

  L2StoreResult store(List<ObjectKey> keys) {
    return store(adapter, keys, Chain.bytes(keys));
  }

  static BitSet lock(L2Adapter adapter, List<ObjectKey> keys) {
    long task = adapter.submitLookupAndLock(keys);
    BitSet hits = null;
    while (hits == null) {
      assertTrue(adapter.await(L2Event.LOOKUP_AND_LOCK, LONG), "the eventfd is signalled");
      hits = adapter.queryLookupAndLock(task);
    }
    assertNull(adapter.queryLookupAndLock(task), "a result is given once");
    return hits;
  }

  static BitSet load(L2Adapter adapter, List<ObjectKey> keys, List<MemorySegment> room) {
    long task = adapter.submitLoad(keys, room);
    BitSet loaded = null;
    while (loaded == null) {
      assertTrue(adapter.await(L2Event.LOAD, LONG), "the eventfd is signalled");
      loaded = adapter.queryLoad(task);
    }
    assertNull(adapter.queryLoad(task), "a result is given once");
    return loaded;
  }

  static BitSet bits(int... set) {
    BitSet bits = new BitSet();
    for (int bit : set) {
      bits.set(bit);
    }
    return bits;
  }

  /** Which of these keys are there; leaves no lock. */
  BitSet present(List<ObjectKey> keys) {
    BitSet hits = lock(adapter, keys);
    adapter.submitUnlock(hits.stream().mapToObj(keys::get).toList());
    return hits;
  }

  // ---------------------------------------------------------------- eventfds

  @Test
  void threeDistinctEventfdsUniqueAcrossAdapters() throws Exception {
    Set<Integer> fds = new HashSet<>();
    for (L2Adapter each : List.of(adapter, another())) {
      for (L2Event event : L2Event.values()) {
        assertTrue(fds.add(each.eventFd(event)), event::name);
        assertEquals(List.of(), NativePoll.readable(0, each.eventFd(event)));
      }
    }
    assertEquals(6, fds.size());
  }

  @Test
  void nativeCodeIsToldOfEachKindByItsOwnDescriptor() {
    int[] fds = {
      adapter.eventFd(L2Event.STORE),
      adapter.eventFd(L2Event.LOOKUP_AND_LOCK),
      adapter.eventFd(L2Event.LOAD)
    };
    List<ObjectKey> keys = Chain.keys(0, 1);
    var _ = adapter.submitStore(keys, Chain.bytes(keys));
    assertEquals(List.of(fds[0]), NativePoll.readable(30_000, fds));
    assertEquals(1, NativePoll.take(fds[0]));
    assertEquals(1, adapter.popCompletedStores().size());
    long lookup = adapter.submitLookupAndLock(keys);
    assertEquals(List.of(fds[1]), NativePoll.readable(30_000, fds));
    assertEquals(1, NativePoll.take(fds[1]));
    assertEquals(bits(0), adapter.queryLookupAndLock(lookup));
    long load = adapter.submitLoad(keys, Chain.room(keys));
    assertEquals(List.of(fds[2]), NativePoll.readable(30_000, fds));
    assertEquals(1, NativePoll.take(fds[2]));
    assertEquals(bits(0), adapter.queryLoad(load));
    adapter.submitUnlock(keys);
    assertEquals(List.of(), NativePoll.readable(0, fds));
  }

  @Test
  void waitingEndsWithTheTimeAndWithTheAdapter() {
    assertFalse(adapter.await(L2Event.LOAD, Duration.ofMillis(2)));
    adapter.close();
    assertFalse(adapter.await(L2Event.LOAD, LONG));
  }

  // ---------------------------------------------------------------- store and load

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 4095, 4096, 4097, 1 << 20, (5 << 20) + 1})
  void whatIsStoredIsLoadedByteForByte(int length) {
    ObjectKey key = Chain.key(length);
    L2StoreResult stored = store(adapter, List.of(key), List.of(Chain.bytes(key, length)));
    assertEquals(new L2StoreResult(true, length), stored);
    MemorySegment room = Chain.memory(length);
    assertEquals(bits(0), load(adapter, List.of(key), List.of(room)));
    Chain.assertRight(key, room);
  }

  /** Memory of the heap, and at odd addresses. */
  @Test
  void anyMemoryOfTheCallerServes() {
    ObjectKey key = Chain.key(1);
    MemorySegment heap = MemorySegment.ofArray(Chain.heap(Chain.bytes(key, 10_000)));
    assertTrue(store(adapter, List.of(key), List.of(heap)).success());
    MemorySegment odd = Chain.memory(10_100).asSlice(3, 10_000);
    assertEquals(bits(0), load(adapter, List.of(key), List.of(odd)));
    Chain.assertRight(key, odd);
  }

  @Test
  void theFirstStoreOfAKeyWinsAndASecondWritesNothing() {
    List<ObjectKey> keys = Chain.keys(0, 3);
    long bytes = keys.subList(0, 2).stream().mapToLong(Chain::length).sum();
    Heard heard = new Heard();
    adapter.addListener(heard);
    assertEquals(new L2StoreResult(true, bytes), store(keys.subList(0, 2)));
    AdapterUsage before = counted(heard, 2);
    List<MemorySegment> others =
        keys.stream().map(key -> Chain.memory(Chain.length(key)).fill((byte) 7)).toList();
    assertEquals(
        new L2StoreResult(true, 0), store(adapter, keys.subList(0, 2), others.subList(0, 2)));
    assertEquals(before, counted(heard, 2), "counted once");
    assertEquals(
        new L2StoreResult(true, Chain.length(keys.get(2))),
        store(adapter, keys, others),
        "what was there counts nothing");
    List<MemorySegment> room = Chain.room(keys);
    assertEquals(bits(0, 1, 2), load(adapter, keys, room));
    Chain.assertRight(keys.get(0), room.get(0));
    Chain.assertRight(keys.get(1), room.get(1));
  }

  /** The usage once so many chunks have been told and counted. */
  private AdapterUsage counted(Heard heard, int chunks) {
    soon()
        .until(
            () ->
                heard.sizes.size() == chunks
                    && adapter.usage().totalBytes()
                        == heard.sizes.values().stream().mapToLong(Long::longValue).sum());
    return adapter.usage();
  }

  @Test
  void storeResultsAreGivenOnce() {
    List<ObjectKey> keys = Chain.keys(0, 4);
    Set<Long> tasks = new HashSet<>();
    for (ObjectKey key : keys) {
      assertTrue(tasks.add(adapter.submitStore(List.of(key), List.of(Chain.bytes(key)))));
    }
    Set<Long> popped = new HashSet<>();
    soon()
        .until(
            () -> {
              adapter
                  .popCompletedStores()
                  .forEach(
                      (task, result) -> {
                        assertTrue(result.success());
                        assertTrue(popped.add(task), "once");
                      });
              return popped.equals(tasks);
            });
    assertEquals(Map.of(), adapter.popCompletedStores());
  }

  @Test
  void whatIsNotThereIsAClearBit() {
    List<ObjectKey> keys = Chain.keys(0, 4);
    store(List.of(keys.get(0), keys.get(2)));
    assertEquals(bits(0, 2), present(keys));
    List<MemorySegment> room = Chain.room(keys);
    assertEquals(bits(0, 2), load(adapter, keys, room));
    Chain.assertRight(keys.get(0), room.get(0));
    Chain.assertRight(keys.get(2), room.get(2));
  }

  /** A shorter chunk would leave old bytes behind it; a longer one does not fit. */
  @ParameterizedTest
  @ValueSource(ints = {9_999, 10_001, 0})
  void aBufferOfAnotherLengthIsAMiss(int length) {
    ObjectKey key = Chain.key(1);
    store(adapter, List.of(key), List.of(Chain.bytes(key, 10_000)));
    assertEquals(bits(), load(adapter, List.of(key), List.of(Chain.memory(length))));
  }

  @Test
  void tasksOfNothingComplete() {
    assertEquals(new L2StoreResult(true, 0), store(List.of()));
    assertEquals(bits(), lock(adapter, List.of()));
    assertEquals(bits(), load(adapter, List.of(), List.of()));
    adapter.submitUnlock(List.of());
    assertEquals(bits(), adapter.delete(List.of()).removed());
  }

  @Test
  void oneBufferAKey() {
    List<ObjectKey> keys = Chain.keys(0, 2);
    assertThrows(
        IllegalArgumentException.class,
        () -> adapter.submitStore(keys, Chain.bytes(keys.subList(0, 1))));
    assertThrows(
        IllegalArgumentException.class,
        () -> adapter.submitLoad(keys, Chain.bytes(keys.subList(0, 1))));
  }

  @Test
  void aTaskThatNobodyKnowsHasNoResult() {
    assertNull(adapter.queryLookupAndLock(4711));
    assertNull(adapter.queryLoad(4711));
  }

  // ---------------------------------------------------------------- locks and deletes

  @Test
  void aLockedKeyIsNotDeletedAndLocksAreCounted() {
    List<ObjectKey> keys = Chain.keys(0, 2);
    store(keys);
    assertEquals(bits(0), lock(adapter, keys.subList(0, 1)));
    assertEquals(bits(0), lock(adapter, keys.subList(0, 1)));
    L2DeleteResult result = adapter.delete(keys);
    assertEquals(bits(1), result.removed());
    assertEquals(bits(0), result.locked());
    adapter.submitUnlock(keys.subList(0, 1));
    assertEquals(bits(0), present(keys));
    assertEquals(bits(), adapter.delete(keys).removed(), "one lock is left");
    adapter.submitUnlock(keys.subList(0, 1));
    soon().until(() -> adapter.delete(keys).removed().equals(bits(0)));
    assertEquals(bits(), present(keys));
  }

  @Test
  void unlockingWhatIsUnknownOrFreeIsTolerated() {
    List<ObjectKey> keys = Chain.keys(0, 2);
    store(keys.subList(0, 1));
    adapter.submitUnlock(keys);
    assertEquals(bits(0), lock(adapter, keys));
    assertEquals(bits(0), adapter.delete(keys).locked(), "no lock was given back before it was");
    adapter.submitUnlock(keys);
    soon().until(() -> adapter.delete(keys).removed().equals(bits(0)));
  }

  @Test
  void deletingWhatIsNotThereRemovesNothing() {
    L2DeleteResult result = adapter.delete(Chain.keys(0, 3));
    assertEquals(bits(), result.removed());
    assertEquals(bits(), result.locked());
  }

  // ---------------------------------------------------------------- listing, usage, listeners

  @Test
  void keysAreListedOnceOverPagesAndByModel() {
    List<ObjectKey> keys = new ArrayList<>(Chain.keys(0, 23));
    ObjectKey other = Chain.key("other", "salt", 1);
    ObjectKey longer = Chain.key("other-model", "salt", 1);
    keys.add(other);
    keys.add(longer);
    store(keys);
    assertEquals(Set.copyOf(keys), Set.copyOf(listed("", 7)));
    assertEquals(keys.size(), listed("", 7).size());
    assertEquals(listed("", 7), listed("", L2Adapter.PAGE_SIZE), "in a stable order");
    assertEquals(List.of(other), listed("other", 500));
    assertEquals(List.of(), listed("unknown", 500));
  }

  private List<ObjectKey> listed(String model, int pageSize) {
    List<ObjectKey> listed = new ArrayList<>();
    String cursor = null;
    do {
      L2Listing.Page page = (L2Listing.Page) adapter.listKeys(model, pageSize, cursor);
      assertTrue(page.keys().size() <= pageSize);
      listed.addAll(page.keys());
      cursor = page.nextCursor();
    } while (cursor != null);
    return listed;
  }

  @Test
  void usageIsBySaltAndOnlyWhereThereIsAny() {
    assertEquals(Map.of(), adapter.usage().bySalt());
    assertEquals(0, adapter.usage().totalBytes());
    assertTrue(adapter.usage().capacityBytes() > 0);
    assertTrue(adapter.supportsGlobalEviction());
    ObjectKey a = Chain.key("m", "a", 1);
    ObjectKey none = Chain.key("m", "", 1);
    store(List.of(a, none));
    soon().until(() -> adapter.usage().bySalt().keySet().equals(Set.of("a", "")));
    AdapterUsage usage = adapter.usage();
    assertEquals(
        usage.totalBytes(), usage.bySalt().values().stream().mapToLong(Long::longValue).sum());
    assertTrue(usage.bySalt().get("a") >= Chain.length(a));
    assertTrue(usage.fraction() > 0 && usage.fraction() < 1);
    adapter.delete(List.of(a));
    soon().until(() -> adapter.usage().bySalt().keySet().equals(Set.of("")));
    assertEquals(usage.bySalt().keySet(), Set.of("a", ""), "a snapshot does not change");
  }

  /** Keeps what it hears. */
  static final class Heard implements L2Listener {
    final Map<ObjectKey, Long> sizes = new ConcurrentHashMap<>();
    final Set<ObjectKey> accessed = ConcurrentHashMap.newKeySet();

    @Override
    public void stored(List<ObjectKey> keys, long[] bytes) {
      for (int i = 0; i < bytes.length; i++) {
        sizes.put(keys.get(i), bytes[i]);
      }
    }

    @Override
    public void accessed(List<ObjectKey> keys) {
      accessed.addAll(keys);
    }

    @Override
    public void deleted(List<ObjectKey> keys, long[] bytes) {
      for (int i = 0; i < bytes.length; i++) {
        assertEquals(sizes.remove(keys.get(i)), bytes[i]);
      }
    }
  }

  @Test
  void listenersHearWhatHappensWithSizes() {
    Heard heard = new Heard();
    adapter.addListener(
        new L2Listener() {
          @Override
          public void stored(List<ObjectKey> keys, long[] sizes) {
            throw new IllegalStateException("a listener's bug is its own, says the test");
          }

          @Override
          public void accessed(List<ObjectKey> keys) {}

          @Override
          public void deleted(List<ObjectKey> keys, long[] sizes) {}
        });
    adapter.addListener(heard);
    List<ObjectKey> keys = Chain.keys(0, 5);
    store(keys);
    soon().until(() -> heard.sizes.keySet().equals(Set.copyOf(keys)));
    soon()
        .until(
            () ->
                adapter.usage().totalBytes()
                    == heard.sizes.values().stream().mapToLong(Long::longValue).sum());
    heard.accessed.clear();
    load(adapter, keys.subList(0, 2), Chain.room(keys.subList(0, 2)));
    soon().until(() -> heard.accessed.equals(Set.copyOf(keys.subList(0, 2))));
    adapter.delete(keys.subList(0, 1));
    soon().until(() -> heard.sizes.keySet().equals(Set.copyOf(keys.subList(1, 5))));
    adapter.removeListener(heard);
    adapter.delete(keys.subList(1, 2));
    soon()
        .until(
            () ->
                adapter.usage().totalBytes()
                    == keys.subList(2, 5).stream().mapToLong(heard.sizes::get).sum());
    assertEquals(4, heard.sizes.size());
  }

  // ---------------------------------------------------------------- status and end

  @Test
  void itSaysWhetherItIsHealthy() {
    assertEquals(true, adapter.reportStatus().get("is_healthy"));
    adapter.close();
    assertEquals(false, adapter.reportStatus().get("is_healthy"));
  }

  @Test
  void afterItsEndEveryTaskFailsAndNothingHangs() {
    List<ObjectKey> keys = Chain.keys(0, 2);
    store(keys);
    long before = adapter.submitLoad(keys, Chain.room(keys));
    adapter.close();
    adapter.close();
    assertNotNull(adapter.queryLoad(before), "what was under way has a result");
    long store = adapter.submitStore(keys, Chain.bytes(keys));
    long lookup = adapter.submitLookupAndLock(keys);
    long load = adapter.submitLoad(keys, Chain.room(keys));
    adapter.submitUnlock(keys);
    assertEquals(L2StoreResult.FAILED, adapter.popCompletedStores().get(store));
    assertEquals(bits(), adapter.queryLookupAndLock(lookup));
    assertEquals(bits(), adapter.queryLoad(load));
  }

  // ---------------------------------------------------------------- LMCache's controllers

  @Test
  void twoControllersAndAnEvictionThreadGetRightBytesAndLeaveNoLock() throws Exception {
    L2Adapter second = another();
    try (SimulatedControllers controllers = new SimulatedControllers(List.of(adapter, second))) {
      controllers.run(120, 0xC0FFEE);
      assertEquals(0, controllers.wrongBytes(), "wrong bytes");
      assertTrue(controllers.chunksLoaded() > 100, () -> "loaded " + controllers.chunksLoaded());
      assertTrue(controllers.mostInFlight() > 1, "several prefetches were in flight");
    }
    for (L2Adapter each : List.of(adapter, second)) {
      List<ObjectKey> keys = SimulatedControllers.allKeys();
      soon().until(() -> each.delete(keys).locked().isEmpty());
      assertEquals(bits(), lock(each, keys), "every key could be deleted");
    }
  }
}
