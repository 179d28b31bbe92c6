package io.weft.resp;

import io.weft.base.RespSettings;
import java.time.Duration;
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
import org.apache.pekko.stream.stage.TimerGraphStageLogic;
import org.apache.pekko.util.ByteString;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A client's bytes in, replies out. It pulls from the socket only while the {@link Connection} has
 * use for bytes, and pushes when the socket takes them: here the device's pace reaches the client.
 */
final class ConnectionStage extends GraphStage<FlowShape<ByteString, ByteString>> {
  private static final Logger LOG = LoggerFactory.getLogger(ConnectionStage.class);
  private static final Duration TICK = Duration.ofMillis(100);

  private final Inlet<ByteString> in = Inlet.create("Connection.in");
  private final Outlet<ByteString> out = Outlet.create("Connection.out");
  private final FlowShape<ByteString, ByteString> shape = FlowShape.of(in, out);
  private final Door door;
  private final RespSettings.Listener listener;
  private final String peer;

  ConnectionStage(Door door, RespSettings.Listener listener, String peer) {
    this.door = door;
    this.listener = listener;
    this.peer = peer;
  }

  @Override
  public FlowShape<ByteString, ByteString> shape() {
    return shape;
  }

  @Override
  public GraphStageLogic createLogic(Attributes attributes) {
    return new Logic();
  }

  private record Turn(Runnable inTurn, Runnable gone) {}

  private final class Logic extends TimerGraphStageLogic implements Turns, Door.Drainable {
    private final ConcurrentLinkedQueue<Turn> turns = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean woken = new AtomicBoolean();
    private final AsyncCallback<Boolean> wake = createAsyncCallback(_ -> takeTurns());
    private final Connection connection = new Connection(door, listener, peer, this);
    private volatile boolean stopped;

    Logic() {
      super(shape);
      setHandler(
          in,
          new AbstractInHandler() {
            @Override
            public void onPush() {
              connection.received(grab(in));
              goOn();
            }

            @Override
            public void onUpstreamFinish() {
              connection.inputEnded();
              goOn();
            }
          });
      setHandler(
          out,
          new AbstractOutHandler() {
            @Override
            public void onPull() {
              goOn();
            }
          });
    }

    @Override
    public void preStart() {
      door.add(this);
      scheduleWithFixedDelay("tick", TICK, TICK);
      goOn();
    }

    @Override
    public void postStop() {
      door.remove(this);
      stopped = true;
      connection.close();
      giveUpTurns();
    }

    @Override
    public void onTimer(Object key) {
      String why = connection.tick(!isAvailable(out));
      if (why == null) {
        goOn();
      } else {
        LOG.warn("the connection of {} is closed: {}", peer, why);
        door.stats.connectionsCut.increment();
        failStage(new ConnectionCut(why));
      }
    }

    @Override
    public void later(Runnable inTurn, Runnable gone) {
      turns.add(new Turn(inTurn, gone));
      if (stopped) {
        giveUpTurns();
      } else if (woken.compareAndSet(false, true)) {
        wake.invoke(true);
      }
    }

    @Override
    public void drain() {
      later(connection::drain, () -> {});
    }

    private void takeTurns() {
      woken.set(false);
      Turn turn;
      while ((turn = turns.poll()) != null) {
        turn.inTurn().run();
      }
      goOn();
    }

    private void giveUpTurns() {
      Turn turn;
      while ((turn = turns.poll()) != null) {
        turn.gone().run();
      }
    }

    private void goOn() {
      if (isAvailable(out)) {
        @Nullable ByteString bytes = connection.output();
        if (bytes != null) {
          push(out, bytes);
        }
      }
      if (connection.finished()) {
        completeStage();
      } else if (connection.wantsInput() && !isClosed(in) && !hasBeenPulled(in)) {
        pull(in);
      }
    }
  }

  /** Why a connection was closed from here; the socket's side sees it. */
  private static final class ConnectionCut extends RuntimeException {
    private static final long serialVersionUID = 1;

    ConnectionCut(String why) {
      super(why, null, false, false);
    }
  }
}
