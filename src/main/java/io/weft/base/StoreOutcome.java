package io.weft.base;

/** What became of a store. */
public sealed interface StoreOutcome
    permits StoreOutcome.Stored,
        StoreOutcome.AlreadyStored,
        StoreOutcome.NotPresent,
        Rejected,
        Failed {

  /**
   * The chunk is published: lookups hit it from now on.
   *
   * @param generation the number that tells this value from every other of the key
   * @param physicalBytes what it takes on the device, block rounding included
   */
  record Stored(long generation, long physicalBytes) implements StoreOutcome {}

  /** {@link StoreMode#IF_ABSENT} found the key: the first store won, recency was refreshed. */
  record AlreadyStored() implements StoreOutcome {}

  /** {@link StoreMode#IF_PRESENT} did not find the key. */
  record NotPresent() implements StoreOutcome {}
}
