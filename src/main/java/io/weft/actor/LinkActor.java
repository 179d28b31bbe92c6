package io.weft.actor;

import io.weft.base.DeviceException;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import io.weft.core.Backoff;
import io.weft.core.LinkState;
import io.weft.device.ChunkMedium;
import io.weft.device.DirectIo;
import io.weft.device.LayoutSettings;
import io.weft.fabric.Attachment;
import io.weft.fabric.FabricControl;
import io.weft.fabric.FabricException;
import io.weft.fabric.MountTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
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
 * The connection-lifecycle actor: carries out the effects of {@link LinkState}. It attaches the
 * device (connect, mount, verify, open), probes it and looks at its paths while it is open, takes
 * it down and up again when it is lost, and takes it down for good at the end. What blocks runs on
 * threads of its own; none of them is ever waited for here.
 */
final class LinkActor extends AbstractBehavior<LinkActor.Command> {

  /** What the actor takes. */
  sealed interface Command {}

  private record Start() implements Command {}

  private record Connected(FabricControl.BlockDevice device) implements Command {}

  private record ConnectFailed(String reason) implements Command {}

  private record Opened() implements Command {}

  private record OpenFailed(String reason) implements Command {}

  private record ProbeNow() implements Command {}

  /** A worker has met so many errors in a row. */
  record ErrorStreak(String reason) implements Command {}

  /** A worker's thread does not come back from the kernel. */
  record Stuck(String reason) implements Command {}

  /** The device could not be read to build the index from: it is to be attached anew. */
  record Reattach(String reason) implements Command {}

  private record Probed(ChunkMedium medium, @Nullable Throwable failure) implements Command {}

  private record ProbeOverdue() implements Command {}

  private record Looked(Attachment.@Nullable Health health, String trouble) implements Command {}

  private record PathsTried() implements Command {}

  /** Take the device down for good; {@code done} runs when it is. */
  record Drain(Runnable done) implements Command {}

  /**
   * @param trouble what could not be undone; empty where all was
   */
  private record Closed(String trouble) implements Command {}

  private record Ended(String trouble) implements Command {}

  /** What the supervisor hears. */
  sealed interface Report {
    /** The device is open and verified: a new medium. */
    record Up(ChunkMedium medium) implements Report {}

    /** The device is in doubt: it is to be spared until {@link Resumed} or {@link Lost}. */
    record InDoubt(String reason) implements Report {}

    /** The device answers again. */
    record Resumed() implements Report {}

    /** The device is taken down: its medium takes nothing any more. */
    record Lost(String reason) implements Report {}

    /** It could not be attached; where {@code retrying}, it is tried again. */
    record NotAttached(String reason, boolean retrying) implements Report {}

    record Changed(LinkState.State from, LinkState.State to, String why) implements Report {}

    /** How many paths there are, in words. */
    record Paths(String words) implements Report {}
  }

  /** Opens a medium: {@code Layout::open}, or what a test puts in its place. */
  @FunctionalInterface
  interface MediumOpener {
    ChunkMedium open(LayoutSettings settings, Ticker ticker) throws DeviceException;
  }

  /**
   * @param attachment the way to the device; null in the modes that have none
   * @param attaching runs what connects, mounts, opens and closes; may get stuck
   * @param probing runs probes of the device; may get stuck
   * @param looking looks at the state of the paths, which is the kernel's memory
   */
  record Surroundings(
      StoreSettings settings,
      Ticker ticker,
      @Nullable Attachment attachment,
      MediumOpener opener,
      Executor attaching,
      Executor probing,
      Executor looking,
      Consumer<Report> supervisor) {}

  private final Surroundings around;
  private final StoreSettings.Link settings;
  private final TimerScheduler<Command> timers;
  private final LinkState state;
  private final Backoff attempts;
  private final Backoff pathAttempts;
  private FabricControl.@Nullable BlockDevice device;
  private @Nullable ChunkMedium medium;

  /** What the opening thread hands over: closed by that thread where nobody is there to take it. */
  private final AtomicReference<@Nullable ChunkMedium> handedOver = new AtomicReference<>();

  private volatile boolean stopped;
  private volatile boolean ending;
  private final List<Runnable> drained = new ArrayList<>();
  private boolean ended;
  private boolean wasUp;
  private boolean probing;
  private boolean looking;
  private boolean tryingPaths;
  private long nextPathTryNanos;
  private String lastReason = "";
  private String lastPaths = "";

  /**
   * @param again whether the device was there before, so that what is wrong now may pass
   */
  static Behavior<Command> create(Surroundings around, boolean again) {
    return Behaviors.setup(
        context ->
            Behaviors.withTimers(
                timers -> {
                  context.getSelf().tell(new Start());
                  return new LinkActor(context, timers, around, again);
                }));
  }

  private LinkActor(
      ActorContext<Command> context,
      TimerScheduler<Command> timers,
      Surroundings around,
      boolean again) {
    super(context);
    this.wasUp = again;
    context.setLoggerName(LinkActor.class);
    this.around = around;
    this.settings = around.settings().link();
    this.timers = timers;
    this.state =
        new LinkState(
            around.attachment() != null, settings.failedProbesMax(), settings.errorStreaksMax());
    long seed = around.ticker().nanoTime();
    this.attempts = new Backoff(settings.retryMin(), settings.retryMax(), new Random(seed));
    this.pathAttempts = new Backoff(settings.retryMin(), settings.retryMax(), new Random(~seed));
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
      case Start _ -> take(LinkState.Event.START, "starting");
      case Connected connected -> {
        device = connected.device();
        take(LinkState.Event.CONNECTED, "connected");
      }
      case ConnectFailed failed -> take(LinkState.Event.CONNECT_FAILED, failed.reason());
      case Opened _ -> {
        medium = handedOver.getAndSet(null);
        // One that is still under way is of an earlier medium.
        probing = false;
        take(LinkState.Event.OPENED, "opened");
      }
      case OpenFailed failed -> take(LinkState.Event.OPEN_FAILED, failed.reason());
      case ProbeNow _ -> {
        probe();
        look();
      }
      case ErrorStreak streak -> take(LinkState.Event.ERROR_STREAK, streak.reason());
      case Stuck stuck -> take(LinkState.Event.UNRESPONSIVE, stuck.reason());
      case Reattach again -> take(LinkState.Event.UNUSABLE, again.reason());
      case Probed probed -> onProbed(probed);
      case ProbeOverdue _ -> {
        if (probing) {
          take(LinkState.Event.UNRESPONSIVE, "a probe got no answer in time");
        }
      }
      case Looked looked -> onLooked(looked);
      case PathsTried _ -> tryingPaths = false;
      case Drain drain -> {
        if (ended) {
          drain.done().run();
        }
        drained.add(drain.done());
        ending = true;
        take(LinkState.Event.SHUTDOWN, "shutting down");
      }
      case Ended ended -> onEnded(ended.trouble());
      case Closed closed -> {
        warn(closed.trouble());
        medium = null;
        take(LinkState.Event.CLOSED, lastReason);
      }
    }
    return this;
  }

  private void take(LinkState.Event event, String why) {
    LinkState.State before = state.state();
    LinkState.Effect effect = state.on(event);
    if (state.state() != before) {
      around.supervisor().accept(new Report.Changed(before, state.state(), why));
    }
    switch (effect) {
      case CONNECT -> connect();
      case OPEN -> open();
      case RETRY_LATER -> retryLater(event, why);
      case SERVE -> serve();
      case SPARE -> {
        around.supervisor().accept(new Report.InDoubt(why));
        probe();
      }
      case RESUME -> around.supervisor().accept(new Report.Resumed());
      case CLOSE -> {
        lastReason = why;
        if (!state.ending()) {
          around.supervisor().accept(new Report.Lost(why));
        }
        close();
      }
      case END -> end();
      case NONE -> {}
    }
  }

  /** Whether somebody may mend what is wrong while this waits: a plain directory is as it is. */
  private void retryLater(LinkState.Event event, String why) {
    boolean retrying = wasUp || around.settings().mode() != StoreSettings.Mode.DIRECTORY;
    if (event != LinkState.Event.CLOSED) {
      around.supervisor().accept(new Report.NotAttached(why, retrying));
    }
    if (retrying) {
      timers.startSingleTimer(new Start(), attempts.next());
    }
  }

  // ---------------------------------------------------------------- up

  private void connect() {
    Attachment attachment = Objects.requireNonNull(around.attachment());
    attaching(
        () -> new Connected(attachment.connect()), failed -> new ConnectFailed(reason(failed)));
  }

  private void open() {
    FabricControl.BlockDevice found = device;
    attaching(
        () -> {
          handedOver.set(openMedium(found));
          if (stopped) {
            closeHandedOver();
            takeDownIfEnding();
          }
          return new Opened();
        },
        failed -> new OpenFailed(reason(failed)));
  }

  private ChunkMedium openMedium(FabricControl.@Nullable BlockDevice found)
      throws DeviceException, IOException, FabricException {
    StoreSettings store = around.settings();
    Path directory = store.directory().toAbsolutePath().normalize();
    String number = "";
    switch (store.mode()) {
      case DIRECTORY -> {
        if (store.createDirectory() && Files.notExists(directory)) {
          Files.createDirectories(
              directory,
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        }
      }
      case MOUNT -> number = verifiedMount(directory, store.expectedDevice());
      case NVMEOF ->
          number = Objects.requireNonNull(around.attachment()).mount(Objects.requireNonNull(found));
    }
    return around
        .opener()
        .open(
            new LayoutSettings(
                directory,
                DirectIo.valueOf(store.directIo().toUpperCase(Locale.ROOT)),
                store.durability(),
                number,
                switch (store.layout()) {
                  case FILE -> new LayoutSettings.Files();
                  case SLAB ->
                      new LayoutSettings.Slabs(
                          store.slab().segmentBytes(), store.slab().prewrite());
                }),
            around.ticker());
  }

  /** The number of the device that is mounted at the directory, where it is the expected one. */
  private static String verifiedMount(Path directory, String expectedDevice) throws IOException {
    MountTable.Mount mount =
        MountTable.read()
            .at(directory)
            .orElseThrow(
                () ->
                    new IOException(
                        "weft.directory = "
                            + directory
                            + ": nothing is mounted there; mount the device, or set weft.mode ="
                            + " directory"));
    if (!expectedDevice.isEmpty() && !mount.source().equals(expectedDevice)) {
      throw new IOException(
          "weft.mount.expected-device = %s: %s has %s mounted"
              .formatted(expectedDevice, directory, mount.source()));
    }
    return mount.deviceNumber();
  }

  private void serve() {
    wasUp = true;
    attempts.reset();
    around.supervisor().accept(new Report.Up(Objects.requireNonNull(medium)));
    timers.startTimerWithFixedDelay(new ProbeNow(), settings.probeInterval());
    look();
  }

  private interface Step {
    Command run() throws DeviceException, IOException, FabricException;
  }

  private interface Otherwise {
    Command of(Throwable failure);
  }

  private void attaching(Step step, Otherwise otherwise) {
    ActorRef<Command> self = getContext().getSelf();
    around
        .attaching()
        .execute(
            () -> {
              Command next;
              try {
                next = step.run();
              } catch (DeviceException
                  | IOException
                  | FabricException
                  | RuntimeException
                  | Error failed) {
                next = otherwise.of(failed);
              }
              self.tell(next);
            });
  }

  private static String reason(Throwable failure) {
    return failure instanceof FabricException fabric
        ? fabric.kind() + ": " + fabric.getMessage()
        : failure.getMessage() == null ? failure.toString() : failure.getMessage();
  }

  // ---------------------------------------------------------------- while it is up

  private void probe() {
    ChunkMedium open = medium;
    if (open == null || probing) {
      return;
    }
    probing = true;
    timers.startSingleTimer(new ProbeOverdue(), settings.probeTimeout());
    ActorRef<Command> self = getContext().getSelf();
    around
        .probing()
        .execute(
            () -> {
              try {
                open.probe();
                self.tell(new Probed(open, null));
              } catch (DeviceException | RuntimeException | Error failed) {
                self.tell(new Probed(open, failed));
              }
            });
  }

  private void onProbed(Probed probed) {
    if (!probed.medium().equals(medium)) {
      return;
    }
    probing = false;
    timers.cancel(new ProbeOverdue());
    switch (probed.failure()) {
      case null -> take(LinkState.Event.PROBE_GOOD, "a probe succeeded");
      case DeviceException full when full.kind() == DeviceException.Kind.NO_SPACE ->
          take(LinkState.Event.PROBE_GOOD, "a probe found the filesystem full");
      case DeviceException ours when !ours.deviceInDoubt() ->
          // The process is out of descriptors, or may not: that says nothing of the device.
          getContext().getLog().warn("a probe could not be made: {}", ours.getMessage());
      case Throwable failure ->
          take(LinkState.Event.PROBE_FAILED, "a probe failed: " + reason(failure));
    }
  }

  /** Looks at the paths. */
  private void look() {
    Attachment attachment = around.attachment();
    if (attachment == null || looking) {
      return;
    }
    looking = true;
    ActorRef<Command> self = getContext().getSelf();
    around
        .looking()
        .execute(
            () -> {
              try {
                self.tell(new Looked(attachment.health(), ""));
              } catch (FabricException | RuntimeException | Error failed) {
                self.tell(new Looked(null, reason(failed)));
              }
            });
  }

  private void onLooked(Looked looked) {
    looking = false;
    Attachment.Health health = looked.health();
    String words = health == null ? looked.trouble() : health.toString();
    if (!words.equals(lastPaths)) {
      lastPaths = words;
      around.supervisor().accept(new Report.Paths(words));
    }
    if (health == null || medium == null) {
      return;
    }
    if (health.live() == 0) {
      take(LinkState.Event.UNRESPONSIVE, "no path is live");
    }
    if (health.missing() == 0) {
      pathAttempts.reset();
      nextPathTryNanos = around.ticker().nanoTime();
    } else if (!tryingPaths && around.ticker().nanoTime() - nextPathTryNanos >= 0) {
      tryingPaths = true;
      nextPathTryNanos = around.ticker().nanoTime() + pathAttempts.next().toNanos();
      Attachment attachment = Objects.requireNonNull(around.attachment());
      attaching(
          () -> {
            attachment.reconnectMissing();
            return new PathsTried();
          },
          _ -> new PathsTried());
    }
  }

  // ---------------------------------------------------------------- down

  private void close() {
    ChunkMedium open = medium;
    Attachment attachment = around.attachment();
    timers.cancel(new ProbeNow());
    timers.cancel(new ProbeOverdue());
    lastPaths = "";
    around.supervisor().accept(new Report.Paths(""));
    // Only who unmounts, or opens again, must wait for the kernel.
    boolean waits = attachment != null || !state.ending();
    attaching(
        () -> {
          if (open != null) {
            open.close();
          }
          String trouble = open != null && waits ? awaitReleased(open) : "";
          if (attachment != null) {
            attachment.unmount();
            if (ending) {
              // Here, because nobody may be left to ask for it.
              attachment.disconnect();
            }
          }
          return new Closed(trouble);
        },
        failed -> new Closed(reason(failed)));
  }

  private void end() {
    timers.cancelAll();
    Attachment attachment = around.attachment();
    if (attachment == null) {
      onEnded("");
      return;
    }
    attaching(
        () -> {
          attachment.disconnect();
          return new Ended("");
        },
        failed -> new Ended(reason(failed)));
  }

  private void onEnded(String trouble) {
    warn(trouble);
    ended = true;
    drained.forEach(Runnable::run);
    drained.clear();
  }

  private void warn(String trouble) {
    if (!trouble.isEmpty()) {
      getContext().getLog().warn("taking the device down: {}", trouble);
    }
  }

  /**
   * Unmounting fails while descriptors are open; what the kernel holds it gives back in its time.
   */
  private String awaitReleased(ChunkMedium open) {
    try {
      open.released()
          .toCompletableFuture()
          .get(settings.detachTimeout().toMillis(), TimeUnit.MILLISECONDS);
      return "";
    } catch (TimeoutException _) {
      return "the kernel still holds operations after "
          + settings.detachTimeout().toSeconds()
          + " s";
    } catch (InterruptedException | ExecutionException failed) {
      return failed.toString();
    }
  }

  /** A host that stops the actor leaves the device attached; its descriptors are closed. */
  private Behavior<Command> onStopped() {
    stopped = true;
    ChunkMedium open = medium;
    Thread closing =
        new Thread(
            () -> {
              closeHandedOver();
              if (open != null) {
                open.close();
              }
            },
            "weft-close");
    closing.setDaemon(true);
    closing.start();
    return this;
  }

  /** The store's end could not wait for the step that has just ended. */
  private void takeDownIfEnding() throws FabricException {
    Attachment attachment = around.attachment();
    if (ending && attachment != null) {
      attachment.unmount();
      attachment.disconnect();
    }
  }

  private void closeHandedOver() {
    ChunkMedium nobodys = handedOver.getAndSet(null);
    if (nobodys != null) {
      nobodys.close();
    }
  }
}
