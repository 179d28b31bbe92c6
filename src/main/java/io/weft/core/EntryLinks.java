package io.weft.core;

/**
 * Doubly linked lists of entries, kept in two int arrays by entry number instead of node objects:
 * eight bytes an entry. Lists are numbered from 0, exist as soon as they are named, and share the
 * links: an entry is in at most one of them.
 */
final class EntryLinks {
  static final int NONE = -1;

  // Stored links: 0 is "in no list", which is what a fresh page holds; 1 is "no neighbour".
  private static final int ABSENT = 0;
  private static final int BIAS = 2;

  private final EntryInts next = new EntryInts();
  private final EntryInts previous = new EntryInts();
  private final EntryInts heads = new EntryInts();
  private final EntryInts tails = new EntryInts();

  /** The entry at the front; {@link #NONE} where the list is empty. */
  int first(int list) {
    return heads.get(list) - 1;
  }

  /** The entry at the end; {@link #NONE} where the list is empty. */
  int last(int list) {
    return tails.get(list) - 1;
  }

  boolean isEmpty(int list) {
    return first(list) == NONE;
  }

  /** Whether the entry is in any of the lists. */
  boolean contains(int entry) {
    return next.get(entry) != ABSENT;
  }

  /** The entry behind a listed one; {@link #NONE} at the end. */
  int next(int entry) {
    return next.get(entry) - BIAS;
  }

  void append(int list, int entry) {
    insertAfter(list, last(list), entry);
  }

  void prepend(int list, int entry) {
    insertAfter(list, NONE, entry);
  }

  /**
   * Links the entry behind {@code anchor}, an entry of that list; at the front where the anchor is
   * {@link #NONE}.
   */
  void insertAfter(int list, int anchor, int entry) {
    if (entry < 0 || contains(entry)) {
      throw new IllegalStateException(
          entry < 0 ? "no entry number: " + entry : "entry " + entry + " is listed already");
    }
    int follower = anchor == NONE ? first(list) : next(anchor);
    join(list, anchor, entry);
    join(list, entry, follower);
  }

  /** Takes the entry out of the list, which must be the one it is in. */
  void unlink(int list, int entry) {
    if (!contains(entry)) {
      throw new IllegalStateException("entry " + entry + " is not listed");
    }
    join(list, previous.get(entry) - BIAS, next(entry));
    next.set(entry, ABSENT);
    previous.set(entry, ABSENT);
  }

  /** Makes two entries neighbours; {@link #NONE} on either side is the end of the list. */
  private void join(int list, int before, int after) {
    if (before == NONE) {
      heads.set(list, after + 1);
    } else {
      next.set(before, after + BIAS);
    }
    if (after == NONE) {
      tails.set(list, before + 1);
    } else {
      previous.set(after, before + BIAS);
    }
  }
}
