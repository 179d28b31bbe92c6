package io.weft.api;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;

/** The ownership of memory that travels with a request: taken once, given back once. */
abstract class UseOnce {
  private static final int FRESH = 0;
  private static final int TAKEN = 1;
  private static final int RELEASED = 2;

  private final AtomicInteger state = new AtomicInteger(FRESH);
  private final CompletableFuture<Void> released = new CompletableFuture<>();

  /** The store takes the memory over. False where another request has taken it before. */
  public final boolean tryTake() {
    return state.compareAndSet(FRESH, TAKEN);
  }

  /** The store, and the kernel, are done with the memory. */
  public final void release() {
    if (state.getAndSet(RELEASED) == RELEASED) {
      throw new IllegalStateException("memory was given back twice");
    }
    onRelease();
    released.complete(null);
  }

  /**
   * Done when neither the store nor the kernel will touch the memory again. That is before the
   * answer, except where the request was answered by its deadline while the device still held it.
   */
  public final CompletionStage<Void> released() {
    return released.minimalCompletionStage();
  }

  void onRelease() {}
}
