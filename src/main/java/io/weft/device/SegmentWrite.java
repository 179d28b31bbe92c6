package io.weft.device;

import io.weft.base.DeviceException;
import io.weft.base.Durability;
import io.weft.device.SlabFormat.Assignment;
import java.lang.foreign.MemorySegment;

/** A segment that is being made under a staging name. */
final class SegmentWrite implements ChunkMedium.ChunkWrite {
  private final SlabLayout layout;
  private final SlabFormat format;
  private final int number;
  private final Directory directory;
  private final String stagingName;
  private final DataFile file;
  private final boolean prewrite;
  private final PieceSums sums;
  private final UseCount uses;
  private final Object state = new Object();
  private boolean publishing;
  private boolean renamed;
  private boolean published;
  private boolean abandoned;

  /**
   * @param prewrite whether pieces are written, or only counted
   * @param onClosed called once, when nobody uses the file any more
   */
  SegmentWrite(
      SlabLayout layout,
      SlabFormat format,
      int number,
      Directory directory,
      String stagingName,
      DataFile file,
      boolean prewrite,
      Runnable onClosed) {
    this.layout = layout;
    this.format = format;
    this.number = number;
    this.directory = directory;
    this.stagingName = stagingName;
    this.file = file;
    this.prewrite = prewrite;
    this.sums = new PieceSums(format.segmentBytes());
    this.uses =
        new UseCount(
            () -> {
              file.close();
              onClosed.run();
            });
  }

  @Override
  public void write(long offset, MemorySegment piece, IoScratch scratch) throws DeviceException {
    long length = piece.byteSize();
    sums.check(offset, length);
    enter("write");
    try {
      if (prewrite) {
        long step = scratch.bounce().byteSize();
        MemorySegment zeros = scratch.bounce().asSlice(0, Math.min(step, length)).fill((byte) 0);
        for (long done = 0; done < length; done += step) {
          IoVector vector = Posix.vector();
          vector.add(zeros.asSlice(0, Math.min(step, length - done)));
          file.write(vector, offset + done, zeros);
        }
      }
      sums.add(offset, length, 0);
    } finally {
      uses.exit();
    }
  }

  @Override
  public void publish(IoScratch scratch) throws DeviceException {
    synchronized (state) {
      if (publishing) {
        throw new IllegalStateException("a segment is published once");
      }
      publishing = true;
    }
    enter("publish");
    try {
      int _ = sums.total();
      format.encode(number, Assignment.NONE, layout.nowMillis(), scratch.block());
      IoVector vector = Posix.vector();
      vector.add(scratch.block());
      file.write(vector, 0, scratch.block());
      boolean syncs = layout.durability() != Durability.RELAXED;
      if (syncs) {
        file.sync();
      }
      synchronized (state) {
        if (abandoned) {
          throw Layout.closed("publish", file.path());
        }
        directory.rename(stagingName, directory, SlabFormat.name(number));
        renamed = true;
      }
      if (syncs) {
        directory.sync();
      }
      synchronized (state) {
        published = !abandoned;
      }
    } finally {
      uses.exit();
    }
    uses.close();
  }

  @Override
  public void abandon() {
    synchronized (state) {
      if (published || abandoned) {
        return;
      }
      abandoned = true;
      // What cannot be removed now is removed by the next start's scan.
      String name = renamed ? SlabFormat.name(number) : stagingName;
      Posix.unlinkat(directory.fd(), name, 0);
    }
    uses.close();
  }

  private void enter(String operation) throws DeviceException {
    if (!uses.enter()) {
      throw Layout.closed(operation, file.path());
    }
  }
}
