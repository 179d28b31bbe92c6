package io.weft.device;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.base.Durability;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A chunk that is being written under a staging name. The descriptor stays open until the last
 * piece write has returned from the kernel, even where the chunk is abandoned before that.
 */
final class StagedChunk implements ChunkMedium.ChunkWrite {
  private final FileLayout layout;
  private final ChunkAddress address;
  private final ChunkMetadata metadata;
  private final long payloadLength;
  private final Directory directory;
  private final String stagingName;
  private final String finalName;
  private final DataFile file;
  private final @Nullable Directory vacated;
  private final PieceWriter pieces;

  /** Guards the fields below, and with them the one moment at which the chunk gets its name. */
  private final Object state = new Object();

  private boolean publishing;
  private boolean renaming;
  private boolean published;
  private boolean abandoned;

  /**
   * @param vacated the directory in which the file had another chunk's name; null where it is new
   * @param onClosed called once, when nobody uses the file any more
   */
  StagedChunk(
      FileLayout layout,
      ChunkAddress address,
      ChunkMetadata metadata,
      long payloadLength,
      Directory directory,
      String stagingName,
      DataFile file,
      @Nullable Directory vacated,
      Runnable onClosed) {
    this.layout = layout;
    this.address = address;
    this.metadata = metadata;
    this.payloadLength = payloadLength;
    this.directory = directory;
    this.stagingName = stagingName;
    this.finalName = ChunkName.of(address);
    this.file = file;
    this.vacated = vacated;
    this.pieces = new PieceWriter(file, ChunkFormat.BLOCK_BYTES, payloadLength, onClosed);
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
    beginPublish();
    try {
      encode(pieces.total(), scratch.block());
      IoVector vector = Posix.vector();
      vector.add(scratch.block());
      file.write(vector, 0, scratch.block());
      finishPublish();
    } finally {
      pieces.exit();
    }
  }

  /** Takes the room for the whole chunk; a recycled file has it. */
  void allocate() throws DeviceException {
    if (vacated == null) {
      file.allocate(ChunkFormat.fileBytes(payloadLength));
    }
  }

  /** Writes and publishes the whole chunk. */
  void publishWhole(MemorySegment payload, IoScratch scratch) throws DeviceException {
    if (!PayloadIo.fitsOneWrite(file, payload, scratch)) {
      allocate();
      write(0, payload, scratch);
      publish(scratch);
      return;
    }
    beginPublish();
    try {
      PayloadIo.writeWhole(file, 0, this::encode, payload, scratch);
      finishPublish();
    } finally {
      pieces.exit();
    }
  }

  @Override
  public void abandon() {
    synchronized (state) {
      if (published || abandoned) {
        return;
      }
      abandoned = true;
      // What cannot be removed now is removed by the next start's scan.
      Posix.unlinkat(directory.fd(), stagingName, 0);
      if (renaming) {
        // A rename that failed, or whose directory could not be synced, may have happened.
        Posix.unlinkat(directory.fd(), finalName, 0);
      }
      if (vacated != null && layout.durability() == Durability.FULL) {
        // As a delete of the recycled chunk would have done.
        Posix.fsync(vacated.fd());
      }
    }
    pieces.close();
  }

  private void encode(int payloadSum, MemorySegment target) {
    ChunkFormat.encode(
        new ChunkBlock(
            address.key(),
            address.generation(),
            payloadLength,
            payloadSum,
            metadata,
            layout.nowMillis()),
        target);
  }

  private void beginPublish() throws DeviceException {
    synchronized (state) {
      if (publishing) {
        throw new IllegalStateException("a chunk is published once");
      }
      publishing = true;
    }
    pieces.enter("publish");
  }

  private void finishPublish() throws DeviceException {
    Durability durability = layout.durability();
    if (durability != Durability.RELAXED) {
      file.sync();
    }
    synchronized (state) {
      if (abandoned) {
        throw Layout.closed("publish", file.path());
      }
      renaming = true;
      try {
        directory.rename(stagingName, directory, finalName);
      } catch (DeviceException failure) {
        // The name is another file's: not ours to remove.
        renaming = failure.errno() != Posix.EEXIST;
        throw failure;
      }
    }
    if (durability == Durability.FULL) {
      directory.sync();
      if (vacated != null && vacated != directory) {
        vacated.sync();
      }
    }
    synchronized (state) {
      published = !abandoned;
      if (abandoned) {
        throw Layout.closed("publish", file.path());
      }
    }
    pieces.close();
  }
}
