package io.weft.core;

/**
 * Where the link to the device stands, and what is to be done next: a pure machine. Whoever owns it
 * carries out the {@link Effect} and tells it how that went.
 *
 * <pre>
 *   DOWN --start--> CONNECTING --connected--> MOUNTING --opened--> UP <--probe good-- DEGRADED
 *    ^ ^                |                        |                  |   --in doubt-->     |
 *    | +---- failed ----+--------- failed -------+                  |                     |
 *    |                                                        shutdown, or        failed probes,
 *    |                                                        too many streaks    shutdown
 *    +------------------- closed ------------------ DRAINING <-----+---------------------+
 * </pre>
 *
 * <p><b>The breaker.</b> DEGRADED is the open circuit breaker: nothing new is sent to the device
 * but probes, and a good probe closes it. What opens it are error streaks, operations that the
 * kernel does not return, a subsystem without a live path, and failed or unanswered probes.
 *
 * <p><b>Down and up again.</b> A device whose probes fail, or that keeps failing between good ones,
 * is closed, taken down and attached anew: a filesystem that saw an error stays dead until it is
 * mounted again. A device that is merely silent is waited for: the kernel holds its operations, and
 * nothing could be unmounted before it lets go.
 */
public final class LinkState {

  /** Where it stands. */
  public enum State {
    /** Nothing is open. */
    DOWN,
    /** The subsystem is being connected. */
    CONNECTING,
    /** The filesystem is being mounted, verified and opened. */
    MOUNTING,
    /** Open, and the device answers. */
    UP,
    /** Open, and the device is in doubt: the breaker is open. */
    DEGRADED,
    /** Being closed and taken down in order. */
    DRAINING
  }

  /** What happened. */
  public enum Event {
    START,
    CONNECTED,
    CONNECT_FAILED,
    OPENED,
    OPEN_FAILED,
    /** A worker met so many device errors in a row. */
    ERROR_STREAK,
    /** An operation or a probe is stuck, or no path is live. */
    UNRESPONSIVE,
    /** The device failed while nothing could go on without it. */
    UNUSABLE,
    PROBE_GOOD,
    PROBE_FAILED,
    SHUTDOWN,
    CLOSED
  }

  /** What is to be done now. */
  public enum Effect {
    NONE,
    /** Connect the subsystem. */
    CONNECT,
    /** Mount, verify and open. */
    OPEN,
    /** Send {@link Event#START} again after a while. */
    RETRY_LATER,
    /** The device is there: serve. */
    SERVE,
    /** Spare the device, and probe it. */
    SPARE,
    /** The breaker closes: serve again. */
    RESUME,
    /** Close what is open and take it down; then send {@link Event#CLOSED}. */
    CLOSE,
    /** All is down, and stays so. */
    END
  }

  private final boolean connects;
  private final int failedProbesMax;
  private final int errorStreaksMax;
  private State state = State.DOWN;
  private boolean ending;
  private int failedProbes;
  private int errorStreaks;

  /**
   * @param connects whether there is a subsystem to connect
   * @param failedProbesMax failed probes in a row after which the device is taken down
   * @param errorStreaksMax error streaks after which it is, where no periodic probe was good while
   *     UP in between
   */
  public LinkState(boolean connects, int failedProbesMax, int errorStreaksMax) {
    this.connects = connects;
    this.failedProbesMax = failedProbesMax;
    this.errorStreaksMax = errorStreaksMax;
  }

  public State state() {
    return state;
  }

  /** Whether it goes down for good. */
  public boolean ending() {
    return ending;
  }

  /** Takes an event. An event that means nothing in the present state changes nothing. */
  public Effect on(Event event) {
    return switch (event) {
      case START -> state == State.DOWN && !ending ? attach() : Effect.NONE;
      case CONNECTED -> stepDone(State.CONNECTING, State.MOUNTING, Effect.OPEN);
      case CONNECT_FAILED -> stepDone(State.CONNECTING, State.DOWN, Effect.RETRY_LATER);
      case OPENED -> {
        failedProbes = 0;
        errorStreaks = 0;
        yield stepDone(State.MOUNTING, State.UP, Effect.SERVE);
      }
      case OPEN_FAILED -> stepDone(State.MOUNTING, State.DOWN, Effect.RETRY_LATER);
      case ERROR_STREAK -> errorStreak();
      case UNRESPONSIVE -> state == State.UP ? go(State.DEGRADED, Effect.SPARE) : Effect.NONE;
      case UNUSABLE ->
          state == State.UP || state == State.DEGRADED
              ? go(State.DRAINING, Effect.CLOSE)
              : Effect.NONE;
      case PROBE_GOOD -> probeGood();
      case PROBE_FAILED -> probeFailed();
      case SHUTDOWN -> shutdown();
      case CLOSED -> closed();
    };
  }

  private Effect attach() {
    return connects ? go(State.CONNECTING, Effect.CONNECT) : go(State.MOUNTING, Effect.OPEN);
  }

  /** A step of attaching ended; where a shutdown came meanwhile, what it brought is taken down. */
  private Effect stepDone(State during, State next, Effect effect) {
    if (state == during) {
      return go(next, effect);
    }
    return state == State.DRAINING ? Effect.CLOSE : Effect.NONE;
  }

  private Effect errorStreak() {
    if (state != State.UP) {
      return Effect.NONE;
    }
    errorStreaks++;
    return errorStreaks >= errorStreaksMax
        ? go(State.DRAINING, Effect.CLOSE)
        : go(State.DEGRADED, Effect.SPARE);
  }

  private Effect probeGood() {
    failedProbes = 0;
    if (state == State.DEGRADED) {
      return go(State.UP, Effect.RESUME);
    }
    if (state == State.UP) {
      errorStreaks = 0;
    }
    return Effect.NONE;
  }

  private Effect probeFailed() {
    if (state != State.UP && state != State.DEGRADED) {
      return Effect.NONE;
    }
    failedProbes++;
    if (failedProbes >= failedProbesMax) {
      return go(State.DRAINING, Effect.CLOSE);
    }
    return state == State.UP ? go(State.DEGRADED, Effect.SPARE) : Effect.NONE;
  }

  private Effect shutdown() {
    if (ending) {
      return Effect.NONE;
    }
    ending = true;
    return switch (state) {
      case DOWN, UP, DEGRADED -> go(State.DRAINING, Effect.CLOSE);
      // The step under way ends first, or the closing does.
      case CONNECTING, MOUNTING -> go(State.DRAINING, Effect.NONE);
      case DRAINING -> Effect.NONE;
    };
  }

  private Effect closed() {
    if (state != State.DRAINING) {
      return Effect.NONE;
    }
    state = State.DOWN;
    return ending ? Effect.END : Effect.RETRY_LATER;
  }

  private Effect go(State next, Effect effect) {
    state = next;
    return effect;
  }
}
