package io.weft.device;

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
}
