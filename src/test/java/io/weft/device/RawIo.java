package io.weft.device;

import io.weft.base.DeviceException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.function.LongConsumer;

/** A prepared transfer of plain bytes, on a file of the test's. */
public final class RawIo extends PreparedIo {
  private final int fd;
  private final boolean writes;
  private final IoVector vector = new IoVector(Arena.ofAuto().allocate(IoVector.BYTES, Long.BYTES));
  private final MemorySegment[] areas;
  private final long offset;
  private final LongConsumer ended;

  private RawIo(int fd, boolean writes, long offset, LongConsumer ended, MemorySegment... areas) {
    this.fd = fd;
    this.writes = writes;
    this.offset = offset;
    this.ended = ended;
    this.areas = areas;
    for (MemorySegment area : areas) {
      vector.add(area);
    }
  }

  /** Opens a file that is there to read and write it. */
  public static int open(Path file, boolean direct) {
    int flags = Posix.O_RDWR | (direct ? Posix.O_DIRECT : 0);
    int fd = Posix.openat(Posix.AT_FDCWD, file.toString(), flags, 0);
    if (fd < 0) {
      throw new AssertionError(file + ": " + Posix.describe(-fd));
    }
    return fd;
  }

  public static void close(int fd) {
    Posix.close(fd);
  }

  public static RawIo read(int fd, long offset, LongConsumer ended, MemorySegment... areas) {
    return new RawIo(fd, false, offset, ended, areas);
  }

  public static RawIo write(int fd, long offset, LongConsumer ended, MemorySegment... areas) {
    return new RawIo(fd, true, offset, ended, areas);
  }

  @Override
  int fd() {
    return fd;
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

  MemorySegment area(int number) {
    return areas[number];
  }

  @Override
  public void done(long result) throws DeviceException {
    ended.accept(result);
    long wanted = 0;
    for (MemorySegment area : areas) {
      wanted += area.byteSize();
    }
    if (vector.bytes() != wanted) {
      throw new AssertionError("the vector is not as it was");
    }
    if (result < 0) {
      throw Posix.failure("transfer", "of the test", result);
    }
  }
}
