package io.weft.core;

/**
 * {@link EntryLinks} whose entries carry a stamp that grows from the front of each list to its end:
 * what {@link EvictionPolicy#stamp} answers, and so what a snapshot restores the order from.
 *
 * <p>Stamps at the end count up and stamps at the front count down, over all lists together, so an
 * entry that returns to the front sorts before those that returned earlier, whatever its stamp was.
 */
final class StampedLists {
  private final EntryLinks links = new EntryLinks();
  private final EntryLongs stamps = new EntryLongs();
  private long newest;
  private long oldest;

  int first(int list) {
    return links.first(list);
  }

  int last(int list) {
    return links.last(list);
  }

  boolean isEmpty(int list) {
    return links.isEmpty(list);
  }

  void append(int list, int entry) {
    links.append(list, entry);
    stamps.set(entry, ++newest);
  }

  void prepend(int list, int entry) {
    links.prepend(list, entry);
    stamps.set(entry, --oldest);
  }

  void unlink(int list, int entry) {
    links.unlink(list, entry);
  }

  void moveToEnd(int list, int entry) {
    unlink(list, entry);
    append(list, entry);
  }

  /** The stamp of a listed entry. */
  long stamp(int entry) {
    if (!links.contains(entry)) {
      throw new IllegalStateException("entry " + entry + " is not listed");
    }
    return stamps.get(entry);
  }
}
