package io.weft.core;

import io.weft.base.ChunkAddress;
import io.weft.base.DeviceException;
import io.weft.base.StatOutcome;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Device work that the {@link StoreMachine} asks for. Every order comes back to {@link
 * StoreMachine#completed} exactly once.
 */
public sealed interface Order {

  /** Work on one chunk. */
  sealed interface OnChunk extends Order {
    ChunkAddress address();
  }

  /**
   * Write the request's payload under this address and publish it. Where a retired chunk's room is
   * recycled, nothing else is allocated, and the retired chunk is gone afterwards.
   */
  final class Write implements OnChunk {
    final StoreRequest request;
    final ChunkAddress address;
    final long physicalBytes;
    final @Nullable ChunkAddress recycled;

    /** What the filesystem may allocate for it. */
    final long claimedBytes;

    final boolean lastTry;

    Write(
        StoreRequest request,
        ChunkAddress address,
        long physicalBytes,
        @Nullable ChunkAddress recycled,
        long claimedBytes,
        boolean lastTry) {
      this.request = request;
      this.address = address;
      this.physicalBytes = physicalBytes;
      this.recycled = recycled;
      this.claimedBytes = claimedBytes;
      this.lastTry = lastTry;
    }

    /** The retired chunk whose room becomes this one's; null where it has room of its own. */
    public @Nullable ChunkAddress recycled() {
      return recycled;
    }

    public StoreRequest request() {
      return request;
    }

    @Override
    public ChunkAddress address() {
      return address;
    }
  }

  /** Read and verify the chunk into the request's target. */
  final class Read implements OnChunk {
    final LoadRequest request;
    final ChunkAddress address;
    final int entry;
    final long length;
    final int attempt;
    final long renamesBefore;

    Read(
        LoadRequest request,
        ChunkAddress address,
        int entry,
        long length,
        int attempt,
        long renamesBefore) {
      this.request = request;
      this.address = address;
      this.entry = entry;
      this.length = length;
      this.attempt = attempt;
      this.renamesBefore = renamesBefore;
    }

    public LoadRequest request() {
      return request;
    }

    @Override
    public ChunkAddress address() {
      return address;
    }

    /** Payload bytes. */
    public long length() {
      return length;
    }
  }

  /**
   * Remove the chunk.
   *
   * @param before another one that may be in the same room, and goes first: what a write left that
   *     was to recycle it; null where there is none
   */
  record Remove(ChunkAddress address, @Nullable ChunkAddress before, long physicalBytes)
      implements OnChunk {}

  /** Move the chunk to quarantine. */
  record Quarantine(ChunkAddress address, long physicalBytes) implements OnChunk {}

  /** Make a segment: take its room on the filesystem. */
  record MakeSegment(int number) implements Order {}

  /** Remove a segment that holds no chunk. */
  record RemoveSegment(int number) implements Order {}

  /** Give the chunk another expiry time on the device. */
  record ChangeExpiry(
      ChunkAddress address, long expiresAtMillis, Consumer<io.weft.base.ExpireOutcome> answer)
      implements OnChunk {}

  /** Read the self-describing block for its metadata. */
  record ReadBlock(
      ChunkAddress address, int entry, long renamesBefore, Consumer<StatOutcome> answer)
      implements OnChunk {}

  /** How an order came back. */
  sealed interface Result {
    /**
     * Done.
     *
     * @param detail what the order returns besides: of a {@link Quarantine} the bytes of all that
     *     is in quarantine now, of a {@link Remove} the bytes that were freed; else 0
     * @param metadata of a block that was read
     */
    record Done(long detail, io.weft.base.ChunkMetadata metadata) implements Result {
      public static final Done PLAIN = new Done(0, io.weft.base.ChunkMetadata.EMPTY);
    }

    /** The device answered with an error. */
    record DeviceFailed(DeviceException error) implements Result {}

    /** It was given up before it was done; nothing of it is visible on the device. */
    record Cancelled(Transfer.Cancelled why) implements Result {}

    /** A bug. */
    record Broken(@Nullable Throwable bug) implements Result {}
  }

  /** Where orders go. */
  @FunctionalInterface
  interface Door {
    void submit(Order order);
  }
}
