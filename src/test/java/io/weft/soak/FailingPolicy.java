package io.weft.soak;

import io.weft.core.EvictionPolicy;
import io.weft.core.LruPolicy;
import io.weft.core.PolicyContext;

/** LRU with a bug that can be called up, once: the index fails with it. */
public final class FailingPolicy implements EvictionPolicy {
  private static volatile boolean broken;

  private final LruPolicy lru;

  public FailingPolicy(PolicyContext context) {
    this.lru = new LruPolicy(context);
  }

  /** The next use of a chunk is answered with a bug. */
  static void breakOnce() {
    broken = true;
  }

  @Override
  public void add(int entry, long keyHash, long bytes) {
    lru.add(entry, keyHash, bytes);
  }

  @Override
  public void access(int entry) {
    if (broken) {
      broken = false;
      throw new IllegalStateException("a bug in the policy, on purpose");
    }
    lru.access(entry);
  }

  @Override
  public void remove(int entry) {
    lru.remove(entry);
  }

  @Override
  public int evict() {
    return lru.evict();
  }

  @Override
  public void restore(int entry) {
    lru.restore(entry);
  }

  @Override
  public long stamp(int entry) {
    return lru.stamp(entry);
  }

  @Override
  public int state(int entry) {
    return lru.state(entry);
  }

  @Override
  public void readmit(int entry, long keyHash, long bytes, int state) {
    lru.readmit(entry, keyHash, bytes, state);
  }
}
