package io.weft.core;

/**
 * Oldest first, however often it was used. A victim that was held returns to the front of the
 * queue.
 */
public final class FifoPolicy implements EvictionPolicy {
  private static final int QUEUE = 0;

  private final StampedLists lists = new StampedLists();

  public FifoPolicy(PolicyContext context) {}

  @Override
  public void add(int entry, long keyHash, long bytes) {
    lists.append(QUEUE, entry);
  }

  @Override
  public void access(int entry) {}

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
