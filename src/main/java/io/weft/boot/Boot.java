package io.weft.boot;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.actor.IoEngine;
import io.weft.actor.StoreSupervisor;
import io.weft.adapter.LmcacheKeys;
import io.weft.api.ChunkStore;
import io.weft.api.StoreFactory;
import io.weft.api.StoreProtocol;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import io.weft.core.Policies;
import io.weft.core.PolicyContext;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.actor.CoordinatedShutdown;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.Props;
import org.apache.pekko.actor.typed.javadsl.AskPattern;
import org.apache.pekko.actor.typed.javadsl.Behaviors;

/** Puts a store together from its configuration. */
public final class Boot implements StoreFactory {
  /** Long: a machine that has much else to do, as after a crash of everything on it, is slow. */
  private static final Duration SPAWN_TIMEOUT = Duration.ofMinutes(1);

  private static final AtomicInteger STORES = new AtomicInteger();

  /** For the {@link java.util.ServiceLoader}. */
  public Boot() {}

  @Override
  public Behavior<StoreProtocol.Command> behavior(Config config) {
    return behavior(settings(config));
  }

  private static Behavior<StoreProtocol.Command> behavior(StoreSettings settings) {
    return StoreSupervisor.create(settings, LmcacheKeys::saltOf, Ticker.system());
  }

  static StoreSettings settings(Config config) {
    StoreSettings settings = StoreSettings.from(config);
    try {
      var _ =
          Policies.create(settings.evictionPolicy(), new PolicyContext(settings.capacityBytes()));
    } catch (IllegalArgumentException unknown) {
      throw new IllegalArgumentException(
          "weft.eviction.policy = " + settings.evictionPolicy() + ": " + unknown.getMessage(),
          unknown);
    }
    IoEngine.check(settings);
    return settings;
  }

  @Override
  public ChunkStore start(ActorSystem<?> host, Config config) {
    StoreSettings settings = settings(config);
    if (!host.settings().config().hasPath("weft.dispatcher")) {
      throw new IllegalArgumentException(
          "the actor system's configuration has no weft.dispatcher: make the system with"
              + " ConfigFactory.load(), which brings weft's reference.conf");
    }
    ActorRef<StoreProtocol.Command> store =
        host.systemActorOf(
            behavior(settings),
            "weft-" + STORES.incrementAndGet(),
            Props.empty().withDispatcherFromConfig("weft.dispatcher"));
    ChunkStore facade = facade(host, store);
    CoordinatedShutdown.get(host)
        .addTask(
            CoordinatedShutdown.PhaseServiceRequestsDone(),
            store.path().name(),
            () -> facade.shutdown().thenApply(status -> org.apache.pekko.Done.getInstance()));
    return facade;
  }

  @Override
  public ChunkStore start(Config config) {
    StoreSettings settings = settings(config);
    ActorSystem<Void> system = system(config);
    ChunkStore facade = start(system, settings);
    facade.closed().thenRun(system::terminate);
    return facade;
  }

  /** An actor system for a store alone: it never ends the process. */
  static ActorSystem<Void> system(Config config) {
    Config own =
        ConfigFactory.parseString(
                """
                pekko.coordinated-shutdown.run-by-jvm-shutdown-hook = off
                pekko.coordinated-shutdown.exit-jvm = off
                pekko.actor.default-dispatcher.fork-join-executor.minimum-runnable = -1
                pekko.actor.internal-dispatcher = weft.dispatcher
                pekko.actor.creation-timeout = 60s
                pekko.jvm-exit-on-fatal-error = off
                pekko.io.tcp.direct-buffer-size = 272KiB
                pekko.io.tcp.direct-buffer-pool-limit = 64
                pekko.log-dead-letters = off
                pekko.log-dead-letters-during-shutdown = off
                """)
            .withFallback(config);
    return ActorSystem.create(Behaviors.empty(), "weft-" + STORES.incrementAndGet(), own);
  }

  /** A store in a system that was made for it, and ends with it where it cannot be had. */
  static ChunkStore start(ActorSystem<Void> system, StoreSettings settings) {
    try {
      return facade(
          system,
          system.systemActorOf(
              behavior(settings),
              "store",
              Props.empty().withDispatcherFromConfig("weft.dispatcher")));
    } catch (RuntimeException failure) {
      system.terminate();
      throw failure;
    }
  }

  private static ChunkStore facade(ActorSystem<?> system, ActorRef<StoreProtocol.Command> store) {
    return AskPattern.<StoreProtocol.Command, ChunkStore>ask(
            store, StoreProtocol.GetFacade::new, SPAWN_TIMEOUT, system.scheduler())
        .toCompletableFuture()
        .join();
  }
}
