package io.weft.core;

/**
 * Where the link to the device stands, and what is to be done next: a pure machine. Whoever owns it
 * carries out the {@link Effect} and tells it how that went.
 *
 * <pre>
 *   DOWN --start--> MOUNTING --opened--> UP <--probes--> DEGRADED
 *    ^                 |                  |                 |
 *    +--- failed ------+                  +------drain------+--> DRAINING --closed--> DOWN
 * </pre>
 */
public final class LinkState {

  /** Where it stands. */
  public enum State {
    /** Nothing is open. */
    DOWN,
    /** The directory is being verified and opened. */
    MOUNTING,
    /** Open, and the device answers. */
    UP,
    /** Open, and the last probe failed. */
    DEGRADED,
    /** Being closed in order. */
    DRAINING
  }

  /** What happened. */
  public enum Event {
    START,
    OPENED,
    OPEN_FAILED,
    PROBE_OK,
    PROBE_FAILED,
    DRAIN,
    CLOSED
  }

  /** What is to be done now. */
  public enum Effect {
    NONE,
    /** Verify and open the directory. */
    OPEN,
    /** Send {@link Event#START} again after a while. */
    RETRY_LATER,
    /** Tell the store that the device is there. */
    ANNOUNCE_UP,
    /** Close what is open, or report at once where nothing is. */
    CLOSE
  }

  private State state = State.DOWN;

  public State state() {
    return state;
  }

  /** Takes an event. An event that means nothing in the present state changes nothing. */
  public Effect on(Event event) {
    return switch (event) {
      case START -> state == State.DOWN ? go(State.MOUNTING, Effect.OPEN) : Effect.NONE;
      case OPENED -> state == State.MOUNTING ? go(State.UP, Effect.ANNOUNCE_UP) : Effect.NONE;
      case OPEN_FAILED ->
          switch (state) {
            case MOUNTING -> go(State.DOWN, Effect.RETRY_LATER);
            case DRAINING -> go(State.DOWN, Effect.NONE);
            case DOWN, UP, DEGRADED -> Effect.NONE;
          };
      case PROBE_OK -> state == State.DEGRADED ? go(State.UP, Effect.NONE) : Effect.NONE;
      case PROBE_FAILED -> state == State.UP ? go(State.DEGRADED, Effect.NONE) : Effect.NONE;
      case DRAIN -> state == State.DRAINING ? Effect.NONE : go(State.DRAINING, Effect.CLOSE);
      case CLOSED -> state == State.DRAINING ? go(State.DOWN, Effect.NONE) : Effect.NONE;
    };
  }

  private Effect go(State next, Effect effect) {
    state = next;
    return effect;
  }
}
