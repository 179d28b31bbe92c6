package io.weft.actor;

import io.weft.base.DeviceException;
import io.weft.base.Metric;
import io.weft.base.Metrics;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.PreRestart;
import org.apache.pekko.actor.typed.SupervisorStrategy;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.jspecify.annotations.Nullable;

/**
 * One I/O worker: keeps an {@link IoExecutor} on the worker's {@link Inbox}, watches it, replaces
 * it, and hears of its troubles as messages, so that the actor itself never blocks.
 *
 * <p>A piece that is with the kernel for too long counts as stuck. Where it keeps its whole thread,
 * the worker goes on with a new one; a ring goes on without one of its slots. There are at most so
 * many stuck ones in the whole store.
 *
 * <p>The lanes hear of a piece's end from the executor itself, so that no state of this actor
 * stands between a piece and its end; a restart of the actor loses nothing, and what waits in the
 * inbox waits for the next executor. After so many device errors in a row the worker goes on with a
 * fresh executor and buffers, and the link, which decides about the device, is told.
 */
final class IoWorkerActor extends AbstractBehavior<IoWorkerActor.Command> {

  /** What a worker takes. */
  sealed interface Command {}

  /** A piece failed, or is the first that did not after one that did. */
  private record Ended(@Nullable Throwable failure) implements Command {}

  /** An executor ended that was not told to. */
  private record Broke(Object executor, Throwable why) implements Command {}

  private record CheckStuck() implements Command {}

  /** Makes an executor, which takes over the worker's inbox. */
  @FunctionalInterface
  interface Starter {
    IoExecutor start(String threadName, IoExecutor.Observer observer);
  }

  /**
   * What the workers of a store work with.
   *
   * @param stuckThreads threads, and slots of rings, that the kernel does not give back now
   */
  record Surroundings(
      StoreSettings.Io settings,
      Metrics metrics,
      Ticker ticker,
      AtomicInteger stuckThreads,
      Trouble trouble) {}

  /** Hears of what puts the device in doubt. */
  interface Trouble {
    void errorStreak(String lastError);

    void stuck(String operation);
  }

  private final Surroundings around;
  private final String name;
  private final Starter starter;
  private IoExecutor executor;

  /** Stands for the present executor in its messages. */
  private Object token = new Object();

  /** Executors that were replaced, and may still run a piece. */
  private final List<IoExecutor> retired = new ArrayList<>();

  private int threads;
  private int errorsInARow;

  static Behavior<Command> create(String name, Starter starter, Surroundings around) {
    StoreSettings.Io settings = around.settings();
    return Behaviors.supervise(
            Behaviors.<Command>setup(
                context ->
                    Behaviors.withTimers(
                        timers -> new IoWorkerActor(context, timers, name, starter, around))))
        .onFailure(
            RuntimeException.class,
            SupervisorStrategy.restart()
                .withLimit(settings.restartsMax(), settings.restartsWindow()));
  }

  private IoWorkerActor(
      ActorContext<Command> context,
      TimerScheduler<Command> timers,
      String name,
      Starter starter,
      Surroundings around) {
    super(context);
    context.setLoggerName(IoWorkerActor.class);
    this.name = name;
    this.starter = starter;
    this.around = around;
    this.executor = startExecutor();
    Duration check = around.settings().stuckAfter().dividedBy(4).plusMillis(1);
    timers.startTimerWithFixedDelay(new CheckStuck(), check);
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Command.class, this::onCommand)
        .onSignal(
            PreRestart.class,
            _ -> {
              around.metrics().add(Metric.WORKER_RESTARTS);
              executor.retire();
              return this;
            })
        .onSignal(
            PostStop.class,
            _ -> {
              executor.end();
              return this;
            })
        .build();
  }

  private Behavior<Command> onCommand(Command command) {
    switch (command) {
      case Ended ended -> onEnded(ended.failure());
      case Broke broke -> onBroke(broke);
      case CheckStuck _ -> checkStuck();
    }
    return this;
  }

  private void onEnded(@Nullable Throwable failure) {
    switch (failure) {
      case null -> errorsInARow = 0;
      case DeviceException error -> {
        if (error.deviceInDoubt()) {
          getContext().getLog().warn("{}: {}", name, error.getMessage());
          if (++errorsInARow >= around.settings().errorsBeforeProbe()) {
            errorsInARow = 0;
            around.metrics().add(Metric.WORKER_RESTARTS);
            goOnWithAnother();
            around.trouble().errorStreak(String.valueOf(error.getMessage()));
          }
        }
      }
      case Throwable bug -> getContext().getLog().error("{}: a bug in an operation", name, bug);
    }
  }

  /** Restarts the actor, a bounded number of times, and with it the executor. */
  private void onBroke(Broke broke) {
    if (broke.executor().equals(token)) {
      throw new IllegalStateException(name + " lost its thread", broke.why());
    }
    getContext().getLog().error("{}: a thread that was replaced broke", name, broke.why());
  }

  private void checkStuck() {
    retired.removeIf(each -> each.busyNanos() == 0 || (giveUpStuck(each) && !each.outlivesStuck()));
    if (giveUpStuck(executor) && !executor.outlivesStuck()) {
      goOnWithAnother();
    }
  }

  /** Counts what is stuck, unless there is as much as there may be; returns whether any was. */
  private boolean giveUpStuck(IoExecutor each) {
    long stuckNanos = around.settings().stuckAfter().toNanos();
    long busyNanos = each.busyNanos();
    if (busyNanos < stuckNanos) {
      return false;
    }
    String operation =
        "an operation of %s has been in the kernel for %d s"
            .formatted(name, Duration.ofNanos(busyNanos).toSeconds());
    int room = around.settings().stuckThreadsMax() - around.stuckThreads().get();
    if (room <= 0) {
      around.trouble().stuck(operation);
      return false;
    }
    int given = each.giveUp(stuckNanos, room);
    if (given == 0) {
      return false;
    }
    around.stuckThreads().addAndGet(given);
    around.metrics().add(Metric.STUCK_THREADS, given);
    getContext().getLog().warn("{}: given up, as {} in all", operation, given);
    around.trouble().stuck(operation);
    return true;
  }

  /** What waits is the next one's; what runs is watched until it ends. */
  private void goOnWithAnother() {
    IoExecutor left = executor;
    left.retire();
    retired.add(left);
    executor = startExecutor();
  }

  private IoExecutor startExecutor() {
    ActorRef<Command> self = getContext().getSelf();
    AtomicInteger stuckThreads = around.stuckThreads();
    Object own = new Object();
    token = own;
    return starter.start(
        "weft-" + name + "-" + ++threads,
        new IoExecutor.Observer() {
          // Only the executor's thread uses it.
          private boolean failed;

          @Override
          public void ended(DeviceTransfer.DevicePiece piece, boolean givenUp) {
            if (givenUp) {
              stuckThreads.decrementAndGet();
            }
            Throwable failure = piece.failure();
            if (failure != null || failed) {
              failed = failure != null;
              self.tell(new Ended(failure));
            }
          }

          @Override
          public void broke(Throwable why) {
            self.tell(new Broke(own, why));
          }
        });
  }
}
