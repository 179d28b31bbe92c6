package io.weft.adapter;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;

/**
 * Does to adapters what LMCache's controllers do, on three threads: a store controller, a prefetch
 * controller with eight requests in flight, and an eviction thread.
 *
 * <p>A prefetch asks every adapter, assigns each key to the first one that has it, trims to the
 * contiguous prefix, unlocks what it will not use at once and the rest after the load, also where
 * that failed. Every loaded chunk is compared with what was stored.
 */
final class SimulatedControllers implements AutoCloseable {
  private static final int IN_FLIGHT = 8;
  private static final int CHAINS = 12;
  private static final int CHAIN_LENGTH = 16;

  private final List<L2Adapter> adapters;
  private final int[] fds;
  private final AtomicLong wrong = new AtomicLong();
  private final AtomicLong loaded = new AtomicLong();
  private volatile int mostInFlight;

  /** One delete for each prefetch that is over: chunks live long enough to be found. */
  private final Semaphore deletes = new Semaphore(0);

  private final AtomicBoolean done = new AtomicBoolean();

  /** One request for a prefix, through its two phases. */
  private final class Prefetch {
    final List<ObjectKey> keys;
    final Map<Integer, Long> lookups = new HashMap<>();
    final Map<Integer, BitSet> hits = new HashMap<>();
    final Map<Integer, List<ObjectKey>> assigned = new HashMap<>();
    final Map<Integer, List<MemorySegment>> room = new HashMap<>();
    final Map<Integer, Long> loads = new HashMap<>();

    Prefetch(List<ObjectKey> keys) {
      this.keys = keys;
      for (int i = 0; i < adapters.size(); i++) {
        lookups.put(i, adapters.get(i).submitLookupAndLock(keys));
      }
    }

    /** Goes on as far as results are there; whether it is over. */
    boolean goOn() {
      for (Iterator<Map.Entry<Integer, Long>> each = lookups.entrySet().iterator();
          each.hasNext(); ) {
        Map.Entry<Integer, Long> lookup = each.next();
        BitSet found = adapters.get(lookup.getKey()).queryLookupAndLock(lookup.getValue());
        if (found != null) {
          hits.put(lookup.getKey(), found);
          each.remove();
          if (lookups.isEmpty()) {
            assign();
          }
        }
      }
      for (Iterator<Map.Entry<Integer, Long>> each = loads.entrySet().iterator();
          each.hasNext(); ) {
        Map.Entry<Integer, Long> load = each.next();
        BitSet bits = adapters.get(load.getKey()).queryLoad(load.getValue());
        if (bits != null) {
          verify(load.getKey(), bits);
          adapters.get(load.getKey()).submitUnlock(of(assigned, load.getKey()));
          each.remove();
        }
      }
      return lookups.isEmpty() && loads.isEmpty();
    }

    private void assign() {
      List<ObjectKey> unused = new ArrayList<>();
      int prefix = 0;
      while (prefix < keys.size() && holder(prefix) >= 0) {
        assigned.computeIfAbsent(holder(prefix), _ -> new ArrayList<>()).add(keys.get(prefix));
        prefix++;
      }
      for (int i = 0; i < adapters.size(); i++) {
        unused.clear();
        for (int key = 0; key < keys.size(); key++) {
          if (of(hits, i).get(key) && (key >= prefix || holder(key) != i)) {
            unused.add(keys.get(key));
          }
        }
        adapters.get(i).submitUnlock(unused);
      }
      assigned.forEach(
          (adapter, mine) -> {
            room.put(adapter, Chain.room(mine));
            loads.put(adapter, adapters.get(adapter).submitLoad(mine, of(room, adapter)));
          });
    }

    private int holder(int key) {
      return IntStream.range(0, adapters.size())
          .filter(i -> of(hits, i).get(key))
          .findFirst()
          .orElse(-1);
    }

    private void verify(int adapter, BitSet bits) {
      bits.stream()
          .forEach(
              i -> {
                loaded.incrementAndGet();
                if (!Chain.isRight(of(assigned, adapter).get(i), of(room, adapter).get(i))) {
                  wrong.incrementAndGet();
                }
              });
    }
  }

  private static <T> T of(Map<Integer, T> map, int key) {
    return java.util.Objects.requireNonNull(map.get(key));
  }

  SimulatedControllers(List<L2Adapter> adapters) {
    this.adapters = adapters;
    this.fds =
        adapters.stream()
            .flatMapToInt(
                adapter ->
                    IntStream.of(
                        adapter.eventFd(L2Event.LOOKUP_AND_LOCK), adapter.eventFd(L2Event.LOAD)))
            .toArray();
  }

  private static List<ObjectKey> chain(int number) {
    List<ObjectKey> keys = new ArrayList<>();
    for (int i = 0; i < CHAIN_LENGTH; i++) {
      keys.add(Chain.key("org/model", number % 3 == 0 ? "" : "salt" + number % 3, number << 8 | i));
    }
    return keys;
  }

  /** Every key that a run can use. */
  static List<ObjectKey> allKeys() {
    return IntStream.range(0, CHAINS)
        .mapToObj(SimulatedControllers::chain)
        .flatMap(List::stream)
        .toList();
  }

  /** So many prefetches, with stores and deletes beside them; returns when all are over. */
  void run(int prefetches, long seed) {
    done.set(false);
    for (L2Adapter adapter : adapters) {
      L2AdapterContract.store(adapter, allKeys(), Chain.bytes(allKeys()));
    }
    CompletableFuture<Void> stores = onAThread(() -> storeUntilDone(seed));
    CompletableFuture<Void> deletes = onAThread(() -> deleteUntilDone(seed));
    try {
      onAThread(() -> prefetch(prefetches, seed)).orTimeout(120, TimeUnit.SECONDS).join();
    } finally {
      done.set(true);
      CompletableFuture.allOf(stores, deletes).orTimeout(60, TimeUnit.SECONDS).join();
    }
  }

  private static CompletableFuture<Void> onAThread(Runnable what) {
    return CompletableFuture.runAsync(what, run -> Thread.ofPlatform().daemon().start(run));
  }

  private void prefetch(int prefetches, long seed) {
    Random random = new Random(seed);
    List<Prefetch> inFlight = new ArrayList<>();
    int begun = 0;
    while (begun < prefetches || !inFlight.isEmpty()) {
      while (begun < prefetches && inFlight.size() < IN_FLIGHT) {
        List<ObjectKey> keys = chain(random.nextInt(CHAINS));
        inFlight.add(new Prefetch(keys.subList(0, 1 + random.nextInt(CHAIN_LENGTH))));
        begun++;
      }
      mostInFlight = Math.max(mostInFlight, inFlight.size());
      NativePoll.readable(1000, fds).forEach(NativePoll::take);
      int before = inFlight.size();
      inFlight.removeIf(Prefetch::goOn);
      deletes.release(before - inFlight.size());
    }
  }

  private void storeUntilDone(long seed) {
    Random random = new Random(seed + 1);
    Map<L2Adapter, Set<Long>> pending = new HashMap<>();
    adapters.forEach(adapter -> pending.put(adapter, new HashSet<>()));
    while (!done.get() || pending.values().stream().anyMatch(tasks -> !tasks.isEmpty())) {
      for (L2Adapter adapter : adapters) {
        Set<Long> tasks = java.util.Objects.requireNonNull(pending.get(adapter));
        if (!done.get() && tasks.size() < 4) {
          List<ObjectKey> keys = chain(random.nextInt(CHAINS));
          tasks.add(adapter.submitStore(keys, Chain.bytes(keys)));
        }
        if (!NativePoll.readable(20, adapter.eventFd(L2Event.STORE)).isEmpty()) {
          NativePoll.take(adapter.eventFd(L2Event.STORE));
        }
        for (Long task : adapter.popCompletedStores().keySet()) {
          if (!tasks.remove(task)) {
            throw new AssertionError("a result that nobody waits for: " + task);
          }
        }
      }
    }
  }

  private void deleteUntilDone(long seed) {
    Random random = new Random(seed + 2);
    List<ObjectKey> keys = allKeys();
    while (!done.get()) {
      try {
        if (!deletes.tryAcquire(20, TimeUnit.MILLISECONDS)) {
          continue;
        }
      } catch (InterruptedException interrupted) {
        throw new AssertionError(interrupted);
      }
      int from = random.nextInt(keys.size() - 4);
      for (L2Adapter adapter : adapters) {
        L2DeleteResult result = adapter.delete(keys.subList(from, from + 4));
        if (result.removed().intersects(result.locked())) {
          throw new AssertionError("removed although locked");
        }
      }
    }
  }

  long wrongBytes() {
    return wrong.get();
  }

  long chunksLoaded() {
    return loaded.get();
  }

  int mostInFlight() {
    return mostInFlight;
  }

  @Override
  public void close() {
    done.set(true);
  }
}
