package io.weft.core;

/**
 * Three first-in-first-out queues: new chunks enter a small one, a tenth of the capacity in bytes.
 * Those with more than one use there pass on to the main queue, the others are given up and
 * remembered as ghosts; a ghost that is published again enters the main queue at once. The main
 * queue gives a used chunk another round for each use, counted up to three. So what is used once
 * leaves soon, without ever pushing out what is used often.
 *
 * <p>As many ghosts are remembered as nine tenths of the chunks that are in the policy. They are
 * forgotten over a restart: the queues and counters are in the snapshot, the ghosts are not.
 *
 * <p>A chunk costs 24 bytes (links, stamp, fingerprint, weight and state), a ghost 20.
 */
public final class S3FifoPolicy implements EvictionPolicy {
  // The two lists. A third, the ghosts', is a queue of keys, not of entries.
  private static final int SMALL = 0;
  private static final int MAIN = 1;

  // An entry's state: the count of uses, and whether it is in the main queue.
  private static final int USES_MAX = 3;
  private static final int USES_MASK = 3;
  private static final int MAIN_BIT = 4;
  private static final int STATE_BITS = 3;
  private static final int STATE_MASK = (1 << STATE_BITS) - 1;

  /** More than one use in the small queue earns a place in the main one. */
  private static final int USES_TO_PASS = 2;

  /** Half a gibibyte: what a larger chunk counts for in the share of the small queue. */
  private static final int WEIGHT_MAX = (1 << (32 - STATE_BITS)) - 1;

  private final StampedLists lists = new StampedLists();
  private final EntryInts fingerprints = new EntryInts();

  /** The weight above the state's bits. Kept for a victim too, which may return. */
  private final EntryInts weightsAndStates = new EntryInts();

  private final GhostQueue ghosts = new GhostQueue();
  private final long smallBytesTarget;
  private long smallBytes;
  private int count;

  public S3FifoPolicy(PolicyContext context) {
    smallBytesTarget = Math.max(1, context.capacityBytes() / 10);
  }

  @Override
  public void add(int entry, long keyHash, long bytes) {
    boolean known = ghosts.remove(GhostQueue.fingerprint(keyHash));
    admit(entry, keyHash, bytes, known ? MAIN_BIT : 0);
  }

  @Override
  public void access(int entry) {
    int state = state(entry);
    if ((state & USES_MASK) < USES_MAX) {
      setState(entry, state + 1);
    }
  }

  @Override
  public void remove(int entry) {
    unlink(entry);
  }

  @Override
  public int evict() {
    while (true) {
      int victim = lists.first(SMALL);
      boolean fromSmall =
          victim != EntryLinks.NONE && (smallBytes >= smallBytesTarget || lists.isEmpty(MAIN));
      if (!fromSmall) {
        victim = lists.first(MAIN);
        if (victim == EntryLinks.NONE) {
          return -1;
        }
      }
      int uses = state(victim) & USES_MASK;
      unlink(victim);
      if (fromSmall && uses >= USES_TO_PASS) {
        setState(victim, MAIN_BIT);
        append(victim);
      } else if (!fromSmall && uses > 0) {
        setState(victim, MAIN_BIT | (uses - 1));
        append(victim);
      } else {
        if (fromSmall) {
          ghosts.add(fingerprints.get(victim));
        }
        ghosts.trim((int) ((count + 1) * 9L / 10));
        return victim;
      }
    }
  }

  @Override
  public void restore(int entry) {
    if (inMain(entry)) {
      lists.prepend(MAIN, entry);
    } else {
      // It was not given up after all: a resident chunk is no ghost.
      ghosts.remove(fingerprints.get(entry));
      lists.prepend(SMALL, entry);
      smallBytes += weight(entry);
    }
    count++;
  }

  @Override
  public long stamp(int entry) {
    return lists.stamp(entry);
  }

  /** The queue and the count of uses. */
  @Override
  public int state(int entry) {
    return weightsAndStates.get(entry) & STATE_MASK;
  }

  @Override
  public void readmit(int entry, long keyHash, long bytes, int state) {
    admit(entry, keyHash, bytes, (state & ~STATE_MASK) == 0 ? state : 0);
  }

  private void admit(int entry, long keyHash, long bytes, int state) {
    fingerprints.set(entry, GhostQueue.fingerprint(keyHash));
    int weight = (int) Math.min(bytes, WEIGHT_MAX);
    weightsAndStates.set(entry, (weight << STATE_BITS) | state);
    append(entry);
  }

  /** Puts the entry at the end of the queue that its state names. */
  private void append(int entry) {
    if (inMain(entry)) {
      lists.append(MAIN, entry);
    } else {
      lists.append(SMALL, entry);
      smallBytes += weight(entry);
    }
    count++;
  }

  private void unlink(int entry) {
    if (inMain(entry)) {
      lists.unlink(MAIN, entry);
    } else {
      lists.unlink(SMALL, entry);
      smallBytes -= weight(entry);
    }
    count--;
  }

  private boolean inMain(int entry) {
    return (weightsAndStates.get(entry) & MAIN_BIT) != 0;
  }

  private int weight(int entry) {
    return weightsAndStates.get(entry) >>> STATE_BITS;
  }

  private void setState(int entry, int state) {
    weightsAndStates.set(entry, (weightsAndStates.get(entry) & ~STATE_MASK) | state);
  }
}
