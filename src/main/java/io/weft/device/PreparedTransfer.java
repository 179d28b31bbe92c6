package io.weft.device;

import io.weft.base.DeviceException;
import java.lang.foreign.MemorySegment;

/** A prepared transfer from or to a file of the store. */
final class PreparedTransfer extends PreparedIo {

  /** What follows the transfer. */
  @FunctionalInterface
  interface Ending {
    /** All bytes were moved. */
    void moved() throws DeviceException;

    /** They were not, or {@link #moved} threw. */
    default void failed() {}
  }

  private final DataFile file;
  private final boolean writes;
  private final IoVector vector;
  private final long offset;
  private final MemorySegment held;
  private final Ending ending;
  private final Runnable release;

  /**
   * @param held memory of another owner that the vector names
   * @param release lets go of the file; called once, at the end
   */
  PreparedTransfer(
      DataFile file,
      boolean writes,
      IoVector vector,
      long offset,
      MemorySegment held,
      Ending ending,
      Runnable release) {
    this.file = file;
    this.writes = writes;
    this.vector = vector;
    this.offset = offset;
    this.held = held;
    this.ending = ending;
    this.release = release;
  }

  @Override
  int fd() {
    return file.fd();
  }

  @Override
  boolean writes() {
    return writes;
  }

  @Override
  IoVector vector() {
    return vector;
  }

  @Override
  long offset() {
    return offset;
  }

  @Override
  public void done(long result) throws DeviceException {
    boolean ended = false;
    try {
      file.finish(writes, result, vector, offset, held);
      ending.moved();
      ended = true;
    } finally {
      try {
        if (!ended) {
          ending.failed();
        }
      } finally {
        release.run();
      }
    }
  }
}
