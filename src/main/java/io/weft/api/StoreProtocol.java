package io.weft.api;

import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.ExpireOutcome;
import io.weft.base.KeysOutcome;
import io.weft.base.KeysPage;
import io.weft.base.ListOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.base.StatOutcome;
import io.weft.base.StoreOutcome;
import io.weft.base.Usage;
import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;

/**
 * The messages that a store takes and the answers that it gives.
 *
 * <p>Every command is answered exactly once, shortly after its deadline at the latest. A sender
 * that has more in flight than the store takes is answered {@link Rejected.Reason#BUSY} at once;
 * the facade and the flow of {@link ChunkStore} wait instead.
 *
 * <p>Operations on keys take a list: one message serves any number of keys, in one step of the
 * index.
 */
public final class StoreProtocol {
  private StoreProtocol() {}

  /** What a store takes. */
  public sealed interface Command {}

  /** A command that is done, or given up, by a deadline. */
  public sealed interface Request extends Command {
    Deadline deadline();
  }

  /** Stores a chunk. */
  public record Store(
      ChunkKey key,
      Payload payload,
      StoreOptions options,
      Deadline deadline,
      ReplyTo<StoreReply> replyTo)
      implements Request {
    public Store(
        ChunkKey key,
        Payload payload,
        StoreOptions options,
        Deadline deadline,
        ActorRef<? super StoreReply> replyTo) {
      this(key, payload, options, deadline, ReplyTo.actor(replyTo));
    }
  }

  public record StoreReply(ChunkKey key, StoreOutcome outcome) {}

  /** Stores several chunks, each on its own; one answer, when all are done. */
  public record StoreBatch(
      List<StoreItem> items, Deadline deadline, ReplyTo<StoreBatchReply> replyTo)
      implements Request {
    public StoreBatch {
      items = List.copyOf(items);
    }

    public StoreBatch(
        List<StoreItem> items, Deadline deadline, ActorRef<? super StoreBatchReply> replyTo) {
      this(items, deadline, ReplyTo.actor(replyTo));
    }
  }

  public record StoreItem(ChunkKey key, Payload payload, StoreOptions options) {}

  /** One outcome an item, in the order of the request. */
  public record StoreBatchReply(List<StoreOutcome> outcomes) {}

  /** How urgent a load is. */
  public enum Urgency {
    /** Somebody waits for the bytes. */
    LOAD,
    /** The bytes will be wanted soon; goes after every load. */
    PREFETCH
  }

  /** Loads a chunk. A hit counts as a use of it. */
  public record Load(
      ChunkKey key,
      LoadTarget target,
      Urgency urgency,
      Deadline deadline,
      ReplyTo<LoadReply> replyTo)
      implements Request {
    public Load(
        ChunkKey key,
        LoadTarget target,
        Urgency urgency,
        Deadline deadline,
        ActorRef<? super LoadReply> replyTo) {
      this(key, target, urgency, deadline, ReplyTo.actor(replyTo));
    }
  }

  public record LoadReply(ChunkKey key, LoadOutcome outcome) {}

  /**
   * Loads several chunks, each on its own; one answer, when all are done. The hits count as used
   * last to first, so that the head of a prefix outlives its tail.
   */
  public record LoadBatch(
      List<LoadItem> items, Urgency urgency, Deadline deadline, ReplyTo<LoadBatchReply> replyTo)
      implements Request {
    public LoadBatch {
      items = List.copyOf(items);
    }

    public LoadBatch(
        List<LoadItem> items,
        Urgency urgency,
        Deadline deadline,
        ActorRef<? super LoadBatchReply> replyTo) {
      this(items, urgency, deadline, ReplyTo.actor(replyTo));
    }
  }

  public record LoadItem(ChunkKey key, LoadTarget target) {}

  /** One outcome an item, in the order of the request. */
  public record LoadBatchReply(List<LoadOutcome> outcomes) {}

  /** What is done to keys, by the index alone. */
  public enum KeyOperation {
    /** Which keys are there. Does not count as a use. */
    LOOKUP,
    /** {@link #LOOKUP}, and a counted lock on each hit in the same step. Locked: not evicted. */
    LOOKUP_AND_LOCK,
    /** One lock less on each key; unknown and unlocked keys are tolerated. */
    UNLOCK,
    /** One pin more on each key that is there. Pinned: not evicted. */
    PIN,
    /** One pin less on each key. */
    UNPIN,
    /** Counts as a use of each key, last to first. */
    TOUCH,
    /** Removes the keys; locked and pinned ones are left, and said in the answer. */
    DELETE,
    /** Removes the keys, locked or not. */
    DELETE_FORCED
  }

  /** One operation on a list of keys. */
  public record Keys(
      KeyOperation operation, List<ChunkKey> keys, Deadline deadline, ReplyTo<KeysOutcome> replyTo)
      implements Request {
    public Keys(
        KeyOperation operation,
        List<ChunkKey> keys,
        Deadline deadline,
        ActorRef<? super KeysOutcome> replyTo) {
      this(operation, keys, deadline, ReplyTo.actor(replyTo));
    }
  }

  /** What is known of each key. */
  public record Stat(List<ChunkKey> keys, Deadline deadline, ReplyTo<StatReply> replyTo)
      implements Request {
    public Stat(List<ChunkKey> keys, Deadline deadline, ActorRef<? super StatReply> replyTo) {
      this(keys, deadline, ReplyTo.actor(replyTo));
    }
  }

  /** One outcome a key, in the order of the request. */
  public record StatReply(List<StatOutcome> outcomes) {}

  /** Gives each key another expiry time ({@link io.weft.base.Chunks#NEVER} for none). */
  public record Expire(
      List<ChunkKey> keys, long expiresAtMillis, Deadline deadline, ReplyTo<ExpireReply> replyTo)
      implements Request {
    public Expire(
        List<ChunkKey> keys,
        long expiresAtMillis,
        Deadline deadline,
        ActorRef<? super ExpireReply> replyTo) {
      this(keys, expiresAtMillis, deadline, ReplyTo.actor(replyTo));
    }
  }

  /** One outcome a key, in the order of the request. */
  public record ExpireReply(List<ExpireOutcome> outcomes) {}

  /** Removes every chunk that is there when the command is taken, locked and pinned ones too. */
  public record DeleteAll(Deadline deadline, ReplyTo<DeleteAllReply> replyTo) implements Request {
    public DeleteAll(Deadline deadline, ActorRef<? super DeleteAllReply> replyTo) {
      this(deadline, ReplyTo.actor(replyTo));
    }
  }

  /**
   * @param deleted how many chunks are gone from the index; where {@code done} is false the
   *     deadline came first, and the rest goes on being removed
   */
  public record DeleteAllReply(long deleted, boolean done) {}

  /**
   * Lists keys that begin with some bytes, a page a message.
   *
   * @param cursor {@link KeysPage#START}, then what the page before said
   */
  public record ListKeys(
      String prefix, long cursor, int pageSize, Deadline deadline, ReplyTo<ListOutcome> replyTo)
      implements Request {
    public ListKeys(
        String prefix,
        long cursor,
        int pageSize,
        Deadline deadline,
        ActorRef<? super ListOutcome> replyTo) {
      this(prefix, cursor, pageSize, deadline, ReplyTo.actor(replyTo));
    }
  }

  /** What the store holds now; what it held last, while it does not serve. */
  public record GetUsage(ReplyTo<Usage> replyTo) implements Command {
    public GetUsage(ActorRef<? super Usage> replyTo) {
      this(ReplyTo.actor(replyTo));
    }
  }

  /** How the store is now. Answered in every state, failed ones included. */
  public record GetStatus(ReplyTo<StoreStatus> replyTo) implements Command {
    public GetStatus(ActorRef<? super StoreStatus> replyTo) {
      this(ReplyTo.actor(replyTo));
    }
  }

  /**
   * Sends every event from now on to the subscriber, until it unsubscribes or stops. Nothing is
   * dropped: events that an actor does not take wait in its mailbox, as many as that takes. {@link
   * ChunkStore#events} is bounded.
   */
  public record Subscribe(ActorRef<StoreEvent> subscriber) implements Command {}

  public record Unsubscribe(ActorRef<StoreEvent> subscriber) implements Command {}

  /** Hands out the facade of this store. */
  public record GetFacade(ReplyTo<ChunkStore> replyTo) implements Command {
    public GetFacade(ActorRef<? super ChunkStore> replyTo) {
      this(ReplyTo.actor(replyTo));
    }
  }

  /** Answered when the store serves, or with why it does not. */
  public record AwaitReady(ReplyTo<StoreStatus> replyTo) implements Command {
    public AwaitReady(ActorRef<? super StoreStatus> replyTo) {
      this(ReplyTo.actor(replyTo));
    }
  }

  /**
   * Shuts the store down in order: takes nothing new, finishes what is in flight, writes the
   * snapshot, closes the device. Answered when that is done; the actor stops.
   */
  public record Shutdown(ReplyTo<StoreStatus> replyTo) implements Command {
    public Shutdown(ActorRef<? super StoreStatus> replyTo) {
      this(ReplyTo.actor(replyTo));
    }
  }
}
