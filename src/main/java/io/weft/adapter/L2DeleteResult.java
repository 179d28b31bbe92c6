package io.weft.adapter;

import java.util.BitSet;

/**
 * What became of a delete: one bit a key, in the order of the request. Owned by the receiver. A key
 * that is in neither set was not there.
 *
 * @param removed the keys that this call removed
 * @param locked the keys that were left because they are locked, pinned or being read
 * @param answered false where the adapter could not say: both sets are empty, and the keys may be
 *     there still
 */
public record L2DeleteResult(BitSet removed, BitSet locked, boolean answered) {

  /** An answer about every key. */
  public L2DeleteResult(BitSet removed, BitSet locked) {
    this(removed, locked, true);
  }

  /** No answer. */
  public static L2DeleteResult unanswered() {
    return new L2DeleteResult(new BitSet(), new BitSet(), false);
  }
}
