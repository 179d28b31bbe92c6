package io.weft.core;

/**
 * A queue of keys that were given up, oldest first, which answers whether it holds one. It knows
 * fingerprints (32 bits of the key's hash) and nothing else: 20 bytes a ghost. Two keys with one
 * fingerprint are one ghost to it; among ten million ghosts that mistakes one new key in four
 * hundred for a known one, which costs that chunk a place in the wrong queue and nothing more.
 *
 * <p>Its hash table grows by linear hashing: each addition beyond the table's size splits one
 * bucket, so no addition ever rehashes the table.
 */
final class GhostQueue {
  // The two lists of nodes.
  private static final int QUEUE = 0;
  private static final int SPARE = 1;

  private static final int BUCKETS_MIN = 64;

  private final EntryLinks nodes = new EntryLinks();
  private final EntryInts fingerprints = new EntryInts();
  private int nodeCount;
  private int size;

  /** The first node of each bucket, and the node behind each node in its bucket; 0 is none. */
  private final EntryInts heads = new EntryInts();

  private final EntryInts chain = new EntryInts();

  /**
   * Buckets below {@code buckets - round}, and those that splitting made from them, are addressed
   * with one more bit than the others: {@code round <= buckets < 2 * round}.
   */
  private int buckets = BUCKETS_MIN;

  private int round = BUCKETS_MIN;

  static int fingerprint(long keyHash) {
    return (int) ((keyHash * 0x9E3779B97F4A7C15L) >>> 32);
  }

  int size() {
    return size;
  }

  void add(int fingerprint) {
    int node = nodes.first(SPARE);
    if (node == EntryLinks.NONE) {
      node = nodeCount++;
    } else {
      nodes.unlink(SPARE, node);
    }
    nodes.append(QUEUE, node);
    fingerprints.set(node, fingerprint);
    push(bucket(fingerprint), node);
    size++;
    if (size > buckets) {
      split();
    }
  }

  /** Forgets the key; false where it was not known. */
  boolean remove(int fingerprint) {
    int bucket = bucket(fingerprint);
    int before = EntryLinks.NONE;
    int node = heads.get(bucket) - 1;
    while (node != EntryLinks.NONE) {
      if (fingerprints.get(node) == fingerprint) {
        forget(bucket, before, node);
        return true;
      }
      before = node;
      node = chain.get(node) - 1;
    }
    return false;
  }

  /** Forgets the oldest until at most so many are left. */
  void trim(int limit) {
    while (size > limit) {
      int oldest = nodes.first(QUEUE);
      int bucket = bucket(fingerprints.get(oldest));
      int before = EntryLinks.NONE;
      for (int node = heads.get(bucket) - 1; node != oldest; node = chain.get(node) - 1) {
        before = node;
      }
      forget(bucket, before, oldest);
    }
  }

  private void forget(int bucket, int before, int node) {
    if (before == EntryLinks.NONE) {
      heads.set(bucket, chain.get(node));
    } else {
      chain.set(before, chain.get(node));
    }
    nodes.unlink(QUEUE, node);
    nodes.prepend(SPARE, node);
    size--;
  }

  private int bucket(int fingerprint) {
    int bucket = fingerprint & (2 * round - 1);
    return bucket < buckets ? bucket : bucket - round;
  }

  private void push(int bucket, int node) {
    chain.set(node, heads.get(bucket));
    heads.set(bucket, node + 1);
  }

  private void split() {
    int source = buckets - round;
    int node = heads.get(source) - 1;
    heads.set(source, 0);
    buckets++;
    while (node != EntryLinks.NONE) {
      int following = chain.get(node) - 1;
      push(bucket(fingerprints.get(node)), node);
      node = following;
    }
    if (buckets == 2 * round) {
      round = buckets;
    }
  }
}
