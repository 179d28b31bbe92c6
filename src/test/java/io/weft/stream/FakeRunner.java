package io.weft.stream;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.core.Transfer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;

/** Workers that hold pieces until the test lets go of them. */
final class FakeRunner implements PieceRunner {
  private final int capacity;
  private final List<Running> running = new ArrayList<>();
  private final List<String> order = new ArrayList<>();
  private final AtomicInteger beyondCapacity = new AtomicInteger();
  private int stuck;

  private record Running(Transfer.Piece piece, Listener listener) {}

  FakeRunner(int capacity) {
    this.capacity = capacity;
  }

  @Override
  public int capacity() {
    return capacity;
  }

  @Override
  public synchronized void run(Transfer.Piece piece, Listener listener) {
    running.add(new Running(piece, listener));
    order.add(piece.toString());
    if (running.size() - stuck > capacity) {
      beyondCapacity.incrementAndGet();
    }
  }

  /** Every piece that came, in order. */
  synchronized List<String> order() {
    return List.copyOf(order);
  }

  synchronized int running() {
    return running.size();
  }

  /** Lets go of the piece that came first. */
  void finishFirst() {
    Running first;
    synchronized (this) {
      assertTrue(!running.isEmpty(), "no piece is running");
      first = running.removeFirst();
    }
    finish(first);
  }

  /** Lets go of any piece; false where none is there. */
  boolean finishAny(Random random) {
    Running any;
    synchronized (this) {
      if (running.isEmpty()) {
        return false;
      }
      any = running.remove(random.nextInt(running.size()));
    }
    finish(any);
    return true;
  }

  /** The piece that came first is stuck from now on. */
  void stickFirst() {
    Running first;
    synchronized (this) {
      first = running.getFirst();
      stuck++;
    }
    first.listener.stuck(first.piece);
  }

  private static void finish(Running one) {
    var _ = one.piece.claim();
    one.listener.done(one.piece);
  }

  void assertNeverBeyondCapacity() {
    assertTrue(beyondCapacity.get() == 0, "more pieces with the workers than they have room for");
  }
}
