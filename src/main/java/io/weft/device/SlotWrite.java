package io.weft.device;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.base.Durability;
import io.weft.device.SlabSegments.Segment;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A chunk that is being written into a slot, whose block is zero until the chunk is whole. The
 * segment stays open until the last piece write has returned from the kernel, even where the chunk
 * is abandoned before that.
 */
final class SlotWrite implements ChunkMedium.ChunkWrite {
  private final SlabLayout layout;
  private final ChunkAddress address;
  private final ChunkMetadata metadata;
  private final long payloadLength;
  private final Segment segment;
  private final long offset;
  private final long nonce;
  private final PieceWriter pieces;

  /** Guards the fields below. */
  private final Object state = new Object();

  private boolean publishing;
  private boolean published;
  private boolean abandoned;

  /**
   * @param offset of the slot in the segment
   * @param onClosed called once, when nobody uses the segment any more
   */
  SlotWrite(
      SlabLayout layout,
      ChunkAddress address,
      ChunkMetadata metadata,
      long payloadLength,
      Segment segment,
      long offset,
      long nonce,
      Runnable onClosed) {
    this.layout = layout;
    this.address = address;
    this.metadata = metadata;
    this.payloadLength = payloadLength;
    this.segment = segment;
    this.offset = offset;
    this.nonce = nonce;
    this.pieces =
        new PieceWriter(segment.file, offset + ChunkFormat.BLOCK_BYTES, payloadLength, onClosed);
  }

  @Override
  public void write(long payloadOffset, MemorySegment piece, IoScratch scratch)
      throws DeviceException {
    pieces.write(payloadOffset, piece, scratch);
  }

  @Override
  public @Nullable PreparedIo prepareWrite(
      long payloadOffset, MemorySegment piece, IoScratch scratch) throws DeviceException {
    return pieces.prepare(payloadOffset, piece, scratch);
  }

  @Override
  public void publish(IoScratch scratch) throws DeviceException {
    synchronized (state) {
      if (publishing) {
        throw new IllegalStateException("a chunk is published once");
      }
      publishing = true;
    }
    pieces.enter("publish");
    try {
      layout.encode(address, metadata, payloadLength, pieces.total(), nonce, scratch.block());
      segment.writeBlock(offset, scratch.block());
      // One sync for payload and block: until it is done the chunk is not acknowledged, and where
      // a power cut left the block alone, the payload's checksum shows it.
      if (layout.durability() != Durability.RELAXED) {
        segment.file.sync();
      }
      synchronized (state) {
        published = !abandoned;
      }
      if (!published) {
        segment.clear(offset);
        throw Layout.closed("publish", segment.file.path());
      }
    } finally {
      pieces.exit();
    }
    pieces.close();
  }

  @Override
  public void abandon() {
    boolean written;
    synchronized (state) {
      if (published || abandoned) {
        return;
      }
      abandoned = true;
      written = publishing;
    }
    try {
      // Before the block was written there is nothing to take back.
      if (written) {
        layout.clearQuietly(segment, offset);
      }
    } finally {
      pieces.close();
    }
  }
}
