package io.weft.device;

import io.weft.base.DeviceException;
import java.lang.foreign.MemorySegment;

/** An open file of the store. Every transfer moves all the bytes it was asked for, or throws. */
final class DataFile {
  private final Directory directory;
  private final String name;
  private final int fd;
  private final boolean direct;

  /**
   * @param direct whether it was opened with O_DIRECT
   */
  DataFile(Directory directory, String name, int fd, boolean direct) {
    this.directory = directory;
    this.name = name;
    this.fd = fd;
    this.direct = direct;
  }

  /** Relative to the store's root. */
  String path() {
    return directory.pathOf(name);
  }

  boolean isDirect() {
    return direct;
  }

  /** Whether the kernel can move bytes from or to this memory as it is. */
  boolean takesInPlace(MemorySegment memory) {
    return memory.isNative() && (!direct || ChunkFormat.isAligned(memory.address()));
  }

  /**
   * Reads until the areas of this thread's {@link Posix#vector} are full.
   *
   * @param held memory of another owner that the vector names
   */
  void read(IoVector vector, long offset, MemorySegment held) throws DeviceException {
    finish(false, Posix.preadv(fd, vector, offset, held), vector, offset, held);
  }

  /** Writes all that the areas of this thread's {@link Posix#vector} hold. */
  void write(IoVector vector, long offset, MemorySegment held) throws DeviceException {
    finish(true, Posix.pwritev(fd, vector, offset, held), vector, offset, held);
  }

  /**
   * Ends a transfer whose first call, whoever made it, had this result: what it left is moved here.
   *
   * @param result how many bytes were moved, or the negated errno
   */
  void finish(boolean writes, long result, IoVector vector, long offset, MemorySegment held)
      throws DeviceException {
    long wanted = vector.bytes();
    if (result == wanted) {
      return;
    }
    String operation = writes ? "pwrite" : "pread";
    // A ring may be interrupted, or out of room, where a thread would wait.
    boolean again = result == -Posix.EINTR || result == -Posix.EAGAIN;
    long kept = keep(operation, again ? 0 : result, offset, wanted, vector);
    long moved =
        writes
            ? Posix.pwritev(fd, vector, offset + kept, held)
            : Posix.preadv(fd, vector, offset + kept, held);
    complete(operation, moved, kept, offset, wanted);
  }

  /**
   * After a short transfer: how many bytes need not be moved again. A short count of direct I/O may
   * end within a block; that block is moved again whole.
   */
  private long keep(String operation, long moved, long offset, long wanted, IoVector vector)
      throws DeviceException {
    if (moved < 0) {
      throw Posix.failure(operation, path(), offset, wanted, moved);
    }
    long kept = direct ? moved & -ChunkFormat.BLOCK_BYTES : moved;
    vector.advance(kept);
    return kept;
  }

  private void complete(String operation, long moved, long kept, long offset, long wanted)
      throws DeviceException {
    if (moved < 0) {
      throw Posix.failure(operation, path(), offset + kept, wanted - kept, moved);
    }
    if (moved != wanted - kept) {
      throw new DeviceException(
          DeviceException.Kind.SHORT_TRANSFER,
          operation,
          path(),
          offset,
          wanted,
          0,
          "only %d bytes were moved in two calls".formatted(kept + moved),
          null);
    }
  }

  /**
   * Allocates the whole file, so that a full filesystem shows now and not in the middle. Where the
   * filesystem cannot do that, it shows later.
   */
  void allocate(long length) throws DeviceException {
    int result = Posix.fallocate(fd, length);
    if (result == -Posix.EOPNOTSUPP || result == -Posix.ENOSYS) {
      result = Posix.ftruncate(fd, length);
    }
    if (result < 0) {
      throw Posix.failure("fallocate", path(), 0, length, result);
    }
  }

  /** Makes the bytes durable, and what is needed to find them by the file. */
  void sync() throws DeviceException {
    int result = Posix.fdatasync(fd);
    if (result < 0) {
      throw Posix.failure("fdatasync", path(), result);
    }
  }

  /** The file's length; {@link Posix#statPhysicalBytes} holds for it afterwards. */
  long length() throws DeviceException {
    int result = Posix.statx(fd);
    if (result < 0) {
      throw Posix.failure("statx", path(), result);
    }
    if (!Posix.statIsRegularFile()) {
      throw directory.notRegular(name);
    }
    return Posix.statSize();
  }

  int fd() {
    return fd;
  }

  void close() {
    Posix.close(fd);
  }
}
