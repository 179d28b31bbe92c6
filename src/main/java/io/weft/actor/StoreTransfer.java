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

/** A chunk on its way to the device. */
final class StoreTransfer extends DeviceTransfer {
  private final Order.Write order;
  private final StoreJob job;
  private final boolean begun;
  private volatile ChunkMedium.@Nullable ChunkWrite write;
  private volatile boolean published;

  StoreTransfer(
      Order.Write order,
      StoreJob job,
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
    return Lane.STORE;
  }

  @Override
  void run(PiecePlan.Step step, long offset, long length, IoScratch scratch)
      throws DeviceException {
    MemorySegment payload = job.payload().memory();
    switch (step) {
      case WHOLE -> {
        medium.store(order.address(), job.metadata(), payload, order.recycled(), scratch);
        published = true;
      }
      case OPEN ->
          write =
              medium.beginStore(order.address(), job.metadata(), job.length(), order.recycled());
      case BODY -> opened().write(offset, payload.asSlice(offset, length), scratch);
      case CLOSE -> {
        if (stopped()) {
          opened().abandon();
          return;
        }
        try {
          opened().publish(scratch);
          published = true;
        } finally {
          if (!published) {
            opened().abandon();
          }
        }
      }
    }
  }

  /** A whole chunk is one transfer where its room is there already. */
  @Override
  boolean mayBePrepared(PiecePlan.Step step, long offset, long length) {
    return switch (step) {
      case WHOLE, BODY ->
          (step == PiecePlan.Step.BODY || medium.info().segmentBytes() > 0)
              && suitsRing(job.payload().memory(), length);
      case OPEN, CLOSE -> false;
    };
  }

  @Override
  @Nullable PreparedIo prepare(PiecePlan.Step step, long offset, long length, IoScratch scratch)
      throws DeviceException {
    MemorySegment payload = job.payload().memory();
    return switch (step) {
      case WHOLE -> medium.prepareStore(order.address(), job.metadata(), payload, scratch);
      case BODY -> opened().prepareWrite(offset, payload.asSlice(offset, length), scratch);
      case OPEN, CLOSE -> null;
    };
  }

  @Override
  void transferred(PiecePlan.Step step) {
    published |= step == PiecePlan.Step.WHOLE;
  }

  private ChunkMedium.ChunkWrite opened() {
    return Objects.requireNonNull(write);
  }

  @Override
  boolean completed() {
    return published;
  }

  @Override
  void ended() {
    if (begun) {
      job.deviceEnds();
    }
  }
}
