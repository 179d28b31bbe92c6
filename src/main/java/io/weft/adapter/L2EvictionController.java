package io.weft.adapter;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * LMCache's eviction of an L2 adapter, by cycles of about a second: whatever the adapter, through
 * its listener interface, its usage and its delete.
 *
 * <ul>
 *   <li>Keys are ordered by their last use. A batch counts as used last to first, so that the head
 *       of a chain is its newest key and outlives its tail.
 *   <li>Where the usage has reached the watermark, a cycle deletes {@code max(1, ⌊n·ratio⌋)} of the
 *       {@code n} keys, the oldest first; with {@code IsolatedLRU} of each salt's keys.
 *   <li>Where quotas are set, a salt at the watermark of its quota loses the same part of its keys,
 *       and a salt with none, or with 0 bytes, loses all.
 *   <li>A key that the adapter leaves, because it is locked, keeps its place for the next cycle;
 *       the next ones go instead.
 * </ul>
 *
 * <p>Thread-safe. A cycle waits for the adapter's deletes: it runs on a thread of its own.
 */
public final class L2EvictionController implements L2Listener, AutoCloseable {
  /** LMCache's cycle. */
  public static final long CYCLE_MILLIS = 1000;

  private static final Logger LOG = LoggerFactory.getLogger(L2EvictionController.class);

  /** Keys of one call of the adapter's delete. */
  private static final int BATCH = 512;

  private final L2Adapter adapter;
  private final EvictionSettings settings;
  private final L2Quotas quotas;
  private final @Nullable ScheduledExecutorService scheduler;

  /** By salt, the keys in the order of their last use, each with a number that grows with it. */
  private final Map<String, LinkedHashMap<ObjectKey, Long>> order = new TreeMap<>();

  private long uses;

  /** Keys that were there before this controller are older than all others: numbers go down. */
  private long before;

  private @Nullable String cursor;
  private boolean listed;

  /** What was deleted while the listing went on, which a page may still name. */
  private final Set<ObjectKey> deletedMeanwhile = new HashSet<>();

  /** A controller whose cycles the caller runs. */
  public L2EvictionController(L2Adapter adapter, EvictionSettings settings, L2Quotas quotas) {
    this(adapter, settings, quotas, null);
  }

  private L2EvictionController(
      L2Adapter adapter,
      EvictionSettings settings,
      L2Quotas quotas,
      @Nullable ScheduledExecutorService scheduler) {
    this.adapter = adapter;
    this.settings = settings;
    this.quotas = quotas;
    this.scheduler = scheduler;
    adapter.addListener(this);
  }

  /** A controller that runs a cycle each second on a daemon thread, until it is closed. */
  public static L2EvictionController start(
      L2Adapter adapter, EvictionSettings settings, L2Quotas quotas) {
    ScheduledExecutorService scheduler =
        Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("weft-l2-eviction").factory());
    L2EvictionController controller =
        new L2EvictionController(adapter, settings, quotas, scheduler);
    var _ =
        scheduler.scheduleWithFixedDelay(
            controller::cycleSafely, CYCLE_MILLIS, CYCLE_MILLIS, TimeUnit.MILLISECONDS);
    return controller;
  }

  private void cycleSafely() {
    try {
      var _ = cycle();
    } catch (RuntimeException failure) {
      // An exception would end the schedule.
      LOG.warn("a cycle of eviction failed", failure);
    }
  }

  /**
   * One cycle. Waits for the adapter.
   *
   * @return how many keys were deleted
   */
  public int cycle() {
    goOnListing();
    AdapterUsage usage = adapter.usage();
    int deleted = quotas.inUse() ? enforceQuotas(usage) : 0;
    if (deleted > 0) {
      // What the quotas freed may be enough.
      usage = adapter.usage();
    }
    if (settings.policy() != EvictionSettings.Policy.NOOP
        && adapter.supportsGlobalEviction()
        && usage.fraction() >= settings.triggerWatermark()) {
      deleted +=
          switch (settings.policy()) {
            case LRU -> evictPart(ordered());
            case ISOLATED_LRU -> {
              int ofAll = 0;
              for (String salt : salts()) {
                ofAll += evictPart(ordered(salt));
              }
              yield ofAll;
            }
            case NOOP -> 0;
          };
    }
    return deleted;
  }

  private int enforceQuotas(AdapterUsage usage) {
    int deleted = 0;
    for (Map.Entry<String, Long> salt : new TreeMap<>(usage.bySalt()).entrySet()) {
      long quota = quotas.get(salt.getKey()).orElse(0);
      List<ObjectKey> keys = ordered(salt.getKey());
      if (quota == 0) {
        deleted += evict(keys, keys.size());
      } else if (salt.getValue() >= settings.triggerWatermark() * quota) {
        deleted += evictPart(keys);
      }
    }
    return deleted;
  }

  private int evictPart(List<ObjectKey> keys) {
    int part = (int) Math.floor(keys.size() * settings.evictionRatio());
    return keys.isEmpty() ? 0 : evict(keys, Math.max(1, part));
  }

  /** Deletes so many of these keys, the first ones that are not locked. */
  private int evict(List<ObjectKey> keys, int wanted) {
    int deleted = 0;
    for (int at = 0; at < keys.size() && deleted < wanted; ) {
      int end = Math.min(keys.size(), at + Math.min(BATCH, wanted - deleted));
      List<ObjectKey> batch = keys.subList(at, end);
      L2DeleteResult result = adapter.delete(batch);
      // What is not known to be gone keeps its place: forgotten, it would never be evicted.
      if (!result.answered()
          || (result.removed().isEmpty() && result.locked().isEmpty() && adapterIsAway())) {
        return deleted;
      }
      for (int i = 0; i < batch.size(); i++) {
        if (!result.locked().get(i)) {
          forget(batch.get(i));
        }
      }
      deleted += result.removed().cardinality();
      at = end;
    }
    return deleted;
  }

  /** A store that answers nothing has the keys still. */
  private boolean adapterIsAway() {
    return !Boolean.TRUE.equals(adapter.reportStatus().get("is_healthy"));
  }

  // ---------------------------------------------------------------- the order

  @Override
  public synchronized void stored(List<ObjectKey> keys, long[] sizes) {
    use(keys, true);
  }

  @Override
  public synchronized void accessed(List<ObjectKey> keys) {
    use(keys, false);
  }

  /** The last key first: the head of the chain is the newest. */
  private void use(List<ObjectKey> keys, boolean isNew) {
    for (int i = keys.size() - 1; i >= 0; i--) {
      ObjectKey key = keys.get(i);
      LinkedHashMap<ObjectKey, Long> ofSalt =
          order.computeIfAbsent(key.cacheSalt(), _ -> new LinkedHashMap<>());
      boolean known = ofSalt.containsKey(key);
      if (isNew) {
        deletedMeanwhile.remove(key);
      }
      if (known || isNew) {
        ofSalt.putLast(key, ++uses);
      }
    }
  }

  @Override
  public synchronized void deleted(List<ObjectKey> keys, long[] sizes) {
    keys.forEach(this::forget);
  }

  private synchronized void forget(ObjectKey key) {
    LinkedHashMap<ObjectKey, Long> ofSalt = order.get(key.cacheSalt());
    if (ofSalt != null) {
      ofSalt.remove(key);
      if (ofSalt.isEmpty()) {
        order.remove(key.cacheSalt());
      }
    }
    if (!listed) {
      deletedMeanwhile.add(key);
    }
  }

  private synchronized List<String> salts() {
    return List.copyOf(order.keySet());
  }

  private synchronized List<ObjectKey> ordered(String salt) {
    LinkedHashMap<ObjectKey, Long> ofSalt = order.get(salt);
    return ofSalt == null ? List.of() : List.copyOf(ofSalt.keySet());
  }

  /** As many as a cycle may want, of all salts by their last use. */
  private synchronized List<ObjectKey> ordered() {
    record Head(Map.Entry<ObjectKey, Long> oldest, Iterator<Map.Entry<ObjectKey, Long>> rest) {}
    PriorityQueue<Head> heads =
        new PriorityQueue<>((a, b) -> Long.compare(a.oldest().getValue(), b.oldest().getValue()));
    for (LinkedHashMap<ObjectKey, Long> ofSalt : order.values()) {
      Iterator<Map.Entry<ObjectKey, Long>> rest = ofSalt.entrySet().iterator();
      if (rest.hasNext()) {
        heads.add(new Head(rest.next(), rest));
      }
    }
    List<ObjectKey> keys = new ArrayList<>();
    for (Head head = heads.poll(); head != null; head = heads.poll()) {
      keys.add(head.oldest().getKey());
      if (head.rest().hasNext()) {
        heads.add(new Head(head.rest().next(), head.rest()));
      }
    }
    return keys;
  }

  /** Takes in what was there before: older than everything that was used since. */
  private void goOnListing() {
    while (!listed) {
      switch (adapter.listKeys("", L2Adapter.PAGE_SIZE, cursor)) {
        case L2Listing.Page page -> takeIn(page);
        case L2Listing.Unavailable unavailable -> {
          LOG.debug("not all keys are known: {}", unavailable.why());
          return;
        }
      }
    }
  }

  private synchronized void takeIn(L2Listing.Page page) {
    for (ObjectKey key : page.keys()) {
      LinkedHashMap<ObjectKey, Long> ofSalt =
          order.computeIfAbsent(key.cacheSalt(), _ -> new LinkedHashMap<>());
      if (!ofSalt.containsKey(key) && !deletedMeanwhile.contains(key)) {
        ofSalt.putFirst(key, --before);
      }
    }
    cursor = page.nextCursor();
    if (cursor == null) {
      listed = true;
      deletedMeanwhile.clear();
    }
  }

  /** How many keys are known. */
  public synchronized int keys() {
    return order.values().stream().mapToInt(Map::size).sum();
  }

  /** No cycle begins any more; one under way ends. The adapter stays open. */
  @Override
  public void close() {
    adapter.removeListener(this);
    if (scheduler != null) {
      scheduler.shutdown();
    }
  }
}
