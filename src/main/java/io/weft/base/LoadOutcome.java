package io.weft.base;

/** What became of a load. */
public sealed interface LoadOutcome
    permits LoadOutcome.Loaded,
        LoadOutcome.Leased,
        LoadOutcome.Miss,
        LoadOutcome.TooSmall,
        Rejected,
        Failed {

  /** The chunk's bytes stand at the start of the caller's buffer, verified. */
  record Loaded(long length) implements LoadOutcome {}

  /** The chunk's bytes stand in a lease that is the caller's now, and the caller's to release. */
  record Leased(BufferLease lease) implements LoadOutcome {}

  /** There is no such chunk; the caller's buffer holds nothing of worth. */
  record Miss(Why why) implements LoadOutcome {
    /** Why it is a miss. */
    public enum Why {
      ABSENT,
      EXPIRED,
      /** The bytes on the device failed verification; the chunk is quarantined. */
      CORRUPT,
      /** The device is away, and the store is set to call that a miss. */
      UNAVAILABLE
    }
  }

  /** The caller's buffer is too small; nothing was read. */
  record TooSmall(long neededBytes) implements LoadOutcome {}
}
