package io.weft.actor;

import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.core.Lane;
import io.weft.core.Order;
import io.weft.core.PiecePlan;
import io.weft.device.ChunkMedium;
import io.weft.device.IoScratch;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** An order that is one short step: remove, quarantine, change the expiry, read a block. */
final class FileTransfer extends DeviceTransfer {
  private final Order order;
  private final Lane lane;
  private final long quarantineBytes;
  private volatile Order.Result.@Nullable Done done;

  FileTransfer(
      Order order,
      Lane lane,
      ChunkMedium medium,
      long deadlineNanos,
      long quarantineBytes,
      BiConsumer<Order, Order.Result> report) {
    super(order, medium, deadlineNanos, new PiecePlan(0, 1, 1), report);
    this.order = order;
    this.lane = lane;
    this.quarantineBytes = quarantineBytes;
  }

  @Override
  public Lane lane() {
    return lane;
  }

  @Override
  void run(PiecePlan.Step step, long offset, long length, IoScratch scratch)
      throws DeviceException {
    done =
        switch (order) {
          case Order.Remove remove -> {
            boolean removed = remove.before() != null && medium.delete(remove.before());
            removed |= medium.delete(remove.address());
            long freed = removed ? remove.physicalBytes() : 0;
            yield new Order.Result.Done(freed, ChunkMetadata.EMPTY);
          }
          case Order.Quarantine quarantine -> {
            var _ = medium.quarantine(quarantine.address());
            yield new Order.Result.Done(
                medium.pruneQuarantine(quarantineBytes), ChunkMetadata.EMPTY);
          }
          case Order.ChangeExpiry change -> {
            medium.changeExpiry(change.address(), change.expiresAtMillis());
            yield Order.Result.Done.PLAIN;
          }
          case Order.ReadBlock block ->
              new Order.Result.Done(0, medium.block(block.address(), scratch).metadata());
          case Order.RemoveSegment remove -> {
            var _ = medium.removeSegment(remove.number());
            yield Order.Result.Done.PLAIN;
          }
          case Order.MakeSegment _ -> throw new IllegalStateException("it is a SegmentTransfer");
          case Order.Write _ -> throw new IllegalStateException("a write is a StoreTransfer");
          case Order.Read _ -> throw new IllegalStateException("a read is a LoadTransfer");
        };
  }

  @Override
  Order.Result.Done success() {
    return java.util.Objects.requireNonNull(done);
  }

  @Override
  boolean completed() {
    return done != null;
  }
}
