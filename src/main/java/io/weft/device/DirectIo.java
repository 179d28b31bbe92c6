package io.weft.device;

/** Whether reads and writes bypass the page cache. */
public enum DirectIo {
  /** They do, or the store does not open. */
  REQUIRED,
  /** They do where the filesystem lets them; {@link MediumInfo} says which it became. */
  PREFERRED,
  /** They do not. */
  OFF
}
