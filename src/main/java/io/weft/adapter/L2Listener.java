package io.weft.adapter;

import java.util.List;

/**
 * Hears what happens to an adapter's chunks. Called on threads of the adapter, outside of its
 * locks, several at a time perhaps: must be thread-safe and must not block. An exception is logged
 * and otherwise ignored.
 */
public interface L2Listener {
  /**
   * @param sizes bytes of each key, as the adapter counts them; not to be changed
   */
  void stored(List<ObjectKey> keys, long[] sizes);

  /** The keys were used together, in the order of their chain: the head of a prefix first. */
  void accessed(List<ObjectKey> keys);

  /**
   * @param sizes bytes of each key, as the adapter counts them; not to be changed
   */
  void deleted(List<ObjectKey> keys, long[] sizes);
}
