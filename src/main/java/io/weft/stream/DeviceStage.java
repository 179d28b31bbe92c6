package io.weft.stream;

import io.weft.core.Transfer;
import java.util.ArrayDeque;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.FlowShape;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.stage.AbstractInHandler;
import org.apache.pekko.stream.stage.AbstractOutHandler;
import org.apache.pekko.stream.stage.AsyncCallback;
import org.apache.pekko.stream.stage.GraphStage;
import org.apache.pekko.stream.stage.GraphStageLogic;

/**
 * Pieces in, the same pieces out when the device is done with them, in the order in which it is. It
 * asks for a piece only while a worker has room for it: here the device's pace becomes
 * backpressure.
 *
 * <p>Finished pieces arrive from other threads through one queue; a burst of them costs one
 * wake-up.
 */
final class DeviceStage extends GraphStage<FlowShape<Transfer.Piece, Transfer.Piece>> {
  private final Inlet<Transfer.Piece> in = Inlet.create("DeviceStage.in");
  private final Outlet<Transfer.Piece> out = Outlet.create("DeviceStage.out");
  private final FlowShape<Transfer.Piece, Transfer.Piece> shape = FlowShape.of(in, out);
  private final InFlightTransfers inFlight;
  private final int capacity;

  DeviceStage(InFlightTransfers inFlight, int capacity) {
    this.inFlight = inFlight;
    this.capacity = capacity;
  }

  @Override
  public FlowShape<Transfer.Piece, Transfer.Piece> shape() {
    return shape;
  }

  @Override
  public GraphStageLogic createLogic(Attributes attributes) {
    return new Logic();
  }

  private final class Logic extends GraphStageLogic {
    private final ConcurrentLinkedQueue<Transfer.Piece> arrived = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean woken = new AtomicBoolean();
    private final ArrayDeque<Transfer.Piece> finished = new ArrayDeque<>();
    private final AsyncCallback<Boolean> wake = createAsyncCallback(_ -> takeArrived());
    private final PieceRunner.DoneListener done = this::arrive;
    private volatile boolean stopped;
    private int running;

    Logic() {
      super(shape);
      setHandler(
          in,
          new AbstractInHandler() {
            @Override
            public void onPush() {
              running++;
              inFlight.run(grab(in), done);
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

    /** Called by I/O threads. */
    private void arrive(Transfer.Piece piece) {
      arrived.add(piece);
      if (stopped) {
        giveUpArrived();
      } else if (woken.compareAndSet(false, true)) {
        wake.invoke(true);
      }
    }

    @Override
    public void postStop() {
      stopped = true;
      giveUpArrived();
    }

    private void giveUpArrived() {
      Transfer.Piece piece;
      while ((piece = arrived.poll()) != null) {
        inFlight.doneWithoutStream(piece);
      }
    }

    private void takeArrived() {
      woken.set(false);
      Transfer.Piece piece;
      while ((piece = arrived.poll()) != null) {
        running--;
        finished.add(piece);
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
      if (isClosed(in) && running == 0 && finished.isEmpty()) {
        completeStage();
      }
    }
  }
}
