package io.weft.stream;

import io.weft.api.StreamRequest;
import io.weft.api.StreamResult;
import io.weft.base.BufferLease;
import io.weft.base.LoadOutcome;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.FlowShape;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.stage.AbstractInHandler;
import org.apache.pekko.stream.stage.AbstractOutHandler;
import org.apache.pekko.stream.stage.AsyncCallback;
import org.apache.pekko.stream.stage.GraphStage;
import org.apache.pekko.stream.stage.GraphStageLogic;
import org.jspecify.annotations.Nullable;

/**
 * Requests in, results out as they come, with a bound on those whose results were not taken.
 *
 * <p>Not {@code mapAsyncUnordered}: where the stream ends, that drops the results it holds, and a
 * lease in one of them would be lost for good. Here it goes back.
 *
 * @param <C> what the caller tells its requests apart by
 */
public final class RequestStage<C>
    extends GraphStage<FlowShape<StreamRequest<C>, StreamResult<C>>> {
  private final Inlet<StreamRequest<C>> in = Inlet.create("Requests.in");
  private final Outlet<StreamResult<C>> out = Outlet.create("Requests.out");
  private final FlowShape<StreamRequest<C>, StreamResult<C>> shape = FlowShape.of(in, out);
  private final int ahead;
  private final Function<StreamRequest<C>, CompletionStage<StreamResult<C>>> run;

  /**
   * @param ahead how many requests may be taken whose results were not
   * @param run gives the result of a request; where it fails, so does the stream
   */
  public RequestStage(int ahead, Function<StreamRequest<C>, CompletionStage<StreamResult<C>>> run) {
    this.ahead = ahead;
    this.run = run;
  }

  @Override
  public FlowShape<StreamRequest<C>, StreamResult<C>> shape() {
    return shape;
  }

  @Override
  public GraphStageLogic createLogic(Attributes attributes) {
    return new Logic();
  }

  private final class Logic extends GraphStageLogic {
    private final Arrivals<StreamResult<C>> results =
        new Arrivals<>(createAsyncCallback(_ -> goOn()), this::giveBack);
    private final AsyncCallback<Throwable> broke = createAsyncCallback(this::failStage);

    /** Requests whose results were not taken. */
    private int owed;

    Logic() {
      super(shape);
      setHandler(
          in,
          new AbstractInHandler() {
            @Override
            public void onPush() {
              owed++;
              var _ =
                  run.apply(grab(in))
                      .whenComplete(
                          (result, bug) -> {
                            if (bug == null) {
                              results.add(result);
                            } else {
                              broke.invoke(bug);
                            }
                          });
              goOn();
            }

            @Override
            public void onUpstreamFinish() {
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
    public void postStop() {
      results.stop();
    }

    private void giveBack(StreamResult<C> result) {
      if (result instanceof StreamResult.Loaded<C> loaded
          && loaded.outcome() instanceof LoadOutcome.Leased(BufferLease lease)) {
        lease.release();
      }
    }

    private void goOn() {
      results.attend();
      if (isAvailable(out)) {
        @Nullable StreamResult<C> result = results.poll();
        if (result != null) {
          owed--;
          push(out, result);
        }
      }
      if (isClosed(in)) {
        if (owed == 0) {
          completeStage();
        }
      } else if (owed < ahead && !hasBeenPulled(in)) {
        pull(in);
      }
    }
  }
}
