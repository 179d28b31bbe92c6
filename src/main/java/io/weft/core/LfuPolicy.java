package io.weft.core;

/**
 * Least frequently used first; among equals the one that reached its frequency first. A publication
 * counts as one use, and a use moves the chunk by one frequency, so the frequencies that occur form
 * an ascending chain of buckets and both a use and an eviction touch only the ends of two
 * neighbours in it.
 *
 * <p>Buckets are numbers as entries are, so the chain needs no objects either: an entry costs
 * twenty bytes (links, stamp, bucket), a bucket about as much, and there are only as many buckets
 * as different frequencies.
 *
 * <p>Finding the bucket of a given frequency (after a restart, or for a held victim) walks the
 * chain from its low end. That is no more steps than the frequency itself, that is, than the uses
 * the entry had had before: amortised, one step a use.
 */
public final class LfuPolicy implements EvictionPolicy {
  // The two lists of buckets.
  private static final int CHAIN = 0;
  private static final int SPARE = 1;

  /** The entries of each bucket: the list's number is the bucket's. */
  private final StampedLists members = new StampedLists();

  private final EntryLinks buckets = new EntryLinks();
  private final EntryInts frequencies = new EntryInts();
  private int bucketCount;

  /** The bucket of an entry that is in the policy; the frequency of a victim that may return. */
  private final EntryInts places = new EntryInts();

  public LfuPolicy(PolicyContext context) {}

  @Override
  public void add(int entry, long keyHash, long bytes) {
    enter(entry, 1);
  }

  @Override
  public void access(int entry) {
    int bucket = places.get(entry);
    int frequency = frequencies.get(bucket);
    if (frequency == Integer.MAX_VALUE) {
      members.moveToEnd(bucket, entry);
      return;
    }
    members.unlink(bucket, entry);
    int target = bucketAfter(bucket, frequency + 1);
    members.append(target, entry);
    places.set(entry, target);
    releaseIfEmpty(bucket);
  }

  @Override
  public void remove(int entry) {
    int bucket = places.get(entry);
    members.unlink(bucket, entry);
    releaseIfEmpty(bucket);
  }

  @Override
  public int evict() {
    int bucket = buckets.first(CHAIN);
    if (bucket == EntryLinks.NONE) {
      return -1;
    }
    int victim = members.first(bucket);
    places.set(victim, frequencies.get(bucket));
    members.unlink(bucket, victim);
    releaseIfEmpty(bucket);
    return victim;
  }

  @Override
  public void restore(int entry) {
    int bucket = bucketOf(places.get(entry));
    members.prepend(bucket, entry);
    places.set(entry, bucket);
  }

  @Override
  public long stamp(int entry) {
    return members.stamp(entry);
  }

  /** The frequency. */
  @Override
  public int state(int entry) {
    return frequencies.get(places.get(entry));
  }

  @Override
  public void readmit(int entry, long keyHash, long bytes, int state) {
    enter(entry, Math.max(1, state));
  }

  private void enter(int entry, int frequency) {
    int bucket = bucketOf(frequency);
    members.append(bucket, entry);
    places.set(entry, bucket);
  }

  private int bucketOf(int frequency) {
    int below = EntryLinks.NONE;
    int bucket = buckets.first(CHAIN);
    while (bucket != EntryLinks.NONE && frequencies.get(bucket) < frequency) {
      below = bucket;
      bucket = buckets.next(bucket);
    }
    return bucketAfter(below, frequency);
  }

  /** The bucket of that frequency, found or made directly behind {@code below} in the chain. */
  private int bucketAfter(int below, int frequency) {
    int follower = below == EntryLinks.NONE ? buckets.first(CHAIN) : buckets.next(below);
    if (follower != EntryLinks.NONE && frequencies.get(follower) == frequency) {
      return follower;
    }
    int made = buckets.first(SPARE);
    if (made == EntryLinks.NONE) {
      made = bucketCount++;
    } else {
      buckets.unlink(SPARE, made);
    }
    frequencies.set(made, frequency);
    buckets.insertAfter(CHAIN, below, made);
    return made;
  }

  private void releaseIfEmpty(int bucket) {
    if (members.isEmpty(bucket)) {
      buckets.unlink(CHAIN, bucket);
      buckets.prepend(SPARE, bucket);
    }
  }
}
