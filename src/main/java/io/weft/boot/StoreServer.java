package io.weft.boot;

import com.typesafe.config.Config;
import io.weft.api.ChunkStore;
import io.weft.base.RespSettings;
import io.weft.base.StoreSettings;
import io.weft.resp.RespServer;
import java.util.concurrent.CompletionException;
import org.apache.pekko.actor.typed.ActorSystem;

/** A store and its door for RESP clients, in one actor system: what {@code weft serve} keeps up. */
public final class StoreServer implements AutoCloseable {
  private final ActorSystem<Void> system;
  private final ChunkStore store;
  private final RespServer resp;

  private StoreServer(ActorSystem<Void> system, ChunkStore store, RespServer resp) {
    this.system = system;
    this.store = store;
    this.resp = resp;
  }

  /**
   * Starts both. Clients are let in at once; what they ask waits until the store serves.
   *
   * @param config what {@code ConfigFactory.load()} gives, with the {@code weft} block in it
   * @throws IllegalArgumentException where the configuration is wrong: the key, the value, the mend
   * @throws IllegalStateException where an address cannot be listened at
   */
  public static StoreServer start(Config config) {
    StoreSettings storeSettings = Boot.settings(config);
    RespSettings respSettings = RespSettings.from(config);
    ActorSystem<Void> system = Boot.system(config);
    ChunkStore store = Boot.start(system, storeSettings);
    try {
      RespServer resp =
          RespServer.start(system, store, storeSettings, respSettings).toCompletableFuture().join();
      return new StoreServer(system, store, resp);
    } catch (CompletionException failed) {
      end(store, system);
      throw failed.getCause() instanceof RuntimeException cause ? cause : failed;
    } catch (RuntimeException wrong) {
      end(store, system);
      throw wrong;
    }
  }

  public ChunkStore store() {
    return store;
  }

  public RespServer resp() {
    return resp;
  }

  /** Clients get the replies that they are owed, then the store is closed in order. */
  @Override
  public void close() {
    resp.stop().toCompletableFuture().join();
    end(store, system);
  }

  private static void end(ChunkStore store, ActorSystem<Void> system) {
    store.close();
    system.terminate();
  }
}
