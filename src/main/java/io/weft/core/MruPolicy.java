package io.weft.core;

/**
 * Most recently used first: the right choice only for scans longer than the capacity, and the
 * yardstick that shows them. The queue is that of {@link LruPolicy}, victims come from its end, and
 * a victim that was held returns to that end.
 */
public final class MruPolicy implements EvictionPolicy {
  private static final int QUEUE = 0;

  private final StampedLists lists = new StampedLists();

  public MruPolicy(PolicyContext context) {}

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
    int victim = lists.last(QUEUE);
    if (victim != EntryLinks.NONE) {
      lists.unlink(QUEUE, victim);
    }
    return victim;
  }

  @Override
  public void restore(int entry) {
    lists.append(QUEUE, entry);
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
