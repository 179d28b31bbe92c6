package io.weft.core;

/**
 * How one transfer goes to the device: small ones in a single step, larger ones as an opening step,
 * body pieces that may be out several at a time, and a closing step. A failure stops the body; what
 * was opened is always closed.
 *
 * <pre>
 *   WHOLE                                   payload of at most one piece
 *   OPEN -> BODY x n (width at a time) -> CLOSE     anything longer
 * </pre>
 */
public final class PiecePlan {

  /** What a step does. */
  public enum Step {
    WHOLE,
    OPEN,
    BODY,
    CLOSE
  }

  private enum State {
    NEW,
    OPENING,
    BODY,
    CLOSING,
    DONE
  }

  private final long length;
  private final long pieceBytes;
  private final int width;

  private State state = State.NEW;
  private boolean started;
  private boolean stopped;
  private long nextOffset;
  private int out;

  /**
   * @param length payload bytes
   * @param pieceBytes the longest body piece
   * @param width how many body pieces may be out at once
   */
  public PiecePlan(long length, long pieceBytes, int width) {
    if (length < 0 || pieceBytes < 1 || width < 1) {
      throw new IllegalArgumentException("length=" + length + " pieceBytes=" + pieceBytes);
    }
    this.length = length;
    this.pieceBytes = pieceBytes;
    this.width = width;
  }

  public boolean single() {
    return length <= pieceBytes;
  }

  /** Whether a step can be taken now. */
  public boolean ready() {
    return switch (state) {
      case NEW -> !stopped;
      case OPENING, DONE -> false;
      case BODY -> (!stopped && nextOffset < length && out < width) || bodyOver();
      case CLOSING -> false;
    };
  }

  /** Which step {@link #take()} would hand out. Only while {@link #ready()}. */
  public Step peek() {
    return switch (state) {
      case NEW -> single() ? Step.WHOLE : Step.OPEN;
      case BODY -> bodyOver() ? Step.CLOSE : Step.BODY;
      case OPENING, CLOSING, DONE -> throw new IllegalStateException("no step in " + state);
    };
  }

  /** The payload offset of the step that {@link #take()} would hand out. */
  public long offset() {
    return state == State.BODY ? nextOffset : 0;
  }

  /** The payload bytes of the step that {@link #take()} would hand out. */
  public long bytes() {
    return switch (peek()) {
      case WHOLE -> length;
      case BODY -> Math.min(pieceBytes, length - nextOffset);
      case OPEN, CLOSE -> 0;
    };
  }

  /** Takes the next step out. */
  public Step take() {
    if (!ready()) {
      throw new IllegalStateException("no step can be taken in " + state);
    }
    Step step = peek();
    switch (step) {
      case WHOLE -> state = State.CLOSING;
      case OPEN -> state = State.OPENING;
      case BODY -> nextOffset += bytes();
      case CLOSE -> state = State.CLOSING;
    }
    started = true;
    out++;
    return step;
  }

  /** A step came back; {@code ok} false stops the body. */
  public void done(Step step, boolean ok) {
    out--;
    stopped |= !ok;
    switch (step) {
      case OPEN -> state = ok ? State.BODY : State.DONE;
      case BODY -> {}
      case WHOLE, CLOSE -> state = State.DONE;
    }
  }

  /**
   * A step of a stopped transfer came back that never ran, and never will: nothing was opened, or
   * what is open is still to be closed, by another step.
   */
  public void withdrawn(Step step) {
    out--;
    stopped = true;
    switch (step) {
      case WHOLE, OPEN -> state = State.DONE;
      case BODY -> {}
      case CLOSE -> state = State.BODY;
    }
  }

  /** Hands out no further body; what is open is still closed. */
  public void stop() {
    stopped = true;
    if (state == State.NEW) {
      state = State.DONE;
    }
  }

  /** Whether the body was stopped before its end: the closing step undoes instead of completing. */
  public boolean stopped() {
    return stopped;
  }

  public boolean started() {
    return started;
  }

  public boolean finished() {
    return state == State.DONE && out == 0;
  }

  private boolean bodyOver() {
    return out == 0 && (stopped || nextOffset >= length);
  }
}
