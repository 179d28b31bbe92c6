package io.weft.cli.bench;

import com.typesafe.config.Config;
import io.weft.api.ChunkStore;
import io.weft.api.StoreProtocol;
import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.Chunks;
import io.weft.base.Deadline;
import io.weft.base.DeviceException;
import io.weft.base.Durability;
import io.weft.base.KeysOutcome;
import io.weft.base.Ticker;
import io.weft.cli.bench.Results.Cell;
import io.weft.device.DirectIo;
import io.weft.device.Layout;
import io.weft.device.LayoutSettings;
import io.weft.device.SnapshotStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * Lookups and restarts over an index of many chunks. A million files take an hour and say nothing
 * about the index: the store {@code weft-index} starts from the snapshot of a clean shutdown that
 * names chunks without files. After a clean shutdown a snapshot is all that a start reads, and a
 * lookup never goes to the device, so both are what they would be with the files. Restarts over
 * real chunks, from the snapshot and by a scan, stand beside it.
 */
final class IndexRun {
  private static final int LOOKUP_BATCH = 1_000;
  private static final String POLICY = "lru";
  private static final long CAPACITY = 1L << 50;

  private final BenchPlan plan;
  private final Results results;
  private final Consumer<String> progress;

  IndexRun(BenchPlan plan, Results results, Consumer<String> progress) {
    this.plan = plan;
    this.results = results;
    this.progress = progress;
  }

  void run() throws Exception {
    List<ChunkKey> keys = WeftStore.keys(plan.indexChunks());
    List<List<ChunkKey>> batches = batches(keys);
    if (plan.runs(Workload.LOOKUP)) {
      progress.accept("lookups in the index itself");
      MachineLookups machine = new MachineLookups(keys);
      for (int round = -plan.warmUpsMax(); round < plan.rounds(); round++) {
        double rate = machine.keysPerSecond(batches);
        if (round >= 0) {
          add(Workload.LOOKUP, "machine", Measure.KEYS, rate, "");
        }
      }
    }
    progress.accept("restarts and lookups over " + keys.size() + " chunks without files");
    Path directory = Files.createDirectories(plan.directory().resolve(Bars.INDEX));
    try {
      makeUp(directory, keys);
      withoutFiles(plan.settings().config(directory, "weft.layout = file", CAPACITY), batches);
    } finally {
      Trees.delete(directory);
    }
    if (plan.runs(Workload.RESTART) && plan.restartChunks() > 0) {
      withFiles();
    }
  }

  private void add(
      Workload workload, String contender, Measure measure, double value, String invalid) {
    results.add(
        new Cell(workload, Space.BLOCK_BYTES, contender),
        new Measurement(Map.of(measure, value), invalid));
  }

  private static List<List<ChunkKey>> batches(List<ChunkKey> keys) {
    List<ChunkKey> shuffled = new ArrayList<>(keys);
    Collections.shuffle(shuffled, new Random(7));
    List<List<ChunkKey>> batches = new ArrayList<>();
    for (int from = 0; from < shuffled.size(); from += LOOKUP_BATCH) {
      batches.add(
          List.copyOf(shuffled.subList(from, Math.min(shuffled.size(), from + LOOKUP_BATCH))));
    }
    return batches;
  }

  /** A directory as a clean shutdown leaves it, but for the chunks. */
  private static void makeUp(Path directory, List<ChunkKey> keys) throws DeviceException {
    Layout layout =
        Layout.open(
            new LayoutSettings(directory, DirectIo.PREFERRED, Durability.RELAXED), Ticker.system());
    try (SnapshotStore.Writer writer = layout.snapshots().begin()) {
      long generation = 1;
      for (ChunkKey key : keys) {
        writer.add(
            new SnapshotStore.SnapshotEntry(
                new ChunkAddress(key, generation, Chunks.NEVER),
                Space.BLOCK_BYTES,
                false,
                generation,
                0));
        generation++;
      }
      writer.commit(POLICY, generation, true);
    } finally {
      layout.close();
      layout.released().toCompletableFuture().join();
    }
  }

  private void withoutFiles(Config config, List<List<ChunkKey>> batches) throws IOException {
    for (int round = -1; round < plan.rounds(); round++) {
      long begin = System.nanoTime();
      try (ChunkStore store = WeftStore.start(config)) {
        double seconds = (System.nanoTime() - begin) / 1e9;
        String invalid = missing(store, plan.indexChunks());
        if (round >= 0 && plan.runs(Workload.RESTART)) {
          add(Workload.RESTART, Bars.INDEX, Measure.SECONDS, seconds, invalid);
        }
        if (plan.runs(Workload.LOOKUP)) {
          Lookups lookups = new Lookups(store, batches);
          lookups.run();
          double rate = lookups.run();
          if (round >= 0) {
            add(Workload.LOOKUP, Bars.INDEX, Measure.KEYS, rate, lookups.invalid);
          }
        }
      }
    }
  }

  private static String missing(ChunkStore store, long wanted) {
    long there = store.usage().toCompletableFuture().join().chunks();
    return there == wanted ? "" : "%d of %d chunks are back".formatted(there, wanted);
  }

  private void withFiles() throws Exception {
    progress.accept("restarts over " + plan.restartChunks() + " chunks of 4 KiB");
    Path directory = Files.createDirectories(plan.directory().resolve(Bars.FILE));
    int chunks = plan.restartChunks();
    Space space = new Space(directory, Space.BLOCK_BYTES, chunks, false);
    WeftContender contender =
        new WeftContender(Bars.FILE, "weft.layout = file", false, plan.settings());
    try (Equipment equipment = new Equipment(Space.BLOCK_BYTES)) {
      contender.prepare(space);
      Measurement filled =
          contender.measure(Workload.STORE, Script.stores(chunks), Math.min(64, chunks), equipment);
      contender.close();
      for (int round = 0; round < plan.rounds(); round++) {
        restart(contender, space, Bars.FILE, filled.invalid());
      }
      // The marker of the clean shutdown, without which only a scan decides.
      Files.delete(directory.resolve("clean"));
      restart(contender, space, Bars.FILE + " scan", filled.invalid());
    } finally {
      contender.close();
      Trees.delete(directory);
    }
  }

  private void restart(WeftContender contender, Space space, String name, String invalid)
      throws IOException {
    long begin = System.nanoTime();
    contender.prepare(space);
    double seconds = (System.nanoTime() - begin) / 1e9;
    add(
        Workload.RESTART,
        name,
        Measure.SECONDS,
        seconds,
        invalid + missing(contender.store(), space.chunks()));
    contender.close();
  }

  /** All batches through the facade, one message at a time, the next one from the last's answer. */
  private static final class Lookups {
    private final ChunkStore store;
    private final List<List<ChunkKey>> batches;
    private volatile String invalid = "";

    Lookups(ChunkStore store, List<List<ChunkKey>> batches) {
      this.store = store;
      this.batches = batches;
    }

    /** Returns how many keys a second. */
    double run() {
      CompletableFuture<Void> done = new CompletableFuture<>();
      long begin = System.nanoTime();
      ask(0, done);
      done.join();
      long keys = batches.stream().mapToLong(List::size).sum();
      return keys / ((System.nanoTime() - begin) / 1e9);
    }

    private void ask(int number, CompletableFuture<Void> done) {
      if (number == batches.size()) {
        done.complete(null);
        return;
      }
      List<ChunkKey> batch = batches.get(number);
      store.keys(
          StoreProtocol.KeyOperation.LOOKUP,
          batch,
          Deadline.in(store.requestTimeout()),
          outcome -> {
            if (!(outcome instanceof KeysOutcome.Done found)
                || found.hits().cardinality() != batch.size()) {
              invalid = "a lookup did not find every key: " + outcome;
            }
            ask(number + 1, done);
          });
    }
  }
}
