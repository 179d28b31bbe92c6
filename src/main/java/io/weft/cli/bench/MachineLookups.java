package io.weft.cli.bench;

import io.weft.base.ChunkKey;
import io.weft.base.Chunks;
import io.weft.base.KeysOutcome;
import io.weft.base.Metrics;
import io.weft.base.RemovalCause;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.base.Ticker;
import io.weft.core.Order;
import io.weft.core.Policies;
import io.weft.core.StoreListener;
import io.weft.core.StoreMachine;
import io.weft.core.StoreRequest;
import java.lang.management.ManagementFactory;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;

/** Lookups in the machine that decides, without actors: what a message path can reach at best. */
final class MachineLookups {
  private static final long ROOM = 1L << 50;

  private final StoreMachine machine;

  /** A machine that holds a chunk of each key; its device does nothing, at once. */
  MachineLookups(List<ChunkKey> keys) {
    ArrayDeque<Order> orders = new ArrayDeque<>();
    machine =
        new StoreMachine(
            new StoreMachine.Limits(ROOM, 0, Chunks.MAX_PAYLOAD_BYTES, Map.of()),
            context -> Policies.create("lru", context),
            key -> "",
            length -> length + Space.BLOCK_BYTES,
            orders::add,
            new Nobody(),
            new Metrics(),
            Ticker.system());
    machine.spaceSampled(ROOM);
    for (ChunkKey key : keys) {
      machine.store(new Storing(key));
      while (!orders.isEmpty()) {
        machine.completed(orders.removeFirst(), Order.Result.Done.PLAIN);
      }
    }
    if (machine.chunks() != keys.size()) {
      throw new IllegalStateException("the machine holds " + machine.chunks() + " chunks");
    }
  }

  /** Looks all batches up, and returns how many keys a second of this thread's processor time. */
  double keysPerSecond(List<List<ChunkKey>> batches) {
    long begin = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    long found = 0;
    long asked = 0;
    for (List<ChunkKey> batch : batches) {
      asked += batch.size();
      found += ((KeysOutcome.Done) machine.lookup(batch)).hits().cardinality();
    }
    long nanos = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - begin;
    if (found != asked) {
      throw new IllegalStateException(found + " of " + asked + " keys were found");
    }
    return asked / (Math.max(1, nanos) / 1e9);
  }

  private record Storing(ChunkKey key) implements StoreRequest {
    @Override
    public long length() {
      return Space.BLOCK_BYTES;
    }

    @Override
    public StoreMode mode() {
      return StoreMode.IF_ABSENT;
    }

    @Override
    public long expiresAtMillis() {
      return Chunks.NEVER;
    }

    @Override
    public boolean hasMetadata() {
      return false;
    }

    @Override
    public boolean abandoned() {
      return false;
    }

    @Override
    public void answer(StoreOutcome outcome) {
      if (!(outcome instanceof StoreOutcome.Stored)) {
        throw new IllegalStateException("a store: " + outcome);
      }
    }
  }

  private static final class Nobody implements StoreListener {
    @Override
    public void stored(ChunkKey key, long generation, long length) {}

    @Override
    public void accessed(ChunkKey key) {}

    @Override
    public void removed(ChunkKey key, long length, RemovalCause cause) {}

    @Override
    public void quarantined(ChunkKey key, String detail) {}

    @Override
    public boolean active() {
      return false;
    }
  }
}
