package io.weft.base;

/** What an acknowledged store survives. */
public enum Durability {
  /** No sync: survives the death of the process, not of the machine. */
  RELAXED,
  /** The data is synced before it is published; the directory entry is not. */
  DATA,
  /** Data and directory are synced: an acknowledged chunk survives a power cut. */
  FULL
}
