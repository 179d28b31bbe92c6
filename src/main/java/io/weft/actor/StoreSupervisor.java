package io.weft.actor;

import io.weft.api.ReplyTo;
import io.weft.api.StoreEvent;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreStatus;
import io.weft.base.DeviceException;
import io.weft.base.Failed;
import io.weft.base.Metric;
import io.weft.base.Rejected;
import io.weft.base.SaltRule;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import io.weft.core.LaneScheduler;
import io.weft.core.LinkState;
import io.weft.device.ChunkMedium;
import io.weft.device.Layout;
import io.weft.fabric.Attachment;
import io.weft.stream.Lanes;
import io.weft.stream.Replies;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadFactory;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.apache.pekko.stream.Materializer;
import org.jspecify.annotations.Nullable;

/**
 * The supervisor of one store. It owns the link, the index, the I/O workers and the lanes, starts
 * them in order, replaces what fails, and shuts them down in order. It takes the store's protocol
 * from hosts that speak it, and makes sure that every accepted request is answered by its deadline.
 *
 * <p><b>Order.</b> Link up -> workers and lanes -> index, rebuilt from the device -> ready. A
 * request that comes earlier waits for the index until its deadline.
 *
 * <p><b>The device away.</b> While the link reports the device in doubt or lost, stores are
 * rejected and loads are misses or rejected, at once; the index stays. When the device is back it
 * gets new lanes, and the index is checked against it before it serves.
 *
 * <p><b>What fails.</b> A worker restarts by itself, a bounded number of times. Lanes that end are
 * materialised anew; whatever they held comes back to the index as given up. An index that ends is
 * never restarted empty: the requests it held are answered, the device queue is brought to its end,
 * and a new index is rebuilt by a scan. Beyond {@code weft.io.restarts-max} the store reports
 * itself failed, and stays answerable.
 */
public final class StoreSupervisor extends AbstractBehavior<Object> {
  private static final Duration DEADLINE_TICK = Duration.ofMillis(25);

  /** For so long after a load the next is expected, and stores leave the device to it. */
  private static final Duration LOADS_LINGER = Duration.ofMillis(20);

  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);

  /** More generations than a lost index can have given out unseen. */
  private static final long GENERATIONS_SKIPPED = 1L << 32;

  private static final int RECOVERY_BATCHES_AHEAD = 16;

  /** What the supervisor tells itself; hosts send {@link StoreProtocol.Command}s. */
  private sealed interface Internal {}

  private record LinkSays(LinkActor.Report report) implements Internal {}

  /** What a worker has to say to the link of now. */
  private record ForLink(LinkActor.Command command) implements Internal {}

  private record IndexReady(IndexActor.Ready ready) implements Internal {}

  private record RecoveryRead(int run, @Nullable String found, @Nullable Throwable failure)
      implements Internal {}

  private record Held(IndexActor.Request request) implements Internal {}

  private record LanesEnded(Lanes lanes, @Nullable Throwable failure) implements Internal {}

  private record AnswerOverdue() implements Internal {}

  private record DrainStep() implements Internal {}

  private record FinalSnapshot(IndexActor.SnapshotWritten written) implements Internal {}

  private record DeviceClosed() implements Internal {}

  private record ShutdownOverdue() implements Internal {}

  private record CloseOverdue() implements Internal {}

  private record RebuildOverdue() implements Internal {}

  private final TimerScheduler<Object> timers;
  private final Shared shared;
  private final StoreSettings settings;
  private final StoreFacade facade;
  private final Requests requests;
  private final Materializer materializer;
  private final ExecutorService callbacks;
  private final ExecutorService blocking;
  private final ExecutorService probing;
  private final ExecutorService attaching;
  private final ExecutorService looking;
  private final Duration closeTimeout;
  private final LinkActor.Surroundings linkSurroundings;
  private ActorRef<LinkActor.Command> link;
  private final Restarts restarts;
  private final Restarts linkRestarts;

  private StoreStatus.State state = StoreStatus.State.STARTING;
  private String detail = "opening the device";
  private String recovery = "";
  private LinkState.State linkState = LinkState.State.DOWN;
  private String linkTrouble = "";
  private String linkPaths = "";
  private String lastRefusal = "";
  private String ioEngine = "";

  /** The present index has served, and is checked instead of rebuilt when the device comes back. */
  private boolean indexServed;

  /** The store that the index is of. */
  private String indexOf = "";

  /** An index of this process was lost: what it gave out is not in the snapshot. */
  private boolean indexLost;

  /** Which reading of the device is under way; 0 where none is. */
  private int recoveryRun;

  private int recoveryRuns;
  private @Nullable String recoveryFound;
  private IndexActor.@Nullable Ready recovered;
  private @Nullable ChunkMedium medium;
  private @Nullable WorkerPool workers;
  private @Nullable Lanes lanes;
  private @Nullable ActorRef<IndexActor.Command> index;
  private Semaphore recoveryPermits = new Semaphore(0);
  private boolean rebuildWhenLanesEnd;
  private final ArrayDeque<IndexActor.Request> held = new ArrayDeque<>();
  private final List<ReplyTo<? super StoreStatus>> readyWaiters = new ArrayList<>();
  private final List<ReplyTo<? super StoreStatus>> shutdownWaiters = new ArrayList<>();
  private final Map<ActorRef<StoreEvent>, EventHub.Listener> subscribers = new HashMap<>();

  /** The behaviour of a store: spawn it, and send it {@link StoreProtocol.Command}s. */
  public static Behavior<StoreProtocol.Command> create(
      StoreSettings settings, SaltRule saltRule, Ticker ticker) {
    return create(
        settings,
        saltRule,
        ticker,
        settings
            .fabric()
            .map(
                fabric ->
                    Attachment.ofSystem(
                        fabric, settings.directory().toAbsolutePath().normalize(), ticker))
            .orElse(null),
        Layout::open);
  }

  /**
   * @param attachment the way to the device, where it is not just there
   * @param opener opens the medium: the seam for tests with a faulty device
   */
  static Behavior<StoreProtocol.Command> create(
      StoreSettings settings,
      SaltRule saltRule,
      Ticker ticker,
      @Nullable Attachment attachment,
      LinkActor.MediumOpener opener) {
    return Behaviors.<Object>setup(
            context ->
                Behaviors.withTimers(
                    timers ->
                        new StoreSupervisor(
                            context,
                            timers,
                            new Shared(settings, saltRule, ticker),
                            attachment,
                            opener)))
        .narrow();
  }

  private StoreSupervisor(
      ActorContext<Object> context,
      TimerScheduler<Object> timers,
      Shared shared,
      @Nullable Attachment attachment,
      LinkActor.MediumOpener opener) {
    super(context);
    context.setLoggerName(StoreSupervisor.class);
    this.timers = timers;
    this.shared = shared;
    this.settings = shared.settings;
    this.restarts =
        new Restarts(settings.io().restartsMax(), settings.io().restartsWindow(), shared.ticker);
    this.linkRestarts =
        new Restarts(settings.io().restartsMax(), settings.io().restartsWindow(), shared.ticker);
    this.materializer = Materializer.createMaterializer(context);
    this.callbacks =
        new ForkJoinPool(
            Runtime.getRuntime().availableProcessors(),
            ForkJoinPool.defaultForkJoinWorkerThreadFactory,
            null,
            true);
    // A task that is stuck in the kernel must not keep the next one, of a new medium, waiting.
    this.blocking = Executors.newCachedThreadPool(daemon("weft-blocking"));
    this.probing = Executors.newCachedThreadPool(daemon("weft-probe"));
    this.attaching = Executors.newSingleThreadExecutor(daemon("weft-attach"));
    this.looking = Executors.newSingleThreadExecutor(daemon("weft-look"));
    this.closeTimeout =
        settings
            .fabric()
            .map(
                fabric ->
                    settings.link().detachTimeout().plus(fabric.commandTimeout().multipliedBy(4)))
            .orElse(CLOSE_TIMEOUT);
    ActorRef<Object> self = context.getSelf();
    this.requests = new Requests(shared, false, request -> self.tell(new Held(request)));
    this.facade =
        new StoreFacade(
            shared,
            context.getSystem(),
            self.unsafeUpcast(),
            callbacks,
            new Requests(shared, true, request -> self.tell(new Held(request))));
    this.linkSurroundings =
        new LinkActor.Surroundings(
            settings,
            shared.ticker,
            attachment,
            opener,
            attaching,
            probing,
            looking,
            report -> self.tell(new LinkSays(report)));
    this.link = spawnLink(context, false);
    timers.startTimerWithFixedDelay(new AnswerOverdue(), DEADLINE_TICK);
  }

  /**
   * @param again whether the device was there before, and is worth waiting for
   */
  private ActorRef<LinkActor.Command> spawnLink(ActorContext<Object> context, boolean again) {
    ActorRef<LinkActor.Command> spawned =
        context.spawnAnonymous(
            LinkActor.create(linkSurroundings, again),
            DispatcherSelector.fromConfig("weft.dispatcher"));
    context.watch(spawned);
    return spawned;
  }

  private static ThreadFactory daemon(String name) {
    return task -> {
      Thread thread = new Thread(task, name);
      thread.setDaemon(true);
      return thread;
    };
  }

  @Override
  public Receive<Object> createReceive() {
    return newReceiveBuilder()
        .onMessage(StoreProtocol.Command.class, this::onCommand)
        .onMessage(Internal.class, this::onInternal)
        .onSignal(Terminated.class, this::onTerminated)
        .onSignal(PostStop.class, signal -> onStopped())
        .build();
  }

  // ---------------------------------------------------------------- the protocol

  private Behavior<Object> onCommand(StoreProtocol.Command command) {
    switch (command) {
      case StoreProtocol.Store store ->
          requests.store(
              store.key(),
              store.payload(),
              store.options(),
              store.deadline(),
              outcome -> store.replyTo().reply(new StoreProtocol.StoreReply(store.key(), outcome)));
      case StoreProtocol.StoreBatch batch ->
          requests.storeAll(
              batch.items(),
              batch.deadline(),
              outcomes -> batch.replyTo().reply(new StoreProtocol.StoreBatchReply(outcomes)));
      case StoreProtocol.Load load ->
          requests.load(
              load.key(),
              load.target(),
              load.urgency(),
              load.deadline(),
              outcome -> load.replyTo().reply(new StoreProtocol.LoadReply(load.key(), outcome)));
      case StoreProtocol.LoadBatch batch ->
          requests.loadAll(
              batch.items(),
              batch.urgency(),
              batch.deadline(),
              outcomes -> batch.replyTo().reply(new StoreProtocol.LoadBatchReply(outcomes)));
      case StoreProtocol.Keys keys ->
          requests.keys(keys.operation(), keys.keys(), keys.deadline(), keys.replyTo());
      case StoreProtocol.Stat stat ->
          requests.stat(
              stat.keys(),
              stat.deadline(),
              outcomes -> stat.replyTo().reply(new StoreProtocol.StatReply(outcomes)));
      case StoreProtocol.Expire expire ->
          requests.expire(
              expire.keys(),
              expire.expiresAtMillis(),
              expire.deadline(),
              outcomes -> expire.replyTo().reply(new StoreProtocol.ExpireReply(outcomes)));
      case StoreProtocol.DeleteAll delete ->
          requests.deleteAll(delete.deadline(), delete.replyTo());
      case StoreProtocol.ListKeys list ->
          requests.list(
              list.prefix(), list.cursor(), list.pageSize(), list.deadline(), list.replyTo());
      case StoreProtocol.GetUsage get -> requests.usage(get.replyTo());
      case StoreProtocol.GetStatus get -> Replies.send(get.replyTo(), status());
      case StoreProtocol.Subscribe subscribe -> onSubscribe(subscribe.subscriber());
      case StoreProtocol.Unsubscribe unsubscribe -> {
        getContext().unwatch(unsubscribe.subscriber());
        dropSubscriber(unsubscribe.subscriber());
      }
      case StoreProtocol.GetFacade get -> Replies.send(get.replyTo(), facade);
      case StoreProtocol.AwaitReady await -> {
        if (state == StoreStatus.State.STARTING) {
          readyWaiters.add(await.replyTo());
        } else {
          Replies.send(await.replyTo(), status());
        }
      }
      case StoreProtocol.Shutdown shutdown -> onShutdown(shutdown.replyTo());
    }
    return this;
  }

  private void hold(IndexActor.Request request) {
    ActorRef<IndexActor.Command> serving = shared.index;
    Rejected refusing = shared.refusing;
    if (serving != null) {
      serving.tell(request);
    } else if (refusing != null) {
      endSpared(request, refusing);
    } else if (state != StoreStatus.State.STARTING) {
      request.giveUp(new Failed(Failed.Cause.CLOSED, detail, null));
    } else {
      held.add(request);
    }
  }

  private void endSpared(IndexActor.Request request, Rejected why) {
    IndexActor.endSpared(request, why, settings.link().whenDown() == StoreSettings.WhenDown.MISS);
  }

  private void onSubscribe(ActorRef<StoreEvent> subscriber) {
    if (!subscribers.containsKey(subscriber)) {
      EventHub.Listener listener =
          new EventHub.Listener() {
            @Override
            public boolean event(StoreEvent event) {
              subscriber.tell(event);
              return true;
            }

            @Override
            public void closed() {}
          };
      subscribers.put(subscriber, listener);
      shared.events.add(listener);
      getContext().watch(subscriber);
    }
  }

  private void dropSubscriber(ActorRef<StoreEvent> subscriber) {
    EventHub.Listener listener = subscribers.remove(subscriber);
    if (listener != null) {
      shared.events.remove(listener);
    }
  }

  private StoreStatus status() {
    ChunkMedium open = medium;
    return new StoreStatus(
        state,
        detail,
        settings.directory().toString(),
        open == null ? "" : open.info().filesystem(),
        open != null && open.info().directIo(),
        open == null ? "" : open.info().directIoDetail(),
        linkState.name() + (linkPaths.isEmpty() ? "" : ", " + linkPaths),
        recovery,
        shared.intake.operations(),
        shared.intake.bytesHeld(),
        shared.stuckThreads.get(),
        ioEngine,
        shared.usage,
        shared.metrics.snapshot());
  }

  // ---------------------------------------------------------------- what the parts say

  private Behavior<Object> onInternal(Internal internal) {
    switch (internal) {
      case LinkSays says -> onLink(says.report());
      case ForLink message -> link.tell(message.command());
      case IndexReady ready -> onIndexReady(ready.ready());
      case RecoveryRead read -> onRecoveryRead(read);
      case Held request -> hold(request.request());
      case LanesEnded ended -> onLanesEnded(ended);
      case AnswerOverdue _ -> {
        shared.intake.answerOverdue();
        held.removeIf(IndexActor::endedWaiting);
      }
      case DrainStep _ -> drainStep();
      case FinalSnapshot written -> closeDevice(written.written().problem());
      case DeviceClosed _ -> {
        return onDeviceClosed();
      }
      case RebuildOverdue _ -> {
        Lanes ending = lanes;
        if (ending != null) {
          ending.abort();
        }
      }
      case CloseOverdue _ -> {
        detail = "the device could not be closed: the kernel does not let go of it";
        return onDeviceClosed();
      }
      case ShutdownOverdue _ -> {
        getContext().getLog().warn("the shutdown goes on without what is still in flight");
        closeDevice("the device did not finish in weft.shutdown-timeout");
      }
    }
    return this;
  }

  private void onLink(LinkActor.Report report) {
    switch (report) {
      case LinkActor.Report.Up up -> onLinkUp(up.medium());
      case LinkActor.Report.InDoubt doubt -> onInDoubt(doubt.reason());
      case LinkActor.Report.Resumed _ -> onResumed();
      case LinkActor.Report.Lost lost -> onLinkLost(lost.reason());
      case LinkActor.Report.NotAttached failed -> onNotAttached(failed);
      case LinkActor.Report.Changed changed -> {
        shared.events.publish(
            new StoreEvent.LinkChanged(changed.from().name(), changed.to().name(), changed.why()));
        linkState = changed.to();
      }
      case LinkActor.Report.Paths paths -> {
        linkPaths = paths.words();
        if (!linkPaths.isEmpty()) {
          getContext().getLog().info("{}", linkPaths);
        }
      }
    }
  }

  private boolean over() {
    return state == StoreStatus.State.DRAINING
        || state == StoreStatus.State.CLOSED
        || state == StoreStatus.State.FAILED;
  }

  private void onLinkUp(ChunkMedium opened) {
    if (over()) {
      return;
    }
    medium = opened;
    linkTrouble = "";
    lastRefusal = "";
    if (!opened.info().directIo()) {
      getContext()
          .getLog()
          .warn("chunks go through the page cache: {}", opened.info().directIoDetail());
    }
    if (workers == null) {
      IoEngine engine = IoEngine.choose(settings.io(), opened.info());
      ioEngine = engine.words();
      startWorkers(engine);
    }
    lanes = startLanes();
    if (index != null && !opened.info().store().equals(indexOf)) {
      // Its index would be taken for the authority on chunks that are none of its business.
      getContext().getLog().warn("another store is on the device: the index is built anew");
      dropIndex(new Failed(Failed.Cause.RESTARTED, "another store is on the device", null));
      indexLost = false;
    }
    indexOf = opened.info().store();
    if (index == null) {
      become(StoreStatus.State.STARTING, "rebuilding the index");
      startIndex(!indexLost, indexLost ? GENERATIONS_SKIPPED : 0);
    } else {
      become(StoreStatus.State.DOWN, "checking the index against the device");
      revalidateIndex();
    }
  }

  private void onInDoubt(String reason) {
    linkTrouble = reason;
    getContext().getLog().warn("the device is in doubt: {}", reason);
    if (state == StoreStatus.State.UP) {
      spare(StoreStatus.State.DEGRADED, new Rejected(Rejected.Reason.BREAKER_OPEN, reason));
    }
  }

  private void onResumed() {
    linkTrouble = "";
    getContext().getLog().info("the device answers again");
    ActorRef<IndexActor.Command> serving = index;
    if (state == StoreStatus.State.DEGRADED && serving != null) {
      serving.tell(new IndexActor.Resume());
      become(StoreStatus.State.UP, "");
    }
  }

  /** The index stays, and ends requests without the device from now on. */
  private void spare(StoreStatus.State next, Rejected why) {
    ActorRef<IndexActor.Command> serving = index;
    if (serving != null) {
      serving.tell(new IndexActor.Spare(why));
    }
    become(next, why.detail());
  }

  private void onLinkLost(String reason) {
    if (over()) {
      return;
    }
    getContext().getLog().error("the device is taken down: {}", reason);
    if (!linkRestarts.allowed()) {
      fail("the device failed too often: " + reason);
      link.tell(new LinkActor.Drain(() -> {}));
      return;
    }
    endRecovery();
    spare(StoreStatus.State.DOWN, new Rejected(Rejected.Reason.LINK_DOWN, reason));
    if (!indexServed) {
      dropIndex(new Failed(Failed.Cause.RESTARTED, "the device was lost", null));
    }
    Lanes running = lanes;
    lanes = null;
    if (running != null) {
      running.abort();
    }
    rebuildWhenLanesEnd = false;
    timers.cancel(new RebuildOverdue());
  }

  private void onNotAttached(LinkActor.Report.NotAttached failed) {
    if (over()) {
      return;
    }
    if (!failed.reason().equals(lastRefusal)) {
      lastRefusal = failed.reason();
      getContext().getLog().error("the device cannot be attached: {}", failed.reason());
    }
    if (failed.retrying()) {
      become(StoreStatus.State.DOWN, failed.reason());
    } else {
      fail(failed.reason());
    }
  }

  // ---------------------------------------------------------------- starting parts

  private void startWorkers(IoEngine engine) {
    StoreSettings.Io io = settings.io();
    ActorRef<Object> self = getContext().getSelf();
    IoWorkerActor.Surroundings common =
        new IoWorkerActor.Surroundings(
            io,
            shared.metrics,
            shared.ticker,
            shared.stuckThreads,
            new IoWorkerActor.Trouble() {
              @Override
              public void errorStreak(String lastError) {
                self.tell(new ForLink(new LinkActor.ErrorStreak(lastError)));
              }

              @Override
              public void stuck(String operation) {
                self.tell(new ForLink(new LinkActor.Stuck(operation)));
              }
            });
    List<Inbox> inboxes = new ArrayList<>();
    for (int i = 0; i < io.threads(); i++) {
      inboxes.add(new Inbox(false));
    }
    int ringDepth = engine.ringDepth();
    Inbox deep = ringDepth > 0 ? new Inbox(true) : null;
    WorkerPool pool =
        new WorkerPool(inboxes, io.queuePerWorker(), deep, ringDepth, io.pieceBytes());
    workers = pool;
    for (int i = 0; i < inboxes.size(); i++) {
      Inbox inbox = inboxes.get(i);
      startWorker(
          "io-worker-" + i,
          (thread, observer) ->
              new IoThread(thread, inbox, io.pieceBytes(), shared.ticker, observer),
          common);
    }
    if (deep != null) {
      startWorker(
          "io-ring",
          (thread, observer) ->
              new RingThread(thread, deep, ringDepth, shared.ticker, pool::runOnThread, observer),
          common);
    }
  }

  private void startWorker(
      String name, IoWorkerActor.Starter starter, IoWorkerActor.Surroundings common) {
    getContext()
        .watch(
            getContext()
                .spawn(
                    IoWorkerActor.create(name, starter, common),
                    name,
                    DispatcherSelector.fromConfig("weft.dispatcher")));
  }

  private Lanes startLanes() {
    StoreSettings.Io io = settings.io();
    WorkerPool pool = Objects.requireNonNull(workers);
    Lanes started =
        Lanes.start(
            new LaneScheduler.Limits(
                pool.capacity(),
                io.reservedForLoads(),
                io.inFlightBytes(),
                io.besideLoadsBytes(),
                LOADS_LINGER.toNanos(),
                io.ageStep().toNanos()),
            // Beside requests, each store may have a victim to remove, and a removal its retry.
            settings.intake().operations() * 4,
            pool,
            shared.ticker,
            "weft.dispatcher",
            materializer);
    ActorRef<Object> self = getContext().getSelf();
    started.done().whenComplete((done, failure) -> self.tell(new LanesEnded(started, failure)));
    return started;
  }

  private void startIndex(boolean trustClean, long generationsSkipped) {
    ChunkMedium open = Objects.requireNonNull(medium);
    ActorRef<Object> self = getContext().getSelf();
    ActorRef<IndexActor.Command> started =
        getContext()
            .spawnAnonymous(
                IndexActor.create(
                    new IndexActor.Surroundings(
                        settings,
                        shared.saltRule,
                        open,
                        Objects.requireNonNull(lanes),
                        recoveryRuns + 1,
                        shared.events,
                        shared.metrics,
                        shared.ticker,
                        blocking,
                        probing,
                        usage -> shared.usage = usage,
                        ready -> self.tell(new IndexReady(ready)))),
                DispatcherSelector.fromConfig("weft.dispatcher"));
    getContext().watch(started);
    index = started;
    indexServed = false;
    shared.index = started;
    while (!held.isEmpty()) {
      started.tell(held.poll());
    }
    readDevice(
        (run, permits) ->
            RecoveryRun.feed(
                open,
                started,
                run,
                permits,
                trustClean,
                generationsSkipped,
                settings.evictionPolicy(),
                settings.io().scanThreads(),
                settings.quarantineBytes()));
  }

  private void revalidateIndex() {
    ChunkMedium open = Objects.requireNonNull(medium);
    ActorRef<IndexActor.Command> serving = Objects.requireNonNull(index);
    Lanes fresh = Objects.requireNonNull(lanes);
    readDevice(
        (run, permits) -> {
          serving.tell(new IndexActor.Revalidate(run, open, fresh));
          return RecoveryRun.revalidate(
              open, serving, run, permits, settings.io().scanThreads(), settings.quarantineBytes());
        });
  }

  private interface Reading {
    String run(int run, Semaphore permits) throws DeviceException;
  }

  private void readDevice(Reading reading) {
    recoveryFound = null;
    recovered = null;
    int run = ++recoveryRuns;
    recoveryRun = run;
    Semaphore permits = new Semaphore(RECOVERY_BATCHES_AHEAD);
    recoveryPermits = permits;
    ActorRef<Object> self = getContext().getSelf();
    blocking.execute(
        () -> {
          try {
            self.tell(new RecoveryRead(run, reading.run(run, permits), null));
          } catch (DeviceException | RuntimeException | Error failed) {
            self.tell(new RecoveryRead(run, null, failed));
          }
        });
  }

  /** What still reads the device reads for nobody, and waits for nobody. */
  private void endRecovery() {
    recoveryRun = 0;
    recoveryPermits.release(Integer.MAX_VALUE / 2);
    recoveryPermits = new Semaphore(0);
  }

  private void onRecoveryRead(RecoveryRead read) {
    if (read.run() != recoveryRun) {
      return;
    }
    Throwable failure = read.failure();
    if (failure == null) {
      recoveryFound = read.found();
      serveWhenRecovered();
      return;
    }
    getContext().getLog().error("the device could not be read for the index", failure);
    endRecovery();
    if (failure instanceof DeviceException) {
      // The link finds out whether it is the device; if so, it comes back with another medium.
      link.tell(new LinkActor.Reattach(String.valueOf(failure.getMessage())));
    } else {
      fail("the index could not be rebuilt: " + failure.getMessage());
    }
  }

  private void onIndexReady(IndexActor.Ready ready) {
    if (!ready.index().equals(index) || ready.run() != recoveryRun) {
      return;
    }
    recovered = ready;
    serveWhenRecovered();
  }

  /** The reader of the device and the index end in either order; the status needs both. */
  private void serveWhenRecovered() {
    String found = recoveryFound;
    IndexActor.Ready ready = recovered;
    if (found == null || ready == null || over()) {
      return;
    }
    recoveryRun = 0;
    indexServed = true;
    recovery =
        found
            + (ready.report().evicted() > 0
                ? ", %,d evicted to fit the capacity".formatted(ready.report().evicted())
                : "");
    getContext()
        .getLog()
        .info("serving {} chunks: {}; {}", ready.report().chunks(), recovery, ioEngine);
    become(StoreStatus.State.UP, "");
    if (linkState == LinkState.State.DEGRADED) {
      spare(StoreStatus.State.DEGRADED, new Rejected(Rejected.Reason.BREAKER_OPEN, linkTrouble));
    }
  }

  // ---------------------------------------------------------------- what fails

  private Behavior<Object> onTerminated(Terminated ended) {
    ActorRef<?> who = ended.getRef();
    if (subscribers.keySet().stream().anyMatch(who::equals)) {
      dropSubscriber(who.unsafeUpcast());
      return this;
    }
    if (state == StoreStatus.State.DRAINING && who.equals(index)) {
      // Nothing will be drained any more, and nobody will write the snapshot.
      index = null;
      shared.index = null;
      closeDevice("the index failed during the shutdown");
      return this;
    }
    if (state == StoreStatus.State.DRAINING
        || state == StoreStatus.State.CLOSED
        || state == StoreStatus.State.FAILED) {
      return this;
    }
    if (who.equals(index)) {
      onIndexLost();
    } else if (who.equals(link)) {
      onLinkActorLost();
    } else {
      fail(who.path().name() + " failed too often");
    }
    return this;
  }

  /** It closed its medium when it went; a new one attaches the device as after a loss. */
  private void onLinkActorLost() {
    linkState = LinkState.State.DOWN;
    onLinkLost("the link's actor failed");
    if (!over()) {
      link = spawnLink(getContext(), true);
    }
  }

  private void onIndexLost() {
    shared.metrics.add(Metric.INDEX_REBUILDS);
    indexLost = true;
    endRecovery();
    index = null;
    dropIndex(new Failed(Failed.Cause.RESTARTED, "the index is being rebuilt", null));
    if (!restarts.allowed()) {
      fail("the index failed too often");
      return;
    }
    Lanes running = lanes;
    if (running == null) {
      // The device is away; a new index is made when it is back.
      return;
    }
    become(StoreStatus.State.STARTING, "rebuilding the index");
    // No write of the lost index may be published while the new one reads the device.
    rebuildWhenLanesEnd = true;
    running.complete();
    timers.startSingleTimer(new RebuildOverdue(), settings.io().stuckAfter());
  }

  /** Ends the index and every request that it may hold. */
  private void dropIndex(Failed why) {
    ActorRef<IndexActor.Command> dropped = index;
    index = null;
    indexServed = false;
    shared.index = null;
    if (dropped != null) {
      getContext().unwatch(dropped);
      getContext().stop(dropped);
    }
    shared.intake.failAccepted(why);
    shared.jobs.giveUpAll(why);
  }

  private void onLanesEnded(LanesEnded ended) {
    if (!ended.lanes().equals(lanes)) {
      return;
    }
    if (state == StoreStatus.State.DRAINING
        || state == StoreStatus.State.CLOSED
        || state == StoreStatus.State.FAILED) {
      return;
    }
    if (ended.failure() != null && !rebuildWhenLanesEnd) {
      shared.metrics.add(Metric.LANE_RESTARTS);
      getContext().getLog().error("the device queue failed", ended.failure());
      if (!restarts.allowed()) {
        fail("the device queue failed too often");
        return;
      }
    }
    Lanes fresh = startLanes();
    lanes = fresh;
    ActorRef<IndexActor.Command> serving = index;
    if (rebuildWhenLanesEnd) {
      rebuildWhenLanesEnd = false;
      timers.cancel(new RebuildOverdue());
      startIndex(false, GENERATIONS_SKIPPED);
    } else if (serving != null) {
      serving.tell(new IndexActor.UseLanes(fresh));
    }
  }

  private void fail(String why) {
    Failed failed = new Failed(Failed.Cause.CLOSED, why, null);
    shared.intake.close(failed);
    become(StoreStatus.State.FAILED, why);
    shared.intake.failAccepted(failed);
    shared.jobs.giveUpAll(failed);
    held.forEach(request -> request.giveUp(failed));
    held.clear();
    ActorRef<IndexActor.Command> serving = index;
    if (serving != null) {
      serving.tell(new IndexActor.Close(Rejected.Reason.CLOSED, why));
    }
    // What lies with a worker that is no more comes back, and its memory.
    stopDevice();
  }

  private void stopDevice() {
    Lanes running = lanes;
    if (running != null) {
      running.abort();
    }
    WorkerPool pool = workers;
    if (pool != null) {
      pool.close();
    }
  }

  private void become(StoreStatus.State next, String why) {
    state = next;
    detail = why;
    Rejected refusing =
        switch (next) {
          case DOWN -> new Rejected(Rejected.Reason.LINK_DOWN, why);
          case DEGRADED -> new Rejected(Rejected.Reason.BREAKER_OPEN, why);
          case STARTING, UP, DRAINING, CLOSED, FAILED -> null;
        };
    shared.refusing = refusing;
    if (refusing != null) {
      held.forEach(request -> endSpared(request, refusing));
      held.clear();
    }
    if (next != StoreStatus.State.STARTING) {
      StoreStatus status = status();
      readyWaiters.forEach(waiter -> Replies.send(waiter, status));
      readyWaiters.clear();
    }
  }

  // ---------------------------------------------------------------- shutting down

  private void onShutdown(ReplyTo<? super StoreStatus> replyTo) {
    shutdownWaiters.add(replyTo);
    if (state == StoreStatus.State.DRAINING) {
      return;
    }
    boolean serving = state == StoreStatus.State.UP || state == StoreStatus.State.DEGRADED;
    endRecovery();
    become(StoreStatus.State.DRAINING, "shutting down");
    shared.intake.close(new Failed(Failed.Cause.CLOSED, "the store is shutting down", null));
    if (!serving) {
      closeDevice("the store was not serving");
      return;
    }
    timers.startSingleTimer(new ShutdownOverdue(), settings.shutdownTimeout());
    timers.startTimerWithFixedDelay(new DrainStep(), Duration.ofMillis(5));
    drainStep();
  }

  private void drainStep() {
    ActorRef<IndexActor.Command> serving = index;
    if (shared.intake.operations() == 0 && shared.jobs.size() == 0 && serving != null) {
      timers.cancel(new DrainStep());
      serving.tell(new IndexActor.Close(Rejected.Reason.CLOSED, "the store is shutting down"));
      finalSnapshot();
    }
  }

  private boolean snapshotAsked;

  private void finalSnapshot() {
    ActorRef<IndexActor.Command> serving = index;
    if (snapshotAsked || serving == null) {
      return;
    }
    snapshotAsked = true;
    ActorRef<Object> self = getContext().getSelf();
    serving.tell(
        new IndexActor.WriteSnapshot(true, written -> self.tell(new FinalSnapshot(written))));
  }

  private boolean closing;

  private void closeDevice(String snapshotProblem) {
    if (closing) {
      return;
    }
    closing = true;
    timers.cancel(new DrainStep());
    timers.cancel(new ShutdownOverdue());
    detail = snapshotProblem.isEmpty() ? "" : "closed without a clean snapshot: " + snapshotProblem;
    Failed closed = new Failed(Failed.Cause.CLOSED, "the store was closed", null);
    shared.intake.failAccepted(closed);
    shared.jobs.giveUpAll(closed);
    stopDevice();
    timers.startSingleTimer(new CloseOverdue(), closeTimeout);
    ActorRef<Object> self = getContext().getSelf();
    link.tell(new LinkActor.Drain(() -> self.tell(new DeviceClosed())));
  }

  private Behavior<Object> onDeviceClosed() {
    become(StoreStatus.State.CLOSED, detail);
    StoreStatus status = status();
    timers.cancel(new CloseOverdue());
    shutdownWaiters.forEach(waiter -> Replies.send(waiter, status));
    shutdownWaiters.clear();
    facade.complete(status);
    return Behaviors.stopped();
  }

  private Behavior<Object> onStopped() {
    Failed closed = new Failed(Failed.Cause.CLOSED, "the store's actor was stopped", null);
    shared.ended = closed;
    shared.index = null;
    shared.intake.close(closed);
    shared.intake.failAccepted(closed);
    shared.jobs.giveUpAll(closed);
    // Nobody takes what a recovery may still read; it must end, and let go of the device.
    endRecovery();
    if (state != StoreStatus.State.CLOSED) {
      state = StoreStatus.State.CLOSED;
      detail = "the store's actor was stopped without a shutdown: no clean snapshot";
      stopDevice();
      // The link closes the device, as the last of what it does.
    }
    StoreStatus last = status();
    readyWaiters.forEach(waiter -> Replies.send(waiter, last));
    shutdownWaiters.forEach(waiter -> Replies.send(waiter, last));
    shared.events.close();
    shared.leases.close();
    facade.complete(last);
    callbacks.shutdown();
    blocking.shutdown();
    probing.shutdown();
    attaching.shutdown();
    looking.shutdown();
    return this;
  }
}
