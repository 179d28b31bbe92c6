package io.weft.actor;

import io.weft.api.ReplyTo;
import io.weft.api.StoreProtocol;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.DeviceException;
import io.weft.base.ExpireOutcome;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.KeysPage;
import io.weft.base.ListOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.Metrics;
import io.weft.base.Rejected;
import io.weft.base.SaltRule;
import io.weft.base.StatOutcome;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import io.weft.base.Usage;
import io.weft.core.CapacityLedger;
import io.weft.core.Lane;
import io.weft.core.Order;
import io.weft.core.PiecePlan;
import io.weft.core.Policies;
import io.weft.core.Recovery;
import io.weft.core.StoreMachine;
import io.weft.device.ChunkMedium;
import io.weft.device.FoundChunk;
import io.weft.device.MediumInfo;
import io.weft.device.SnapshotStore;
import io.weft.stream.Admitted;
import io.weft.stream.Lanes;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.Semaphore;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.jspecify.annotations.Nullable;

/**
 * The index and eviction actor: the one owner of the {@link StoreMachine}, and the point at which
 * everything that concerns a key happens in order. It carries requests to the machine, the
 * machine's orders to the lanes, the device's answers back, and time.
 *
 * <p>It begins by rebuilding the index ({@link Recovery}); requests that come meanwhile wait in
 * order. It is never restarted with an empty index: where it fails it stops, and its supervisor
 * makes a new one that rebuilds.
 */
final class IndexActor extends AbstractBehavior<IndexActor.Command> {
  private static final int NO_RUN = 0;
  private static final int WALK_STEPS = 1_000;
  private static final Duration TICK = Duration.ofMillis(100);
  private static final Duration USAGE_INTERVAL = Duration.ofSeconds(1);

  private static final StoreProtocol.DeleteAllReply UNDONE =
      new StoreProtocol.DeleteAllReply(0, false);

  /** What the actor takes. */
  sealed interface Command {}

  /** What waits until the index is rebuilt. */
  sealed interface Request extends Command {
    /** Whether the client was answered already, by its deadline. */
    boolean isAnswered();

    /** Ends the request without the index. */
    void giveUp(Failed why);
  }

  /** A request without memory. */
  sealed interface Question extends Request {
    Admitted<?> admitted();

    @Override
    default boolean isAnswered() {
      return admitted().answered();
    }

    @Override
    default void giveUp(Failed why) {
      admitted().fail(why);
    }
  }

  /** A request with memory. */
  sealed interface WithMemory extends Request {
    Job<?> job();

    @Override
    default boolean isAnswered() {
      return job().isAbandoned();
    }

    @Override
    default void giveUp(Failed why) {
      job().giveUp(why);
    }
  }

  record StoreChunk(StoreJob job) implements WithMemory {}

  record LoadChunk(LoadJob job) implements WithMemory {}

  record RunKeys(
      StoreProtocol.KeyOperation operation, List<ChunkKey> keys, Admitted<KeysOutcome> admitted)
      implements Question {}

  /** The hits of a batch are used, last to first. */
  record TouchHits(List<ChunkKey> keys) implements Request {
    @Override
    public boolean isAnswered() {
      return false;
    }

    @Override
    public void giveUp(Failed why) {}
  }

  record StatKey(ChunkKey key, Admitted<StatOutcome> admitted) implements Question {}

  record ExpireKey(ChunkKey key, long expiresAtMillis, Admitted<ExpireOutcome> admitted)
      implements Question {}

  record DeleteEverything(Admitted<StoreProtocol.DeleteAllReply> admitted) implements Question {}

  record ListSome(String prefix, long cursor, int pageSize, Admitted<ListOutcome> admitted)
      implements Question {}

  record TellUsage(Admitted<Usage> admitted) implements Question {}

  /**
   * @param medium what it ran on
   */
  private record OrderDone(ChunkMedium medium, Order order, Order.Result result)
      implements Command {}

  /** Entries of the snapshot; the permit is given back when they are in. */
  record SnapshotEntries(List<SnapshotStore.SnapshotEntry> entries, Semaphore permits)
      implements Command {}

  /**
   * @param run which reading of the device found them
   */
  record Found(int run, List<FoundChunk> chunks, Semaphore permits) implements Command {}

  /** The segments that are there; before any chunk in them. */
  record SegmentsFound(int run, List<Integer> numbers) implements Command {}

  /** The snapshot is all there is to it. */
  record TrustSnapshot() implements Command {}

  /**
   * All that is on the device was said.
   *
   * @param run which reading of the device this ends
   * @param quarantined damaged chunks and segments that a scan put aside
   * @param otherBytes bytes of the store's other files by category
   * @param usableBytes what the filesystem has free
   */
  record RecoveryDone(
      int run,
      long nextGeneration,
      long generationsSkipped,
      long quarantined,
      Map<CapacityLedger.Category, Long> otherBytes,
      long usableBytes)
      implements Command {}

  /**
   * @param usableBytes -1 where the filesystem did not answer
   */
  private record SpaceSampled(ChunkMedium medium, long usableBytes) implements Command {}

  /** The store goes on with another device queue; the present one has ended. */
  record UseLanes(Lanes lanes) implements Command {}

  /** Requests are rejected from now on. */
  record Close(Rejected.Reason reason, String detail) implements Command {}

  /** The device is to be spared: requests end without it until {@link Resume}. */
  record Spare(Rejected why) implements Command {}

  /** The device is fine again, and is the same as before. */
  record Resume() implements Command {}

  /**
   * The device was away and is back: the index is checked against it before it serves again.
   *
   * @param run what its {@link RecoveryDone} will say
   */
  record Revalidate(int run, ChunkMedium medium, Lanes lanes) implements Command {}

  /** Writes the index down. */
  record WriteSnapshot(boolean clean, ReplyTo<? super SnapshotWritten> replyTo)
      implements Command {}

  /**
   * @param problem empty where it is written
   */
  record SnapshotWritten(boolean clean, String problem) {}

  private record SnapshotStepDone(@Nullable Throwable failure) implements Command {}

  /**
   * @param bytes what the snapshot takes now; -1 where that could not be found out
   */
  private record SnapshotAccounted(ChunkMedium medium, long bytes) implements Command {}

  private record Tick() implements Command {}

  /** Walks on with background work at once. */
  private record StepAgain() implements Command {}

  /** Told when the index serves. */
  record Ready(Recovery.Report report, ActorRef<Command> index, int run) {}

  /**
   * What the actor works with.
   *
   * @param run what the {@link RecoveryDone} of its rebuilding will say
   * @param blocking runs what blocks: writing the snapshot
   * @param probing runs questions to the filesystem
   * @param usage where the last usage is left for whoever reports it
   */
  record Surroundings(
      StoreSettings settings,
      SaltRule saltRule,
      ChunkMedium medium,
      Lanes lanes,
      int run,
      EventHub events,
      Metrics metrics,
      Ticker ticker,
      Executor blocking,
      Executor probing,
      Consumer<Usage> usage,
      Consumer<Ready> ready) {}

  private final Surroundings around;
  private final StoreMachine machine;
  private BiConsumer<Order, Order.Result> report;
  private ChunkMedium medium;
  private Lanes lanes;
  private int run;

  /** The device is away or in doubt: nothing is begun on it. */
  private boolean sparing;

  private @Nullable Recovery recovery;
  private final ArrayDeque<Request> waiting = new ArrayDeque<>();
  private @Nullable SnapshotWriting snapshot;
  private @Nullable WriteSnapshot snapshotWaiting;
  private long nextSnapshotNanos;
  private long nextUsageNanos;
  private boolean samplingSpace;

  static Behavior<Command> create(Surroundings around) {
    return Behaviors.setup(
        context -> Behaviors.withTimers(timers -> new IndexActor(context, timers, around)));
  }

  private IndexActor(
      ActorContext<Command> context, TimerScheduler<Command> timers, Surroundings around) {
    super(context);
    context.setLoggerName(IndexActor.class);
    this.around = around;
    this.lanes = around.lanes();
    this.medium = around.medium();
    this.run = around.run();
    this.report = reporting(medium);
    StoreSettings settings = around.settings();
    this.machine =
        new StoreMachine(
            new StoreMachine.Limits(
                settings.capacityBytes(),
                settings.reserveBytes(),
                Math.min(settings.maxChunkBytes(), medium.info().maxPayloadBytes()),
                settings.quotaBytes(),
                segments(settings)),
            policyContext -> Policies.create(settings.evictionPolicy(), policyContext),
            around.saltRule(),
            length -> medium.physicalBytes(length),
            this::submit,
            around.events(),
            around.metrics(),
            around.ticker());
    this.recovery = new Recovery(machine);
    scheduleSnapshot();
    timers.startTimerWithFixedDelay(new Tick(), TICK);
  }

  /** Segments leave room to the quarantine, and to two snapshots of an index of small chunks. */
  private StoreMachine.@Nullable Segments segments(StoreSettings settings) {
    MediumInfo info = medium.info();
    if (info.segmentBytes() == 0) {
      return null;
    }
    long capacity = settings.capacityBytes();
    return new StoreMachine.Segments(
        info.segmentBytes(),
        info.segmentHeaderBytes(),
        Math.min(settings.quarantineBytes(), capacity / 16) + capacity / 32);
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Command.class, this::onCommand)
        .onSignal(PostStop.class, _ -> onStopped())
        .build();
  }

  private Behavior<Command> onCommand(Command command) {
    switch (command) {
      case Request request -> {
        // A store that is down does not let anybody wait.
        if (recovery != null && !sparing) {
          waiting.add(request);
        } else {
          onRequest(request);
        }
      }
      case OrderDone done -> {
        // One that ran on a lost medium was ended with it.
        if (done.medium().equals(medium)) {
          machine.completed(done.order(), done.result());
          continueSnapshot();
        }
      }
      case SnapshotEntries entries -> onSnapshotEntries(entries);
      case Found found -> onFound(found);
      case SegmentsFound segments -> {
        if (segments.run() == run) {
          machine.segmentsFound(segments.numbers());
        }
      }
      case TrustSnapshot _ -> recovering().trustSnapshot();
      case RecoveryDone done -> {
        if (done.run() == run) {
          onRecoveryDone(done);
        }
      }
      case SpaceSampled sample -> {
        if (sample.medium().equals(medium)) {
          onSpaceSampled(sample.usableBytes());
        }
      }
      case UseLanes use -> lanes = use.lanes();
      case Close close -> machine.close(new Rejected(close.reason(), close.detail()), false);
      case Spare spare -> {
        sparing = true;
        // A reading of the device that is under way ends nothing any more.
        run = NO_RUN;
        machine.close(
            spare.why(), around.settings().link().whenDown() == StoreSettings.WhenDown.MISS);
      }
      case Resume _ -> resume();
      case Revalidate revalidate -> onRevalidate(revalidate);
      case WriteSnapshot write -> onWriteSnapshot(write);
      case SnapshotStepDone step -> onSnapshotStepDone(step);
      case SnapshotAccounted accounted -> {
        snapshot = null;
        if (accounted.medium().equals(medium)) {
          machine.snapshotWritten(accounted.bytes());
        }
        continueSnapshot();
      }
      case Tick _ -> onTick();
      case StepAgain _ -> step();
    }
    return this;
  }

  /** Ends a request that was answered while it waited: its memory goes back. */
  static boolean endedWaiting(Request request) {
    if (!request.isAnswered()) {
      return false;
    }
    request.giveUp(Failed.deadline());
    return true;
  }

  /**
   * Ends a request for which there is no index, as one would that spares the device.
   *
   * @param misses whether loads and lookups are misses instead of rejected
   */
  static void endSpared(Request request, Rejected why, boolean misses) {
    switch (request) {
      case StoreChunk store -> store.job().end(why);
      case LoadChunk load ->
          load.job().end(misses ? new LoadOutcome.Miss(LoadOutcome.Miss.Why.UNAVAILABLE) : why);
      case RunKeys run -> {
        boolean lookup =
            run.operation() == StoreProtocol.KeyOperation.LOOKUP
                || run.operation() == StoreProtocol.KeyOperation.LOOKUP_AND_LOCK;
        var _ =
            run.admitted()
                .answer(
                    lookup && misses
                        ? new KeysOutcome.Done(run.keys().size(), new BitSet(), new BitSet())
                        : why);
      }
      case TouchHits _ -> {}
      case StatKey stat -> {
        var _ = stat.admitted().answer(why);
      }
      case ExpireKey expire -> {
        var _ = expire.admitted().answer(why);
      }
      case DeleteEverything delete -> {
        var _ = delete.admitted().answer(UNDONE);
      }
      case ListSome list -> {
        var _ = list.admitted().answer(why);
      }
      case TellUsage tell -> tell.giveUp(new Failed(Failed.Cause.CLOSED, why.detail(), null));
    }
  }

  private void onRequest(Request request) {
    switch (request) {
      case StoreChunk store -> machine.store(store.job());
      case LoadChunk load -> machine.load(load.job());
      case RunKeys run -> onKeys(run);
      case TouchHits touch -> {
        var _ = machine.touch(touch.keys());
      }
      case StatKey stat -> machine.stat(stat.key(), stat.admitted()::answer);
      case ExpireKey expire ->
          machine.expire(expire.key(), expire.expiresAtMillis(), expire.admitted()::answer);
      case DeleteEverything delete -> {
        if (sparing) {
          delete.admitted().answer(UNDONE);
          return;
        }
        machine.deleteAll(
            count -> delete.admitted().answer(new StoreProtocol.DeleteAllReply(count, true)));
        step();
      }
      case ListSome list ->
          list.admitted()
              .answer(
                  machine.list(
                      list.prefix().getBytes(StandardCharsets.UTF_8),
                      list.cursor(),
                      list.pageSize()));
      case TellUsage tell -> tell.admitted().answer(machine.usage());
    }
  }

  /** A client that was answered by its deadline knows of no locks: what it got is taken back. */
  private void onKeys(RunKeys run) {
    if (run.isAnswered()) {
      return;
    }
    KeysOutcome outcome = keys(run.operation(), run.keys());
    if (!run.admitted().answer(outcome) && outcome instanceof KeysOutcome.Done done) {
      List<ChunkKey> hits = done.hits().stream().mapToObj(run.keys()::get).toList();
      switch (run.operation()) {
        case LOOKUP_AND_LOCK -> {
          var _ = machine.unlock(hits);
        }
        case PIN -> {
          var _ = machine.unpin(hits);
        }
        case LOOKUP, UNLOCK, UNPIN, TOUCH, DELETE, DELETE_FORCED -> {}
      }
    }
  }

  private KeysOutcome keys(StoreProtocol.KeyOperation operation, List<ChunkKey> keys) {
    return switch (operation) {
      case LOOKUP -> machine.lookup(keys);
      case LOOKUP_AND_LOCK -> machine.lookupAndLock(keys);
      case UNLOCK -> machine.unlock(keys);
      case PIN -> machine.pin(keys);
      case UNPIN -> machine.unpin(keys);
      case TOUCH -> machine.touch(keys);
      case DELETE -> machine.delete(keys, false);
      case DELETE_FORCED -> machine.delete(keys, true);
    };
  }

  // ---------------------------------------------------------------- orders

  private void submit(Order order) {
    StoreSettings.Io io = around.settings().io();
    lanes.offer(
        switch (order) {
          case Order.Write write ->
              new StoreTransfer(
                  write,
                  (StoreJob) write.request(),
                  medium,
                  plan(write.request().length(), io),
                  report);
          case Order.Read read ->
              new LoadTransfer(
                  read, (LoadJob) read.request(), medium, plan(read.length(), io), report);
          case Order.Remove _ -> file(order, Lane.DELETE);
          case Order.Quarantine _ -> file(order, Lane.DELETE);
          case Order.ChangeExpiry _ -> file(order, Lane.LOAD);
          case Order.ReadBlock _ -> file(order, Lane.LOAD);
          case Order.RemoveSegment _ -> file(order, Lane.DELETE);
          case Order.MakeSegment make ->
              new SegmentTransfer(
                  make,
                  medium,
                  never(),
                  new PiecePlan(medium.info().segmentBytes(), io.pieceBytes(), 1),
                  report);
        });
  }

  private FileTransfer file(Order order, Lane lane) {
    return new FileTransfer(
        order, lane, medium, never(), around.settings().quarantineBytes(), report);
  }

  /** The deadline of what has none. */
  private long never() {
    return Deadline.in(Duration.ofDays(365), around.ticker()).nanos();
  }

  private static PiecePlan plan(long length, StoreSettings.Io io) {
    return new PiecePlan(length, io.pieceBytes(), io.piecesPerChunk());
  }

  private BiConsumer<Order, Order.Result> reporting(ChunkMedium on) {
    ActorRef<Command> self = getContext().getSelf();
    return (order, result) -> self.tell(new OrderDone(on, order, result));
  }

  // ---------------------------------------------------------------- the device away and back

  private void resume() {
    sparing = false;
    machine.open();
  }

  private void onRevalidate(Revalidate revalidate) {
    medium = revalidate.medium();
    lanes = revalidate.lanes();
    report = reporting(medium);
    run = revalidate.run();
    samplingSpace = false;
    recovery = Recovery.revalidating(machine);
  }

  // ---------------------------------------------------------------- recovery

  private Recovery recovering() {
    Recovery running = recovery;
    if (running == null) {
      throw new IllegalStateException("the index is rebuilt already");
    }
    return running;
  }

  private void onSnapshotEntries(SnapshotEntries batch) {
    for (SnapshotStore.SnapshotEntry entry : batch.entries()) {
      recovering()
          .snapshotEntry(
              entry.address(),
              entry.payloadLength(),
              entry.hasMetadata(),
              entry.stamp(),
              entry.policyState());
    }
    batch.permits().release();
  }

  private void onFound(Found found) {
    Recovery running = recovery;
    // A scan of a device that was lost meanwhile may still hand over what it had found.
    if (running != null && found.run() == run) {
      for (FoundChunk chunk : found.chunks()) {
        running.found(chunk.address(), chunk.payloadLength(), chunk.hasMetadata());
      }
    }
    found.permits().release();
  }

  private void onRecoveryDone(RecoveryDone done) {
    Recovery finishing = recovering();
    finishing.sawGeneration(done.nextGeneration() - 1);
    finishing.skipGenerations(done.generationsSkipped());
    around.metrics().add(Metric.CORRUPT, done.quarantined());
    done.otherBytes().forEach(machine::account);
    machine.spaceSampled(done.usableBytes());
    Recovery.Report rebuilt = finishing.finish();
    recovery = null;
    resume();
    publishUsage();
    around.ready().accept(new Ready(rebuilt, getContext().getSelf(), run));
    Request request;
    while ((request = waiting.poll()) != null) {
      onRequest(request);
    }
  }

  // ---------------------------------------------------------------- time

  private void onTick() {
    if (recovery != null) {
      waiting.removeIf(IndexActor::endedWaiting);
      return;
    }
    if (sparing) {
      return;
    }
    step();
    continueSnapshot();
    if (around.ticker().nanoTime() - nextUsageNanos >= 0) {
      publishUsage();
      sampleSpace();
    } else if (machine.wantsSample()) {
      sampleSpace();
    }
    if (!around.settings().snapshotInterval().isZero()
        && around.ticker().nanoTime() - nextSnapshotNanos >= 0
        && snapshot == null
        && snapshotWaiting == null) {
      onWriteSnapshot(new WriteSnapshot(false, ReplyTo.nobody()));
    }
  }

  /** Asks the filesystem what it has free; one question at a time. */
  private void sampleSpace() {
    if (samplingSpace) {
      return;
    }
    samplingSpace = true;
    machine.spaceSamplingStarts();
    ChunkMedium sampled = medium;
    ActorRef<Command> self = getContext().getSelf();
    around
        .probing()
        .execute(
            () -> {
              long usable = -1;
              try {
                usable = sampled.space().usableBytes();
              } catch (DeviceException | RuntimeException _) {
                // The health probe will say what is wrong.
              }
              self.tell(new SpaceSampled(sampled, usable));
            });
  }

  private void onSpaceSampled(long usableBytes) {
    samplingSpace = false;
    if (usableBytes < 0) {
      machine.spaceSamplingFailed();
    } else {
      machine.spaceSampled(usableBytes);
    }
  }

  private void publishUsage() {
    nextUsageNanos = around.ticker().nanoTime() + USAGE_INTERVAL.toNanos();
    around.usage().accept(machine.usage());
  }

  private void step() {
    if (machine.step()) {
      getContext().getSelf().tell(new StepAgain());
    }
  }

  private void scheduleSnapshot() {
    nextSnapshotNanos = around.ticker().nanoTime() + around.settings().snapshotInterval().toNanos();
  }

  // ---------------------------------------------------------------- snapshots

  /** A snapshot that is being written, a bounded number of entries at a time. */
  private static final class SnapshotWriting {
    final WriteSnapshot request;
    final ChunkMedium medium;
    final long nextGeneration;

    /** Files of a later format are found, and counted, only by a scan. */
    final boolean provesMembership;

    volatile SnapshotStore.@Nullable Writer writer;
    long cursor;
    boolean ended;

    SnapshotWriting(
        WriteSnapshot request, ChunkMedium medium, long nextGeneration, boolean provesMembership) {
      this.medium = medium;
      this.provesMembership = provesMembership;
      this.request = request;
      this.nextGeneration = nextGeneration;
    }
  }

  private void onWriteSnapshot(WriteSnapshot request) {
    if (recovery != null) {
      request.replyTo().reply(new SnapshotWritten(request.clean(), "the index is not rebuilt"));
      return;
    }
    scheduleSnapshot();
    snapshotWaiting = request;
    continueSnapshot();
  }

  /** Begins the snapshot that waits, as soon as no other is written and its room is reserved. */
  private void continueSnapshot() {
    WriteSnapshot request = snapshotWaiting;
    if (request == null || snapshot != null) {
      return;
    }
    if (request.clean() && !machine.quiet()) {
      return;
    }
    long bytes = medium.snapshots().estimateBytes(machine.chunks(), machine.keyBytes());
    if (!machine.reserveSnapshot(bytes)) {
      if (!machine.snapshotMayFit(bytes)) {
        snapshotWaiting = null;
        request
            .replyTo()
            .reply(
                new SnapshotWritten(
                    request.clean(), "weft.capacity has no room for a snapshot of the index"));
      }
      return;
    }
    snapshotWaiting = null;
    SnapshotWriting writing =
        new SnapshotWriting(request, medium, machine.nextGeneration(), !machine.hasLaterVersions());
    snapshot = writing;
    blocking(
        () -> {
          writing.writer = writing.medium.snapshots().begin();
        });
  }

  private void onSnapshotStepDone(SnapshotStepDone step) {
    SnapshotWriting writing = snapshot;
    if (writing == null) {
      return;
    }
    if (step.failure() != null) {
      endSnapshot(writing, String.valueOf(step.failure().getMessage()));
      return;
    }
    if (writing.cursor == KeysPage.END) {
      endSnapshot(writing, "");
      return;
    }
    List<SnapshotStore.SnapshotEntry> entries = new ArrayList<>(WALK_STEPS);
    try {
      writing.cursor =
          Recovery.snapshotStep(
              machine,
              writing.cursor,
              WALK_STEPS,
              (address, length, hasMetadata, stamp, state) ->
                  entries.add(
                      new SnapshotStore.SnapshotEntry(address, length, hasMetadata, stamp, state)));
    } catch (RuntimeException bug) {
      // A host's own policy may fail at this; the snapshot is given up, and nothing else.
      endSnapshot(writing, "the eviction policy failed: " + bug);
      return;
    }
    boolean last = writing.cursor == KeysPage.END;
    blocking(
        () -> {
          SnapshotStore.Writer writer = java.util.Objects.requireNonNull(writing.writer);
          for (SnapshotStore.SnapshotEntry entry : entries) {
            writer.add(entry);
          }
          if (last) {
            writer.commit(
                around.settings().evictionPolicy(),
                writing.nextGeneration,
                writing.request.clean() && writing.provesMembership);
          }
        });
  }

  private void endSnapshot(SnapshotWriting writing, String problem) {
    writing.ended = true;
    if (!problem.isEmpty()) {
      getContext().getLog().warn("the index could not be written down: {}", problem);
    }
    SnapshotStore.Writer writer = writing.writer;
    ChunkMedium written = writing.medium;
    ActorRef<Command> self = getContext().getSelf();
    around
        .blocking()
        .execute(
            () -> {
              if (writer != null) {
                writer.close();
              }
              long bytes;
              try {
                bytes = written.snapshots().physicalBytes();
              } catch (DeviceException unknown) {
                bytes = -1;
              }
              self.tell(new SnapshotAccounted(written, bytes));
              writing
                  .request
                  .replyTo()
                  .reply(new SnapshotWritten(writing.request.clean(), problem));
            });
  }

  /** What the device gave to a snapshot goes back, or the directory would stay locked. */
  private Behavior<Command> onStopped() {
    SnapshotWriting left = snapshot;
    if (left != null && !left.ended) {
      around
          .blocking()
          .execute(
              () -> {
                SnapshotStore.Writer writer = left.writer;
                if (writer != null) {
                  writer.close();
                }
              });
    }
    return this;
  }

  private interface BlockingStep {
    void run() throws DeviceException;
  }

  private void blocking(BlockingStep step) {
    ActorRef<Command> self = getContext().getSelf();
    around
        .blocking()
        .execute(
            () -> {
              Throwable failure = null;
              try {
                step.run();
              } catch (DeviceException | RuntimeException | Error failed) {
                failure = failed;
              }
              self.tell(new SnapshotStepDone(failure));
            });
  }
}
