package io.weft.actor;

import io.weft.base.DeviceException;
import io.weft.base.Metric;
import io.weft.base.Metrics;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import io.weft.core.Transfer;
import io.weft.stream.PieceRunner;
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

/**
 * One I/O worker: hands pieces to a thread of its own and hears of their end as messages, so that
 * the actor itself never blocks.
 *
 * <p>A piece that is with the kernel for too long makes its thread count as stuck: the worker goes
 * on with a new thread, up to a number of stuck threads of the whole store, and what waited behind
 * the stuck piece goes along.
 *
 * <p>The lanes hear of a piece's end from the thread itself, so that no state of this actor stands
 * between a piece and its end; a restart of the actor loses nothing. After so many device errors in
 * a row the worker goes on with a fresh thread and buffers, and the link, which decides about the
 * device, is told.
 */
final class IoWorkerActor extends AbstractBehavior<IoWorkerActor.Command> {

  /** What a worker takes. */
  sealed interface Command {}

  /** Run this piece. */
  record Execute(IoThread.Job job) implements Command {}

  /** The thread is done with it. */
  private record Ended(DeviceTransfer.DevicePiece piece) implements Command {}

  private record CheckStuck() implements Command {}

  /**
   * What the workers of a store work with.
   *
   * @param stuckThreads threads that the kernel does not give back now
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
  private IoThread thread;

  /** Threads that were replaced, and may still run a piece. */
  private final List<IoThread> retired = new ArrayList<>();

  private int threads;
  private int errorsInARow;

  static Behavior<Command> create(String name, Surroundings around) {
    StoreSettings.Io settings = around.settings();
    return Behaviors.supervise(
            Behaviors.<Command>setup(
                context ->
                    Behaviors.withTimers(
                        timers -> new IoWorkerActor(context, timers, name, around))))
        .onFailure(
            RuntimeException.class,
            SupervisorStrategy.restart()
                .withLimit(settings.restartsMax(), settings.restartsWindow()));
  }

  private IoWorkerActor(
      ActorContext<Command> context,
      TimerScheduler<Command> timers,
      String name,
      Surroundings around) {
    super(context);
    context.setLoggerName(IoWorkerActor.class);
    this.name = name;
    this.around = around;
    this.thread = startThread();
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
              thread.end();
              return this;
            })
        .onSignal(
            PostStop.class,
            _ -> {
              thread.end();
              return this;
            })
        .build();
  }

  private Behavior<Command> onCommand(Command command) {
    switch (command) {
      case Execute execute -> thread.submit(execute.job());
      case Ended ended -> onEnded(ended.piece());
      case CheckStuck _ -> checkStuck();
    }
    return this;
  }

  private void onEnded(Transfer.Piece piece) {
    switch (piece.failure()) {
      case null -> errorsInARow = 0;
      case DeviceException error -> {
        if (error.deviceInDoubt()) {
          getContext().getLog().warn("{}: {}", name, error.getMessage());
          if (++errorsInARow >= around.settings().errorsBeforeProbe()) {
            errorsInARow = 0;
            around.metrics().add(Metric.WORKER_RESTARTS);
            goOnWithAnotherThread();
            around.trouble().errorStreak(String.valueOf(error.getMessage()));
          }
        }
      }
      case Throwable bug -> getContext().getLog().error("{}: a bug in an operation", name, bug);
    }
  }

  private void checkStuck() {
    retired.removeIf(each -> each.busyNanos() == 0 || (isStuck(each) && giveUp(each)));
    if (isStuck(thread) && giveUp(thread)) {
      goOnWithAnotherThread();
    }
  }

  private boolean isStuck(IoThread each) {
    return each.busyNanos() >= around.settings().stuckAfter().toNanos();
  }

  /** Counts the thread as stuck, unless there are as many as there may be. */
  private boolean giveUp(IoThread stuck) {
    String operation =
        "an operation of %s has been in the kernel for %d s"
            .formatted(name, Duration.ofNanos(stuck.busyNanos()).toSeconds());
    if (around.stuckThreads().get() >= around.settings().stuckThreadsMax()) {
      around.trouble().stuck(operation);
      return false;
    }
    if (!stuck.giveUp()) {
      return false;
    }
    around.stuckThreads().incrementAndGet();
    around.metrics().add(Metric.STUCK_THREADS);
    getContext().getLog().warn("{}, going on with another thread", operation);
    around.trouble().stuck(operation);
    return true;
  }

  /** What waits moves along; what runs is watched until it ends. */
  private void goOnWithAnotherThread() {
    IoThread left = thread;
    thread = startThread();
    IoThread.Job waiting;
    while ((waiting = left.takeWaiting()) != null) {
      thread.submit(waiting);
    }
    left.end();
    retired.add(left);
  }

  private IoThread startThread() {
    ActorRef<Command> self = getContext().getSelf();
    AtomicInteger stuckThreads = around.stuckThreads();
    return new IoThread(
        "weft-" + name + "-" + ++threads,
        around.settings().pieceBytes(),
        around.ticker(),
        (piece, givenUp) -> {
          if (givenUp) {
            stuckThreads.decrementAndGet();
          }
          self.tell(new Ended(piece));
        });
  }

  /** Sends a piece to a worker. */
  static Execute execute(Transfer.Piece piece, PieceRunner.Listener listener) {
    return new Execute(new IoThread.Job((DeviceTransfer.DevicePiece) piece, listener));
  }
}
