package io.weft.base;

/** What a store does with a key that is, or is not, there. */
public enum StoreMode {
  /** LMCache's rule: the first store of a key wins, a later one only refreshes its recency. */
  IF_ABSENT,
  /** Replace what is there; store nothing where the key is unknown (Redis {@code SET XX}). */
  IF_PRESENT,
  /** Replace or create; readers see the old bytes or the new ones, never a mixture. */
  REPLACE
}
