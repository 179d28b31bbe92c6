package io.weft.device;

import io.weft.base.DeviceException;

/** Bytes that are no self-describing block of the version that this program reads. */
public final class ChunkFormatException extends Exception {
  private static final long serialVersionUID = 1L;

  /** What is wrong with them. */
  public enum Reason {
    /** They do not begin with the magic: no chunk, or a chunk whose first bytes are damaged. */
    BAD_MAGIC,
    /** The block is intact and of a format that a later program wrote. */
    LATER_VERSION,
    /** The block's own checksum does not fit its bytes. */
    BAD_CHECKSUM,
    /** The checksum fits, the fields contradict each other or the format's limits. */
    BAD_FIELDS
  }

  private final Reason reason;

  ChunkFormatException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }

  /** What a load of these bytes ends with. */
  DeviceException asDeviceException(String path) {
    // A later version is somebody's good chunk: not to be had here, and not to be moved away.
    return new DeviceException(
        reason == Reason.LATER_VERSION
            ? DeviceException.Kind.NOT_FOUND
            : DeviceException.Kind.CORRUPT,
        "verify",
        path,
        -1,
        -1,
        0,
        String.valueOf(getMessage()),
        this);
  }
}
