package io.weft.actor;

import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.ReplyTo;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.ExpireOutcome;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.ListOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.base.StatOutcome;
import io.weft.base.StoreOutcome;
import io.weft.base.StoreSettings;
import io.weft.base.Usage;
import io.weft.core.Lane;
import io.weft.stream.Admitted;
import io.weft.stream.Replies;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;

/**
 * The way of a request through the intake to the index, for the facade and for the supervisor
 * alike. They differ in one thing: what happens where the intake is full. The facade waits in line,
 * a sender of raw messages is answered BUSY.
 */
final class Requests {
  private static final Rejected USED_BEFORE =
      new Rejected(
          Rejected.Reason.INVALID,
          "this memory was handed to a store before: make a new Payload or LoadTarget for each"
              + " request");

  private final Shared shared;
  private final boolean waits;
  private final Consumer<IndexActor.Request> withoutIndex;

  /**
   * @param waits whether a request that does not fit waits in line
   * @param withoutIndex takes admitted requests while there is no index
   */
  Requests(Shared shared, boolean waits, Consumer<IndexActor.Request> withoutIndex) {
    this.shared = shared;
    this.waits = waits;
    this.withoutIndex = withoutIndex;
  }

  // ---------------------------------------------------------------- stores

  void store(
      ChunkKey key,
      Payload payload,
      StoreOptions options,
      Deadline deadline,
      ReplyTo<StoreOutcome> replyTo) {
    storeJob(key, payload, options, deadline, replyTo, job -> send(new IndexActor.StoreChunk(job)));
  }

  void storeAll(
      List<StoreProtocol.StoreItem> items, Deadline deadline, ReplyTo<List<StoreOutcome>> replyTo) {
    Gather<StoreOutcome> gather = new Gather<>(items.size(), replyTo::reply);
    for (int i = 0; i < items.size(); i++) {
      StoreProtocol.StoreItem item = items.get(i);
      int place = i;
      store(
          item.key(),
          item.payload(),
          item.options(),
          deadline,
          outcome -> gather.put(place, outcome));
    }
  }

  private void storeJob(
      ChunkKey key,
      Payload payload,
      StoreOptions options,
      Deadline deadline,
      ReplyTo<StoreOutcome> replyTo,
      Consumer<StoreJob> next) {
    if (!payload.tryTake()) {
      Replies.send(replyTo, USED_BEFORE);
      return;
    }
    boolean refused =
        !this.<StoreOutcome>admit(
            payload.length(),
            deadline,
            failed -> failed,
            replyTo,
            () -> payload.release(),
            admitted -> next.accept(new StoreJob(shared.jobs, admitted, key, payload, options)));
    if (refused) {
      payload.release();
      Replies.send(replyTo, refusal());
    }
  }

  // ---------------------------------------------------------------- loads

  void load(
      ChunkKey key,
      LoadTarget target,
      StoreProtocol.Urgency urgency,
      Deadline deadline,
      ReplyTo<LoadOutcome> replyTo) {
    load(key, target, urgency, deadline, true, replyTo);
  }

  void loadAll(
      List<StoreProtocol.LoadItem> items,
      StoreProtocol.Urgency urgency,
      Deadline deadline,
      ReplyTo<List<LoadOutcome>> replyTo) {
    Gather<LoadOutcome> gather =
        new Gather<>(
            items.size(),
            outcomes -> {
              List<ChunkKey> hits = new ArrayList<>();
              for (int i = 0; i < outcomes.size(); i++) {
                switch (outcomes.get(i)) {
                  case LoadOutcome.Loaded _ -> hits.add(items.get(i).key());
                  case LoadOutcome.Leased _ -> hits.add(items.get(i).key());
                  case LoadOutcome.Miss _ -> {}
                  case LoadOutcome.TooSmall _ -> {}
                  case Rejected _ -> {}
                  case Failed _ -> {}
                }
              }
              if (!hits.isEmpty()) {
                send(new IndexActor.TouchHits(hits));
              }
              replyTo.reply(outcomes);
            });
    for (int i = 0; i < items.size(); i++) {
      StoreProtocol.LoadItem item = items.get(i);
      int place = i;
      load(
          item.key(),
          item.target(),
          urgency,
          deadline,
          false,
          outcome -> gather.put(place, outcome));
    }
  }

  private void load(
      ChunkKey key,
      LoadTarget target,
      StoreProtocol.Urgency urgency,
      Deadline deadline,
      boolean touches,
      ReplyTo<LoadOutcome> replyTo) {
    if (!target.tryTake()) {
      Replies.send(replyTo, USED_BEFORE);
      return;
    }
    Lane lane =
        switch (urgency) {
          case LOAD -> Lane.LOAD;
          case PREFETCH -> Lane.PREFETCH;
        };
    // A lease is bounded by its own pool.
    long bytes = target.memory() == null ? 0 : target.capacityBytes();
    boolean refused =
        !this.<LoadOutcome>admit(
            Math.min(bytes, shared.settings.maxChunkBytes()),
            deadline,
            failed -> failed,
            replyTo,
            () -> target.release(),
            admitted ->
                send(
                    new IndexActor.LoadChunk(
                        new LoadJob(
                            shared.jobs, admitted, key, target, lane, touches, shared.leases))));
    if (refused) {
      target.release();
      Replies.send(
          replyTo,
          callsItAMiss() ? new LoadOutcome.Miss(LoadOutcome.Miss.Why.UNAVAILABLE) : refusal());
    }
  }

  // ---------------------------------------------------------------- keys

  void keys(
      StoreProtocol.KeyOperation operation,
      List<ChunkKey> keys,
      Deadline deadline,
      ReplyTo<KeysOutcome> replyTo) {
    boolean lookup =
        operation == StoreProtocol.KeyOperation.LOOKUP
            || operation == StoreProtocol.KeyOperation.LOOKUP_AND_LOCK;
    boolean release =
        operation == StoreProtocol.KeyOperation.UNLOCK
            || operation == StoreProtocol.KeyOperation.UNPIN;
    boolean refused =
        !this.<KeysOutcome>admit(
            // What was taken while the device was there is given back while it is away.
            release && shared.index != null,
            0,
            deadline,
            failed -> failed,
            replyTo,
            () -> {},
            admitted -> send(new IndexActor.RunKeys(operation, keys, admitted)));
    if (refused) {
      Replies.send(
          replyTo,
          lookup && callsItAMiss()
              ? new KeysOutcome.Done(keys.size(), new BitSet(), new BitSet())
              : refusal());
    }
  }

  void stat(List<ChunkKey> keys, Deadline deadline, ReplyTo<List<StatOutcome>> replyTo) {
    this.<StatOutcome>each(
        keys, deadline, failed -> failed, refusal(), replyTo, IndexActor.StatKey::new);
  }

  void expire(
      List<ChunkKey> keys,
      long expiresAtMillis,
      Deadline deadline,
      ReplyTo<List<ExpireOutcome>> replyTo) {
    this.<ExpireOutcome>each(
        keys,
        deadline,
        failed -> failed,
        refusal(),
        replyTo,
        (key, admitted) -> new IndexActor.ExpireKey(key, expiresAtMillis, admitted));
  }

  void deleteAll(Deadline deadline, ReplyTo<StoreProtocol.DeleteAllReply> replyTo) {
    StoreProtocol.DeleteAllReply undone = new StoreProtocol.DeleteAllReply(0, false);
    boolean refused =
        !this.<StoreProtocol.DeleteAllReply>admit(
            0,
            deadline,
            failed -> undone,
            replyTo,
            () -> {},
            admitted -> send(new IndexActor.DeleteEverything(admitted)));
    if (refused) {
      Replies.send(replyTo, undone);
    }
  }

  void list(
      String prefix, long cursor, int pageSize, Deadline deadline, ReplyTo<ListOutcome> replyTo) {
    boolean refused =
        !this.<ListOutcome>admit(
            0,
            deadline,
            failed -> failed,
            replyTo,
            () -> {},
            admitted -> send(new IndexActor.ListSome(prefix, cursor, pageSize, admitted)));
    if (refused) {
      Replies.send(replyTo, refusal());
    }
  }

  /** What the store holds now; what it held a moment ago, where nobody can say. */
  void usage(ReplyTo<Usage> replyTo) {
    boolean refused =
        !this.<Usage>admit(
            0,
            Deadline.in(shared.settings.requestTimeout(), shared.ticker),
            _ -> shared.usage,
            replyTo,
            () -> {},
            admitted -> send(new IndexActor.TellUsage(admitted)));
    if (refused) {
      Replies.send(replyTo, shared.usage);
    }
  }

  private interface KeyRequest<R> {
    IndexActor.Request make(ChunkKey key, Admitted<R> admitted);
  }

  private <R> void each(
      List<ChunkKey> keys,
      Deadline deadline,
      Function<Failed, R> failure,
      R refusal,
      ReplyTo<List<R>> replyTo,
      KeyRequest<R> request) {
    Gather<R> gather = new Gather<>(keys.size(), replyTo::reply);
    for (int i = 0; i < keys.size(); i++) {
      ChunkKey key = keys.get(i);
      int place = i;
      boolean refused =
          !this.<R>admit(
              0,
              deadline,
              failure,
              outcome -> gather.put(place, outcome),
              () -> {},
              admitted -> send(request.make(key, admitted)));
      if (refused) {
        gather.put(place, refusal);
      }
    }
  }

  // ---------------------------------------------------------------- the intake

  /**
   * @param unused gives the memory back where the request ends while it waits in line
   * @return false where the request was refused
   */
  private <R> boolean admit(
      long bytes,
      Deadline deadline,
      Function<Failed, ? extends R> failure,
      ReplyTo<R> replyTo,
      Runnable unused,
      Consumer<Admitted<R>> next) {
    return admit(false, bytes, deadline, failure, replyTo, unused, next);
  }

  private <R> boolean admit(
      boolean always,
      long bytes,
      Deadline deadline,
      Function<Failed, ? extends R> failure,
      ReplyTo<R> replyTo,
      Runnable unused,
      Consumer<Admitted<R>> next) {
    if (shared.refusing != null && !always) {
      return false;
    }
    if (waits) {
      return switch (shared.intake.admit(bytes, deadline, failure, replyTo, unused, next)) {
        case ADMITTED, WAITING -> true;
        case BUSY, CLOSED -> false;
      };
    }
    Admitted<R> admitted = shared.intake.tryAdmit(bytes, deadline, failure, replyTo);
    if (admitted == null) {
      return false;
    }
    next.accept(admitted);
    return true;
  }

  /** Whether a load or lookup that is refused is a miss. */
  private boolean callsItAMiss() {
    return shared.refusing != null
        && shared.settings.link().whenDown() == StoreSettings.WhenDown.MISS;
  }

  private Rejected refusal() {
    Rejected refusing = shared.refusing;
    if (refusing != null) {
      return refusing;
    }
    return shared.intake.isClosed()
        ? new Rejected(Rejected.Reason.CLOSED, "the store takes nothing any more")
        : new Rejected(
            Rejected.Reason.BUSY,
            "more is in flight than weft.intake allows: wait for answers, or enlarge it");
  }

  private void send(IndexActor.Request request) {
    ActorRef<IndexActor.Command> index = shared.index;
    if (index == null) {
      withoutIndex.accept(request);
    } else {
      index.tell(request);
    }
    // A store that ends gives up the requests that it sees; this one may have come behind that.
    Failed ended = shared.ended;
    if (ended != null) {
      request.giveUp(ended);
    }
  }
}
