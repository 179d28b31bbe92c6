package io.weft.base;

import org.jspecify.annotations.Nullable;

/**
 * A device operation that did not do what it was asked: what was tried, on which file, where, how
 * much, and what the kernel answered. Thrown inside the device room only; everywhere above it is a
 * value inside {@link Failed}.
 */
public final class DeviceException extends Exception {
  private static final long serialVersionUID = 1L;

  /** What went wrong, as far as the store's reaction depends on it. */
  public enum Kind {
    /** EIO and its kin: the medium or the fabric failed the operation. */
    IO_ERROR,
    /** ENOSPC, EDQUOT: no room for data or inodes. */
    NO_SPACE,
    /** EROFS: the kernel remounted the filesystem read-only. */
    READ_ONLY,
    /** ENOENT, ESTALE: the file is not there (any more). */
    NOT_FOUND,
    /** EACCES, EPERM. */
    NO_PERMISSION,
    /** EMFILE, ENFILE, ENOMEM: the process or the machine ran out of something. */
    EXHAUSTED,
    /** Fewer bytes were moved than asked for, without an error. */
    SHORT_TRANSFER,
    /** The bytes are not what the self-describing block says they are. */
    CORRUPT,
    /** The medium is closed. */
    CLOSED,
    /** Anything else. */
    OTHER
  }

  private final Kind kind;
  private final int errno;

  /**
   * @param operation the system call or step, as in {@code pwrite}
   * @param path the file, relative to the store's directory
   * @param offset the byte offset in the file, or -1
   * @param length the bytes asked for, or -1
   * @param errno the kernel's error number, or 0 where the kernel reported none
   */
  public DeviceException(
      Kind kind,
      String operation,
      String path,
      long offset,
      long length,
      int errno,
      String reason,
      @Nullable Throwable cause) {
    super(describe(kind, operation, path, offset, length, errno, reason), cause);
    this.kind = kind;
    this.errno = errno;
  }

  public Kind kind() {
    return kind;
  }

  public int errno() {
    return errno;
  }

  /** Whether the medium itself is in doubt: what counts toward worker restarts and the breaker. */
  public boolean deviceInDoubt() {
    return switch (kind) {
      case IO_ERROR, READ_ONLY, SHORT_TRANSFER, OTHER -> true;
      case NO_SPACE, NOT_FOUND, NO_PERMISSION, EXHAUSTED, CORRUPT, CLOSED -> false;
    };
  }

  private static String describe(
      Kind kind, String operation, String path, long offset, long length, int errno, String why) {
    StringBuilder text = new StringBuilder(operation).append(' ').append(path);
    if (offset >= 0) {
      text.append(" offset=").append(offset);
    }
    if (length >= 0) {
      text.append(" length=").append(length);
    }
    text.append(": ").append(why).append(" (").append(kind);
    if (errno != 0) {
      text.append(", errno ").append(errno);
    }
    return text.append(')').toString();
  }
}
