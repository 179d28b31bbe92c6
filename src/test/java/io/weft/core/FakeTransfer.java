package io.weft.core;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/** A transfer of a {@link PiecePlan} whose pieces do nothing. Notes what is done to it. */
public class FakeTransfer implements Transfer {

  /** A step that does nothing. */
  public final class FakePiece implements Piece {
    public final PiecePlan.Step step;
    private final long bytes;
    private final AtomicBoolean claimed = new AtomicBoolean();
    private volatile Throwable failure;

    FakePiece(PiecePlan.Step step, long bytes) {
      this.step = step;
      this.bytes = bytes;
    }

    public void fail(Throwable how) {
      failure = how;
    }

    @Override
    public boolean claim() {
      return claimed.compareAndSet(false, true);
    }

    @Override
    public FakeTransfer transfer() {
      return FakeTransfer.this;
    }

    @Override
    public long bytes() {
      return bytes;
    }

    @Override
    public Throwable failure() {
      return failure;
    }

    @Override
    public String toString() {
      return name + ":" + step;
    }
  }

  public final String name;
  public final AtomicInteger finishes = new AtomicInteger();
  public final AtomicInteger taken = new AtomicInteger();
  public volatile Cancelled cancelled;
  private final Lane lane;
  private final PiecePlan plan;
  private final long deadlineNanos;
  private final List<Piece> out = new ArrayList<>();

  public FakeTransfer(String name, Lane lane, PiecePlan plan, long deadlineNanos) {
    this.name = name;
    this.lane = lane;
    this.plan = plan;
    this.deadlineNanos = deadlineNanos;
  }

  /** One piece of so many bytes. */
  public static FakeTransfer whole(String name, Lane lane, long bytes) {
    return new FakeTransfer(name, lane, new PiecePlan(bytes, Math.max(1, bytes), 1), FAR);
  }

  /** So many body pieces of so many bytes, {@code width} at a time. */
  public static FakeTransfer pieces(String name, Lane lane, int count, long bytes, int width) {
    return new FakeTransfer(name, lane, new PiecePlan(count * bytes, bytes, width), FAR);
  }

  /** A deadline that does not come. */
  public static final long FAR = Long.MAX_VALUE / 2;

  @Override
  public Lane lane() {
    return lane;
  }

  @Override
  public long deadlineNanos() {
    return deadlineNanos;
  }

  @Override
  public long nextPieceBytes() {
    return plan.ready() ? plan.bytes() : -1;
  }

  @Override
  public Piece takePiece() {
    long bytes = plan.bytes();
    FakePiece piece = new FakePiece(plan.take(), bytes);
    out.add(piece);
    taken.incrementAndGet();
    return piece;
  }

  @Override
  public void pieceDone(Piece piece) {
    if (!out.remove(piece)) {
      throw new AssertionError(piece + " came back twice");
    }
    plan.done(((FakePiece) piece).step, piece.failure() == null);
  }

  @Override
  public Collection<Piece> piecesOut() {
    return List.copyOf(out);
  }

  @Override
  public boolean started() {
    return plan.started();
  }

  @Override
  public void cancel(Cancelled why) {
    if (cancelled == null && !plan.finished()) {
      cancelled = why;
      plan.stop();
    }
  }

  @Override
  public boolean finished() {
    return plan.finished();
  }

  @Override
  public void finish() {
    if (!finished()) {
      throw new AssertionError(name + " is not finished");
    }
    finishes.incrementAndGet();
  }

  @Override
  public String toString() {
    return name;
  }
}
