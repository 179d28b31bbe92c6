package io.weft.actor;

import io.weft.base.DeviceException;
import io.weft.base.Metric;
import io.weft.base.Metrics;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import io.weft.core.Transfer;
import io.weft.stream.PieceRunner;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
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
 * the stuck piece goes along. The stuck piece is still reported, once, when the kernel lets go of
 * it.
 *
 * <p>So many device errors in a row restart the worker; what its thread still has goes on being
 * reported, because every message carries all that its end needs.
 */
final class IoWorkerActor extends AbstractBehavior<IoWorkerActor.Command> {

  /** What a worker takes. */
  sealed interface Command {}

  /** Run this piece. */
  record Execute(IoThread.Job job) implements Command {}

  /** The thread is done with it. */
  private record Finished(IoThread.Job job, boolean threadGivenUp) implements Command {}

  private record CheckStuck() implements Command {}

  /** No more pieces will come. */
  record Stop() implements Command {}

  /**
   * What all workers of a store share.
   *
   * @param stuckThreads threads that the kernel does not give back now
   */
  record Shared(
      StoreSettings.Io settings, Metrics metrics, Ticker ticker, AtomicInteger stuckThreads) {}

  /** Too many device errors in a row: a reason to start afresh. */
  static final class DeviceTrouble extends RuntimeException {
    private static final long serialVersionUID = 1L;

    DeviceTrouble(DeviceException last) {
      super("too many device errors in a row, the last: " + last.getMessage(), last);
    }
  }

  private final Shared shared;
  private final String name;
  private IoThread thread;
  private volatile boolean stopped;
  private int threads;
  private int errorsInARow;

  static Behavior<Command> create(String name, Shared shared) {
    StoreSettings.Io settings = shared.settings();
    return Behaviors.supervise(
            Behaviors.<Command>setup(
                context ->
                    Behaviors.withTimers(
                        timers -> new IoWorkerActor(context, timers, name, shared))))
        .onFailure(
            RuntimeException.class,
            SupervisorStrategy.restart()
                .withLimit(settings.restartsMax(), settings.restartsWindow()));
  }

  private IoWorkerActor(
      ActorContext<Command> context, TimerScheduler<Command> timers, String name, Shared shared) {
    super(context);
    context.setLoggerName(IoWorkerActor.class);
    this.name = name;
    this.shared = shared;
    this.thread = startThread();
    Duration check = shared.settings().stuckAfter().dividedBy(4).plusMillis(1);
    timers.startTimerWithFixedDelay(new CheckStuck(), check);
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Command.class, this::onCommand)
        .onSignal(
            PreRestart.class,
            signal -> {
              shared.metrics().add(Metric.WORKER_RESTARTS);
              thread.end();
              return this;
            })
        .onSignal(
            PostStop.class,
            signal -> {
              stopped = true;
              thread.end();
              return this;
            })
        .build();
  }

  private Behavior<Command> onCommand(Command command) {
    switch (command) {
      case Execute execute -> thread.submit(execute.job());
      case Finished finished -> onFinished(finished);
      case CheckStuck _ -> checkStuck();
      case Stop _ -> {
        return Behaviors.stopped();
      }
    }
    return this;
  }

  private void onFinished(Finished finished) {
    if (finished.threadGivenUp()) {
      shared.stuckThreads().decrementAndGet();
      getContext().getLog().info("{}: the kernel gave a stuck thread back", name);
    }
    Transfer.Piece piece = finished.job().piece();
    finished.job().done().done(piece);
    if (piece.failure() instanceof DeviceException error) {
      if (error.deviceInDoubt()) {
        getContext().getLog().warn("{}: {}", name, error.getMessage());
        if (++errorsInARow >= shared.settings().errorsBeforeRestart()) {
          throw new DeviceTrouble(error);
        }
      }
    } else if (piece.failure() != null) {
      getContext().getLog().error("{}: a bug in a device operation", name, piece.failure());
    } else {
      errorsInARow = 0;
    }
  }

  private void checkStuck() {
    if (thread.busyNanos() < shared.settings().stuckAfter().toNanos()) {
      return;
    }
    if (shared.stuckThreads().get() >= shared.settings().stuckThreadsMax()) {
      return;
    }
    if (!thread.giveUp()) {
      return;
    }
    shared.stuckThreads().incrementAndGet();
    shared.metrics().add(Metric.STUCK_THREADS);
    getContext()
        .getLog()
        .warn(
            "{}: an operation has been in the kernel for {} s, going on with another thread",
            name,
            Duration.ofNanos(thread.busyNanos()).toSeconds());
    IoThread stuck = thread;
    thread = startThread();
    IoThread.Job waiting;
    while ((waiting = stuck.takeWaiting()) != null) {
      thread.submit(waiting);
    }
    stuck.end();
  }

  private IoThread startThread() {
    var self = getContext().getSelf();
    return new IoThread(
        "weft-" + name + "-" + ++threads,
        shared.settings().pieceBytes(),
        shared.ticker(),
        (job, givenUp) -> {
          if (stopped) {
            job.done().done(job.piece());
          } else {
            self.tell(new Finished(job, givenUp));
          }
        });
  }

  /** Sends a piece to a worker; {@code done} is told when the kernel is done with it. */
  static Execute execute(Transfer.Piece piece, PieceRunner.DoneListener done) {
    return new Execute(new IoThread.Job((DeviceTransfer.DevicePiece) piece, done));
  }
}
