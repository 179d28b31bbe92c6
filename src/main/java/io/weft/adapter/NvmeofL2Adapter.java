package io.weft.adapter;

import io.weft.api.ChunkStore;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.KeysPage;
import io.weft.base.Rejected;
import io.weft.base.Usage;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Props;
import org.jspecify.annotations.Nullable;

/**
 * LMCache's L2 adapter on a {@link ChunkStore}. Its work is done by an actor on the dispatcher
 * {@value #DISPATCHER}; callers only leave messages and pick up results.
 *
 * <p>A store or load task gives its result when the kernel is done with the buffers, and not before
 * (see {@link L2Adapter}). A task that the device delays is over, at the latest, when the kernel
 * gives the controller up: {@code weft.nvmeof.ctrl-loss-timeout} after the request's own time-out.
 *
 * <p>Sizes are what a chunk takes of the store's capacity. What the store evicts by itself, and
 * what others do with the same store, is counted and told to listeners too.
 */
public final class NvmeofL2Adapter extends L2AdapterBase {
  static final String DISPATCHER = "weft.adapter.dispatcher";
  private static final Duration STATUS_TIMEOUT = Duration.ofSeconds(2);
  private static final AtomicInteger ADAPTERS = new AtomicInteger();

  private final ChunkStore store;
  private final Duration closeTimeout;
  private final Runnable afterwards;
  private final ActorRef<L2AdapterActor.Command> actor;
  private final CompletableFuture<Void> counted = new CompletableFuture<>();

  /** Tasks that the actor has not begun, and lookups that are not answered. */
  private final Set<Long> waiting = ConcurrentHashMap.newKeySet();

  private final AtomicBoolean closing = new AtomicBoolean();
  private volatile boolean stopped;
  private volatile int locksHeld;
  private final LongAdder storesFailed = new LongAdder();
  private final LongAdder loadsFailed = new LongAdder();

  /**
   * An adapter on a store that stays its owner's. The store must outlive the adapter.
   *
   * @param closeTimeout how long {@link #close()} waits for tasks, and once more for locks
   */
  public NvmeofL2Adapter(ChunkStore store, Duration closeTimeout) {
    this(store, closeTimeout, () -> {});
  }

  /**
   * @param afterwards what remains to be done once the adapter is closed
   */
  NvmeofL2Adapter(ChunkStore store, Duration closeTimeout, Runnable afterwards) {
    super(0);
    this.store = store;
    this.closeTimeout = closeTimeout;
    this.afterwards = afterwards;
    ActorSystem<?> system = store.system();
    if (!system.settings().config().hasPath(DISPATCHER)) {
      closeEvents();
      throw new IllegalArgumentException(
          "the actor system's configuration has no "
              + DISPATCHER
              + ": make the system with ConfigFactory.load(), which brings weft's reference.conf");
    }
    this.actor =
        system.systemActorOf(
            L2AdapterActor.create(this),
            "weft-l2-" + ADAPTERS.incrementAndGet(),
            Props.empty().withDispatcherFromConfig(DISPATCHER));
  }

  /** Done when the usage counts what the store held before this adapter. */
  public CompletionStage<Void> counted() {
    return counted.minimalCompletionStage();
  }

  // ---------------------------------------------------------------- the contract

  @Override
  public long submitStore(List<ObjectKey> keys, List<MemorySegment> buffers) {
    requireSameLength(keys, buffers);
    long task = begin(L2Event.STORE);
    return submit(new L2AdapterActor.StoreChunks(task, List.copyOf(keys), List.copyOf(buffers)));
  }

  @Override
  public long submitLookupAndLock(List<ObjectKey> keys) {
    long task = begin(L2Event.LOOKUP_AND_LOCK);
    return submit(new L2AdapterActor.Lookup(task, List.copyOf(keys)));
  }

  @Override
  public long submitLoad(List<ObjectKey> keys, List<MemorySegment> buffers) {
    requireSameLength(keys, buffers);
    long task = begin(L2Event.LOAD);
    return submit(new L2AdapterActor.LoadChunks(task, List.copyOf(keys), List.copyOf(buffers)));
  }

  private long submit(L2AdapterActor.Task task) {
    waiting.add(task.id());
    if (!closing.get()) {
      actor.tell(task);
    }
    // Who closes meanwhile gives up what he sees; this one may have come behind that.
    if (closing.get() || stopped) {
      giveUp(task.id());
    }
    return task.id();
  }

  @Override
  public void submitUnlock(List<ObjectKey> keys) {
    actor.tell(new L2AdapterActor.Unlock(List.copyOf(keys)));
  }

  /** Waits for {@code weft.request-timeout} at the most. */
  @Override
  public L2DeleteResult delete(List<ObjectKey> keys) {
    List<ChunkKey> chunks = keys.stream().map(ObjectKey::toChunkKey).toList();
    Optional<KeysOutcome> outcome =
        await(store.keys(KeyOperation.DELETE, chunks), store.requestTimeout());
    return outcome.orElse(null) instanceof KeysOutcome.Done done
        ? new L2DeleteResult(done.hits(), done.held())
        : L2DeleteResult.unanswered();
  }

  /** Waits for {@code weft.request-timeout} at the most. */
  @Override
  public L2Listing listKeys(String modelName, int pageSize, @Nullable String cursor) {
    long from = cursor == null ? KeysPage.START : Long.parseUnsignedLong(cursor, 16);
    String prefix = modelName.isEmpty() ? "" : modelName + "@";
    Deadline deadline = Deadline.in(store.requestTimeout());
    return switch (await(store.list(prefix, from, pageSize, deadline), store.requestTimeout())
        .orElseGet(Failed::deadline)) {
      case KeysPage page ->
          new L2Listing.Page(
              page.keys().stream()
                  .map(listed -> listed.key().text())
                  .flatMap(text -> Optional.ofNullable(text).flatMap(ObjectKey::parse).stream())
                  .toList(),
              page.last() ? null : Long.toHexString(page.nextCursor()));
      case Rejected refused ->
          new L2Listing.Unavailable(refused.reason() + ": " + refused.detail());
      case Failed failed -> new L2Listing.Unavailable(failed.detail());
    };
  }

  @Override
  public Map<String, Object> reportStatus() {
    Optional<StoreStatus> answer = await(store.status(), STATUS_TIMEOUT);
    AdapterUsage usage = usage();
    Map<String, Object> status = new LinkedHashMap<>();
    status.put(
        "is_healthy",
        answer.filter(StoreStatus::serving).isPresent() && !closing.get() && !stopped);
    status.put("type", NvmeofL2AdapterFactory.TYPE);
    answer.ifPresentOrElse(
        store -> {
          status.put("state", store.state().name());
          status.put("detail", store.detail());
          status.put("link", store.link());
          status.put("directory", store.directory());
          status.put("filesystem", store.filesystem());
          status.put("direct_io", store.directIo());
          status.put("recovery", store.recovery());
          status.put("chunks", store.usage().chunks());
          status.put("stuck_threads", store.stuckThreads());
        },
        () -> status.put("detail", "the store does not say how it is"));
    status.put("usage_bytes", usage.totalBytes());
    status.put("capacity_bytes", usage.capacityBytes());
    status.put("usage_is_counted", counted.isDone());
    status.put("pending_tasks", pendingTasks());
    status.put("locked_keys", locksHeld);
    status.put("failed_store_tasks", storesFailed.sum());
    status.put("failed_loads", loadsFailed.sum());
    return status;
  }

  @Override
  public void close() {
    if (!closing.compareAndSet(false, true)) {
      return;
    }
    awaitIdle(closeTimeout);
    CompletableFuture<Void> unlocked = new CompletableFuture<>();
    actor.tell(new L2AdapterActor.Stop(closeTimeout, unlocked));
    if (stopped) {
      unlocked.complete(null);
    }
    await(unlocked.thenApply(_ -> true), closeTimeout.plusSeconds(1));
    stopped();
    closeEvents();
    afterwards.run();
  }

  /** What is asked of the store by threads that may wait; empty where it does not answer. */
  static <T> Optional<T> await(CompletionStage<T> stage, Duration bound) {
    // A little more: the store answers by its deadline, or shortly after.
    return stage
        .thenApply(Optional::of)
        .toCompletableFuture()
        .completeOnTimeout(Optional.empty(), bound.toMillis() + 1000, TimeUnit.MILLISECONDS)
        .join();
  }

  // ---------------------------------------------------------------- for the actor

  ChunkStore store() {
    return store;
  }

  boolean isWaiting(long task) {
    return waiting.contains(task);
  }

  /** From now on the store's answer ends the task, whatever becomes of the actor. */
  void isStarted(long task) {
    waiting.remove(task);
  }

  /** Ends a task that has not reached the store. */
  void giveUp(long task) {
    if (waiting.remove(task)) {
      completeFailed(task);
    }
  }

  /** Ends a task that could not be begun. */
  void fail(long task) {
    waiting.remove(task);
    completeFailed(task);
  }

  /** No task is begun any more. */
  void stopped() {
    stopped = true;
    waiting.forEach(this::giveUp);
  }

  void storeDone(long task, L2StoreResult result) {
    if (!result.success()) {
      storesFailed.increment();
    }
    completeStore(task, result);
  }

  void loadDone(long task, BitSet loaded, int failed) {
    loadsFailed.add(failed);
    completeLoad(task, loaded);
  }

  void lookupDone(long task, BitSet hits) {
    if (waiting.remove(task)) {
      completeLookup(task, hits);
    }
  }

  void locksHeld(int keys) {
    locksHeld = keys;
  }

  void holds(Usage usage) {
    setCapacity(usage.capacityBytes());
    setAccount(usage.chunkBytes(), usage.bySalt());
    counted.complete(null);
  }

  boolean isCounted() {
    return counted.isDone();
  }

  void stored(ObjectKey key, long size) {
    notifyStored(List.of(key), new long[] {size});
  }

  void deleted(ObjectKey key, long size) {
    notifyDeleted(List.of(key), new long[] {size});
  }

  void used(List<ObjectKey> keys) {
    notifyAccessed(keys);
  }

  /** Chunks of others in the same store, which have the empty salt. */
  void counted(long bytes) {
    count("", bytes);
  }
}
