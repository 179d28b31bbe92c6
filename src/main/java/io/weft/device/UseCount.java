package io.weft.device;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Keeps a descriptor open for as long as somebody uses it: after {@link #close} nobody new gets in,
 * and the last one to leave runs the closing action. So a descriptor's number can never be reused
 * under an operation that is still in the kernel, and closing never waits for one.
 */
final class UseCount {
  private static final int CLOSED = Integer.MIN_VALUE;

  /** The users, and {@link #CLOSED} added once it is closed. */
  private final AtomicInteger state = new AtomicInteger();

  private final Runnable onLastExit;

  UseCount(Runnable onLastExit) {
    this.onLastExit = onLastExit;
  }

  /** Whether the caller may go on; if so, it calls {@link #exit} when done. */
  boolean enter() {
    int seen = state.get();
    while (seen >= 0) {
      if (state.compareAndSet(seen, seen + 1)) {
        return true;
      }
      seen = state.get();
    }
    return false;
  }

  void exit() {
    if (state.decrementAndGet() == CLOSED) {
      onLastExit.run();
    }
  }

  /** Lets nobody in any more. Idempotent. */
  void close() {
    if (state.getAndUpdate(seen -> seen | CLOSED) == 0) {
      onLastExit.run();
    }
  }

  boolean isClosed() {
    return state.get() < 0;
  }
}
