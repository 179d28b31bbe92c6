package io.weft.resp;

import io.weft.api.ChunkStore;
import io.weft.base.RespSettings;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** What all connections of a server share. */
final class Door {
  final ChunkStore store;
  final StoreSettings storeSettings;
  final RespSettings settings;
  final Users users;
  final BytePermits permits;
  final Ticker ticker;
  final RespStats stats = new RespStats();
  private final Set<Drainable> open = ConcurrentHashMap.newKeySet();
  private volatile boolean draining;
  final AtomicInteger connections = new AtomicInteger();
  final AtomicLong ids = new AtomicLong();
  final long startedNanos;

  Door(
      ChunkStore store,
      StoreSettings storeSettings,
      RespSettings settings,
      Users users,
      Ticker ticker) {
    this.store = store;
    this.storeSettings = storeSettings;
    this.settings = settings;
    this.users = users;
    this.permits = new BytePermits(settings.bytes(), ticker);
    this.ticker = ticker;
    this.startedNanos = ticker.nanoTime();
  }

  /** A connection that can be told to come to its end. */
  interface Drainable {
    /** No more commands are read; on any thread. */
    void drain();
  }

  void add(Drainable connection) {
    open.add(connection);
    if (draining) {
      connection.drain();
    }
  }

  void remove(Drainable connection) {
    open.remove(connection);
  }

  /** All connections, and those that are just being made, answer what they have read and end. */
  void drain() {
    draining = true;
    open.forEach(Drainable::drain);
  }

  /** The longest value that can be taken: what the store takes, and a lease can hold. */
  long valueBytesMax() {
    return Math.min(
        storeSettings.maxChunkBytes(), Long.highestOneBit(storeSettings.io().leaseBytes()));
  }
}
