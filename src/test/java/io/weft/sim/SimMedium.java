package io.weft.sim;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/**
 * What lies on the simulated device: published chunks by address, and the quarantine.
 *
 * <p>A chunk lies in a file of its own, or in a slot of a segment. Whatever is written into a slot
 * destroys what lay in its bytes, of whatever size; a delete clears exactly the generation that it
 * names.
 *
 * <p>An effect that is not synced may be lost with the power. A filesystem's journal loses the last
 * ones; in slots any of them is lost, and a write may be torn, which leaves nothing that verifies.
 */
final class SimMedium {
  static final long BLOCK = 4096;

  /** A published chunk. */
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

  /** What one operation did to the chunks. */
  interface Effect {
    /**
     * @param torn only a part of it: what lay there is gone, and nothing is there instead
     */
    void apply(Map<ChunkAddress, SimFile> chunks, boolean torn);
  }

  private final long segmentBytes;
  private final Set<Integer> segments = new TreeSet<>();
  private Map<ChunkAddress, SimFile> files = new LinkedHashMap<>();
  private Map<ChunkAddress, SimFile> synced = Map.of();
  private final List<Effect> unsynced = new ArrayList<>();
  private final ArrayDeque<Long> quarantine = new ArrayDeque<>();

  /** Files being written. */
  long stagingBytes;

  /**
   * @param segmentBytes what a segment takes; 0 where every chunk has a file
   */
  SimMedium(long segmentBytes) {
    this.segmentBytes = segmentBytes;
  }

  static long physicalBytes(long length) {
    return (length + BLOCK - 1) / BLOCK * BLOCK + BLOCK;
  }

  Map<ChunkAddress, SimFile> files() {
    return files;
  }

  Set<Integer> segments() {
    return segments;
  }

  /** The chunk of this generation, whatever expiry it carries. */
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

  private void effect(Effect effect) {
    effect.apply(files, false);
    unsynced.add(effect);
  }

  /** Whether the bytes of two slots have some in common. */
  static boolean overlap(long one, long oneBytes, long other, long otherBytes) {
    if (one == ChunkAddress.FILE
        || other == ChunkAddress.FILE
        || ChunkAddress.segmentOf(one) != ChunkAddress.segmentOf(other)) {
      return false;
    }
    long from = ChunkAddress.placeOf(one) * oneBytes;
    long otherFrom = ChunkAddress.placeOf(other) * otherBytes;
    return from < otherFrom + otherBytes && otherFrom < from + oneBytes;
  }

  private static void destroy(Map<ChunkAddress, SimFile> chunks, long location, long bytes) {
    if (location != ChunkAddress.FILE) {
      chunks
          .entrySet()
          .removeIf(
              each ->
                  overlap(
                      each.getKey().location(),
                      physicalBytes(each.getValue().length),
                      location,
                      bytes));
    }
  }

  void publish(ChunkAddress address, SimFile file) {
    assertFalse(files.containsKey(address), "a chunk of this address is there");
    if (address.location() != ChunkAddress.FILE) {
      long bytes = physicalBytes(file.length);
      assertTrue(segments.contains(ChunkAddress.segmentOf(address.location())), "no segment");
      assertTrue(
          (ChunkAddress.placeOf(address.location()) + 1) * bytes + BLOCK <= segmentBytes,
          "beyond the segment");
    }
    effect(
        (chunks, torn) -> {
          destroy(chunks, address.location(), physicalBytes(file.length));
          if (!torn) {
            chunks.put(address, file);
          }
        });
  }

  /** A write into a slot that got as far as to destroy what was there. */
  void tear(ChunkAddress address, long length) {
    effect((chunks, _) -> destroy(chunks, address.location(), physicalBytes(length)));
  }

  SimFile remove(ChunkAddress address) {
    SimFile file = files.get(address);
    if (file != null) {
      effect((chunks, _) -> chunks.remove(address));
    }
    return file;
  }

  /** Gone, and nobody asked for it. */
  void lose(ChunkAddress address) {
    files.remove(address);
    sync();
  }

  /** False where there is no such chunk. */
  boolean rename(ChunkAddress from, ChunkAddress to) {
    if (!files.containsKey(from)) {
      return false;
    }
    effect(
        (chunks, _) -> {
          SimFile file = chunks.remove(from);
          if (file != null) {
            chunks.put(to, file);
          }
        });
    return true;
  }

  void makeSegment(int number) {
    assertTrue(segments.add(number), "the segment is there already");
  }

  /** A removed segment takes with it what its slots still hold. */
  void removeSegment(int number) {
    segments.remove(number);
    if (files
        .keySet()
        .removeIf(
            each ->
                each.location() != ChunkAddress.FILE
                    && ChunkAddress.segmentOf(each.location()) == number)) {
      sync();
    }
  }

  /** What was done until now survives. */
  void sync() {
    synced = new LinkedHashMap<>(files);
    unsynced.clear();
  }

  /** The power fails: of the effects that were not synced some are lost. Returns how many. */
  int cutPower(Random random) {
    Map<ChunkAddress, SimFile> left = new LinkedHashMap<>(synced);
    int lost = 0;
    int kept = unsynced.size() - random.nextInt(unsynced.size() + 1);
    for (int i = 0; i < unsynced.size(); i++) {
      if (segmentBytes == 0 ? i >= kept : random.nextInt(3) == 0) {
        lost++;
      } else {
        unsynced.get(i).apply(left, segmentBytes != 0 && random.nextInt(10) == 0);
      }
    }
    left.keySet()
        .removeIf(
            each ->
                each.location() != ChunkAddress.FILE
                    && !segments.contains(ChunkAddress.segmentOf(each.location())));
    files = left;
    sync();
    return lost;
  }

  /**
   * What the blocks say. Of what lies in one segment, the slots of one size are true: those of the
   * latest generation; what else is there is of a time before the segment was emptied, and is
   * cleared.
   */
  List<ChunkAddress> scan() {
    Map<Integer, Long> latest = new HashMap<>();
    Map<Integer, Long> sizes = new HashMap<>();
    for (Map.Entry<ChunkAddress, SimFile> each : files.entrySet()) {
      ChunkAddress address = each.getKey();
      if (address.location() != ChunkAddress.FILE) {
        int segment = ChunkAddress.segmentOf(address.location());
        if (address.generation() > latest.getOrDefault(segment, -1L)) {
          latest.put(segment, address.generation());
          sizes.put(segment, physicalBytes(each.getValue().length));
        }
      }
    }
    boolean cleared =
        files
            .entrySet()
            .removeIf(
                each ->
                    each.getKey().location() != ChunkAddress.FILE
                        && sizes.get(ChunkAddress.segmentOf(each.getKey().location()))
                            != physicalBytes(each.getValue().length));
    if (cleared) {
      sync();
    }
    return new ArrayList<>(files.keySet());
  }

  void toQuarantine(ChunkAddress address) {
    sync();
    SimFile file = files.remove(address);
    if (file != null) {
      quarantine.addLast(physicalBytes(file.length));
      sync();
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
    return (segmentBytes == 0 ? chunkBytes() : segments.size() * segmentBytes)
        + quarantineBytes()
        + stagingBytes;
  }
}
