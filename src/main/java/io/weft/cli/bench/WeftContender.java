package io.weft.cli.bench;

import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.StoreOutcome;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Weft through its full path: the facade, with answers that come on the store's own threads, where
 * the next operation is begun, as a server does it. Checksums are always on.
 */
final class WeftContender extends ScriptedContender {
  private final String name;
  private final String own;
  private final boolean keepsRoom;
  private final WeftSettings settings;
  private @Nullable Space space;
  private @Nullable ChunkStore store;
  private List<ChunkKey> keys = List.of();
  private Map<Metric, Long> before = Map.of();

  /**
   * @param own the settings that make this contender, as a block of configuration
   * @param keepsRoom whether the room of chunks that are gone stays on the device (segments): an
   *     empty store is then the same store emptied, else a new one in a new directory
   */
  WeftContender(String name, String own, boolean keepsRoom, WeftSettings settings) {
    this.name = name;
    this.own = own;
    this.keepsRoom = keepsRoom;
    this.settings = settings;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public boolean runs(Workload workload, int chunkBytes) {
    return true;
  }

  @Override
  public List<Integer> depths() {
    return List.of(8, 16, 32, 64, 128);
  }

  @Override
  public void prepare(Space wanted) throws IOException {
    space = wanted;
    keys = WeftStore.keys(wanted.numbers());
    start(wanted);
  }

  private void start(Space wanted) throws IOException {
    long capacity = capacityBytes(wanted, keepsRoom);
    String segments =
        keepsRoom && wanted.bounded()
            ? "\nweft.slab.segment = " + segmentBytes(wanted, capacity)
            : "";
    store = WeftStore.start(settings.config(wanted.directory(), own + segments, capacity));
  }

  /** Sixteen segments or so in a small space, in whole MiB, and never less than a chunk takes. */
  private static long segmentBytes(Space space, long capacityBytes) {
    long chunk = space.physicalBytes() + (long) Space.BLOCK_BYTES;
    long wanted = Math.max(chunk, Math.min(256L << 20, capacityBytes / 16));
    return (wanted + (1 << 20) - 1) >> 20 << 20;
  }

  /**
   * Of a bounded space, exactly its chunks; else room for twice as many as there are numbers, and
   * whole segments.
   */
  static long capacityBytes(Space space, boolean segments) {
    long chunks = (long) space.places() * space.physicalBytes();
    return space.bounded() ? chunks : 2 * chunks + (segments ? 4L << 30 : 1L << 30);
  }

  /** The store that runs; for workloads that the script does not know. */
  ChunkStore store() {
    return Objects.requireNonNull(store);
  }

  @Override
  public void empty() throws IOException {
    if (keepsRoom) {
      WeftStore.empty(store());
      return;
    }
    Space wanted = Objects.requireNonNull(space);
    store().close();
    Trees.clear(wanted.directory());
    start(wanted);
  }

  @Override
  protected void watch() {
    before = WeftStore.counters(store());
  }

  @Override
  protected String troubles(Workload workload, Script script) {
    Map<Metric, Long> after = WeftStore.counters(store());
    String troubles = WeftStore.troubles(before, after);
    if (troubles.isEmpty()
        && workload == Workload.CAPACITY
        && WeftStore.grown(Metric.EVICTIONS, before, after) < script.length() / 2) {
      return "too little was evicted: the store was not at its capacity";
    }
    return troubles;
  }

  @Override
  protected void run(Script script, List<Slot> slots, Tally tally) throws InterruptedException {
    run(script, slots, tally, () -> false);
  }

  /** Stops early, between operations, once {@code stop} says so. Returns how many were done. */
  int run(Script script, List<Slot> slots, Tally tally, Stop stop) throws InterruptedException {
    Loop loop = new Loop(store(), script, tally, stop, slots.size());
    for (int i = 0; i < slots.size(); i++) {
      loop.new Chain(i, slots.get(i)).next();
    }
    loop.ended.await();
    return Math.min(script.length(), loop.next.get());
  }

  /** Whether no further operation is begun. Asked by many threads. */
  @FunctionalInterface
  interface Stop {
    boolean now();
  }

  /** Of all numbers; built before anything is timed. */
  List<ChunkKey> keys() {
    return keys;
  }

  /** All chains of one run. */
  private final class Loop {
    final ChunkStore target;
    final Script script;
    final Tally tally;
    final Stop stop;
    final AtomicInteger next = new AtomicInteger();
    final CountDownLatch ended;

    Loop(ChunkStore target, Script script, Tally tally, Stop stop, int chains) {
      this.target = target;
      this.script = script;
      this.tally = tally;
      this.stop = stop;
      this.ended = new CountDownLatch(chains);
    }

    /** One operation after the other, in one slot. */
    final class Chain {
      private static final int BEGINNING = 0;
      private static final int WAITING = 1;
      private static final int ANSWERED = 2;

      private final int number;
      private final Slot slot;
      private final AtomicInteger state = new AtomicInteger();
      private int chunk;
      private long begun;

      Chain(int number, Slot slot) {
        this.number = number;
        this.slot = slot;
      }

      /**
       * Begins operations until one is not answered at once; its answer goes on here. So answers
       * that come at once do not nest.
       */
      void next() {
        do {
          int operation = stop.now() ? Integer.MAX_VALUE : next.getAndIncrement();
          if (operation >= script.length()) {
            ended.countDown();
            return;
          }
          chunk = script.chunk(operation);
          state.set(BEGINNING);
          begin(script.isLoad(operation));
        } while (!state.compareAndSet(BEGINNING, WAITING));
      }

      private void begin(boolean load) {
        ChunkKey key = keys.get(chunk);
        if (load) {
          begun = System.nanoTime();
          target.load(
              key,
              LoadTarget.into(slot.payload()),
              StoreProtocol.Urgency.LOAD,
              Deadline.in(target.requestTimeout()),
              this::loaded);
        } else {
          tally.content().stamp(chunk, slot.payload());
          begun = System.nanoTime();
          target.store(
              key,
              Payload.of(slot.payload()),
              StoreOptions.DEFAULT,
              Deadline.in(target.requestTimeout()),
              this::stored);
        }
      }

      private void stored(StoreOutcome outcome) {
        tally.done(number, System.nanoTime() - begun);
        if (!(outcome instanceof StoreOutcome.Stored)) {
          tally.failed("a store: " + outcome);
        }
        answered();
      }

      private void loaded(LoadOutcome outcome) {
        tally.done(number, System.nanoTime() - begun);
        if (outcome instanceof LoadOutcome.Loaded) {
          tally.loaded(number, chunk, slot);
        } else {
          tally.failed("a load: " + outcome);
        }
        answered();
      }

      private void answered() {
        if (!state.compareAndSet(BEGINNING, ANSWERED)) {
          next();
        }
      }
    }
  }

  @Override
  public void close() {
    if (store != null) {
      store.close();
      store = null;
    }
  }
}
