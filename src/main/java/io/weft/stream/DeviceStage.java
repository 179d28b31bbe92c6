package io.weft.stream;

import io.weft.core.Transfer;
import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.Set;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.FlowShape;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.stage.AbstractInHandler;
import org.apache.pekko.stream.stage.AbstractOutHandler;
import org.apache.pekko.stream.stage.GraphStage;
import org.apache.pekko.stream.stage.GraphStageLogic;

/**
 * Pieces in; out, what becomes of them, in the order in which the device is done. It asks for a
 * piece only while a worker has room for it: here the device's pace becomes backpressure.
 *
 * <p>Finished pieces arrive from other threads, through {@link Arrivals}.
 */
final class DeviceStage extends GraphStage<FlowShape<Transfer.Piece, Returned>> {
  private final Inlet<Transfer.Piece> in = Inlet.create("DeviceStage.in");
  private final Outlet<Returned> out = Outlet.create("DeviceStage.out");
  private final FlowShape<Transfer.Piece, Returned> shape = FlowShape.of(in, out);
  private final InFlightTransfers inFlight;
  private final int capacity;

  DeviceStage(InFlightTransfers inFlight, int capacity) {
    this.inFlight = inFlight;
    this.capacity = capacity;
  }

  @Override
  public FlowShape<Transfer.Piece, Returned> shape() {
    return shape;
  }

  @Override
  public GraphStageLogic createLogic(Attributes attributes) {
    return new Logic();
  }

  private final class Logic extends GraphStageLogic implements PieceRunner.Listener {
    private final Arrivals<Returned> arrivals =
        new Arrivals<>(createAsyncCallback(_ -> takeArrived()), this::doneWithoutStream);
    private final ArrayDeque<Returned> finished = new ArrayDeque<>();
    private final Set<Transfer.Piece> stuck = new HashSet<>();
    private int running;

    Logic() {
      super(shape);
      setHandler(
          in,
          new AbstractInHandler() {
            @Override
            public void onPush() {
              running++;
              inFlight.run(grab(in), Logic.this);
              askForMore();
            }

            @Override
            public void onUpstreamFinish() {
              completeWhenIdle();
            }
          });
      setHandler(
          out,
          new AbstractOutHandler() {
            @Override
            public void onPull() {
              pushFinished();
            }
          });
    }

    @Override
    public void preStart() {
      askForMore();
    }

    @Override
    public void done(Transfer.Piece piece) {
      inFlight.back(piece);
      arrivals.add(new Returned(piece, false));
    }

    @Override
    public void stuck(Transfer.Piece piece) {
      arrivals.add(new Returned(piece, true));
    }

    @Override
    public void postStop() {
      arrivals.stop();
    }

    private void doneWithoutStream(Returned back) {
      if (!back.stuck()) {
        inFlight.doneWithoutStream(back.piece());
      }
    }

    private void takeArrived() {
      arrivals.attend();
      Returned back;
      while ((back = arrivals.poll()) != null) {
        // A stuck piece gave its room back already when it was said to be stuck.
        boolean hadRoom = back.stuck() ? stuck.add(back.piece()) : !stuck.remove(back.piece());
        running -= hadRoom ? 1 : 0;
        finished.add(back);
      }
      pushFinished();
      askForMore();
      completeWhenIdle();
    }

    private void pushFinished() {
      if (isAvailable(out) && !finished.isEmpty()) {
        push(out, finished.poll());
        completeWhenIdle();
      }
    }

    private void askForMore() {
      if (running < capacity && !isClosed(in) && !hasBeenPulled(in)) {
        pull(in);
      }
    }

    private void completeWhenIdle() {
      if (isClosed(in) && running == 0 && stuck.isEmpty() && finished.isEmpty()) {
        completeStage();
      }
    }
  }
}
