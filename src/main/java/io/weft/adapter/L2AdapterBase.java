package io.weft.adapter;

import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What every adapter needs: the three eventfds, the table of tasks with results that are given
 * once, the listeners, and the account of bytes. Thread-safe.
 *
 * <p>A result is in the table before its eventfd is signalled. Listeners are called outside of all
 * locks.
 */
public abstract class L2AdapterBase implements L2Adapter {
  private static final Logger LOG = LoggerFactory.getLogger(L2AdapterBase.class);

  private final Map<L2Event, EventFd> events = new EnumMap<>(L2Event.class);
  private final AtomicLong taskIds = new AtomicLong();
  private final Map<Long, L2Event> pending = new ConcurrentHashMap<>();
  private final Map<Long, L2StoreResult> stores = new ConcurrentHashMap<>();
  private final Map<Long, BitSet> lookups = new ConcurrentHashMap<>();
  private final Map<Long, BitSet> loads = new ConcurrentHashMap<>();
  private final CopyOnWriteArrayList<L2Listener> listeners = new CopyOnWriteArrayList<>();

  /** Who waits until no task is pending. */
  private final CopyOnWriteArrayList<CompletableFuture<Boolean>> untilIdle =
      new CopyOnWriteArrayList<>();

  /** Guards the account. */
  private final ReentrantLock account = new ReentrantLock();

  private final Map<String, Long> bytesBySalt = new HashMap<>();
  private long totalBytes;
  private volatile long capacityBytes;

  /**
   * @param capacityBytes 0 where it is not known
   */
  protected L2AdapterBase(long capacityBytes) {
    this.capacityBytes = capacityBytes;
    try {
      for (L2Event event : L2Event.values()) {
        events.put(event, EventFd.open());
      }
    } catch (IllegalStateException outOfDescriptors) {
      events.values().forEach(EventFd::close);
      throw outOfDescriptors;
    }
  }

  // ---------------------------------------------------------------- tasks

  /** A new task, which one of the {@code complete} methods ends. */
  protected final long begin(L2Event kind) {
    long task = taskIds.incrementAndGet();
    pending.put(task, kind);
    return task;
  }

  protected final void completeStore(long task, L2StoreResult result) {
    complete(task, L2Event.STORE, stores, result);
  }

  /** The bits are the table's from now on. */
  protected final void completeLookup(long task, BitSet hits) {
    complete(task, L2Event.LOOKUP_AND_LOCK, lookups, hits);
  }

  /** The bits are the table's from now on. */
  protected final void completeLoad(long task, BitSet loaded) {
    complete(task, L2Event.LOAD, loads, loaded);
  }

  /** Ends a task with nothing stored, found or loaded. Does nothing where it is complete. */
  protected final void completeFailed(long task) {
    switch (pending.get(task)) {
      case STORE -> completeStore(task, L2StoreResult.FAILED);
      case LOOKUP_AND_LOCK -> completeLookup(task, new BitSet());
      case LOAD -> completeLoad(task, new BitSet());
      case null -> {}
    }
  }

  private <R> void complete(long task, L2Event kind, Map<Long, R> results, R result) {
    if (!Objects.equals(pending.get(task), kind)) {
      return;
    }
    results.put(task, result);
    pending.remove(task);
    event(kind).signal();
    if (pending.isEmpty()) {
      untilIdle.forEach(waiting -> waiting.complete(true));
    }
  }

  /** How many tasks have no result. */
  protected final int pendingTasks() {
    return pending.size();
  }

  /**
   * Waits until every task has its result.
   *
   * @return false at the time-out
   */
  protected final boolean awaitIdle(Duration timeout) {
    CompletableFuture<Boolean> idle = new CompletableFuture<>();
    untilIdle.add(idle);
    if (pending.isEmpty()) {
      idle.complete(true);
    }
    boolean isIdle =
        idle.completeOnTimeout(false, timeout.toMillis(), TimeUnit.MILLISECONDS).join();
    untilIdle.removeIf(CompletableFuture::isDone);
    return isIdle;
  }

  protected static void requireSameLength(List<?> keys, List<?> buffers) {
    if (keys.size() != buffers.size()) {
      throw new IllegalArgumentException(
          keys.size() + " keys and " + buffers.size() + " buffers: one buffer a key");
    }
  }

  @Override
  public final Map<Long, L2StoreResult> popCompletedStores() {
    Map<Long, L2StoreResult> popped = new LinkedHashMap<>();
    for (Long task : new ArrayList<>(stores.keySet())) {
      L2StoreResult result = stores.remove(task);
      if (result != null) {
        popped.put(task, result);
      }
    }
    return popped;
  }

  @Override
  public final @Nullable BitSet queryLookupAndLock(long task) {
    return lookups.remove(task);
  }

  @Override
  public final @Nullable BitSet queryLoad(long task) {
    return loads.remove(task);
  }

  // ---------------------------------------------------------------- eventfds

  private EventFd event(L2Event event) {
    return Objects.requireNonNull(events.get(event));
  }

  @Override
  public final int eventFd(L2Event event) {
    return event(event).fd();
  }

  @Override
  public final boolean await(L2Event event, Duration timeout) {
    return event(event).await(timeout);
  }

  protected final void closeEvents() {
    events.values().forEach(EventFd::close);
  }

  // ---------------------------------------------------------------- the account and the listeners

  protected final void setCapacity(long capacityBytes) {
    this.capacityBytes = capacityBytes;
  }

  /** What is there already, in place of what was counted so far. */
  protected final void setAccount(long totalBytes, Map<String, Long> bytesBySalt) {
    account.lock();
    try {
      this.totalBytes = totalBytes;
      this.bytesBySalt.clear();
      this.bytesBySalt.putAll(bytesBySalt);
    } finally {
      account.unlock();
    }
  }

  /** Counts bytes that came, or went where they are negative; never below none. */
  protected final void count(String salt, long bytes) {
    long missing;
    account.lock();
    try {
      long total = totalBytes + bytes;
      long ofSalt = bytesBySalt.getOrDefault(salt, 0L) + bytes;
      missing = -Math.min(0, Math.min(total, ofSalt));
      totalBytes = Math.max(0, total);
      if (ofSalt > 0) {
        bytesBySalt.put(salt, ofSalt);
      } else {
        bytesBySalt.remove(salt);
      }
    } finally {
      account.unlock();
    }
    if (missing > 0) {
      LOG.warn("more was deleted than is known: {} bytes of salt '{}'", missing, salt);
    }
  }

  @Override
  public final AdapterUsage usage() {
    account.lock();
    try {
      return new AdapterUsage(totalBytes, capacityBytes, bytesBySalt);
    } finally {
      account.unlock();
    }
  }

  /** The keys are there from now on: counts them and tells the listeners. */
  protected final void notifyStored(List<ObjectKey> keys, long[] sizes) {
    for (int i = 0; i < sizes.length; i++) {
      count(keys.get(i).cacheSalt(), sizes[i]);
    }
    tell(listener -> listener.stored(keys, sizes));
  }

  /** The keys were used: tells the listeners. */
  protected final void notifyAccessed(List<ObjectKey> keys) {
    tell(listener -> listener.accessed(keys));
  }

  /** The keys are gone, really: counts them and tells the listeners. */
  protected final void notifyDeleted(List<ObjectKey> keys, long[] sizes) {
    for (int i = 0; i < sizes.length; i++) {
      count(keys.get(i).cacheSalt(), -sizes[i]);
    }
    tell(listener -> listener.deleted(keys, sizes));
  }

  private void tell(Consumer<L2Listener> what) {
    for (L2Listener listener : listeners) {
      try {
        what.accept(listener);
      } catch (RuntimeException failure) {
        LOG.warn("a listener failed", failure);
      }
    }
  }

  @Override
  public final void addListener(L2Listener listener) {
    listeners.add(listener);
  }

  @Override
  public final void removeListener(L2Listener listener) {
    listeners.remove(listener);
  }
}
