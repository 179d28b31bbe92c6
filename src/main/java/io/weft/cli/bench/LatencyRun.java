package io.weft.cli.bench;

import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.StoreProtocol;
import io.weft.base.Deadline;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.cli.bench.Results.Cell;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/**
 * Loads that come by the clock, at a fifth of what the device can do, whether or not earlier ones
 * are done: alone, and while stores go in as fast as the store takes them. Their latency counts
 * from the moment at which each was due. The chunks that are loaded are pinned; the stores are at
 * capacity.
 */
final class LatencyRun {
  private static final double SHARE_OF_DEVICE = 0.2;
  private static final int LOADED_CHUNKS = 64;
  private static final int LOAD_SLOTS = 64;
  private static final long BACKLOG_BYTES = 128L << 20;
  private static final int STORES_MAX = 1_000_000;

  private final BenchPlan plan;
  private final Results results;
  private final int chunkBytes;
  private final int chunks;
  private final int loaded;
  private final int backlog;

  /** How many stores each contender has seen. */
  private final Map<WeftContender, Integer> stored = new HashMap<>();

  LatencyRun(BenchPlan plan, Results results, int chunkBytes) {
    this.plan = plan;
    this.results = results;
    this.chunkBytes = chunkBytes;
    this.chunks = plan.chunks(chunkBytes);
    this.loaded = Math.min(LOADED_CHUNKS, chunks / 4);
    this.backlog = Math.clamp(BACKLOG_BYTES / chunkBytes, 4, Math.min(64, chunks / 4));
  }

  void run(List<WeftContender> contenders) throws Exception {
    LimitContender limit = new LimitContender(false);
    try (Equipment equipment = new Equipment(chunkBytes)) {
      limit.prepare(space(limit.name()));
      limit.measure(Workload.STORE, Script.stores(chunks), Math.min(16, chunks), equipment);
      for (WeftContender contender : contenders) {
        contender.prepare(space(contender.name()));
        fill(contender, equipment);
      }
      // The first round is for the compiler.
      for (int round = 0; round <= plan.rounds(); round++) {
        Script loads = Script.loads(chunks, round);
        double device =
            limit.measure(Workload.LOAD, loads, limitDepth(), equipment).value(Measure.OPERATIONS);
        for (WeftContender contender : contenders) {
          round(contender, equipment, device * SHARE_OF_DEVICE, round);
        }
      }
    } finally {
      limit.close();
      Trees.delete(plan.directory().resolve(limit.name()));
      for (WeftContender contender : contenders) {
        contender.close();
        Trees.delete(plan.directory().resolve(contender.name()));
      }
    }
  }

  /** As calibrated, where the limit took part. */
  private int limitDepth() {
    Results.Depths known = results.depths().getOrDefault(chunkBytes, Map.of()).get(Bars.LIMIT);
    return known == null ? Math.min(16, chunks) : known.load();
  }

  private Space space(String name) throws IOException {
    Path directory = Files.createDirectories(plan.directory().resolve(name));
    return new Space(directory, chunkBytes, chunks, true);
  }

  private void fill(WeftContender contender, Equipment equipment) throws Exception {
    contender.measure(Workload.STORE, Script.stores(loaded), Math.min(4, loaded), equipment);
    KeysOutcome pinned =
        contender
            .store()
            .keys(StoreProtocol.KeyOperation.PIN, contender.keys().subList(0, loaded))
            .toCompletableFuture()
            .join();
    if (!(pinned instanceof KeysOutcome.Done done) || done.hits().cardinality() != loaded) {
      throw new IOException("the chunks to load could not be pinned: " + pinned);
    }
    contender.measure(Workload.STORE, stores(loaded, chunks), backlog, equipment);
  }

  private Script stores(int from, int count) {
    return Script.stores(from, count, loaded, Space.numbersComingAgain(chunks));
  }

  private void round(WeftContender contender, Equipment equipment, double rate, int round)
      throws Exception {
    ChunkStore store = contender.store();
    List<Slot> slots = equipment.slots(LOAD_SLOTS + backlog);
    List<Slot> loadSlots = slots.subList(0, LOAD_SLOTS);
    List<Slot> storeSlots = slots.subList(LOAD_SLOTS, slots.size());
    Map<Metric, Long> before = WeftStore.counters(store);

    Tally alone = new Tally(equipment.content(), LOAD_SLOTS);
    loads(contender, loadSlots, alone, rate, round);

    Tally storing = new Tally(equipment.content(), backlog);
    double storesAlone = new Stores(contender, storeSlots, storing).during(this::waitSpan);

    Tally beside = new Tally(equipment.content(), LOAD_SLOTS);
    double storesBeside =
        new Stores(contender, storeSlots, storing)
            .during(() -> loads(contender, loadSlots, beside, rate, round));
    if (round == 0) {
      return;
    }
    String invalid = alone.invalid() + beside.invalid() + storing.invalid();
    if (alone.wrong() + beside.wrong() > 0) {
      throw new WrongBytes(contender.name() + ": " + invalid);
    }
    if (invalid.isEmpty()) {
      invalid = WeftStore.troubles(before, WeftStore.counters(store));
    }
    Map<Measure, Double> values = new EnumMap<>(Measure.class);
    ScriptedContender.putLatencies(values, alone.latencies());
    values.put(Measure.OPERATIONS, rate);
    values.put(Measure.MEGABYTES, rate * chunkBytes / 1e6);
    double p99Alone = values.getOrDefault(Measure.P99, Double.NaN);
    results.add(
        new Cell(Workload.LATENCY, chunkBytes, contender.name() + " alone"),
        new Measurement(values, invalid));
    ScriptedContender.putLatencies(values, beside.latencies());
    values.put(Measure.P99_FACTOR, values.getOrDefault(Measure.P99, Double.NaN) / p99Alone);
    values.put(Measure.STORES_KEPT, storesBeside / storesAlone);
    results.add(
        new Cell(Workload.LATENCY, chunkBytes, contender.name()), new Measurement(values, invalid));
  }

  private void waitSpan() {
    long end = System.nanoTime() + plan.latencySpan().toNanos();
    for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
      LockSupport.parkNanos(this, left);
    }
  }

  /** The loads of one span, at random moments that are the same for the same round. */
  private void loads(WeftContender contender, List<Slot> slots, Tally tally, double rate, int round)
      throws InterruptedException {
    BlockingQueue<Integer> free = new ArrayBlockingQueue<>(slots.size());
    for (int i = 0; i < slots.size(); i++) {
      free.add(i);
    }
    SplittableRandom random = new SplittableRandom(round);
    ChunkStore store = contender.store();
    long begin = System.nanoTime();
    double dueNanos = 0;
    while (true) {
      dueNanos += -Math.log(1 - random.nextDouble()) / rate * 1e9;
      if (dueNanos > plan.latencySpan().toNanos()) {
        break;
      }
      long due = begin + (long) dueNanos;
      for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
        LockSupport.parkNanos(this, left);
      }
      int number = free.take();
      int chunk = random.nextInt(loaded);
      Slot slot = slots.get(number);
      store.load(
          contender.keys().get(chunk),
          LoadTarget.into(slot.payload()),
          StoreProtocol.Urgency.LOAD,
          Deadline.in(store.requestTimeout()),
          outcome -> {
            tally.done(number, System.nanoTime() - due);
            if (outcome instanceof LoadOutcome.Loaded) {
              tally.loaded(number, chunk, slot);
            } else {
              tally.failed("a load: " + outcome);
            }
            free.add(number);
          });
    }
    for (int i = 0; i < slots.size(); i++) {
      free.take();
    }
  }

  /** What may be done while stores go in. */
  @FunctionalInterface
  private interface Meanwhile {
    void run() throws InterruptedException;
  }

  /** As many stores as go in. */
  private final class Stores {
    private final WeftContender contender;
    private final List<Slot> slots;
    private final Tally tally;

    Stores(WeftContender contender, List<Slot> slots, Tally tally) {
      this.contender = contender;
      this.slots = slots;
      this.tally = tally;
    }

    /** Returns how many a second. */
    double during(Meanwhile meanwhile) throws InterruptedException {
      AtomicBoolean stop = new AtomicBoolean();
      Script script = stores(loaded + stored.getOrDefault(contender, chunks), STORES_MAX);
      CompletableFuture<Integer> done = new CompletableFuture<>();
      long begin = System.nanoTime();
      Thread.ofPlatform()
          .daemon()
          .name("weft-bench-stores")
          .start(
              () -> {
                try {
                  done.complete(contender.run(script, slots, tally, stop::get));
                } catch (InterruptedException | RuntimeException | Error thrown) {
                  done.completeExceptionally(thrown);
                }
              });
      meanwhile.run();
      stop.set(true);
      try {
        int count = done.join();
        stored.merge(contender, chunks + count, (before, _) -> before + count);
        return count / ((System.nanoTime() - begin) / 1e9);
      } catch (CompletionException broken) {
        throw new IllegalStateException(broken.getCause());
      }
    }
  }
}
