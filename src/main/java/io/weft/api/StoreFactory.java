package io.weft.api;

import com.typesafe.config.Config;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;

/** Makes stores; found by {@link java.util.ServiceLoader}, so that this room knows no other. */
public interface StoreFactory {
  ChunkStore start(Config config);

  ChunkStore start(ActorSystem<?> host, Config config);

  Behavior<StoreProtocol.Command> behavior(Config config);
}
