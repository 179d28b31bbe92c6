package io.weft.core;

/**
 * Least recently used first. A new chunk and a used one stand at the end of one queue, victims come
 * from its front. A victim that was held returns to the front.
 */
public final class LruPolicy implements EvictionPolicy {
  private static final int QUEUE = 0;

  private final StampedLists lists = new StampedLists();

  public LruPolicy(PolicyContext context) {}

  @Override
  public void add(int entry, long keyHash, long bytes) {
    lists.append(QUEUE, entry);
  }

  @Override
  public void access(int entry) {
    lists.moveToEnd(QUEUE, entry);
  }

  @Override
  public void remove(int entry) {
    lists.unlink(QUEUE, entry);
  }

  @Override
  public int evict() {
    int victim = lists.first(QUEUE);
    if (victim != EntryLinks.NONE) {
      lists.unlink(QUEUE, victim);
    }
    return victim;
  }

  @Override
  public void restore(int entry) {
    lists.prepend(QUEUE, entry);
  }

  @Override
  public long stamp(int entry) {
    return lists.stamp(entry);
  }

  @Override
  public int state(int entry) {
    return 0;
  }

  @Override
  public void readmit(int entry, long keyHash, long bytes, int state) {
    lists.append(QUEUE, entry);
  }
}
