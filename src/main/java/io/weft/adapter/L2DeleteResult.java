package io.weft.adapter;

import java.util.BitSet;

/**
 * What became of a delete: one bit a key, in the order of the request. Owned by the receiver. A key
 * that is in neither set was not there, or could not be asked about.
 *
 * @param removed the keys that this call removed
 * @param locked the keys that were left because they are locked, pinned or being read
 */
public record L2DeleteResult(BitSet removed, BitSet locked) {}
