package io.weft.adapter;

/** What an {@link L2Adapter} signals; each has an eventfd of its own. */
public enum L2Event {
  /** A store task is complete: {@link L2Adapter#popCompletedStores()}. */
  STORE,
  /** A lookup-and-lock task is complete: {@link L2Adapter#queryLookupAndLock}. */
  LOOKUP_AND_LOCK,
  /** A load task is complete: {@link L2Adapter#queryLoad}. */
  LOAD
}
