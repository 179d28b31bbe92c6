package io.weft.stream;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.stage.AsyncCallback;
import org.jspecify.annotations.Nullable;

/**
 * What other threads bring to a running stage: a burst of it costs one wake-up, and nothing is lost
 * when the stage stops.
 *
 * @param <T> what is brought
 */
final class Arrivals<T> {
  private final ConcurrentLinkedQueue<T> arrived = new ConcurrentLinkedQueue<>();
  private final AtomicBoolean woken = new AtomicBoolean();
  private final AsyncCallback<NotUsed> wake;
  private final Consumer<T> afterStop;
  private volatile boolean stopped;

  /**
   * @param wake has the stage call {@link #attend}, and then {@link #poll}
   * @param afterStop takes, on any thread, what the stage has not taken before it stopped
   */
  Arrivals(AsyncCallback<NotUsed> wake, Consumer<T> afterStop) {
    this.wake = wake;
    this.afterStop = afterStop;
  }

  /** On any thread. */
  void add(T one) {
    arrived.add(one);
    if (stopped) {
      giveUp();
    } else if (woken.compareAndSet(false, true)) {
      wake.invoke(NotUsed.getInstance());
    }
  }

  /** The stage is awake: what comes from now on wakes it anew. */
  void attend() {
    woken.set(false);
  }

  /** The next one, in the order in which they came; null where there is none. */
  @Nullable T poll() {
    return arrived.poll();
  }

  /** The stage is over. */
  void stop() {
    stopped = true;
    giveUp();
  }

  private void giveUp() {
    T one;
    while ((one = arrived.poll()) != null) {
      afterStop.accept(one);
    }
  }
}
