package io.weft.actor;

import io.weft.base.DeviceException;
import io.weft.core.Lane;
import io.weft.core.Order;
import io.weft.core.PiecePlan;
import io.weft.device.ChunkMedium;
import io.weft.device.IoScratch;
import io.weft.device.PreparedIo;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** A chunk on its way from the device. */
final class LoadTransfer extends DeviceTransfer {
  private final Order.Read order;
  private final LoadJob job;
  private final boolean begun;
  private volatile ChunkMedium.@Nullable ChunkRead read;
  private volatile @Nullable MemorySegment target;
  private volatile boolean verified;

  LoadTransfer(
      Order.Read order,
      LoadJob job,
      ChunkMedium medium,
      PiecePlan plan,
      BiConsumer<Order, Order.Result> report) {
    super(order, medium, job.admitted().deadline().nanos(), plan, report);
    this.order = order;
    this.job = job;
    this.begun = job.deviceBegins();
    if (!begun) {
      cancel(Cancelled.CLOSED);
    }
  }

  @Override
  public Lane lane() {
    return job.lane();
  }

  @Override
  void run(PiecePlan.Step step, long offset, long length, IoScratch scratch)
      throws DeviceException {
    switch (step) {
      case WHOLE -> {
        medium.load(order.address(), job.memoryFor(order.length()), order.length(), scratch);
        verified = true;
      }
      case OPEN -> {
        target = job.memoryFor(order.length());
        read = medium.beginLoad(order.address(), order.length(), scratch);
      }
      case BODY -> {
        MemorySegment whole = Objects.requireNonNull(target);
        long behind = whole.byteSize() - offset - length;
        opened().read(offset, whole.asSlice(offset, length), behind, scratch);
      }
      case CLOSE -> {
        try {
          if (!stopped()) {
            opened().verify();
            verified = true;
          }
        } finally {
          opened().close();
        }
      }
    }
  }

  /** A whole chunk is one transfer where its file is open already. */
  @Override
  boolean mayBePrepared(PiecePlan.Step step, long offset, long length) {
    return switch (step) {
      case WHOLE -> medium.info().segmentBytes() > 0 && job.suitsRing(length);
      case BODY -> suitsRing(Objects.requireNonNull(target), length);
      case OPEN, CLOSE -> false;
    };
  }

  @Override
  @Nullable PreparedIo prepare(PiecePlan.Step step, long offset, long length, IoScratch scratch)
      throws DeviceException {
    return switch (step) {
      case WHOLE ->
          medium.prepareLoad(
              order.address(), job.memoryFor(order.length()), order.length(), scratch);
      case BODY -> {
        MemorySegment whole = Objects.requireNonNull(target);
        long behind = whole.byteSize() - offset - length;
        yield opened().prepareRead(offset, whole.asSlice(offset, length), behind, scratch);
      }
      case OPEN, CLOSE -> null;
    };
  }

  @Override
  void transferred(PiecePlan.Step step) {
    verified |= step == PiecePlan.Step.WHOLE;
  }

  private ChunkMedium.ChunkRead opened() {
    return Objects.requireNonNull(read);
  }

  @Override
  boolean completed() {
    return verified;
  }

  @Override
  void ended() {
    if (begun) {
      job.deviceEnds();
    }
  }
}
