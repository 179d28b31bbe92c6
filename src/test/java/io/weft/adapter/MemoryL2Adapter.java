package io.weft.adapter;

import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The simplest adapter that keeps the contract: chunks in memory, tasks done at once. */
final class MemoryL2Adapter extends L2AdapterBase {
  private final Map<String, byte[]> chunks = new TreeMap<>();
  private final Map<ObjectKey, Integer> locks = new HashMap<>();
  private boolean closed;

  /** Deletes are not answered. */
  boolean busy;

  MemoryL2Adapter(long capacityBytes) {
    super(capacityBytes);
  }

  @Override
  public synchronized long submitStore(List<ObjectKey> keys, List<MemorySegment> buffers) {
    requireSameLength(keys, buffers);
    long task = begin(L2Event.STORE);
    if (closed) {
      completeFailed(task);
      return task;
    }
    long written = 0;
    for (int i = 0; i < keys.size(); i++) {
      byte[] bytes = Chain.heap(buffers.get(i));
      if (chunks.putIfAbsent(keys.get(i).encode(), bytes) == null) {
        written += bytes.length;
        notifyStored(List.of(keys.get(i)), new long[] {bytes.length});
      }
    }
    notifyAccessed(keys);
    completeStore(task, new L2StoreResult(true, written));
    return task;
  }

  @Override
  public synchronized long submitLookupAndLock(List<ObjectKey> keys) {
    long task = begin(L2Event.LOOKUP_AND_LOCK);
    BitSet hits = new BitSet();
    for (int i = 0; i < keys.size() && !closed; i++) {
      if (chunks.containsKey(keys.get(i).encode())) {
        hits.set(i);
        locks.merge(keys.get(i), 1, Integer::sum);
      }
    }
    completeLookup(task, hits);
    return task;
  }

  @Override
  public synchronized void submitUnlock(List<ObjectKey> keys) {
    keys.forEach(key -> locks.computeIfPresent(key, (_, n) -> n > 1 ? n - 1 : null));
  }

  @Override
  public synchronized long submitLoad(List<ObjectKey> keys, List<MemorySegment> buffers) {
    requireSameLength(keys, buffers);
    long task = begin(L2Event.LOAD);
    BitSet loaded = new BitSet();
    for (int i = 0; i < keys.size() && !closed; i++) {
      byte[] bytes = chunks.get(keys.get(i).encode());
      if (bytes != null && bytes.length == buffers.get(i).byteSize()) {
        buffers.get(i).copyFrom(MemorySegment.ofArray(bytes));
        loaded.set(i);
        notifyAccessed(List.of(keys.get(i)));
      }
    }
    completeLoad(task, loaded);
    return task;
  }

  @Override
  public synchronized L2DeleteResult delete(List<ObjectKey> keys) {
    if (busy) {
      return L2DeleteResult.unanswered();
    }
    BitSet removed = new BitSet();
    BitSet locked = new BitSet();
    for (int i = 0; i < keys.size(); i++) {
      if (locks.containsKey(keys.get(i))) {
        locked.set(i);
      } else {
        byte[] bytes = chunks.remove(keys.get(i).encode());
        if (bytes != null) {
          removed.set(i);
          notifyDeleted(List.of(keys.get(i)), new long[] {bytes.length});
        }
      }
    }
    return new L2DeleteResult(removed, locked);
  }

  @Override
  public synchronized L2Listing listKeys(String modelName, int pageSize, @Nullable String cursor) {
    List<ObjectKey> keys =
        chunks.keySet().stream()
            .filter(text -> cursor == null || text.compareTo(cursor) > 0)
            .map(text -> ObjectKey.parse(text).orElseThrow())
            .filter(key -> modelName.isEmpty() || key.modelName().equals(modelName))
            .limit(pageSize)
            .toList();
    return new L2Listing.Page(keys, keys.size() < pageSize ? null : keys.getLast().encode());
  }

  @Override
  public synchronized Map<String, Object> reportStatus() {
    Map<String, Object> status = new LinkedHashMap<>();
    status.put("is_healthy", !closed);
    return status;
  }

  @Override
  public synchronized void close() {
    closed = true;
    locks.clear();
    closeEvents();
  }
}
