package io.weft.adapter;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.api.StoreProtocol.Urgency;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.FabricSettings;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.Rejected;
import io.weft.base.StoreOutcome;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * LMCache's storage backend on a {@link ChunkStore}: one chunk a key, under the key's string form,
 * which has 2,048 bytes at the most. What blocks is answered within the store's {@code
 * request-timeout} and a second; so is every stage.
 *
 * <p>Memory that the kernel may still touch is not handed back: the backend's reference on a {@link
 * MemoryObject} is released when the store says that the kernel is done, not when the request is
 * answered.
 *
 * <p>Two kinds of threads, daemons that end when they are idle: some for the backend's own steps,
 * and others for what belongs to the host, callbacks and dependents of stages, so that a host that
 * blocks there, in a call of this backend even, holds up no step of the backend's.
 */
public final class NvmeofStorageBackend implements StorageBackend {
  private static final Logger LOG = LoggerFactory.getLogger(NvmeofStorageBackend.class);

  /** The store answers shortly after a deadline; beyond, its answer is not waited for. */
  private static final Duration ANSWER_GRACE = Duration.ofSeconds(1);

  private static final Duration CLOSE_GRACE = Duration.ofSeconds(5);

  /** How long until what the store was too busy to give back is given back again. */
  private static final long RETRY_MILLIS = 50;

  private static final int WORK_THREADS = 2;
  private static final int HOST_THREADS = 4;

  /** Lookups that no {@link #touchCache()} follows are remembered up to here. */
  private static final int TOUCHES_MAX = 65_536;

  private final ChunkStore store;
  private final AllocatorBackend allocator;
  private final boolean ownsStore;
  private final Duration closeWithin;
  private final TroubleLog trouble = new TroubleLog(LOG, Ticker.system());
  private final Executor work = threads("weft-backend", WORK_THREADS);
  private final Executor host = threads("weft-backend-host", HOST_THREADS);
  private final PinLedger pins = new PinLedger();
  private final Map<EngineKey, CompletableFuture<Boolean>> puts = new ConcurrentHashMap<>();
  private final Map<String, Set<Runnable>> cancellations = new ConcurrentHashMap<>();
  private final Deque<EngineKey> touches = new ArrayDeque<>();
  private final AtomicBoolean closed = new AtomicBoolean();
  private final CompletableFuture<Boolean> closeDone = new CompletableFuture<>();

  /**
   * A backend on a store that others may use too; closing it leaves the store open.
   *
   * @param allocator who provides the memory of loads; stays the host's
   */
  public NvmeofStorageBackend(ChunkStore store, AllocatorBackend allocator) {
    this(store, allocator, false, store.requestTimeout().plus(ANSWER_GRACE));
  }

  /**
   * A backend with a store of its own, from the flat keys that {@link ExtraConfig} knows. Waits for
   * the store, up to {@code request-timeout}: one that is still looking for its device then serves
   * misses until it has it.
   *
   * @throws IllegalArgumentException where the configuration is wrong: the key, the value, the mend
   * @throws IllegalStateException where the store has failed for good
   */
  public NvmeofStorageBackend(StoragePluginContext context) {
    this(
        ExtraConfig.settings(context.extraConfig())
            .withFallback(ConfigFactory.load(NvmeofStorageBackend.class.getClassLoader())),
        context.allocatorBackend());
  }

  private NvmeofStorageBackend(Config config, AllocatorBackend allocator) {
    this(ChunkStore.start(config), allocator, true, closeWithin(StoreSettings.from(config)));
    Optional<StoreStatus> status = within(store.requestTimeout(), store.ready());
    if (status.isEmpty()) {
      LOG.warn("the store is not ready yet; until it is, chunks are misses");
    } else if (status.get().state() == StoreStatus.State.FAILED) {
      close();
      throw new IllegalStateException("the store did not start: " + status.get().detail());
    }
  }

  private NvmeofStorageBackend(
      ChunkStore store, AllocatorBackend allocator, boolean ownsStore, Duration closeWithin) {
    this.store = store;
    this.allocator = allocator;
    this.ownsStore = ownsStore;
    this.closeWithin = closeWithin;
  }

  /** What an orderly shutdown takes at the most. */
  private static Duration closeWithin(StoreSettings settings) {
    Duration command = settings.fabric().map(FabricSettings::commandTimeout).orElse(Duration.ZERO);
    return settings
        .shutdownTimeout()
        .plus(settings.link().detachTimeout())
        .plus(command.multipliedBy(4))
        .plus(CLOSE_GRACE);
  }

  private static Executor threads(String name, int count) {
    ThreadPoolExecutor threads =
        new ThreadPoolExecutor(
            count,
            count,
            10,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            Thread.ofPlatform().daemon().name(name + "-", 0).factory());
    threads.allowCoreThreadTimeOut(true);
    return threads;
  }

  /**
   * How many answers were a miss, or "not stored", because of trouble: the device, a full store, no
   * memory, a deadline.
   */
  public long troubles() {
    return trouble.count();
  }

  // ---------------------------------------------------------------- lookups and pins

  @Override
  public int batchedContains(List<EngineKey> keys, boolean pin) {
    return lookup(List.copyOf(keys), pin, true).join();
  }

  @Override
  public CompletionStage<Integer> batchedAsyncContains(
      String lookupId, List<EngineKey> keys, boolean pin) {
    CompletableFuture<Integer> count = lookup(List.copyOf(keys), pin, true);
    cancellable(lookupId, count, 0);
    return count.thenApplyAsync(Function.identity(), host);
  }

  @Override
  public boolean pin(EngineKey key) {
    return lookup(List.of(key), true, false).join() == 1;
  }

  /**
   * The count of leading hits. Where the future is complete before the store's answer is there, the
   * pins that the answer brings go back.
   *
   * @param touchable whether {@link #touchCache()} is to count the pinned keys as used
   */
  private CompletableFuture<Integer> lookup(List<EngineKey> keys, boolean pin, boolean touchable) {
    CompletableFuture<Integer> count = new CompletableFuture<>();
    if (keys.isEmpty() || closed.get()) {
      count.complete(0);
      return count;
    }
    var _ =
        ask(pin ? KeyOperation.PIN : KeyOperation.LOOKUP, keys)
            .thenAccept(
                done -> {
                  int leading = done.leadingHits();
                  if (!pin) {
                    count.complete(leading);
                    return;
                  }
                  List<EngineKey> prefix = keys.subList(0, leading);
                  List<EngineKey> back = new ArrayList<>();
                  done.hits().stream().skip(leading).forEach(beyond -> back.add(keys.get(beyond)));
                  prefix.stream().filter(key -> !pins.pinned(key)).forEach(back::add);
                  if (!completes(count, prefix, touchable)) {
                    prefix.stream().filter(pins::unpinned).forEach(back::add);
                  }
                  var _ = giveBack(back);
                });
    return count.completeOnTimeout(0, answerTime().toMillis(), TimeUnit.MILLISECONDS);
  }

  @Override
  public boolean unpin(EngineKey key) {
    if (closed.get()) {
      return false;
    }
    List<EngineKey> keys = List.of(key);
    Deadline deadline = Deadline.in(answerTime());
    boolean counted = pins.unpinned(key);
    if (counted) {
      // No answer is no reason to take the chunk for gone, and its other pins with it.
      Optional<KeysOutcome.Done> back = within(left(deadline), giveBack(keys));
      if (back.isEmpty() || back.get().keys() == 0) {
        return false;
      }
      if (back.get().hits().get(0)) {
        return true;
      }
      pins.forget(key);
    }
    boolean present =
        within(left(deadline), ask(KeyOperation.LOOKUP, keys)).stream()
            .anyMatch(done -> done.hits().get(0));
    if (!present) {
      pins.forget(key);
    } else if (!counted) {
      pins.owe(key);
    }
    return present;
  }

  /**
   * Gives pins back to the store. They must not be lost with a deadline, or the chunks would never
   * be evicted: the request waits as long as it takes, and is made again while the store is busy.
   */
  private CompletableFuture<KeysOutcome.Done> giveBack(List<EngineKey> keys) {
    CompletableFuture<KeysOutcome.Done> answer = new CompletableFuture<>();
    if (keys.isEmpty()) {
      answer.complete(nothing());
    } else {
      giveBack(keys, answer);
    }
    return answer;
  }

  private void giveBack(List<EngineKey> keys, CompletableFuture<KeysOutcome.Done> answer) {
    var _ =
        store
            .keys(KeyOperation.UNPIN, chunkKeys(keys), Deadline.in(Duration.ofDays(36_500)))
            .thenAcceptAsync(
                outcome -> {
                  if (outcome instanceof Rejected(Rejected.Reason reason, String _)
                      && reason == Rejected.Reason.BUSY) {
                    CompletableFuture.delayedExecutor(RETRY_MILLIS, TimeUnit.MILLISECONDS, work)
                        .execute(() -> giveBack(keys, answer));
                  } else {
                    answer.complete(done(KeyOperation.UNPIN, outcome));
                  }
                },
                work);
  }

  /** Under the lock, as whoever waits for the count may call {@link #touchCache()} next. */
  private boolean completes(
      CompletableFuture<Integer> count, List<EngineKey> prefix, boolean touchable) {
    synchronized (touches) {
      boolean first = count.complete(prefix.size());
      if (first && touchable) {
        touches.addAll(prefix);
        while (touches.size() > TOUCHES_MAX) {
          touches.removeFirst();
        }
      }
      return first;
    }
  }

  @Override
  public void touchCache() {
    List<EngineKey> used;
    synchronized (touches) {
      used = List.copyOf(touches);
      touches.clear();
    }
    if (!used.isEmpty() && !closed.get()) {
      var _ = ask(KeyOperation.TOUCH, used);
    }
  }

  @Override
  public int batchedRemove(List<EngineKey> keys, boolean force) {
    if (keys.isEmpty() || closed.get()) {
      return 0;
    }
    List<EngineKey> all = List.copyOf(keys);
    CompletableFuture<Integer> removed =
        ask(force ? KeyOperation.DELETE_FORCED : KeyOperation.DELETE, all)
            .thenApply(
                done -> {
                  done.hits().stream().mapToObj(all::get).forEach(pins::forget);
                  return done.hits().cardinality();
                });
    return within(answerTime(), removed).orElse(0);
  }

  /** One operation on keys, answered on a thread of the backend; trouble hits nothing. */
  private CompletableFuture<KeysOutcome.Done> ask(KeyOperation operation, List<EngineKey> keys) {
    return store
        .keys(operation, chunkKeys(keys), Deadline.in(store.requestTimeout()))
        .toCompletableFuture()
        .thenApplyAsync(outcome -> done(operation, outcome), work);
  }

  private KeysOutcome.Done done(KeyOperation operation, KeysOutcome outcome) {
    return switch (outcome) {
      case KeysOutcome.Done done -> done;
      case Rejected(Rejected.Reason reason, String detail) -> {
        trouble.add(operation.name(), reason + ": " + detail);
        yield nothing();
      }
      case Failed failed -> {
        trouble.add(operation.name(), failed.cause() + ": " + failed.detail());
        yield nothing();
      }
    };
  }

  /** No answer: of no key, and with no hit. */
  private static KeysOutcome.Done nothing() {
    return new KeysOutcome.Done(0, new BitSet(), new BitSet());
  }

  private Duration answerTime() {
    return store.requestTimeout().plus(ANSWER_GRACE);
  }

  private static List<ChunkKey> chunkKeys(List<EngineKey> keys) {
    return keys.stream().map(EngineKey::toChunkKey).toList();
  }

  // ---------------------------------------------------------------- puts

  @Override
  public boolean existsInPutTasks(EngineKey key) {
    return puts.containsKey(key);
  }

  @Override
  public List<CompletionStage<Boolean>> batchedSubmitPutTask(
      List<EngineKey> keys,
      List<MemoryObject> objects,
      @Nullable Consumer<? super EngineKey> onComplete) {
    if (keys.size() != objects.size()) {
      throw new IllegalArgumentException(
          "%d keys for %d objects".formatted(keys.size(), objects.size()));
    }
    List<ChunkKey> chunkKeys = chunkKeys(keys);
    List<MemoryObject> held = new ArrayList<>();
    try {
      objects.forEach(object -> held.add(object.retain()));
    } catch (IllegalStateException notHeld) {
      held.forEach(MemoryObject::release);
      throw notHeld;
    }
    Deadline deadline = Deadline.in(store.requestTimeout());
    Set<EngineKey> announced = new HashSet<>();
    List<CompletionStage<Boolean>> stages = new ArrayList<>();
    for (int i = 0; i < keys.size(); i++) {
      EngineKey key = keys.get(i);
      CompletableFuture<Boolean> stage = new CompletableFuture<>();
      Consumer<? super EngineKey> callback = announced.add(key) ? onComplete : null;
      CompletableFuture<Boolean> running =
          closed.get() ? CompletableFuture.completedFuture(false) : puts.putIfAbsent(key, stage);
      if (running == null) {
        var _ =
            put(key, chunkKeys.get(i), objects.get(i), deadline)
                .thenAccept(
                    there -> {
                      puts.remove(key);
                      announce(key, callback, stage, there);
                    });
      } else {
        objects.get(i).release();
        var _ = running.thenAccept(there -> announce(key, callback, stage, there));
      }
      stages.add(stage.minimalCompletionStage());
    }
    return List.copyOf(stages);
  }

  /** Takes the caller's reference, and gives it back when the kernel is done with the memory. */
  private CompletableFuture<Boolean> put(
      EngineKey key, ChunkKey chunkKey, MemoryObject object, Deadline deadline) {
    Payload payload = Payload.of(object.memory());
    var _ = payload.released().thenRunAsync(object::release, work);
    return store
        .store(chunkKey, payload, StoreOptions.DEFAULT.withMetadata(object.metadata()), deadline)
        .toCompletableFuture()
        .handleAsync((outcome, bug) -> outcome != null ? isThere(key, outcome) : failed(bug), work);
  }

  private boolean isThere(EngineKey key, StoreOutcome outcome) {
    return switch (outcome) {
      case StoreOutcome.Stored _ -> true;
      case StoreOutcome.AlreadyStored _ -> true;
      case StoreOutcome.NotPresent _ -> false;
      case Rejected(Rejected.Reason reason, String detail) -> {
        trouble.add("store of " + key, reason + ": " + detail);
        yield false;
      }
      case Failed failed -> {
        trouble.add("store of " + key, failed.cause() + ": " + failed.detail());
        yield false;
      }
    };
  }

  private boolean failed(Throwable bug) {
    LOG.error("a store ended with a bug", bug);
    return false;
  }

  private void announce(
      EngineKey key,
      @Nullable Consumer<? super EngineKey> callback,
      CompletableFuture<Boolean> stage,
      boolean there) {
    host.execute(
        () -> {
          try {
            if (callback != null) {
              callback.accept(key);
            }
          } catch (RuntimeException thrown) {
            LOG.warn("the host's callback for the put of {} threw", key, thrown);
          } finally {
            stage.complete(there);
          }
        });
  }

  // ---------------------------------------------------------------- gets

  @Override
  public List<@Nullable MemoryObject> batchedGetBlocking(List<EngineKey> keys) {
    return load(keys, Urgency.LOAD).join();
  }

  @Override
  public CompletionStage<List<@Nullable MemoryObject>> batchedGetNonBlocking(
      String lookupId, List<EngineKey> keys) {
    CompletableFuture<List<@Nullable MemoryObject>> objects = load(keys, Urgency.PREFETCH);
    cancellable(lookupId, objects, LoadRun.misses(keys.size()));
    return objects.thenApplyAsync(Function.identity(), host);
  }

  private CompletableFuture<List<@Nullable MemoryObject>> load(
      List<EngineKey> keys, Urgency urgency) {
    LoadRun run =
        new LoadRun(
            store,
            allocator,
            work,
            trouble,
            List.copyOf(keys),
            urgency,
            Deadline.in(store.requestTimeout()));
    if (closed.get()) {
      run.result().complete(LoadRun.misses(keys.size()));
    } else {
      run.start();
    }
    return run.result()
        .completeOnTimeout(
            LoadRun.misses(keys.size()), answerTime().toMillis(), TimeUnit.MILLISECONDS);
  }

  @Override
  public AllocatorBackend allocatorBackend() {
    return allocator;
  }

  // ---------------------------------------------------------------- cancelling and closing

  private <T> void cancellable(String lookupId, CompletableFuture<T> answer, T nothing) {
    Runnable cancellation = () -> answer.complete(nothing);
    cancellations.compute(
        lookupId,
        (_, others) -> {
          Set<Runnable> all = others == null ? ConcurrentHashMap.newKeySet() : others;
          all.add(cancellation);
          return all;
        });
    var _ =
        answer.whenComplete(
            (_, _) ->
                cancellations.computeIfPresent(
                    lookupId,
                    (_, all) -> {
                      all.remove(cancellation);
                      return all.isEmpty() ? null : all;
                    }));
  }

  @Override
  public void cancelRequest(String lookupId) {
    Set<Runnable> all = cancellations.get(lookupId);
    if (all != null) {
      List.copyOf(all).forEach(Runnable::run);
    }
  }

  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      var _ = within(closeWithin, closeDone);
      return;
    }
    Deadline deadline = Deadline.in(closeWithin);
    List.copyOf(cancellations.keySet()).forEach(this::cancelRequest);
    CompletableFuture<?>[] ending = puts.values().toArray(CompletableFuture[]::new);
    var _ = within(left(deadline), CompletableFuture.allOf(ending).thenApply(_ -> true));
    var _ = within(left(deadline), giveBack(pins.close()));
    if (ownsStore && within(left(deadline), store.shutdown()).isEmpty()) {
      LOG.warn("the store is not closed after {}; it goes on closing", closeWithin);
    }
    closeDone.complete(true);
  }

  private static Duration left(Deadline deadline) {
    return Duration.ofNanos(Math.max(0, deadline.nanos() - Ticker.system().nanoTime()));
  }

  /** Waits for an answer; empty where it does not come in time. An interrupt does not end it. */
  private static <T> Optional<T> within(Duration time, CompletionStage<T> answer) {
    return answer
        .<Optional<T>>thenApply(Optional::of)
        .toCompletableFuture()
        .completeOnTimeout(Optional.empty(), time.toMillis(), TimeUnit.MILLISECONDS)
        .join();
  }
}
