package io.weft.stream;

import io.weft.base.Ticker;
import io.weft.core.Lane;
import io.weft.core.LaneScheduler;
import io.weft.core.Transfer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.Shape;
import org.apache.pekko.stream.stage.AbstractInHandler;
import org.apache.pekko.stream.stage.AbstractOutHandler;
import org.apache.pekko.stream.stage.GraphStage;
import org.apache.pekko.stream.stage.GraphStageLogic;
import org.apache.pekko.stream.stage.TimerGraphStageLogic;

/**
 * The merge of the lanes: transfers in, one inlet a lane; out, piece by piece, what the {@link
 * LaneScheduler} chooses, whenever the device asks; back in, through {@code returned}, the pieces
 * that the device is done with.
 *
 * <p>Of each lane only {@value #WINDOW} transfers are taken in ahead; the rest waits in the lane's
 * own queue. It completes when every lane has, and the last transfer is finished.
 */
final class LaneMerge extends GraphStage<LaneMerge.LaneShape> {
  private static final int WINDOW = 64;
  private static final Duration EXPIRE_INTERVAL = Duration.ofMillis(50);
  private static final Lane[] LANES = Lane.values();

  /** One inlet a lane in the order of {@link Lane}, one for returned pieces, one outlet. */
  static final class LaneShape extends Shape {
    final List<Inlet<Transfer>> lanes;
    final Inlet<Returned> returned;
    final Outlet<Transfer.Piece> out;

    LaneShape(List<Inlet<Transfer>> lanes, Inlet<Returned> returned, Outlet<Transfer.Piece> out) {
      this.lanes = lanes;
      this.returned = returned;
      this.out = out;
    }

    @Override
    public scala.collection.immutable.Seq<Inlet<?>> inlets() {
      List<Inlet<?>> all = new ArrayList<>(lanes);
      all.add(returned);
      return scala.jdk.javaapi.CollectionConverters.asScala(all).toSeq();
    }

    @Override
    public scala.collection.immutable.Seq<Outlet<?>> outlets() {
      List<Outlet<?>> all = List.of(out);
      return scala.jdk.javaapi.CollectionConverters.asScala(all).toSeq();
    }

    @Override
    @SuppressWarnings("unchecked") // an inlet copies to one of its own type
    public Shape deepCopy() {
      List<Inlet<Transfer>> copies = new ArrayList<>();
      for (Inlet<Transfer> lane : lanes) {
        copies.add((Inlet<Transfer>) (Inlet<?>) lane.carbonCopy());
      }
      return new LaneShape(
          copies,
          (Inlet<Returned>) (Inlet<?>) returned.carbonCopy(),
          (Outlet<Transfer.Piece>) (Outlet<?>) out.carbonCopy());
    }
  }

  private final LaneShape shape;
  private final LaneScheduler.Limits limits;
  private final InFlightTransfers inFlight;
  private final Ticker ticker;

  LaneMerge(LaneScheduler.Limits limits, InFlightTransfers inFlight, Ticker ticker) {
    List<Inlet<Transfer>> lanes = new ArrayList<>();
    for (Lane lane : LANES) {
      lanes.add(Inlet.create("LaneMerge." + lane));
    }
    this.shape =
        new LaneShape(
            List.copyOf(lanes), Inlet.create("LaneMerge.returned"), Outlet.create("LaneMerge.out"));
    this.limits = limits;
    this.inFlight = inFlight;
    this.ticker = ticker;
  }

  @Override
  public LaneShape shape() {
    return shape;
  }

  @Override
  public GraphStageLogic createLogic(Attributes attributes) {
    return new Logic();
  }

  private final class Logic extends TimerGraphStageLogic {
    private final LaneScheduler scheduler = new LaneScheduler(limits);

    Logic() {
      super(shape);
      for (Lane lane : LANES) {
        Inlet<Transfer> inlet = shape.lanes.get(lane.rank());
        setHandler(
            inlet,
            new AbstractInHandler() {
              @Override
              public void onPush() {
                scheduler.enter(grab(inlet), ticker.nanoTime());
                askForMore(lane);
                hand();
              }

              @Override
              public void onUpstreamFinish() {
                completeWhenIdle();
              }
            });
      }
      setHandler(
          shape.returned,
          new AbstractInHandler() {
            @Override
            public void onPush() {
              Returned back = grab(shape.returned);
              if (back.stuck()) {
                scheduler.stuck(back.piece());
              } else {
                scheduler.done(back.piece(), ticker.nanoTime());
                if (back.piece().transfer().finished()) {
                  inFlight.finish(back.piece().transfer());
                }
              }
              pull(shape.returned);
              hand();
              completeWhenIdle();
            }
          });
      setHandler(
          shape.out,
          new AbstractOutHandler() {
            @Override
            public void onPull() {
              hand();
            }
          });
    }

    /** Whatever has passed its deadline ends, also while the device says nothing. */
    @Override
    public void onTimer(Object key) {
      hand();
    }

    @Override
    public void preStart() {
      scheduleWithFixedDelay("expire", EXPIRE_INTERVAL, EXPIRE_INTERVAL);
      pull(shape.returned);
      for (Lane lane : LANES) {
        askForMore(lane);
      }
    }

    private void hand() {
      long now = ticker.nanoTime();
      Transfer expired;
      while ((expired = scheduler.takeExpiredHead(now)) != null) {
        expired.cancel(Transfer.Cancelled.DEADLINE);
        inFlight.finish(expired);
        askForMore(expired.lane());
      }
      if (!isAvailable(shape.out)) {
        return;
      }
      Transfer.Piece piece = scheduler.takeNext(now);
      if (piece != null) {
        askForMore(piece.transfer().lane());
        push(shape.out, piece);
      }
    }

    private void askForMore(Lane lane) {
      Inlet<Transfer> inlet = shape.lanes.get(lane.rank());
      if (scheduler.waiting(lane) < WINDOW && !isClosed(inlet) && !hasBeenPulled(inlet)) {
        pull(inlet);
      }
    }

    private void completeWhenIdle() {
      if (scheduler.idle() && shape.lanes.stream().allMatch(this::isClosed)) {
        completeStage();
      }
    }
  }
}
