package io.weft.base;

/** The store did not take the request: nothing was done, nothing was lost, the caller may retry. */
public record Rejected(Reason reason, String detail)
    implements StoreOutcome, LoadOutcome, StatOutcome, ExpireOutcome, KeysOutcome, ListOutcome {

  /** Why a request was not taken. */
  public enum Reason {
    /** The bound on operations or bytes in flight is reached. */
    BUSY,
    /** Every chunk that could make room is locked, pinned or in use. */
    FULL,
    /** The salt's quota would be exceeded. */
    QUOTA,
    /** The chunk is larger than the limit or than the whole capacity. */
    TOO_LARGE,
    /** The filesystem has less than the reserve free. */
    RESERVE,
    /** The device is not attached and verified. */
    LINK_DOWN,
    /** The device failed too often; it is being probed. */
    BREAKER_OPEN,
    /** The store is shutting down or has failed for good. */
    CLOSED,
    /** The request itself is not valid: the detail says what and how to mend it. */
    INVALID
  }
}
