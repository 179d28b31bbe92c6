package io.weft.api;

import com.typesafe.config.Config;
import io.weft.base.BufferLease;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.ExpireOutcome;
import io.weft.base.KeysOutcome;
import io.weft.base.ListOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.StatOutcome;
import io.weft.base.StoreOutcome;
import io.weft.base.Usage;
import java.time.Duration;
import java.util.List;
import java.util.ServiceLoader;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.stream.javadsl.Flow;
import org.apache.pekko.stream.javadsl.Source;
import org.jspecify.annotations.Nullable;

/**
 * The facade of a store. Thread-safe; no method blocks, except {@link #close()}, which waits for
 * the orderly shutdown.
 *
 * <p>Stages complete with outcomes, never exceptionally for trouble of the device; they complete on
 * a dispatcher of the store that nothing else runs on. Where more is in flight than the store
 * takes, a call waits in line (up to its deadline) instead of being rejected; calls beyond the
 * line's bound are answered {@link io.weft.base.Rejected.Reason#BUSY}.
 */
public interface ChunkStore extends AutoCloseable {

  CompletionStage<StoreOutcome> store(
      ChunkKey key, Payload payload, StoreOptions options, Deadline deadline);

  CompletionStage<List<StoreOutcome>> storeAll(
      List<StoreProtocol.StoreItem> items, Deadline deadline);

  CompletionStage<LoadOutcome> load(
      ChunkKey key, LoadTarget target, StoreProtocol.Urgency urgency, Deadline deadline);

  /** The hits count as used last to first. */
  CompletionStage<List<LoadOutcome>> loadAll(
      List<StoreProtocol.LoadItem> items, StoreProtocol.Urgency urgency, Deadline deadline);

  CompletionStage<KeysOutcome> keys(
      StoreProtocol.KeyOperation operation, List<ChunkKey> keys, Deadline deadline);

  CompletionStage<List<StatOutcome>> stat(List<ChunkKey> keys, Deadline deadline);

  CompletionStage<List<ExpireOutcome>> expire(
      List<ChunkKey> keys, long expiresAtMillis, Deadline deadline);

  CompletionStage<StoreProtocol.DeleteAllReply> deleteAll(Deadline deadline);

  CompletionStage<ListOutcome> list(String prefix, long cursor, int pageSize, Deadline deadline);

  CompletionStage<Usage> usage();

  CompletionStage<StoreStatus> status();

  /** Done when the store serves, or has failed to start: the status says which. */
  CompletionStage<StoreStatus> ready();

  /**
   * Events from the moment of materialisation on. A consumer that is more than {@code buffer}
   * events behind loses the newest and is told how many. Ends when the store is closed.
   */
  Source<StoreEvent, NotUsed> events(int buffer);

  /**
   * Requests in, outcomes out as they come; demand upstream is given as the device takes them, and
   * as results are taken: a bounded number waits for a consumer. Each element carries a correlation
   * of the caller's.
   *
   * <p>A lease in a result is out of {@code weft.io.lease-pool} from the load on, also while the
   * result waits to be taken: a consumer that stops can hold a good part of the pool. Where the
   * stream ends before the next stage has taken a result, the store takes its lease back; what
   * later stages hold is theirs to release.
   */
  <C> Flow<StreamRequest<C>, StreamResult<C>, NotUsed> flow(Duration timeout);

  /** The store's actor, for hosts that speak {@link StoreProtocol}. */
  ActorRef<StoreProtocol.Command> actor();

  /** What the store's actors run in, for who puts actors of his own beside them. */
  ActorSystem<?> system();

  /** A buffer of the store's pool to fill and hand over; null while the pool is used up. */
  @Nullable BufferLease lease(long length);

  /** The orderly shutdown; done when the device is closed. */
  CompletionStage<StoreStatus> shutdown();

  /** Done when the store is closed, whoever closed it. */
  CompletionStage<StoreStatus> closed();

  /** {@link #shutdown()}, waited for. */
  @Override
  void close();

  // ------------------------------------------------- for servers: answers without a hand-over

  /**
   * As {@link #store(ChunkKey, Payload, StoreOptions, Deadline)}; the answer comes on a thread that
   * the store itself works on, as {@link ReplyTo} says.
   */
  void store(
      ChunkKey key,
      Payload payload,
      StoreOptions options,
      Deadline deadline,
      ReplyTo<StoreOutcome> replyTo);

  /** As {@link #load(ChunkKey, LoadTarget, StoreProtocol.Urgency, Deadline)}, in the same way. */
  void load(
      ChunkKey key,
      LoadTarget target,
      StoreProtocol.Urgency urgency,
      Deadline deadline,
      ReplyTo<LoadOutcome> replyTo);

  /** As {@link #keys(StoreProtocol.KeyOperation, List, Deadline)}, in the same way. */
  void keys(
      StoreProtocol.KeyOperation operation,
      List<ChunkKey> keys,
      Deadline deadline,
      ReplyTo<KeysOutcome> replyTo);

  // ------------------------------------------------- the short forms, with the default deadline

  /** How long the short forms give the store: {@code weft.request-timeout}. */
  Duration requestTimeout();

  default CompletionStage<StoreOutcome> store(ChunkKey key, Payload payload) {
    return store(key, payload, StoreOptions.DEFAULT, Deadline.in(requestTimeout()));
  }

  default CompletionStage<LoadOutcome> load(ChunkKey key, LoadTarget target) {
    return load(key, target, StoreProtocol.Urgency.LOAD, Deadline.in(requestTimeout()));
  }

  default CompletionStage<KeysOutcome> keys(
      StoreProtocol.KeyOperation operation, List<ChunkKey> keys) {
    return keys(operation, keys, Deadline.in(requestTimeout()));
  }

  default CompletionStage<KeysOutcome> lookup(List<ChunkKey> keys) {
    return keys(StoreProtocol.KeyOperation.LOOKUP, keys);
  }

  default CompletionStage<KeysOutcome> delete(List<ChunkKey> keys) {
    return keys(StoreProtocol.KeyOperation.DELETE, keys);
  }

  // ------------------------------------------------- starting

  /**
   * A store with an actor system of its own.
   *
   * @param config what {@code ConfigFactory.load()} gives, with the {@code weft} block in it
   * @throws IllegalArgumentException where the configuration is wrong: the key, the value, the mend
   */
  static ChunkStore start(Config config) {
    return factory().start(config);
  }

  /** A store inside a host's actor system; closing it leaves the system as it was. */
  static ChunkStore start(ActorSystem<?> host, Config config) {
    return factory().start(host, config);
  }

  /** The store as a behaviour that the host spawns where it likes. */
  static Behavior<StoreProtocol.Command> behavior(Config config) {
    return factory().behavior(config);
  }

  private static StoreFactory factory() {
    return ServiceLoader.load(StoreFactory.class, ChunkStore.class.getClassLoader())
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalStateException("no StoreFactory on the class path: is weft.jar whole?"));
  }
}
