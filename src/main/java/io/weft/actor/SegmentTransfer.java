package io.weft.actor;

import io.weft.base.DeviceException;
import io.weft.core.Lane;
import io.weft.core.Order;
import io.weft.core.PiecePlan;
import io.weft.device.ChunkMedium;
import io.weft.device.IoScratch;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** A segment that is being made, in pieces, behind everything else. */
final class SegmentTransfer extends DeviceTransfer {
  private final int number;
  private volatile ChunkMedium.@Nullable ChunkWrite write;
  private volatile boolean published;

  SegmentTransfer(
      Order.MakeSegment order,
      ChunkMedium medium,
      long deadlineNanos,
      PiecePlan plan,
      BiConsumer<Order, Order.Result> report) {
    super(order, medium, deadlineNanos, plan, report);
    this.number = order.number();
  }

  @Override
  public Lane lane() {
    return Lane.STORE;
  }

  @Override
  void run(PiecePlan.Step step, long offset, long length, IoScratch scratch)
      throws DeviceException {
    switch (step) {
      case WHOLE -> {
        ChunkMedium.ChunkWrite begun = medium.beginSegment(number);
        write = begun;
        try {
          begun.write(0, anyBytes(length, scratch), scratch);
          publish(scratch);
        } finally {
          if (!published) {
            begun.abandon();
          }
        }
      }
      case OPEN -> write = medium.beginSegment(number);
      case BODY -> opened().write(offset, anyBytes(length, scratch), scratch);
      case CLOSE -> {
        try {
          if (!stopped()) {
            publish(scratch);
          }
        } finally {
          if (!published) {
            opened().abandon();
          }
        }
      }
    }
  }

  private void publish(IoScratch scratch) throws DeviceException {
    opened().publish(scratch);
    published = true;
  }

  /** What a slot holds before its first chunk does not matter. */
  private static MemorySegment anyBytes(long length, IoScratch scratch) {
    return scratch.bounce().asSlice(0, length);
  }

  private ChunkMedium.ChunkWrite opened() {
    return Objects.requireNonNull(write);
  }

  @Override
  boolean completed() {
    return published;
  }
}
