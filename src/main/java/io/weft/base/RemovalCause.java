package io.weft.base;

/** Why a chunk is not there any more. */
public enum RemovalCause {
  /** To make room. */
  EVICTED,
  DELETED,
  EXPIRED,
  REPLACED,
  /** Its file was gone from the device. */
  VANISHED
}
