package io.weft.actor;

import io.weft.api.StoreEvent;
import io.weft.base.ChunkKey;
import io.weft.base.RemovalCause;
import io.weft.core.StoreListener;
import java.util.concurrent.CopyOnWriteArrayList;

/** Hands events to whoever listens, one at a time. Thread-safe. */
final class EventHub implements StoreListener {

  /** Takes events without blocking. */
  interface Listener {
    /** Whether it wants more. */
    boolean event(StoreEvent event);

    /** There will be no more. */
    void closed();
  }

  private final CopyOnWriteArrayList<Listener> listeners = new CopyOnWriteArrayList<>();

  void add(Listener listener) {
    listeners.add(listener);
  }

  void remove(Listener listener) {
    listeners.remove(listener);
  }

  /** The index and the supervisor both publish; a listener hears them one after the other. */
  synchronized void publish(StoreEvent event) {
    for (Listener listener : listeners) {
      if (!listener.event(event)) {
        listeners.remove(listener);
      }
    }
  }

  synchronized void close() {
    listeners.forEach(Listener::closed);
    listeners.clear();
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
