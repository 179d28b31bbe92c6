package io.weft.base;

import java.util.BitSet;

/**
 * What became of an operation on a list of keys: one bit a key, in the order of the request. Owned
 * by the receiver.
 */
public sealed interface KeysOutcome permits KeysOutcome.Done, Rejected, Failed {

  /**
   * @param keys how many keys were asked about
   * @param hits the keys that are present (lookup), or that were changed (lock, unlock, pin, unpin,
   *     touch, delete)
   * @param held of a delete: the keys that are present but locked, pinned or read, and so were left
   */
  record Done(int keys, BitSet hits, BitSet held) implements KeysOutcome {
    /** The length of the leading run of hits: LMCache's prefix. */
    public int leadingHits() {
      return Math.min(keys, hits.nextClearBit(0));
    }
  }
}
