package io.weft.device;

import io.weft.base.DeviceException;

/**
 * One vectored read or write that is ready to be made: by a ring, which keeps many of them with the
 * kernel at once, instead of by a thread that waits for each. Made by a {@link ChunkMedium};
 * whoever got it makes the transfer, and says with {@link #done} how it ended, exactly once.
 *
 * <p>Until then the memory that the vector names, and the scratch it was prepared with, belong to
 * the kernel.
 */
public abstract class PreparedIo {
  /** The open file. */
  abstract int fd();

  /** Whether the bytes go to the device. */
  abstract boolean writes();

  /** Where they come from or go to. */
  abstract IoVector vector();

  /** Where in the file, in bytes. */
  abstract long offset();

  /**
   * The transfer ended: does what is left, as verifying what was read. Lets go of the file,
   * whatever happens.
   *
   * @param result how many bytes were moved, or the negated errno
   */
  public abstract void done(long result) throws DeviceException;
}
