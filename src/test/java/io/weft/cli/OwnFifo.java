package io.weft.cli;

import io.weft.core.EvictionPolicy;
import io.weft.core.PolicyContext;
import java.util.ArrayDeque;

/** A policy as a host may bring one: found by its class name. */
public class OwnFifo implements EvictionPolicy {
  private final ArrayDeque<Integer> queue = new ArrayDeque<>();

  public OwnFifo(PolicyContext context) {}

  @Override
  public void add(int entry, long keyHash, long bytes) {
    queue.addLast(entry);
  }

  @Override
  public void access(int entry) {}

  @Override
  public void remove(int entry) {
    queue.removeFirstOccurrence(entry);
  }

  @Override
  public int evict() {
    return queue.isEmpty() ? -1 : queue.removeFirst();
  }

  @Override
  public void restore(int entry) {
    queue.addFirst(entry);
  }

  @Override
  public long stamp(int entry) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int state(int entry) {
    return 0;
  }

  @Override
  public void readmit(int entry, long keyHash, long bytes, int state) {
    queue.addLast(entry);
  }

  /** Gives up what it never held. */
  public static class Broken extends OwnFifo {
    public Broken(PolicyContext context) {
      super(context);
    }

    @Override
    public int evict() {
      return -7;
    }
  }
}
