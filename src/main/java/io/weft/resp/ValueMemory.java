package io.weft.resp;

import io.weft.api.ChunkStore;
import io.weft.base.BufferLease;
import io.weft.base.Ticker;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The memory that one connection holds for values, coming and going, taken in the order of its
 * commands: who is behind waits until the one before has its memory or needs none. So a reply never
 * holds memory that an earlier reply of the same connection waits for.
 *
 * <p>Used in the connection's turn only, but for {@link Held#release}.
 */
final class ValueMemory {

  /** A place in the order of the commands. */
  final class Want {
    private final long deadlineNanos;
    private long length = -1;
    private boolean over;
    private @Nullable Consumer<@Nullable Held> then;

    private Want(long deadlineNanos) {
      this.deadlineNanos = deadlineNanos;
    }

    /**
     * Says how much it is to be.
     *
     * @param whenThere hears once: the memory; or null where it did not come before the deadline
     */
    void need(long bytes, Consumer<@Nullable Held> whenThere) {
      length = bytes;
      then = whenThere;
      serve();
    }

    /** Nothing is needed, or not any more. */
    void nothing() {
      over = true;
      serve();
    }
  }

  /** Memory, with the permits for it. */
  final class Held {
    private final BufferLease lease;
    private final long bytes;
    private final AtomicBoolean back = new AtomicBoolean();

    private Held(BufferLease lease, long bytes) {
      this.lease = lease;
      this.bytes = bytes;
    }

    /** All of it, whole blocks, so that the device may write where it lies. */
    MemorySegment whole() {
      return lease.wholeMemory();
    }

    /** The lease, for someone who releases it; then {@link #permitsBack()} is left to do. */
    BufferLease handOver() {
      return lease;
    }

    /** The memory and its permits go back, on any thread. */
    void release() {
      lease.release();
      permitsBack();
    }

    /** Where the memory itself went back already. */
    void permitsBack() {
      if (!back.compareAndSet(false, true)) {
        throw new IllegalStateException("memory for a value was given back twice");
      }
      permits.release(bytes);
      turns.later(() -> returned(bytes), () -> {});
    }
  }

  private final ChunkStore store;
  private final BytePermits permits;
  private final long bound;
  private final Turns turns;
  private final Ticker ticker;

  private final ArrayDeque<Want> wants = new ArrayDeque<>();
  private long heldBytes;

  /** The permits for the first in line: asked for, or there. */
  private @Nullable Grant grant;

  private boolean serving;
  private boolean paused;
  private boolean closed;

  /**
   * @param bound what the connection may hold; one larger value goes alone
   */
  ValueMemory(ChunkStore store, BytePermits permits, long bound, Turns turns, Ticker ticker) {
    this.store = store;
    this.permits = permits;
    this.bound = bound;
    this.turns = turns;
    this.ticker = ticker;
  }

  /** Takes a place behind all that were taken before. */
  Want want(long deadlineNanos) {
    Want want = new Want(deadlineNanos);
    wants.add(want);
    return want;
  }

  /** Takes a place before all others, for someone who has found that he needs more. */
  Want wantFirst(long deadlineNanos) {
    // Permits that were asked for are for the length of who was first until now.
    dropGrant();
    Want want = new Want(deadlineNanos);
    wants.addFirst(want);
    return want;
  }

  /** Nobody gets anything until {@link #resume()}. */
  void pause() {
    paused = true;
  }

  void resume() {
    paused = false;
    serve();
  }

  /** How long another connection has waited while this one holds memory; 0 where none does. */
  long othersWaitNanos() {
    return heldBytes == 0 ? 0 : permits.waitingNanosBut(grant == null ? null : grant.ticket);
  }

  boolean isWaiting() {
    return paused || !wants.isEmpty();
  }

  /** Tries again where the pool was used up, and gives up what waited too long. */
  void tick() {
    long now = ticker.nanoTime();
    // A copy: who is told may take another place.
    for (Want want : List.copyOf(wants)) {
      Consumer<@Nullable Held> then = want.then;
      if (!want.over && then != null && now - want.deadlineNanos >= 0) {
        want.over = true;
        then.accept(null);
      }
    }
    serve();
  }

  /** The connection is gone: whoever waits is not told any more. */
  void close() {
    closed = true;
    wants.clear();
    dropGrant();
  }

  private void returned(long bytes) {
    heldBytes -= bytes;
    serve();
  }

  private void serve() {
    if (serving || closed || paused) {
      return;
    }
    serving = true;
    try {
      while (!paused && serveFirst()) {}
    } finally {
      serving = false;
    }
  }

  /** Whether the first in line is done with. */
  private boolean serveFirst() {
    Want first = wants.peekFirst();
    if (first == null) {
      return false;
    }
    if (first.over) {
      dropGrant();
      wants.removeFirst();
      return true;
    }
    Consumer<@Nullable Held> then = first.then;
    if (then == null) {
      return false;
    }
    Grant ours = grant;
    if (ours == null) {
      long bytes = BufferLease.pooledBytes(first.length);
      if (heldBytes > 0 && heldBytes + bytes > bound) {
        return false;
      }
      ours = new Grant(bytes);
      grant = ours;
      ours.ask();
    }
    BufferLease lease = ours.permitted ? store.lease(first.length) : null;
    if (lease == null) {
      return false;
    }
    grant = null;
    heldBytes += ours.bytes;
    wants.removeFirst();
    first.over = true;
    then.accept(new Held(lease, ours.bytes));
    return true;
  }

  /** Permits come on this thread while they are asked for, or later on any. */
  private final class Grant implements Runnable {
    final long bytes;
    BytePermits.@Nullable Ticket ticket;
    boolean permitted;
    private boolean asking = true;
    private boolean granted;

    Grant(long bytes) {
      this.bytes = bytes;
    }

    void ask() {
      ticket = permits.take(bytes, this);
      synchronized (this) {
        asking = false;
        permitted = granted;
      }
    }

    @Override
    public synchronized void run() {
      granted = true;
      if (!asking) {
        turns.later(
            () -> {
              permitted = true;
              serve();
            },
            () -> {});
      }
    }

    void drop() {
      if (!Objects.requireNonNull(ticket).cancel()) {
        permits.release(bytes);
      }
    }
  }

  private void dropGrant() {
    if (grant != null) {
      grant.drop();
      grant = null;
    }
  }
}
