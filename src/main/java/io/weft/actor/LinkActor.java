package io.weft.actor;

import io.weft.base.DeviceException;
import io.weft.base.StoreSettings;
import io.weft.core.LinkState;
import io.weft.device.ChunkMedium;
import io.weft.device.DirectIo;
import io.weft.device.FileLayout;
import io.weft.device.FileLayoutSettings;
import io.weft.fabric.MountTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Executor;
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
 * The connection-lifecycle actor: carries out the effects of {@link LinkState}. It verifies and
 * opens the directory of the store, probes the device while it is open, and closes it at the end.
 * What blocks runs on threads of its own.
 */
final class LinkActor extends AbstractBehavior<LinkActor.Command> {

  /** What the actor takes. */
  sealed interface Command {}

  private record Start() implements Command {}

  private record Opened() implements Command {}

  private record OpenFailed(String reason) implements Command {}

  private record ProbeNow() implements Command {}

  /** The workers have met so many errors in a row. */
  record DeviceTrouble(String reason) implements Command {}

  private record Probed(@Nullable Throwable failure) implements Command {}

  private record ProbeOverdue() implements Command {}

  /** Close the device; {@code done} runs when it is. */
  record Drain(Runnable done) implements Command {}

  private record Closed() implements Command {}

  /** What the supervisor hears. */
  sealed interface Report {
    /** The device is open and verified. */
    record Up(ChunkMedium medium) implements Report {}

    /** It could not be opened; where {@code retrying}, it is tried again. */
    record NotOpened(String reason, boolean retrying) implements Report {}

    record Changed(LinkState.State from, LinkState.State to, String why) implements Report {}
  }

  /**
   * @param blocking runs opening
   * @param probing runs probes, one thread of its own: it may get stuck
   * @param opener opens the verified directory
   */
  record Surroundings(
      StoreSettings settings,
      io.weft.base.Ticker ticker,
      Executor blocking,
      Executor probing,
      MediumOpener opener,
      Consumer<Report> supervisor) {}

  /** Opens a medium: {@link FileLayout#open}, or what a test puts in its place. */
  @FunctionalInterface
  interface MediumOpener {
    ChunkMedium open(FileLayoutSettings settings, io.weft.base.Ticker ticker)
        throws DeviceException;
  }

  private final Surroundings around;
  private final TimerScheduler<Command> timers;
  private final LinkState state = new LinkState();
  private @Nullable ChunkMedium medium;

  /** What the opening thread hands over: closed by that thread where nobody is there to take it. */
  private final AtomicReference<@Nullable ChunkMedium> handedOver = new AtomicReference<>();

  private volatile boolean stopped;
  private @Nullable Runnable drained;
  private boolean opening;
  private boolean probing;

  static Behavior<Command> create(Surroundings around) {
    return Behaviors.setup(
        context ->
            Behaviors.withTimers(
                timers -> {
                  context.getSelf().tell(new Start());
                  return new LinkActor(context, timers, around);
                }));
  }

  private LinkActor(
      ActorContext<Command> context, TimerScheduler<Command> timers, Surroundings around) {
    super(context);
    context.setLoggerName(LinkActor.class);
    this.around = around;
    this.timers = timers;
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
      case Opened _ -> onOpened();
      case OpenFailed failed -> onOpenFailed(failed);
      case ProbeNow _ -> probe();
      case DeviceTrouble trouble -> {
        take(LinkState.Event.PROBE_FAILED, trouble.reason());
        probe();
      }
      case Probed probed -> onProbed(probed);
      case ProbeOverdue _ -> {
        if (probing) {
          take(LinkState.Event.PROBE_FAILED, "the probe got no answer in time");
        }
      }
      case Drain drain -> {
        drained = drain.done();
        timers.cancelAll();
        if (state.state() == LinkState.State.DRAINING) {
          break;
        }
        take(LinkState.Event.DRAIN, "shutting down");
      }
      case Closed _ -> {
        medium = null;
        take(LinkState.Event.CLOSED, "closed");
        Runnable done = drained;
        if (done != null) {
          done.run();
        }
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
      case OPEN -> open();
      case RETRY_LATER -> {
        boolean retrying = around.settings().mode() == StoreSettings.Mode.MOUNT;
        around.supervisor().accept(new Report.NotOpened(why, retrying));
        if (retrying) {
          timers.startSingleTimer(new Start(), around.settings().link().openRetry());
        }
      }
      case CLOSE -> close();
      case ANNOUNCE_UP -> announceUp();
      case NONE -> {}
    }
  }

  // ---------------------------------------------------------------- opening

  private void open() {
    opening = true;
    ActorRef<Command> self = getContext().getSelf();
    around
        .blocking()
        .execute(
            () -> {
              try {
                handedOver.set(openMedium());
                self.tell(new Opened());
                if (stopped) {
                  closeHandedOver();
                }
              } catch (DeviceException | IOException | RuntimeException | Error failed) {
                self.tell(new OpenFailed(String.valueOf(failed.getMessage())));
              }
            });
  }

  private ChunkMedium openMedium() throws DeviceException, IOException {
    StoreSettings settings = around.settings();
    Path directory = settings.directory().toAbsolutePath().normalize();
    String device = "";
    switch (settings.mode()) {
      case DIRECTORY -> {
        if (settings.createDirectory() && Files.notExists(directory)) {
          Files.createDirectories(directory);
        }
      }
      case MOUNT -> device = verifiedMount(directory, settings.expectedDevice());
    }
    return around
        .opener()
        .open(
            new FileLayoutSettings(
                directory,
                DirectIo.valueOf(settings.directIo().toUpperCase(Locale.ROOT)),
                settings.durability(),
                device),
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

  private void onOpened() {
    opening = false;
    medium = handedOver.getAndSet(null);
    take(LinkState.Event.OPENED, "opened");
    if (state.state() == LinkState.State.DRAINING) {
      close();
    }
  }

  private void announceUp() {
    around.supervisor().accept(new Report.Up(java.util.Objects.requireNonNull(medium)));
    timers.startTimerWithFixedDelay(new ProbeNow(), around.settings().link().probeInterval());
  }

  private void onOpenFailed(OpenFailed failed) {
    opening = false;
    boolean draining = state.state() == LinkState.State.DRAINING;
    take(LinkState.Event.OPEN_FAILED, failed.reason());
    if (draining && drained != null) {
      drained.run();
    }
  }

  // ---------------------------------------------------------------- probing

  private void probe() {
    ChunkMedium open = medium;
    if (open == null || probing) {
      return;
    }
    probing = true;
    timers.startSingleTimer(new ProbeOverdue(), around.settings().link().probeTimeout());
    ActorRef<Command> self = getContext().getSelf();
    around
        .probing()
        .execute(
            () -> {
              try {
                open.probe();
                self.tell(new Probed(null));
              } catch (DeviceException | RuntimeException | Error failed) {
                self.tell(new Probed(failed));
              }
            });
  }

  private void onProbed(Probed probed) {
    probing = false;
    timers.cancel(new ProbeOverdue());
    Throwable failure = probed.failure();
    boolean full =
        failure instanceof DeviceException error && error.kind() == DeviceException.Kind.NO_SPACE;
    if (failure != null && !full) {
      take(LinkState.Event.PROBE_FAILED, "the probe failed: " + failure.getMessage());
    } else {
      take(LinkState.Event.PROBE_OK, "the probe succeeded");
    }
  }

  // ---------------------------------------------------------------- closing

  private void close() {
    ChunkMedium open = medium;
    ActorRef<Command> self = getContext().getSelf();
    if (open == null) {
      // An opening that is under way reports itself and is closed then.
      if (!opening) {
        self.tell(new Closed());
      }
      return;
    }
    closing(
        () -> {
          open.close();
          self.tell(new Closed());
        });
  }

  /** Closing does not wait for the kernel; whatever else is stuck must not hold it up. */
  private static void closing(Runnable close) {
    Thread closing = new Thread(close, "weft-close");
    closing.setDaemon(true);
    closing.start();
  }

  private Behavior<Command> onStopped() {
    stopped = true;
    ChunkMedium open = medium;
    closing(
        () -> {
          closeHandedOver();
          if (open != null) {
            open.close();
          }
        });
    return this;
  }

  private void closeHandedOver() {
    ChunkMedium nobodys = handedOver.getAndSet(null);
    if (nobodys != null) {
      nobodys.close();
    }
  }
}
