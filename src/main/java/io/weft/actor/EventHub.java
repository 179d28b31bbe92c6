package io.weft.actor;

import io.weft.api.StoreEvent;
import io.weft.base.ChunkKey;
import io.weft.base.RemovalCause;
import io.weft.core.StoreListener;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;

/**
 * Hands events to whoever listens, in order. A listener takes an event without blocking and says
 * whether it wants more.
 */
final class EventHub implements StoreListener {
  private final CopyOnWriteArrayList<Predicate<StoreEvent>> listeners =
      new CopyOnWriteArrayList<>();

  void add(Predicate<StoreEvent> listener) {
    listeners.add(listener);
  }

  void remove(Predicate<StoreEvent> listener) {
    listeners.remove(listener);
  }

  void publish(StoreEvent event) {
    for (Predicate<StoreEvent> listener : listeners) {
      if (!listener.test(event)) {
        listeners.remove(listener);
      }
    }
  }

  @Override
  public boolean active() {
    return !listeners.isEmpty();
  }

  @Override
  public void stored(ChunkKey key, long generation, long length) {
    publish(new StoreEvent.Stored(key, generation, length));
  }

  @Override
  public void accessed(ChunkKey key) {
    publish(new StoreEvent.Accessed(key));
  }

  @Override
  public void removed(ChunkKey key, long length, RemovalCause cause) {
    publish(new StoreEvent.Removed(key, length, cause));
  }

  @Override
  public void quarantined(ChunkKey key, String detail) {
    publish(new StoreEvent.Quarantined(key, detail));
  }
}
