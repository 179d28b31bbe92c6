package io.weft.core;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The policies again, as plainly as they can be written: lists that are searched and sorted, no
 * arrays, no buckets, no fingerprints. What the real ones are compared with.
 */
public final class PolicyModels {

  private PolicyModels() {}

  public static EvictionPolicy create(String name, long capacityBytes) {
    return switch (name) {
      case "lru" -> new ListModel(true, false);
      case "fifo" -> new ListModel(false, false);
      case "mru" -> new ListModel(true, true);
      case "lfu" -> new LfuModel();
      case "s3fifo" -> new S3FifoModel(capacityBytes);
      default -> throw new IllegalArgumentException(name);
    };
  }

  /** What the models do not have: they are compared with, never saved. */
  private abstract static class Model implements EvictionPolicy {
    @Override
    public final long stamp(int entry) {
      throw new UnsupportedOperationException();
    }

    @Override
    public final int state(int entry) {
      throw new UnsupportedOperationException();
    }
  }

  private static final class ListModel extends Model {
    private final boolean useRefreshes;
    private final boolean newestFirst;
    private final List<Integer> order = new ArrayList<>();

    ListModel(boolean useRefreshes, boolean newestFirst) {
      this.useRefreshes = useRefreshes;
      this.newestFirst = newestFirst;
    }

    @Override
    public void add(int entry, long keyHash, long bytes) {
      order.add(entry);
    }

    @Override
    public void access(int entry) {
      if (useRefreshes) {
        order.removeIf(other -> other == entry);
        order.add(entry);
      }
    }

    @Override
    public void remove(int entry) {
      order.removeIf(other -> other == entry);
    }

    @Override
    public int evict() {
      if (order.isEmpty()) {
        return -1;
      }
      return newestFirst ? order.removeLast() : order.removeFirst();
    }

    @Override
    public void restore(int entry) {
      order.add(newestFirst ? order.size() : 0, entry);
    }

    @Override
    public void readmit(int entry, long keyHash, long bytes, int state) {
      order.add(entry);
    }
  }

  private static final class LfuModel extends Model {
    private record Use(int entry, int frequency, long order) {}

    private final List<Use> uses = new ArrayList<>();
    private final Map<Integer, Use> victims = new HashMap<>();
    private long clock;

    @Override
    public void add(int entry, long keyHash, long bytes) {
      uses.add(new Use(entry, 1, ++clock));
    }

    @Override
    public void access(int entry) {
      uses.add(new Use(entry, take(entry).frequency() + 1, ++clock));
    }

    @Override
    public void remove(int entry) {
      take(entry);
    }

    @Override
    public int evict() {
      if (uses.isEmpty()) {
        return -1;
      }
      uses.sort(Comparator.comparingInt(Use::frequency).thenComparingLong(Use::order));
      Use victim = uses.removeFirst();
      victims.put(victim.entry(), victim);
      return victim.entry();
    }

    @Override
    public void restore(int entry) {
      uses.add(new Use(entry, victims.get(entry).frequency(), - ++clock));
    }

    @Override
    public void readmit(int entry, long keyHash, long bytes, int state) {
      uses.add(new Use(entry, state, ++clock));
    }

    private Use take(int entry) {
      Use found = uses.stream().filter(use -> use.entry() == entry).findFirst().orElseThrow();
      uses.remove(found);
      return found;
    }
  }

  private static final class S3FifoModel extends Model {
    private static final class Chunk {
      final int entry;
      final long keyHash;
      final long bytes;
      int uses;
      boolean main;

      Chunk(int entry, long keyHash, long bytes) {
        this.entry = entry;
        this.keyHash = keyHash;
        this.bytes = bytes;
      }
    }

    private final long capacityBytes;
    private final List<Chunk> small = new ArrayList<>();
    private final List<Chunk> main = new ArrayList<>();
    private final List<Long> ghosts = new ArrayList<>();
    private final Map<Integer, Chunk> chunks = new HashMap<>();

    S3FifoModel(long capacityBytes) {
      this.capacityBytes = capacityBytes;
    }

    @Override
    public void add(int entry, long keyHash, long bytes) {
      Chunk chunk = new Chunk(entry, keyHash, bytes);
      chunk.main = ghosts.remove(keyHash);
      chunks.put(entry, chunk);
      (chunk.main ? main : small).add(chunk);
    }

    @Override
    public void access(int entry) {
      Chunk chunk = chunks.get(entry);
      chunk.uses = Math.min(3, chunk.uses + 1);
    }

    @Override
    public void remove(int entry) {
      Chunk chunk = chunks.get(entry);
      (chunk.main ? main : small).remove(chunk);
    }

    @Override
    public int evict() {
      while (!small.isEmpty() || !main.isEmpty()) {
        long smallBytes = small.stream().mapToLong(chunk -> chunk.bytes).sum();
        boolean full = smallBytes >= Math.max(1, capacityBytes / 10);
        if (!small.isEmpty() && (full || main.isEmpty())) {
          Chunk chunk = small.removeFirst();
          if (chunk.uses > 1) {
            chunk.uses = 0;
            chunk.main = true;
            main.add(chunk);
            continue;
          }
          ghosts.add(chunk.keyHash);
          trimGhosts();
          return chunk.entry;
        }
        Chunk chunk = main.removeFirst();
        if (chunk.uses > 0) {
          chunk.uses--;
          main.add(chunk);
          continue;
        }
        trimGhosts();
        return chunk.entry;
      }
      return -1;
    }

    @Override
    public void restore(int entry) {
      Chunk chunk = chunks.get(entry);
      ghosts.remove(chunk.keyHash);
      (chunk.main ? main : small).addFirst(chunk);
    }

    @Override
    public void readmit(int entry, long keyHash, long bytes, int state) {
      Chunk chunk = new Chunk(entry, keyHash, bytes);
      chunk.uses = state & 3;
      chunk.main = state >= 4;
      chunks.put(entry, chunk);
      (chunk.main ? main : small).add(chunk);
    }

    /** Nine tenths of the chunks that were there with the victim. */
    private void trimGhosts() {
      int limit = (small.size() + main.size() + 1) * 9 / 10;
      while (ghosts.size() > limit) {
        ghosts.removeFirst();
      }
    }
  }
}
