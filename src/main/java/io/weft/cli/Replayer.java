package io.weft.cli;

import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.base.BufferLease;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.base.StoreOutcome;
import io.weft.cli.trace.TraceCursor;
import io.weft.cli.trace.TraceRecord;
import io.weft.device.ChunkFormat;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Sends the requests of a trace through a store, as a serving engine would: looks the blocks of a
 * request up in one question, loads the leading run of hits, computes (here: makes up) the rest and
 * stores it. What is loaded is compared with what the key says it must be, byte for byte.
 *
 * <p>Requests are taken in the trace's order, several at once; memory is bounded by what those hold
 * at a time.
 *
 * <p>A prefix that is longer than a batch is loaded from its last batch to its first: each batch
 * counts as used last to first, and so does the whole, as LMCache has it.
 */
final class Replayer {

  /**
   * @param speed how many times faster than the trace's clock; 0 for as fast as possible
   * @param loadsAtOnce chunks of a request in one batch of loads
   * @param storesAtOnce chunks of a request that are being stored at once
   */
  record Plan(long chunkBytes, int concurrency, double speed, int loadsAtOnce, int storesAtOnce) {}

  private final ChunkStore store;
  private final Plan plan;
  private final Progress progress;
  private final ReplayTotals totals = new ReplayTotals();
  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
  private final Object cursorLock = new Object();
  private long startNanos;
  private long latestNanos;

  /** The store takes nothing any more: somebody is ending the process. */
  private volatile boolean closed;

  Replayer(ChunkStore store, Plan plan, Progress progress) {
    this.store = store;
    this.plan = plan;
    this.progress = progress;
  }

  ReplayTotals totals() {
    return totals;
  }

  /** How far behind the trace's clock the latest request began; 0 without a clock. */
  Duration lag() {
    synchronized (cursorLock) {
      return Duration.ofNanos(latestNanos);
    }
  }

  /**
   * The key of a block, in the form of LMCache's in-process keys. Chunks of another size are other
   * chunks: one directory may hold both.
   */
  static ChunkKey key(long block, long chunkBytes) {
    return ChunkKey.of("weft-replay-%d@1@0@%016x@bfloat16".formatted(chunkBytes, block));
  }

  /**
   * Runs all requests.
   *
   * @return how long that took
   * @throws CommandFailed where the store is closed under it
   */
  Duration run(TraceCursor trace) throws IOException, CommandFailed {
    startNanos = System.nanoTime();
    List<Thread> workers = new ArrayList<>();
    Semaphore ended = new Semaphore(0);
    for (int i = 0; i < plan.concurrency(); i++) {
      workers.add(
          Thread.ofPlatform()
              .daemon()
              .name("weft-replay-" + i)
              .start(
                  () -> {
                    try {
                      work(trace);
                    } catch (IOException | CommandFailed | RuntimeException | Error thrown) {
                      failure.compareAndSet(null, thrown);
                    } finally {
                      ended.release();
                    }
                  }));
    }
    ended.acquireUninterruptibly(workers.size());
    Duration took = Duration.ofNanos(System.nanoTime() - startNanos);
    return switch (failure.get()) {
      case null -> took;
      case IOException unreadable -> throw unreadable;
      case CommandFailed stopped -> throw stopped;
      case RuntimeException bug -> throw bug;
      case Error bug -> throw bug;
      case Throwable impossible -> throw new IllegalStateException(impossible);
    };
  }

  private void work(TraceCursor trace) throws IOException, CommandFailed {
    Semaphore stores = new Semaphore(plan.storesAtOnce());
    TraceRecord request = next(trace);
    while (request != null && failure.get() == null) {
      replay(request, stores);
      totals.requests.increment();
      progress.advance(1);
      request = next(trace);
    }
  }

  /** The next request, at its time. */
  private @Nullable TraceRecord next(TraceCursor trace) throws IOException {
    synchronized (cursorLock) {
      TraceRecord request = trace.next();
      if (request == null || plan.speed() == 0) {
        return request;
      }
      // Requests come in order: while this one is not due, none is, and the others wait here.
      long due = startNanos + (long) (request.timestampMillis() * 1e6 / plan.speed());
      long left = due - System.nanoTime();
      while (left > 0 && failure.get() == null) {
        LockSupport.parkNanos(this, left);
        left = due - System.nanoTime();
      }
      latestNanos = Math.max(latestNanos, -left);
      return request;
    }
  }

  private void replay(TraceRecord request, Semaphore stores) throws CommandFailed {
    List<ChunkKey> keys = new ArrayList<>(request.blocks());
    for (int block = 0; block < request.blocks(); block++) {
      keys.add(key(request.block(block), plan.chunkBytes()));
    }
    totals.references.add(keys.size());
    int leading =
        switch (OpenStore.await(store.keys(StoreProtocol.KeyOperation.LOOKUP, keys, deadline()))) {
          case KeysOutcome.Done done -> {
            totals.hits.add(done.hits().cardinality());
            yield done.leadingHits();
          }
          case Rejected refusal -> {
            rejected("lookup", refusal);
            yield 0;
          }
          case Failed failed -> {
            totals.count("lookup", failed);
            yield 0;
          }
        };
    BitSet loaded = new BitSet(keys.size());
    for (int end = leading; end > 0; end -= plan.loadsAtOnce()) {
      load(keys, Math.max(0, end - plan.loadsAtOnce()), end, loaded);
    }
    totals.prefixHits.add(loaded.nextClearBit(0));
    for (int block = loaded.nextClearBit(0);
        block < keys.size();
        block = loaded.nextClearBit(block + 1)) {
      store(keys.get(block), stores);
    }
    stores.acquireUninterruptibly(plan.storesAtOnce());
    stores.release(plan.storesAtOnce());
    if (closed) {
      throw new CommandFailed(ExitCodes.FAILURE, "the store was closed during the replay");
    }
  }

  // ---------------------------------------------------------------- loads

  private void load(List<ChunkKey> keys, int from, int to, BitSet loaded) throws CommandFailed {
    List<StoreProtocol.LoadItem> items = new ArrayList<>(to - from);
    long begin = System.nanoTime();
    for (ChunkKey key : keys.subList(from, to)) {
      LoadTarget target = LoadTarget.lease();
      // Each load of the batch ends by itself; its target says when.
      var _ =
          target
              .released()
              .thenRun(() -> ReplayTotals.record(totals.loadNanos, System.nanoTime() - begin));
      items.add(new StoreProtocol.LoadItem(key, target));
    }
    List<LoadOutcome> outcomes =
        OpenStore.await(store.loadAll(items, StoreProtocol.Urgency.LOAD, deadline()));
    totals.loads.add(items.size());
    for (int i = 0; i < outcomes.size(); i++) {
      switch (outcomes.get(i)) {
        case LoadOutcome.Leased(BufferLease lease) -> {
          try (lease) {
            verify(items.get(i).key(), lease);
          }
          loaded.set(from + i);
        }
        case LoadOutcome.Miss(LoadOutcome.Miss.Why why) -> {
          if (why == LoadOutcome.Miss.Why.CORRUPT) {
            totals.loadsCorrupt.increment();
          } else {
            totals.loadsLost.increment();
          }
        }
        case Rejected refusal -> rejected("load", refusal);
        case Failed failed -> totals.count("load", failed);
        case LoadOutcome.Loaded _ -> throw new IllegalStateException("no memory was given");
        case LoadOutcome.TooSmall _ -> throw new IllegalStateException("no memory was given");
      }
    }
  }

  private void verify(ChunkKey key, BufferLease lease) {
    MemorySegment memory = lease.memory();
    long compared = Math.min(memory.byteSize(), plan.chunkBytes());
    long wrong = KeyedContent.wrongBytes(key, memory.asSlice(0, compared));
    // Bytes that are missing, or too many, are wrong ones, too.
    wrong += Math.abs(memory.byteSize() - plan.chunkBytes());
    totals.loadedBytes.add(memory.byteSize());
    if (wrong > 0) {
      totals.wrongBytes.add(wrong);
      totals.wrongChunks.increment();
    }
  }

  // ---------------------------------------------------------------- stores

  private void store(ChunkKey key, Semaphore window) {
    window.acquireUninterruptibly();
    Payload payload = payload(key);
    long begin = System.nanoTime();
    var _ =
        store
            .store(key, payload, StoreOptions.DEFAULT, deadline())
            .whenComplete(
                (outcome, bug) -> {
                  ReplayTotals.record(totals.storeNanos, System.nanoTime() - begin);
                  if (bug != null) {
                    failure.compareAndSet(null, bug);
                  } else {
                    stored(outcome);
                  }
                  window.release();
                });
  }

  private Payload payload(ChunkKey key) {
    BufferLease lease = store.lease(plan.chunkBytes());
    if (lease != null) {
      KeyedContent.fill(key, lease.memory());
      return Payload.of(lease);
    }
    // The pool is used up: memory of our own, aligned, so that the device takes it as it is.
    MemorySegment own = Arena.ofAuto().allocate(plan.chunkBytes(), ChunkFormat.BLOCK_BYTES);
    KeyedContent.fill(key, own);
    return Payload.of(own);
  }

  private void stored(StoreOutcome outcome) {
    switch (outcome) {
      case StoreOutcome.Stored _ -> {
        totals.stores.increment();
        totals.storedBytes.add(plan.chunkBytes());
      }
      case StoreOutcome.AlreadyStored _ -> totals.duplicates.increment();
      case StoreOutcome.NotPresent _ ->
          failure.compareAndSet(null, new IllegalStateException("an IF_ABSENT was not present"));
      case Rejected refusal -> {
        totals.count("store", refusal);
        if (refusal.reason() == Rejected.Reason.CLOSED) {
          closed = true;
        }
      }
      case Failed failed -> {
        totals.count("store", failed);
        if (failed.cause() == Failed.Cause.CLOSED) {
          closed = true;
        }
      }
    }
  }

  private void rejected(String operation, Rejected refusal) throws CommandFailed {
    totals.count(operation, refusal);
    if (refusal.reason() == Rejected.Reason.CLOSED) {
      throw new CommandFailed(ExitCodes.FAILURE, "the store was closed during the replay");
    }
  }

  private Deadline deadline() {
    return Deadline.in(store.requestTimeout());
  }
}
