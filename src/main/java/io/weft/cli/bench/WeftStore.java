package io.weft.cli.bench;

import com.typesafe.config.Config;
import io.weft.api.ChunkStore;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.Metric;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** What the bench asks of a store beside storing and loading. */
final class WeftStore {
  /** What must not happen in a run that counts. */
  private static final List<Metric> TROUBLES =
      List.of(
          Metric.STORES_REJECTED,
          Metric.STORES_FAILED,
          Metric.STORES_DUPLICATE,
          Metric.LOADS_MISS,
          Metric.LOADS_FAILED,
          Metric.CORRUPT,
          Metric.DEVICE_ERRORS,
          Metric.NO_SPACE,
          Metric.DEADLINES,
          Metric.BUSY);

  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private WeftStore() {}

  /** Starts a store and waits until it serves. */
  static ChunkStore start(Config config) throws IOException {
    ChunkStore store = ChunkStore.start(config);
    await(store);
    return store;
  }

  static void await(ChunkStore store) throws IOException {
    StoreStatus status = store.ready().toCompletableFuture().join();
    if (!status.serving()) {
      store.close();
      throw new IOException("the store did not start: " + status.detail());
    }
  }

  /** The keys of chunks by number, in the form of LMCache's; built before anything is timed. */
  static ChunkKey key(long number) {
    return ChunkKey.of(
        "meta-llama/Llama-3.3-70B-Instruct@8@0@%016x%016x"
            .formatted((number + 1) * 0x9E3779B97F4A7C15L, number));
  }

  static List<ChunkKey> keys(int count) {
    List<ChunkKey> keys = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      keys.add(key(i));
    }
    return keys;
  }

  /** Removes all chunks, and waits until the device has the room back. */
  static void empty(ChunkStore store) throws IOException {
    StoreProtocol.DeleteAllReply reply =
        store.deleteAll(Deadline.in(PATIENCE)).toCompletableFuture().join();
    if (!reply.done()) {
      throw new IOException("the store was not emptied within " + PATIENCE);
    }
    long used = Long.MAX_VALUE;
    while (true) {
      long now = store.usage().toCompletableFuture().join().usedBytes();
      if (now >= used) {
        return;
      }
      used = now;
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(100));
    }
  }

  static Map<Metric, Long> counters(ChunkStore store) {
    return store.status().toCompletableFuture().join().counters();
  }

  /** Which troubles there were between two looks at the counters; empty where none. */
  static String troubles(Map<Metric, Long> before, Map<Metric, Long> after) {
    StringBuilder text = new StringBuilder();
    for (Metric metric : TROUBLES) {
      long count = grown(metric, before, after);
      if (count > 0) {
        text.append(text.isEmpty() ? "" : ", ").append(count).append(' ').append(metric.help());
      }
    }
    return text.toString();
  }

  static long grown(Metric metric, Map<Metric, Long> before, Map<Metric, Long> after) {
    return after.getOrDefault(metric, 0L) - before.getOrDefault(metric, 0L);
  }
}
