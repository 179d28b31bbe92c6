package io.weft.nvmeof;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.AskPattern;
import org.apache.pekko.actor.typed.javadsl.Behaviors;

/**
 * A host's actor system with an actor that has nothing to do with the store beside it, on the
 * host's own dispatcher. It is asked all the time, and how long its answers took is written down.
 */
final class Neighbour implements AutoCloseable {
  private record Ping(ActorRef<Boolean> sender) {}

  /** Under emulation, on a machine whose processors others use as well. */
  private static final Duration AT_MOST = Duration.ofSeconds(5);

  private final ActorSystem<Ping> system;
  private final AtomicInteger answers = new AtomicInteger();
  private final AtomicLong slowestNanos = new AtomicLong();
  private final Thread asking;
  private volatile boolean ending;

  Neighbour() {
    system =
        ActorSystem.create(
            Behaviors.receiveMessage(
                ping -> {
                  ping.sender().tell(true);
                  return Behaviors.same();
                }),
            "host",
            FabricStore.config());
    asking = Thread.ofPlatform().daemon().start(this::ask);
  }

  private void ask() {
    while (!ending) {
      long begun = System.nanoTime();
      try {
        AskPattern.<Ping, Boolean>ask(system, Ping::new, Duration.ofSeconds(60), system.scheduler())
            .toCompletableFuture()
            .get(60, TimeUnit.SECONDS);
        answers.incrementAndGet();
      } catch (InterruptedException | ExecutionException | TimeoutException _) {
        // Told by how long it took.
      }
      slowestNanos.accumulateAndGet(System.nanoTime() - begun, Math::max);
      LockSupport.parkNanos(Duration.ofMillis(50).toNanos());
    }
  }

  ActorSystem<?> system() {
    return system;
  }

  /** It still answers, and never took long. */
  void assertUndisturbed() {
    int before = answers.get();
    FabricStore.within(10).until(() -> answers.get() > before);
    Duration slowest = Duration.ofNanos(slowestNanos.get());
    System.out.printf(
        "the neighbour: %d answers, the slowest after %d ms%n", answers.get(), slowest.toMillis());
    assertTrue(slowest.compareTo(AT_MOST) < 0, "the host's actor answered after " + slowest);
  }

  @Override
  public void close() {
    ending = true;
    try {
      asking.join();
    } catch (InterruptedException e) {
      throw new AssertionError("nobody interrupts this test", e);
    }
    system.terminate();
    FabricStore.get(system.getWhenTerminated());
  }
}
