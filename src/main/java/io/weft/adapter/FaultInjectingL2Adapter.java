package io.weft.adapter;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Any adapter, with loads that fail: a lookup says that a chunk is there, and its load drops it.
 * For tests of what a user builds on an adapter, after LMCache's fault injector. Everything else is
 * the wrapped adapter's, which is closed with this one.
 */
public final class FaultInjectingL2Adapter implements L2Adapter {

  /**
   * Which chunks of a load are dropped: those that any of the three names.
   *
   * @param chunkHashes by {@link ObjectKey#chunkHash()}
   * @param positions by place in the task's list, from 0
   * @param rate a part of all chunks, from 0 to 1, drawn in the order of the submits
   * @param seed of the draw: the same seed and submits, the same faults
   */
  public record Faults(Set<String> chunkHashes, Set<Integer> positions, double rate, long seed) {
    public static final Faults NONE = new Faults(Set.of(), Set.of(), 0, 0);

    public Faults {
      chunkHashes = Set.copyOf(chunkHashes);
      positions = Set.copyOf(positions);
      if (!(rate >= 0 && rate <= 1)) {
        throw new IllegalArgumentException("a rate is from 0 to 1: " + rate);
      }
    }
  }

  private final L2Adapter inner;
  private final Faults faults;
  private final Random draw;
  private final Map<Long, BitSet> toDrop = new ConcurrentHashMap<>();
  private final AtomicLong dropped = new AtomicLong();

  public FaultInjectingL2Adapter(L2Adapter inner, Faults faults) {
    this.inner = inner;
    this.faults = faults;
    this.draw = new Random(faults.seed());
  }

  /** How many chunks that were loaded have been dropped. */
  public long dropped() {
    return dropped.get();
  }

  /** Synchronized, so that the draws follow the order of the submits. */
  @Override
  public synchronized long submitLoad(List<ObjectKey> keys, List<MemorySegment> buffers) {
    long task = inner.submitLoad(keys, buffers);
    BitSet fate = new BitSet(keys.size());
    for (int i = 0; i < keys.size(); i++) {
      boolean drawn = faults.rate() > 0 && draw.nextDouble() < faults.rate();
      fate.set(
          i,
          drawn
              || faults.positions().contains(i)
              || faults.chunkHashes().contains(keys.get(i).chunkHash()));
    }
    toDrop.put(task, fate);
    return task;
  }

  @Override
  public @Nullable BitSet queryLoad(long task) {
    BitSet loaded = inner.queryLoad(task);
    BitSet fate = loaded == null ? null : toDrop.remove(task);
    if (loaded != null && fate != null) {
      int before = loaded.cardinality();
      loaded.andNot(fate);
      dropped.addAndGet(before - loaded.cardinality());
    }
    return loaded;
  }

  @Override
  public Map<String, Object> reportStatus() {
    Map<String, Object> status = new LinkedHashMap<>(inner.reportStatus());
    status.put("injected_load_faults", dropped.get());
    return status;
  }

  // ---------------------------------------------------------------- as the wrapped adapter does

  @Override
  public int eventFd(L2Event event) {
    return inner.eventFd(event);
  }

  @Override
  public boolean await(L2Event event, Duration timeout) {
    return inner.await(event, timeout);
  }

  @Override
  public long submitStore(List<ObjectKey> keys, List<MemorySegment> buffers) {
    return inner.submitStore(keys, buffers);
  }

  @Override
  public Map<Long, L2StoreResult> popCompletedStores() {
    return inner.popCompletedStores();
  }

  @Override
  public long submitLookupAndLock(List<ObjectKey> keys) {
    return inner.submitLookupAndLock(keys);
  }

  @Override
  public @Nullable BitSet queryLookupAndLock(long task) {
    return inner.queryLookupAndLock(task);
  }

  @Override
  public void submitUnlock(List<ObjectKey> keys) {
    inner.submitUnlock(keys);
  }

  @Override
  public L2DeleteResult delete(List<ObjectKey> keys) {
    return inner.delete(keys);
  }

  @Override
  public L2Listing listKeys(String modelName, int pageSize, @Nullable String cursor) {
    return inner.listKeys(modelName, pageSize, cursor);
  }

  @Override
  public AdapterUsage usage() {
    return inner.usage();
  }

  @Override
  public boolean supportsGlobalEviction() {
    return inner.supportsGlobalEviction();
  }

  @Override
  public void addListener(L2Listener listener) {
    inner.addListener(listener);
  }

  @Override
  public void removeListener(L2Listener listener) {
    inner.removeListener(listener);
  }

  @Override
  public void close() {
    inner.close();
  }
}
