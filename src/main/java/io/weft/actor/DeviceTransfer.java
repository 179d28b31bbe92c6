package io.weft.actor;

import io.weft.base.DeviceException;
import io.weft.core.Order;
import io.weft.core.PiecePlan;
import io.weft.core.Transfer;
import io.weft.device.ChunkMedium;
import io.weft.device.IoScratch;
import io.weft.device.PreparedIo;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * An order of the index on its way through the lanes: a {@link PiecePlan} that says which step
 * comes next, and what each step does on the medium.
 *
 * <p>The lanes call it from one place at a time; the steps themselves run on I/O threads, several
 * body pieces of one transfer at once. A step that is one transfer of bytes may go through a ring
 * instead: prepared there, made by the kernel, and brought to its end there.
 */
abstract class DeviceTransfer implements Transfer {

  /** One step of the plan, run by one I/O thread, or through a ring. */
  final class DevicePiece implements Piece {
    private final PiecePlan.Step step;
    private final long offset;
    private final long length;
    private final AtomicBoolean claimed = new AtomicBoolean();
    private volatile @Nullable Throwable failure;

    /** Claimed by who runs it, not by who gave the transfer up. */
    private volatile boolean ran;

    /** Claimed by a ring that could not run it, for the thread that it goes on to. */
    private volatile boolean needsThread;

    DevicePiece(PiecePlan.Step step, long offset, long length) {
      this.step = step;
      this.offset = offset;
      this.length = length;
    }

    @Override
    public boolean claim() {
      return claimed.compareAndSet(false, true);
    }

    /** Runs the step, once; whatever it throws is kept as the piece's failure. */
    void run(IoScratch scratch) {
      if (!needsThread && !claim()) {
        return;
      }
      ran = true;
      try {
        DeviceTransfer.this.run(step, offset, length, scratch);
      } catch (DeviceException | RuntimeException | Error failed) {
        failure = failed;
      }
    }

    /**
     * Takes the step back, where it has not begun and need not run; {@link #run} does nothing then.
     * What is open is to be closed.
     *
     * @return false where it is to be run
     */
    boolean withdraw() {
      return step != PiecePlan.Step.CLOSE && !needsThread && claim();
    }

    /** Whether {@link #prepare} is worth a try: a cheap guess, from any thread. */
    boolean mayBePrepared() {
      return DeviceTransfer.this.mayBePrepared(step, offset, length);
    }

    /**
     * Makes the step ready to be one transfer of the kernel's, once.
     *
     * @param scratch the transfer's until {@link #transferred}
     * @return null where it is at its end (it failed, or was given up before), or {@link
     *     #needsThread}
     */
    @Nullable PreparedIo prepare(IoScratch scratch) {
      if (!claim()) {
        return null;
      }
      ran = true;
      try {
        PreparedIo io = DeviceTransfer.this.prepare(step, offset, length, scratch);
        needsThread = io == null;
        return io;
      } catch (DeviceException | RuntimeException | Error failed) {
        failure = failed;
        return null;
      }
    }

    /** After a {@link #prepare} that gave nothing: {@link #run} does it all the same. */
    boolean needsThread() {
      return needsThread;
    }

    /**
     * The prepared transfer ended; whatever is wrong with it is kept as the piece's failure.
     *
     * @param result as of {@link PreparedIo#done}
     */
    void transferred(PreparedIo io, long result) {
      try {
        io.done(result);
        DeviceTransfer.this.transferred(step);
      } catch (DeviceException | RuntimeException | Error failed) {
        failure = failed;
      }
    }

    @Override
    public DeviceTransfer transfer() {
      return DeviceTransfer.this;
    }

    @Override
    public long bytes() {
      return length;
    }

    @Override
    public @Nullable Throwable failure() {
      return failure;
    }
  }

  final ChunkMedium medium;
  private final Order order;
  private final long deadlineNanos;
  private final PiecePlan plan;
  private final BiConsumer<Order, Order.Result> report;
  private final List<Piece> out = new ArrayList<>(2);
  private @Nullable Throwable failure;
  private @Nullable Cancelled cancelled;

  /**
   * @param report takes the result, on the thread that finishes the transfer
   */
  DeviceTransfer(
      Order order,
      ChunkMedium medium,
      long deadlineNanos,
      PiecePlan plan,
      BiConsumer<Order, Order.Result> report) {
    this.order = order;
    this.medium = medium;
    this.deadlineNanos = deadlineNanos;
    this.plan = plan;
    this.report = report;
  }

  /** Does one step. {@code CLOSE} after a stop undoes what was opened. */
  abstract void run(PiecePlan.Step step, long offset, long length, IoScratch scratch)
      throws DeviceException;

  /** Whether {@link #prepare} is likely to give something. Cheap, and without effect. */
  boolean mayBePrepared(PiecePlan.Step step, long offset, long length) {
    return false;
  }

  /** One step as a transfer that is yet to be made; null where it is none: then it is run. */
  @Nullable PreparedIo prepare(PiecePlan.Step step, long offset, long length, IoScratch scratch)
      throws DeviceException {
    return null;
  }

  /** A prepared step went well. */
  void transferred(PiecePlan.Step step) {}

  /**
   * Whether a medium may take memory as it is, or has room for it in a ring's scratch: everything
   * else is copied piece by piece, by a thread. Memory that its owner has freed is for a thread,
   * too, whose call finds out; a ring would take the address.
   */
  static boolean suitsRing(MemorySegment memory, long length) {
    return memory.scope().isAlive()
        && (length <= IoScratch.ALIGNMENT
            || (memory.isNative() && memory.address() % IoScratch.ALIGNMENT == 0));
  }

  /** What the order came to, where every step went well. */
  Order.Result.Done success() {
    return Order.Result.Done.PLAIN;
  }

  final boolean stopped() {
    return plan.stopped();
  }

  @Override
  public long deadlineNanos() {
    return deadlineNanos;
  }

  @Override
  public final long nextPieceBytes() {
    return plan.ready() ? plan.bytes() : -1;
  }

  @Override
  public final Piece takePiece() {
    long offset = plan.offset();
    long length = plan.bytes();
    Piece piece = new DevicePiece(plan.take(), offset, length);
    out.add(piece);
    return piece;
  }

  @Override
  public final void pieceDone(Piece piece) {
    out.remove(piece);
    Throwable failed = piece.failure();
    if (failed != null && failure == null) {
      failure = failed;
    }
    DevicePiece own = (DevicePiece) piece;
    if (own.ran) {
      plan.done(own.step, failed == null);
    } else {
      plan.withdrawn(own.step);
    }
  }

  @Override
  public final Collection<Piece> piecesOut() {
    return Collections.unmodifiableList(out);
  }

  @Override
  public final boolean started() {
    return plan.started();
  }

  @Override
  public final void cancel(Cancelled why) {
    if (cancelled == null && !plan.finished()) {
      cancelled = why;
      plan.stop();
    }
  }

  @Override
  public final boolean finished() {
    return plan.finished();
  }

  @Override
  public final void finish() {
    ended();
    report.accept(order, result());
  }

  /** The device is done with whatever the transfer used. */
  void ended() {}

  /** Whether the transfer came to its end on the device, cancelled or not. */
  abstract boolean completed();

  private Order.Result result() {
    if (completed()) {
      return success();
    }
    return switch (failure) {
      case DeviceException error -> new Order.Result.DeviceFailed(error);
      case null -> new Order.Result.Cancelled(cancelled == null ? Cancelled.CLOSED : cancelled);
      default -> new Order.Result.Broken(failure);
    };
  }
}
