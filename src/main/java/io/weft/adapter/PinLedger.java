package io.weft.adapter;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * LMCache's count of pins by key: above zero, so many pins of the store's belong to the backend; a
 * debt, below zero, swallows pins to come. It is kept here because a store counts the pins of all
 * its users together, and nobody may give back another's. Debts are kept for so many keys; beyond,
 * the oldest is forgiven, which errs towards keeping a chunk. Thread-safe.
 */
final class PinLedger {
  private static final int DEBTORS_MAX = 65_536;

  private final Map<EngineKey, Integer> held = new HashMap<>();
  private final Map<EngineKey, Integer> debts =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<EngineKey, Integer> eldest) {
          return size() > DEBTORS_MAX;
        }
      };

  private boolean closed;

  /**
   * The store has given one pin.
   *
   * @return false where it pays a debt, or comes after the end: it is to be given back to the store
   */
  synchronized boolean pinned(EngineKey key) {
    if (closed || oneLess(debts, key)) {
      return false;
    }
    held.merge(key, 1, Integer::sum);
    return true;
  }

  /** Takes one pin of the backend's off the books: true where the store is to have it back. */
  synchronized boolean unpinned(EngineKey key) {
    return oneLess(held, key);
  }

  /** A present key was unpinned although the backend holds no pin on it. */
  synchronized void owe(EngineKey key) {
    debts.merge(key, 1, Integer::sum);
  }

  /** The chunk is gone, and what was counted on it. */
  synchronized void forget(EngineKey key) {
    held.remove(key);
    debts.remove(key);
  }

  /** The end: every pin that the backend holds, off the books, a key as often as it is pinned. */
  synchronized List<EngineKey> close() {
    closed = true;
    List<EngineKey> all = new ArrayList<>();
    held.forEach(
        (key, count) -> {
          for (int i = 0; i < count; i++) {
            all.add(key);
          }
        });
    held.clear();
    debts.clear();
    return all;
  }

  private static boolean oneLess(Map<EngineKey, Integer> counts, EngineKey key) {
    Integer count = counts.get(key);
    if (count == null) {
      return false;
    }
    if (count == 1) {
      counts.remove(key);
    } else {
      counts.put(key, count - 1);
    }
    return true;
  }
}
