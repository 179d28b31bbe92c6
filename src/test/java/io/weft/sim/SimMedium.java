package io.weft.sim;

import static org.junit.jupiter.api.Assertions.assertNull;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** What lies on the simulated device: published files by address, and the quarantine. */
final class SimMedium {
  static final long BLOCK = 4096;

  /** A published file. */
  static final class SimFile {
    /** Tells whose bytes these are. */
    final long tag;

    final long length;
    final boolean hasMetadata;
    boolean corrupt;

    SimFile(long tag, long length, boolean hasMetadata) {
      this.tag = tag;
      this.length = length;
      this.hasMetadata = hasMetadata;
    }
  }

  final Map<ChunkAddress, SimFile> files = new LinkedHashMap<>();
  private final ArrayDeque<Long> quarantine = new ArrayDeque<>();

  /** What undoes the effects that a filesystem has not synced, first to last. */
  private final ArrayDeque<Runnable> unsynced = new ArrayDeque<>();

  /** Files being written. */
  long stagingBytes;

  static long physicalBytes(long length) {
    return (length + BLOCK - 1) / BLOCK * BLOCK + BLOCK;
  }

  /** The file of this generation, whatever expiry its name carries. */
  SimFile find(ChunkKey key, long generation) {
    for (Map.Entry<ChunkAddress, SimFile> each : files.entrySet()) {
      if (each.getKey().key().equals(key) && each.getKey().generation() == generation) {
        return each.getValue();
      }
    }
    return null;
  }

  ChunkAddress random(Random random) {
    if (files.isEmpty()) {
      return null;
    }
    List<ChunkAddress> all = new ArrayList<>(files.keySet());
    return all.get(random.nextInt(all.size()));
  }

  void publish(ChunkAddress address, SimFile file) {
    assertNull(files.put(address, file), "a file of this name is there");
    unsynced.addLast(() -> files.remove(address));
  }

  SimFile remove(ChunkAddress address) {
    SimFile file = files.remove(address);
    if (file != null) {
      unsynced.addLast(() -> files.put(address, file));
    }
    return file;
  }

  /** False where there is no such file. */
  boolean rename(ChunkAddress from, ChunkAddress to) {
    SimFile file = files.remove(from);
    if (file == null) {
      return false;
    }
    files.put(to, file);
    unsynced.addLast(
        () -> {
          files.remove(to);
          files.put(from, file);
        });
    return true;
  }

  /** What was done until now survives. */
  void sync() {
    unsynced.clear();
  }

  /** Loses the most recent effects, as many of the unsynced as {@code random} says. */
  int loseJournal(Random random) {
    int lost = random.nextInt(unsynced.size() + 1);
    for (int i = 0; i < lost; i++) {
      unsynced.removeLast().run();
    }
    sync();
    return lost;
  }

  void toQuarantine(ChunkAddress address) {
    sync();
    SimFile file = files.remove(address);
    if (file != null) {
      quarantine.addLast(physicalBytes(file.length));
    }
  }

  long pruneQuarantine(long keepBytes) {
    while (quarantineBytes() > keepBytes) {
      quarantine.removeFirst();
    }
    return quarantineBytes();
  }

  long quarantineBytes() {
    return quarantine.stream().mapToLong(Long::longValue).sum();
  }

  long chunkBytes() {
    return files.values().stream().mapToLong(file -> physicalBytes(file.length)).sum();
  }

  /** All that is allocated. */
  long bytes() {
    return chunkBytes() + quarantineBytes() + stagingBytes;
  }
}
