package io.weft.soak;

import io.weft.base.ChunkKey;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What this process's clients know of each key: the latest value that the store has acknowledged,
 * and so the oldest that a load may give from then on. One client at a time changes a key; numbers
 * of values grow. Thread-safe.
 *
 * <p>A value whose store was not acknowledged may appear at any time, but not over a later
 * acknowledged one. Values of earlier processes have lower numbers.
 */
final class Ledger {
  /** The numbers of a process begin with its own number. */
  private static final int PROCESS_SHIFT = 32;

  private static final class State {
    long acknowledged;
    long oldest;
    boolean changing;
  }

  private final Map<ChunkKey, State> states = new ConcurrentHashMap<>();
  private final AtomicLong numbers;

  /** The index is being broken: what was deleted or replaced may come back (docs/decisions.md). */
  private volatile boolean suspended;

  Ledger(int process) {
    this.numbers = new AtomicLong((long) process << PROCESS_SHIFT);
  }

  /** Takes the key for a change; false where another client is changing it. */
  boolean take(ChunkKey key) {
    State state = state(key);
    synchronized (state) {
      boolean free = !state.changing;
      state.changing = true;
      return free;
    }
  }

  void giveBack(ChunkKey key) {
    State state = state(key);
    synchronized (state) {
      state.changing = false;
    }
  }

  long nextNumber() {
    return numbers.incrementAndGet();
  }

  void stored(ChunkKey key, long number) {
    State state = state(key);
    synchronized (state) {
      state.acknowledged = number;
      state.oldest = number;
    }
  }

  void deleted(ChunkKey key) {
    State state = state(key);
    synchronized (state) {
      state.oldest = state.acknowledged + 1;
    }
  }

  /** The oldest value that a load that begins now may give. */
  long oldest(ChunkKey key) {
    State state = state(key);
    synchronized (state) {
      return suspended ? 0 : state.oldest;
    }
  }

  /** Whether that load may have given this value. */
  boolean allows(long oldest, long number) {
    return number <= numbers.get() && (number >= oldest || suspended);
  }

  void suspend() {
    suspended = true;
  }

  /** Forgets what was acknowledged: any value may be there. */
  void forget() {
    states
        .values()
        .forEach(
            state -> {
              synchronized (state) {
                state.oldest = 0;
                state.acknowledged = 0;
              }
            });
    suspended = false;
  }

  private State state(ChunkKey key) {
    return states.computeIfAbsent(key, _ -> new State());
  }
}
