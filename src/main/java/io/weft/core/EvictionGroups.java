package io.weft.core;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The eviction order of the store and of each salt with a quota. A salt without a quota shares the
 * common order; a salt with one has an order of its own, so that filling its quota evicts its own
 * chunks only.
 *
 * <p>A policy keeps arrays by entry number. So that many quotas cost no more than one, an order of
 * a salt numbers its chunks densely on its own, and translates.
 */
final class EvictionGroups {

  private static final class Group {
    final EvictionPolicy policy;
    final boolean dense;
    int[] entryOf = new int[0];
    int[] free = new int[0];
    int freeCount;
    int bound;
    int size;

    Group(EvictionPolicy policy, boolean dense) {
      this.policy = policy;
      this.dense = dense;
    }

    int allocate(int entry) {
      int local = freeCount > 0 ? free[--freeCount] : bound++;
      if (local >= entryOf.length) {
        entryOf = Arrays.copyOf(entryOf, Math.max(64, entryOf.length * 2));
      }
      entryOf[local] = entry;
      return local;
    }

    void release(int local) {
      if (freeCount == free.length) {
        free = Arrays.copyOf(free, Math.max(64, free.length * 2));
      }
      free[freeCount++] = local;
    }
  }

  private final Function<PolicyContext, EvictionPolicy> policies;
  private final Group common;
  private final Map<Integer, Group> bySalt = new HashMap<>();
  private int[] localOf = new int[0];

  /**
   * @param policies makes one policy for each order
   * @param capacityBytes of the common order
   */
  EvictionGroups(Function<PolicyContext, EvictionPolicy> policies, long capacityBytes) {
    this.policies = policies;
    this.common = new Group(policies.apply(new PolicyContext(capacityBytes)), false);
  }

  /** The salt gets an order of its own; to be called before its first chunk is added. */
  void isolate(int salt, long quotaBytes) {
    bySalt.computeIfAbsent(
        salt, _ -> new Group(policies.apply(new PolicyContext(quotaBytes)), true));
  }

  void add(int entry, int salt, long keyHash, long bytes) {
    Group group = group(salt);
    group.size++;
    group.policy.add(allocate(group, entry), keyHash, bytes);
  }

  void readmit(int entry, int salt, long keyHash, long bytes, int state) {
    Group group = group(salt);
    group.size++;
    group.policy.readmit(allocate(group, entry), keyHash, bytes, state);
  }

  void access(int entry, int salt) {
    Group group = group(salt);
    group.policy.access(local(group, entry));
  }

  void remove(int entry, int salt) {
    Group group = group(salt);
    int local = local(group, entry);
    group.policy.remove(local);
    group.size--;
    if (group.dense) {
      group.release(local);
    }
  }

  /** Takes the next victim of the salt's own order; of the common one for a salt without quota. */
  int evict(int salt) {
    return evict(group(salt));
  }

  /**
   * Takes the next victim of the whole store: of the common order, and where that has none of the
   * quota's order that holds the most chunks.
   */
  int evictAny() {
    int entry = evict(common);
    if (entry >= 0 || bySalt.isEmpty()) {
      return entry;
    }
    Group largest = null;
    for (Group group : bySalt.values()) {
      if (group.size > 0 && (largest == null || group.size > largest.size)) {
        largest = group;
      }
    }
    return largest == null ? -1 : evict(largest);
  }

  /** Puts a victim back that was held. */
  void restore(int entry, int salt) {
    Group group = group(salt);
    group.size++;
    group.policy.restore(local(group, entry));
  }

  /** Forgets a victim that was taken out and will not come back. */
  void forget(int entry, int salt) {
    Group group = group(salt);
    if (group.dense) {
      group.release(local(group, entry));
    }
  }

  long stamp(int entry, int salt) {
    Group group = group(salt);
    return group.policy.stamp(local(group, entry));
  }

  int state(int entry, int salt) {
    Group group = group(salt);
    return group.policy.state(local(group, entry));
  }

  private int evict(Group group) {
    int local = group.policy.evict();
    if (local < 0) {
      return -1;
    }
    group.size--;
    return group.dense ? group.entryOf[local] : local;
  }

  private Group group(int salt) {
    if (bySalt.isEmpty()) {
      return common;
    }
    @Nullable Group own = bySalt.get(salt);
    return own == null ? common : own;
  }

  private int allocate(Group group, int entry) {
    if (!group.dense) {
      return entry;
    }
    if (entry >= localOf.length) {
      localOf = Arrays.copyOf(localOf, Math.max(1024, Math.max(entry + 1, localOf.length * 2)));
    }
    int local = group.allocate(entry);
    localOf[entry] = local;
    return local;
  }

  private int local(Group group, int entry) {
    return group.dense ? localOf[entry] : entry;
  }
}
