package io.weft.adapter;

/**
 * What became of a store task as a whole.
 *
 * @param success whether every chunk of the task is stored, by this task or by an earlier one
 * @param bytesWritten payload bytes that this task wrote: 0 where it failed; chunks that were there
 *     already count 0 (LMCache's {@code L2StoreResult})
 */
public record L2StoreResult(boolean success, long bytesWritten) {
  public static final L2StoreResult FAILED = new L2StoreResult(false, 0);
}
