package io.weft.stream;

import io.weft.base.Ticker;
import io.weft.core.Lane;
import io.weft.core.LaneScheduler;
import io.weft.core.Transfer;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.Done;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.BoundedSourceQueue;
import org.apache.pekko.stream.FlowShape;
import org.apache.pekko.stream.Graph;
import org.apache.pekko.stream.KillSwitches;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.UniqueKillSwitch;
import org.apache.pekko.stream.javadsl.Flow;
import org.apache.pekko.stream.javadsl.GraphDSL;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Source;

/**
 * The device queue: one bounded queue a lane, the merge that chooses between them, and the device.
 *
 * <pre>
 *   LOAD     queue -+
 *   PREFETCH queue -+-> LaneMerge --piece--> DeviceStage --> I/O workers
 *   DELETE   queue -+       ^                     |
 *   STORE    queue -+       +----piece, done------+
 * </pre>
 *
 * All of it is one island on one dispatcher: no asynchronous boundary, no hidden buffer. A transfer
 * that was offered is finished exactly once, also where the stream ends early.
 */
public final class Lanes {
  private static final int LANES = Lane.values().length;

  private final List<BoundedSourceQueue<Transfer>> queues;
  private final InFlightTransfers inFlight;
  private final UniqueKillSwitch abort;
  private final CompletionStage<Done> done;
  private volatile boolean ended;

  private Lanes(
      List<BoundedSourceQueue<Transfer>> queues,
      InFlightTransfers inFlight,
      UniqueKillSwitch abort,
      CompletionStage<Done> done) {
    this.abort = abort;
    this.queues = queues;
    this.inFlight = inFlight;
    this.done =
        done.whenComplete(
            (_, _) -> {
              ended = true;
              inFlight.takeOverAll();
            });
  }

  /**
   * @param queueSize transfers that may wait in each lane; with as many as the intake accepts
   *     operations, a lane is never full
   */
  public static Lanes start(
      LaneScheduler.Limits limits,
      int queueSize,
      PieceRunner runner,
      Ticker ticker,
      String dispatcher,
      Materializer materializer) {
    InFlightTransfers inFlight = new InFlightTransfers(runner);
    Graph<FlowShape<Returned, Transfer.Piece>, List<BoundedSourceQueue<Transfer>>> lanes =
        GraphDSL.create(
            Collections.nCopies(LANES, Source.<Transfer>queue(queueSize)),
            (builder, queues) -> {
              LaneMerge.LaneShape merge = builder.add(new LaneMerge(limits, inFlight, ticker));
              for (int i = 0; i < LANES; i++) {
                builder.from(queues.get(i)).toInlet(merge.lanes.get(i));
              }
              return FlowShape.of(merge.returned, merge.out);
            });
    Flow<Transfer.Piece, Returned, Pair<UniqueKillSwitch, CompletionStage<Done>>> device =
        Flow.of(Transfer.Piece.class)
            .via(new DeviceStage(inFlight, runner.capacity()))
            .viaMat(KillSwitches.single(), Keep.right())
            .watchTermination(Keep.both());
    Pair<List<BoundedSourceQueue<Transfer>>, Pair<UniqueKillSwitch, CompletionStage<Done>>>
        running =
            Flow.fromGraph(lanes)
                .joinMat(device, Keep.both())
                .withAttributes(
                    Attributes.inputBuffer(1, 1).and(ActorAttributes.dispatcher(dispatcher)))
                .run(materializer);
    return new Lanes(
        running.first(), inFlight, running.second().first(), running.second().second());
  }

  /**
   * Hands a transfer to its lane. Where the lanes have ended, or are full, the transfer is finished
   * as given up.
   */
  public void offer(Transfer transfer) {
    inFlight.add(transfer);
    if (transfer.finished()) {
      inFlight.finish(transfer);
      return;
    }
    if (!queues.get(transfer.lane().rank()).offer(transfer).isEnqueued()) {
      transfer.cancel(Transfer.Cancelled.RESTARTED);
      inFlight.finish(transfer);
    } else if (ended) {
      // The queue took it when nobody read the queue any more.
      inFlight.takeOver(transfer);
    }
  }

  /** Takes nothing more; {@link #done()} follows when everything offered is finished. */
  public void complete() {
    queues.forEach(BoundedSourceQueue::complete);
  }

  /** Ends at once: gives up what has not begun, undoes what has. */
  public void abort() {
    abort.abort(new IllegalStateException("the device queue was stopped"));
  }

  /** When the stream has ended: well after {@link #complete()}, failed where a stage had a bug. */
  public CompletionStage<Done> done() {
    return done;
  }
}
