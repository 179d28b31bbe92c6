package io.weft.core;

/**
 * The order in which published chunks are given up. A policy knows entries by their number in the
 * {@link ChunkIndex} and nothing else of them; it keeps its own state in primitive arrays by that
 * number. Every method is O(1), amortised.
 *
 * <p>A policy does not know which chunks are locked, pinned or being read. The index asks for the
 * next victim with {@link #evict()}; where that one is held, the index keeps it aside and gives it
 * back with {@link #restore} once the last hold is gone. An entry that is kept aside is not in the
 * policy: no other method is called for it meanwhile.
 *
 * <p>Implementations are single-threaded and deterministic. A class of the host's own is loaded by
 * name and constructed through a public constructor that takes a {@link PolicyContext}.
 */
public interface EvictionPolicy {

  /**
   * A chunk was published under this number.
   *
   * @param keyHash {@link io.weft.base.ChunkKey#hash64()}, for policies that remember what they
   *     gave up
   * @param bytes what the chunk takes of the capacity
   */
  void add(int entry, long keyHash, long bytes);

  /** The chunk was used: loaded, touched, or stored again. */
  void access(int entry);

  /**
   * The chunk is gone for another reason than eviction (deleted, expired, replaced, quarantined).
   */
  void remove(int entry);

  /** Takes the next victim out of the policy; -1 where it holds none. */
  int evict();

  /** Puts a victim back that {@link #evict()} had taken out: it is the next victim of its class. */
  void restore(int entry);

  /** A number that grows with the entry's place: re-adding in its order restores the order. */
  long stamp(int entry);

  /** What the policy knows of the entry besides its place (frequency, queue), for the snapshot. */
  int state(int entry);

  /**
   * {@link #add} after a restart, with what {@link #state} said before it. Called in ascending
   * order of the {@link #stamp}s of then. A state that the policy does not understand counts as
   * fresh.
   */
  void readmit(int entry, long keyHash, long bytes, int state);
}
