package io.weft.resp;

import io.weft.base.Ticker;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * How many bytes of values all connections may hold together: first come, first served. More than
 * there are in all goes alone. Thread-safe; nothing blocks.
 */
final class BytePermits {

  /** A place in the line, or what it led to. */
  final class Ticket {
    private final long bytes;
    private final Runnable granted;
    private final long sinceNanos = ticker.nanoTime();
    private boolean waiting = true;

    private Ticket(long bytes, Runnable granted) {
      this.bytes = bytes;
      this.granted = granted;
    }

    /** Leaves the line. False where the permits were granted before, and are to be given back. */
    boolean cancel() {
      synchronized (lock) {
        boolean left = waiting && line.remove(this);
        waiting = false;
        if (!left) {
          return false;
        }
      }
      grant();
      return true;
    }
  }

  private final long bound;
  private final Ticker ticker;
  private final Object lock = new Object();
  private final ArrayDeque<Ticket> line = new ArrayDeque<>();
  private long held;

  BytePermits(long bound, Ticker ticker) {
    this.bound = bound;
    this.ticker = ticker;
  }

  /**
   * @param granted runs once, on this thread or on one that gives permits back
   */
  Ticket take(long bytes, Runnable granted) {
    Ticket ticket = new Ticket(bytes, granted);
    synchronized (lock) {
      line.add(ticket);
    }
    grant();
    return ticket;
  }

  void release(long bytes) {
    synchronized (lock) {
      held -= bytes;
    }
    grant();
  }

  long held() {
    synchronized (lock) {
      return held;
    }
  }

  /** How long the first in line but this one has waited; 0 where nobody else waits. */
  long waitingNanosBut(@Nullable Ticket own) {
    synchronized (lock) {
      for (Ticket each : line) {
        if (each != own) {
          return ticker.nanoTime() - each.sinceNanos;
        }
      }
      return 0;
    }
  }

  private void grant() {
    while (true) {
      Ticket first;
      synchronized (lock) {
        first = line.peekFirst();
        if (first == null || (held > 0 && held + first.bytes > bound)) {
          return;
        }
        line.removeFirst();
        first.waiting = false;
        held += first.bytes;
      }
      first.granted.run();
    }
  }
}
