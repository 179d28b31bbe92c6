package io.weft.adapter;

import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreEvent;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.Chunks;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.base.StoreOutcome;
import io.weft.base.Usage;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.stream.Stream;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.SupervisorStrategy;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The adapter's side that works: starts tasks on the store, knows which locks the adapter holds,
 * gives them back until the store has taken them, and hears the store's events.
 *
 * <p>A store or load task is complete when the store has answered <em>and</em> released every
 * buffer: its contract cannot say "answered, but your buffer is still in use".
 */
final class L2AdapterActor extends AbstractBehavior<L2AdapterActor.Command> {
  private static final Logger LOG = LoggerFactory.getLogger(L2AdapterActor.class);
  private static final Duration RETRY_MIN = Duration.ofMillis(10);
  private static final Duration RETRY_MAX = Duration.ofSeconds(1);

  /** An unlock has no deadline: it is never answered without having been done, or refused. */
  private static final Duration EVER = Duration.ofDays(36_500);

  sealed interface Command {}

  /** A task that a caller will ask for. */
  sealed interface Task extends Command {
    long id();
  }

  record StoreChunks(long id, List<ObjectKey> keys, List<MemorySegment> buffers) implements Task {}

  record Lookup(long id, List<ObjectKey> keys) implements Task {}

  record LoadChunks(long id, List<ObjectKey> keys, List<MemorySegment> buffers) implements Task {}

  record Unlock(List<ObjectKey> keys) implements Command {}

  /**
   * Gives all locks back. Done when they are given back, or the bound is reached; the actor stops
   * when they are given back, and those too that lookups still under way will have taken.
   */
  record Stop(Duration bound, CompletableFuture<Void> done) implements Command {}

  private record LookedUp(long id, List<ChunkKey> keys, @Nullable KeysOutcome outcome)
      implements Command {}

  private record Unlocked(List<ChunkKey> keys, Duration pause, KeysOutcome outcome)
      implements Command {}

  private record UnlockAgain(List<ChunkKey> keys, Duration pause) implements Command {}

  private record StopOverdue() implements Command {}

  private record Happened(StoreEvent event) implements Command {}

  private record AskReady() implements Command {}

  private record Ready(@Nullable StoreStatus status) implements Command {}

  private record Holds(Usage usage) implements Command {}

  private final NvmeofL2Adapter adapter;
  private final TimerScheduler<Command> timers;

  /** Locks that the adapter holds, by key; none is 0. */
  private final Map<ChunkKey, Integer> locks = new HashMap<>();

  /** Unlocks that are sent, or wait to be sent again. */
  private int unlocks;

  /** Lookups that the store has not answered. */
  private int lookups;

  private @Nullable Stop stop;

  private final ActorRef<Usage> usage;

  static Behavior<Command> create(NvmeofL2Adapter adapter) {
    return Behaviors.supervise(
            Behaviors.<Command>setup(
                context ->
                    Behaviors.withTimers(timers -> new L2AdapterActor(context, timers, adapter))))
        // A bug in one message costs that message: the locks must not be forgotten.
        .onFailure(SupervisorStrategy.resume());
  }

  private L2AdapterActor(
      ActorContext<Command> context, TimerScheduler<Command> timers, NvmeofL2Adapter adapter) {
    super(context);
    this.adapter = adapter;
    this.timers = timers;
    this.usage = context.messageAdapter(Usage.class, Holds::new);
    ActorRef<StoreEvent> events = context.messageAdapter(StoreEvent.class, Happened::new);
    adapter.store().actor().tell(new StoreProtocol.Subscribe(events));
    context.getSelf().tell(new AskReady());
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Command.class, this::on)
        .onSignal(
            PostStop.class,
            _ -> {
              adapter.stopped();
              if (stop != null) {
                stop.done().complete(null);
              }
              return this;
            })
        .build();
  }

  private Behavior<Command> on(Command command) {
    switch (command) {
      case Task task -> begin(task);
      case Unlock unlock -> unlock(unlock.keys());
      case LookedUp done -> lookedUp(done);
      case Unlocked done -> unlocked(done);
      case UnlockAgain again -> sendUnlock(again.keys(), again.pause());
      case Happened happened -> happened(happened.event());
      case AskReady _ ->
          getContext().pipeToSelf(adapter.store().ready(), (status, _) -> new Ready(status));
      case Ready ready -> ready(ready.status());
      case Holds holds -> holds(holds.usage());
      case Stop asked -> stop(asked);
      case StopOverdue _ -> overdue();
    }
    return stop != null && unlocks + lookups == 0 ? Behaviors.stopped() : this;
  }

  // ---------------------------------------------------------------- tasks

  private void begin(Task task) {
    if (!adapter.isWaiting(task.id())) {
      return;
    }
    try {
      switch (task) {
        case StoreChunks store -> store(store);
        case Lookup lookup -> lookup(lookup);
        case LoadChunks load -> load(load);
      }
    } catch (RuntimeException failure) {
      // A key that no store can take, or a bug: the caller waits for a result either way.
      LOG.warn("task {} failed", task.id(), failure);
      adapter.fail(task.id());
    }
  }

  private Deadline deadline() {
    return Deadline.in(adapter.store().requestTimeout());
  }

  private static List<ChunkKey> chunkKeys(List<ObjectKey> keys) {
    return keys.stream().map(ObjectKey::toChunkKey).toList();
  }

  /** The tail of a chain is stored first, so that its head is the newest. */
  private void store(StoreChunks task) {
    List<StoreProtocol.StoreItem> items = new ArrayList<>();
    for (int i = task.keys().size() - 1; i >= 0; i--) {
      items.add(
          new StoreProtocol.StoreItem(
              task.keys().get(i).toChunkKey(),
              Payload.of(task.buffers().get(i)),
              StoreOptions.DEFAULT));
    }
    adapter.isStarted(task.id());
    CompletionStage<List<StoreOutcome>> outcomes = adapter.store().storeAll(items, deadline());
    var _ =
        whenFree(outcomes, items.stream().map(item -> item.payload().released()))
            .whenComplete((done, failure) -> stored(task, items, done, failure));
  }

  private void stored(
      StoreChunks task,
      List<StoreProtocol.StoreItem> items,
      @Nullable List<StoreOutcome> outcomes,
      @Nullable Throwable failure) {
    if (outcomes == null) {
      LOG.warn("store task {} failed", task.id(), failure);
      adapter.storeDone(task.id(), L2StoreResult.FAILED);
      return;
    }
    boolean success = true;
    long written = 0;
    for (int i = 0; i < outcomes.size(); i++) {
      switch (outcomes.get(i)) {
        case StoreOutcome.Stored _ -> written += items.get(i).payload().length();
        case StoreOutcome.AlreadyStored _ -> {}
        case StoreOutcome.NotPresent _ -> success = false;
        case Rejected refused -> {
          success = false;
          LOG.debug("not stored: {}: {}", items.get(i).key(), refused);
        }
        case Failed failed -> {
          success = false;
          LOG.debug("not stored: {}: {}", items.get(i).key(), failed);
        }
      }
    }
    if (success) {
      adapter.used(task.keys());
    }
    adapter.storeDone(task.id(), success ? new L2StoreResult(true, written) : L2StoreResult.FAILED);
  }

  /** Somebody waits for what LMCache's prefetch controller loads: a request, before its prefill. */
  private void load(LoadChunks task) {
    List<StoreProtocol.LoadItem> items = new ArrayList<>();
    for (int i = 0; i < task.keys().size(); i++) {
      items.add(
          new StoreProtocol.LoadItem(
              task.keys().get(i).toChunkKey(), LoadTarget.into(task.buffers().get(i))));
    }
    adapter.isStarted(task.id());
    CompletionStage<List<LoadOutcome>> outcomes =
        adapter.store().loadAll(items, StoreProtocol.Urgency.LOAD, deadline());
    var _ =
        whenFree(outcomes, items.stream().map(item -> item.target().released()))
            .whenComplete((done, failure) -> loaded(task, done, failure));
  }

  private void loaded(
      LoadChunks task, @Nullable List<LoadOutcome> outcomes, @Nullable Throwable failure) {
    BitSet loaded = new BitSet(task.keys().size());
    int failed = 0;
    if (outcomes == null) {
      LOG.warn("load task {} failed", task.id(), failure);
      adapter.loadDone(task.id(), loaded, task.keys().size());
      return;
    }
    for (int i = 0; i < outcomes.size(); i++) {
      switch (outcomes.get(i)) {
        case LoadOutcome.Loaded(long length) ->
            // A shorter chunk would leave old bytes at the buffer's end.
            loaded.set(i, length == task.buffers().get(i).byteSize());
        case LoadOutcome.Leased(var lease) -> lease.release();
        case LoadOutcome.Miss _ -> {}
        case LoadOutcome.TooSmall _ -> {}
        case Rejected refused -> {
          failed++;
          LOG.debug("not loaded: {}: {}", task.keys().get(i), refused);
        }
        case Failed trouble -> {
          failed++;
          LOG.debug("not loaded: {}: {}", task.keys().get(i), trouble);
        }
      }
    }
    adapter.loadDone(task.id(), loaded, failed);
  }

  /** The outcomes, once the kernel is done with all the memory too. */
  private static <R> CompletionStage<R> whenFree(
      CompletionStage<R> outcomes, Stream<CompletionStage<Void>> released) {
    CompletableFuture<?>[] all =
        released.map(CompletionStage::toCompletableFuture).toArray(CompletableFuture<?>[]::new);
    return outcomes.thenCombine(CompletableFuture.allOf(all), (done, _) -> done);
  }

  // ---------------------------------------------------------------- locks

  private void lookup(Lookup task) {
    List<ChunkKey> keys = chunkKeys(task.keys());
    lookups++;
    getContext()
        .pipeToSelf(
            adapter.store().keys(KeyOperation.LOOKUP_AND_LOCK, keys, deadline()),
            (outcome, _) -> new LookedUp(task.id(), keys, outcome));
  }

  private void lookedUp(LookedUp done) {
    lookups--;
    BitSet hits = new BitSet();
    if (done.outcome() instanceof KeysOutcome.Done answer) {
      hits = answer.hits();
      hits.stream().forEach(i -> locks.merge(done.keys().get(i), 1, Integer::sum));
    }
    adapter.locksHeld(locks.size());
    adapter.lookupDone(done.id(), hits);
    if (stop != null) {
      unlockAll();
    }
  }

  /** What the adapter does not hold is not given back: it may be another's lock. */
  private void unlock(List<ObjectKey> keys) {
    List<ChunkKey> held = new ArrayList<>();
    for (ObjectKey key : keys) {
      // A key that no store can take has no lock, and must not keep the others from being unlocked.
      ChunkKey chunk = key.isChunkKey() ? key.toChunkKey() : null;
      if (chunk != null && locks.containsKey(chunk)) {
        locks.computeIfPresent(chunk, (_, count) -> count > 1 ? count - 1 : null);
        held.add(chunk);
      }
    }
    beginUnlock(held);
  }

  private void unlockAll() {
    List<ChunkKey> held = new ArrayList<>();
    locks.forEach(
        (key, count) -> {
          for (int i = 0; i < count; i++) {
            held.add(key);
          }
        });
    locks.clear();
    beginUnlock(held);
  }

  private void beginUnlock(List<ChunkKey> keys) {
    adapter.locksHeld(locks.size());
    if (!keys.isEmpty()) {
      unlocks++;
      sendUnlock(keys, RETRY_MIN);
    }
  }

  /**
   * @param pause before it is sent again, where it is refused
   */
  private void sendUnlock(List<ChunkKey> keys, Duration pause) {
    getContext()
        .pipeToSelf(
            adapter.store().keys(KeyOperation.UNLOCK, keys, Deadline.in(EVER)),
            (outcome, failure) -> new Unlocked(keys, pause, outcomeOf(outcome, failure)));
  }

  private static KeysOutcome outcomeOf(@Nullable KeysOutcome outcome, @Nullable Throwable failure) {
    return outcome != null
        ? outcome
        : new Failed(Failed.Cause.INTERNAL, String.valueOf(failure), null);
  }

  private void unlocked(Unlocked done) {
    boolean again =
        switch (done.outcome()) {
          case KeysOutcome.Done _ -> false;
          // A closed store, and an index that was lost, have no locks.
          case Rejected refused -> refused.reason() != Rejected.Reason.CLOSED;
          case Failed failed ->
              switch (failed.cause()) {
                case CLOSED, RESTARTED -> false;
                case DEADLINE, DEVICE, NO_SPACE, INTERNAL -> true;
              };
        };
    if (again) {
      Duration doubled = done.pause().multipliedBy(2);
      timers.startSingleTimer(
          new Object(),
          new UnlockAgain(done.keys(), doubled.compareTo(RETRY_MAX) > 0 ? RETRY_MAX : doubled),
          done.pause());
    } else {
      unlocks--;
    }
  }

  private void overdue() {
    if (stop != null) {
      LOG.warn("{} unlocks and {} lookups go on beyond the adapter's end", unlocks, lookups);
      stop.done().complete(null);
    }
  }

  private void stop(Stop asked) {
    stop = asked;
    timers.startSingleTimer(new StopOverdue(), asked.bound());
    unlockAll();
  }

  // ---------------------------------------------------------------- events

  private void ready(@Nullable StoreStatus status) {
    if (status != null && status.serving()) {
      adapter.store().actor().tell(new StoreProtocol.GetUsage(usage));
    } else {
      timers.startSingleTimer(new AskReady(), RETRY_MAX);
    }
  }

  /**
   * A salt's bytes include writes under way, which would be counted again when they are stored. So
   * a count is taken when nothing is being written; the first one at once, until there is a better.
   */
  private void holds(Usage now) {
    long ofSalts = now.bySalt().values().stream().mapToLong(Long::longValue).sum();
    boolean quiet = ofSalts == now.chunkBytes();
    if (quiet || !adapter.isCounted()) {
      adapter.holds(now);
    }
    if (!quiet) {
      timers.startSingleTimer(new AskReady(), RETRY_MAX);
    }
  }

  private void happened(StoreEvent event) {
    switch (event) {
      case StoreEvent.Stored stored -> {
        long size = Chunks.physicalBytes(stored.length());
        objectKey(stored.key())
            .ifPresentOrElse(key -> adapter.stored(key, size), () -> adapter.counted(size));
      }
      case StoreEvent.Accessed accessed ->
          objectKey(accessed.key()).ifPresent(key -> adapter.used(List.of(key)));
      case StoreEvent.Removed removed -> {
        long size = Chunks.physicalBytes(removed.length());
        objectKey(removed.key())
            .ifPresentOrElse(key -> adapter.deleted(key, size), () -> adapter.counted(-size));
      }
      case StoreEvent.Quarantined _ -> {}
      // The index was rebuilt, or checked against its device.
      case StoreEvent.LinkChanged _ -> getContext().getSelf().tell(new AskReady());
      case StoreEvent.Dropped _ -> {}
    }
  }

  private static Optional<ObjectKey> objectKey(ChunkKey key) {
    String text = key.text();
    return text == null ? Optional.empty() : ObjectKey.parse(text);
  }
}
