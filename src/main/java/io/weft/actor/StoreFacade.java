package io.weft.actor;

import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.ReplyTo;
import io.weft.api.StoreEvent;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreStatus;
import io.weft.api.StreamRequest;
import io.weft.api.StreamResult;
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
import io.weft.stream.RequestStage;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.stream.BoundedSourceQueue;
import org.apache.pekko.stream.QueueOfferResult;
import org.apache.pekko.stream.javadsl.Flow;
import org.apache.pekko.stream.javadsl.Source;
import org.jspecify.annotations.Nullable;

/** The facade of one store: calls become requests, answers complete stages. */
final class StoreFacade implements ChunkStore {
  private final Shared shared;
  private final ActorSystem<?> system;
  private final ActorRef<StoreProtocol.Command> supervisor;
  private final Executor callbacks;
  private final Requests requests;
  private final CompletableFuture<StoreStatus> closed = new CompletableFuture<>();

  /**
   * @param callbacks where stages complete
   */
  StoreFacade(
      Shared shared,
      ActorSystem<?> system,
      ActorRef<StoreProtocol.Command> supervisor,
      Executor callbacks,
      Requests requests) {
    this.shared = shared;
    this.system = system;
    this.supervisor = supervisor;
    this.callbacks = callbacks;
    this.requests = requests;
  }

  /** The store is closed; whoever waits for that goes on. */
  void complete(StoreStatus lastStatus) {
    complete(closed, lastStatus);
  }

  private <R> void complete(CompletableFuture<R> future, R value) {
    try {
      callbacks.execute(() -> future.complete(value));
    } catch (RejectedExecutionException _) {
      // The store has stopped, and its threads with it.
      future.complete(value);
    }
  }

  private <R> CompletionStage<R> stage(Consumer<ReplyTo<R>> call) {
    CompletableFuture<R> future = new CompletableFuture<>();
    call.accept(reply -> complete(future, reply));
    return future;
  }

  @Override
  public CompletionStage<StoreOutcome> store(
      ChunkKey key, Payload payload, StoreOptions options, Deadline deadline) {
    return stage(reply -> requests.store(key, payload, options, deadline, reply));
  }

  @Override
  public CompletionStage<List<StoreOutcome>> storeAll(
      List<StoreProtocol.StoreItem> items, Deadline deadline) {
    return stage(reply -> requests.storeAll(items, deadline, reply));
  }

  @Override
  public CompletionStage<LoadOutcome> load(
      ChunkKey key, LoadTarget target, StoreProtocol.Urgency urgency, Deadline deadline) {
    return stage(reply -> requests.load(key, target, urgency, deadline, reply));
  }

  @Override
  public CompletionStage<List<LoadOutcome>> loadAll(
      List<StoreProtocol.LoadItem> items, StoreProtocol.Urgency urgency, Deadline deadline) {
    return stage(reply -> requests.loadAll(items, urgency, deadline, reply));
  }

  @Override
  public CompletionStage<KeysOutcome> keys(
      StoreProtocol.KeyOperation operation, List<ChunkKey> keys, Deadline deadline) {
    return stage(reply -> requests.keys(operation, keys, deadline, reply));
  }

  @Override
  public void store(
      ChunkKey key,
      Payload payload,
      StoreOptions options,
      Deadline deadline,
      ReplyTo<StoreOutcome> replyTo) {
    requests.store(key, payload, options, deadline, replyTo);
  }

  @Override
  public void load(
      ChunkKey key,
      LoadTarget target,
      StoreProtocol.Urgency urgency,
      Deadline deadline,
      ReplyTo<LoadOutcome> replyTo) {
    requests.load(key, target, urgency, deadline, replyTo);
  }

  @Override
  public void keys(
      StoreProtocol.KeyOperation operation,
      List<ChunkKey> keys,
      Deadline deadline,
      ReplyTo<KeysOutcome> replyTo) {
    requests.keys(operation, keys, deadline, replyTo);
  }

  @Override
  public CompletionStage<List<StatOutcome>> stat(List<ChunkKey> keys, Deadline deadline) {
    return stage(reply -> requests.stat(keys, deadline, reply));
  }

  @Override
  public CompletionStage<List<ExpireOutcome>> expire(
      List<ChunkKey> keys, long expiresAtMillis, Deadline deadline) {
    return stage(reply -> requests.expire(keys, expiresAtMillis, deadline, reply));
  }

  @Override
  public CompletionStage<StoreProtocol.DeleteAllReply> deleteAll(Deadline deadline) {
    return stage(reply -> requests.deleteAll(deadline, reply));
  }

  @Override
  public CompletionStage<ListOutcome> list(
      String prefix, long cursor, int pageSize, Deadline deadline) {
    return stage(reply -> requests.list(prefix, cursor, pageSize, deadline, reply));
  }

  @Override
  public CompletionStage<Usage> usage() {
    return stage(requests::usage);
  }

  @Override
  public CompletionStage<StoreStatus> status() {
    return untilClosed(reply -> supervisor.tell(new StoreProtocol.GetStatus(reply)));
  }

  @Override
  public CompletionStage<StoreStatus> ready() {
    return untilClosed(reply -> supervisor.tell(new StoreProtocol.AwaitReady(reply)));
  }

  @Override
  public CompletionStage<StoreStatus> shutdown() {
    return untilClosed(reply -> supervisor.tell(new StoreProtocol.Shutdown(reply)));
  }

  /** A question to the supervisor; after the store is closed, its last status is the answer. */
  private CompletionStage<StoreStatus> untilClosed(Consumer<ReplyTo<StoreStatus>> question) {
    CompletableFuture<StoreStatus> answer = new CompletableFuture<>();
    var _ = closed.thenAccept(status -> complete(answer, status));
    if (!closed.isDone()) {
      question.accept(status -> complete(answer, status));
    }
    return answer;
  }

  @Override
  public CompletionStage<StoreStatus> closed() {
    return closed.minimalCompletionStage();
  }

  @Override
  public Source<StoreEvent, NotUsed> events(int buffer) {
    return Source.<StoreEvent>queue(buffer)
        .mapMaterializedValue(
            queue -> {
              shared.events.add(new Subscription(queue));
              return NotUsed.getInstance();
            });
  }

  /** A stream of events that loses the newest while it is full, and says how many. */
  private static final class Subscription implements EventHub.Listener {
    private final BoundedSourceQueue<StoreEvent> queue;
    private long dropped;

    Subscription(BoundedSourceQueue<StoreEvent> queue) {
      this.queue = queue;
    }

    @Override
    public boolean event(StoreEvent event) {
      if (dropped > 0 && queue.offer(new StoreEvent.Dropped(dropped)).isEnqueued()) {
        dropped = 0;
      }
      QueueOfferResult result = queue.offer(event);
      if (result.equals(QueueOfferResult.dropped())) {
        dropped++;
        return true;
      }
      return result.isEnqueued();
    }

    @Override
    public void closed() {
      try {
        queue.complete();
      } catch (IllegalStateException _) {
        // Its reader was gone already, which the queue does not put up with.
      }
    }
  }

  @Override
  public <C> Flow<StreamRequest<C>, StreamResult<C>, NotUsed> flow(Duration timeout) {
    int ahead =
        Math.min(
            shared.settings.intake().operations(),
            4 * shared.settings.io().threads() * shared.settings.io().queuePerWorker());
    return Flow.fromGraph(
        new RequestStage<C>(ahead, request -> run(request, Deadline.in(timeout, shared.ticker))));
  }

  private <C> CompletionStage<StreamResult<C>> run(StreamRequest<C> request, Deadline deadline) {
    return switch (request) {
      case StreamRequest.Store<C>(C correlation, ChunkKey key, Payload payload, StoreOptions how) ->
          store(key, payload, how, deadline)
              .thenApply(outcome -> new StreamResult.Stored<>(correlation, outcome));
      case StreamRequest.Load<C>(
              C correlation,
              ChunkKey key,
              LoadTarget target,
              StoreProtocol.Urgency urgency) ->
          load(key, target, urgency, deadline)
              .thenApply(outcome -> new StreamResult.Loaded<>(correlation, outcome));
    };
  }

  @Override
  public ActorRef<StoreProtocol.Command> actor() {
    return supervisor;
  }

  @Override
  public ActorSystem<?> system() {
    return system;
  }

  @Override
  public @Nullable BufferLease lease(long length) {
    return shared.leases.tryLease(length);
  }

  @Override
  public Duration requestTimeout() {
    return shared.settings.requestTimeout();
  }

  @Override
  public void close() {
    shutdown().toCompletableFuture().join();
  }
}
