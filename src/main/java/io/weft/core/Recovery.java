package io.weft.core;

import io.weft.base.ChunkAddress;
import io.weft.base.KeysPage;
import java.util.Arrays;
import java.util.Set;

/**
 * Brings the catalog of a machine in line with the device: rebuilds it before the machine serves,
 * from what a snapshot of the index says and what a scan finds, and checks it again after the
 * device was away ({@link #revalidating}).
 *
 * <p>After a clean shutdown the snapshot alone decides which chunks are there ({@link
 * #trustSnapshot}). Otherwise the scan decides, and the snapshot only lends its order and
 * frequencies to the chunks that are found in the same generation. Chunks that the snapshot does
 * not know are younger than it: they come after all others, by generation.
 *
 * <p>Of several generations of one key the highest wins and the others are removed: a replacement
 * had been published when the process died before it removed the old file.
 *
 * <p>After the device was away the index is the authority: it knows what was replaced, deleted and
 * evicted, and a filesystem that lost its last moments does not. A chunk that the scan finds stays
 * if the index names exactly it, and is removed if it is of a generation that the index had given
 * out. A later generation is of somebody who used the device meanwhile, and is taken in.
 */
public final class Recovery {

  /**
   * What became of it.
   *
   * @param chunks chunks in the index now
   * @param forgotten chunks of the snapshot that the scan did not find
   * @param superseded older generations that are being removed
   * @param evicted chunks given up because the capacity is smaller than before
   */
  public record Report(long chunks, long forgotten, long superseded, long evicted) {}

  /** Takes the entries of a snapshot that is being written. */
  @FunctionalInterface
  public interface SnapshotSink {
    void accept(
        ChunkAddress address, long length, boolean hasMetadata, long stamp, int policyState);
  }

  private final StoreMachine machine;
  private final Catalog catalog;
  private long[] stamps = new long[1024];
  private int[] states = new int[1024];
  private long snapshotLast;
  private long superseded;
  private long forgotten;

  /** Generations below this were given out by this machine; 0 where it has not served. */
  private long knownBelow;

  /** Files that are being removed already. */
  private Set<ChunkAddress> removing = Set.of();

  public Recovery(StoreMachine machine) {
    this.machine = machine;
    this.catalog = machine.catalog();
  }

  /**
   * Checks a machine that has served, and is closed, against the device it got back. Orders that
   * the lost device never answered end here. Locks, pins and the eviction order stay.
   */
  public static Recovery revalidating(StoreMachine machine) {
    machine.endOrders();
    Recovery recovery = new Recovery(machine);
    recovery.knownBelow = recovery.catalog.nextGeneration();
    recovery.removing = machine.removing();
    for (int entry = recovery.catalog.index.nextOccupied(0);
        entry >= 0;
        entry = recovery.catalog.index.nextOccupied(entry + 1)) {
      recovery.catalog.index.setFlag(entry, Catalog.UNCONFIRMED);
    }
    return recovery;
  }

  /** A generation that may have been given out before. */
  public void sawGeneration(long generation) {
    catalog.sawGeneration(generation);
  }

  /**
   * So many generations beyond those seen may have been given out by an index that was lost. To be
   * called after everything was found.
   */
  public void skipGenerations(long count) {
    catalog.sawGeneration(catalog.nextGeneration() - 1 + count);
  }

  /** An entry of the snapshot. All of them come before the first {@link #found}. */
  public void snapshotEntry(
      ChunkAddress address, long length, boolean hasMetadata, long stamp, int policyState) {
    if (catalog.index.find(address.key()) >= 0) {
      return;
    }
    int salt = catalog.saltOf(address.key());
    catalog.salts.add(salt, catalog.physicalBytes(length));
    catalog.sawGeneration(address.generation());
    int entry = catalog.enterUnconfirmed(address, salt, length, hasMetadata);
    remember(entry, stamp, policyState);
    snapshotLast = Math.max(snapshotLast, stamp);
  }

  /** Takes every entry of the snapshot for present: the store was shut down cleanly with it. */
  public void trustSnapshot() {
    for (int entry = catalog.index.nextOccupied(0);
        entry >= 0;
        entry = catalog.index.nextOccupied(entry + 1)) {
      if (!catalog.confirm(entry)) {
        catalog.forgetUnconfirmed(entry);
        forgotten++;
      }
    }
  }

  /** A chunk that the scan found in order. */
  public void found(ChunkAddress address, long length, boolean hasMetadata) {
    if (knownBelow > 0) {
      confirm(address, length, hasMetadata);
      return;
    }
    int entry = catalog.index.find(address.key());
    if (entry < 0) {
      entry = enter(address, length, hasMetadata);
      if (entry >= 0) {
        remember(entry, young(address), 0);
      }
      return;
    }
    boolean same = catalog.index.generation(entry) == address.generation();
    if (catalog.index.flag(entry, Catalog.UNCONFIRMED)) {
      if (!takeRoom(address, length)) {
        return;
      }
      catalog.index.clearFlag(entry, Catalog.UNCONFIRMED);
      describe(entry, address, length, hasMetadata);
      if (!same) {
        remember(entry, young(address), 0);
      }
      return;
    }
    ChunkAddress older = address;
    long olderLength = length;
    if (address.generation() > catalog.index.generation(entry)) {
      older = catalog.address(entry);
      olderLength = catalog.index.payloadLength(entry);
      if (!takeRoom(address, length)) {
        return;
      }
      catalog.room.free(
          CapacityLedger.Category.CHUNKS, older.location(), catalog.physicalOf(entry));
      describe(entry, address, length, hasMetadata);
      remember(entry, young(address), 0);
    }
    superseded++;
    catalog.sawGeneration(address.generation());
    catalog.removeUnlisted(older, olderLength);
  }

  private void confirm(ChunkAddress address, long length, boolean hasMetadata) {
    int entry = catalog.index.find(address.key());
    long named = entry < 0 ? 0 : catalog.index.generation(entry);
    if (entry >= 0 && address.generation() == named) {
      if (address.location() != catalog.index.location(entry)) {
        return;
      }
      catalog.index.clearFlag(entry, Catalog.UNCONFIRMED);
      // The same value in the same room; it may have been given another expiry time.
      describe(entry, address, length, hasMetadata);
    } else if (address.generation() < Math.max(knownBelow, named)) {
      removeOnce(address, length);
    } else if (address.generation() > named) {
      takeIn(entry, address, length, hasMetadata);
    }
  }

  private void removeOnce(ChunkAddress address, long length) {
    if (removing.add(address)) {
      giveWay(address, length);
      superseded++;
      catalog.removeUnlisted(address, length);
    }
  }

  /** A chunk of ours is not in its slot if another one was found there. */
  private void giveWay(ChunkAddress address, long length) {
    int other =
        catalog.slabs == null
            ? -1
            : catalog.slabs.entryAt(address.location(), catalog.physicalBytes(length));
    if (other >= 0 && catalog.index.flag(other, Catalog.UNCONFIRMED)) {
      catalog.index.clearFlag(other, Catalog.UNCONFIRMED);
      machine.lost(other);
      forgotten++;
    }
  }

  /** A value that somebody else stored replaces ours, if there is one. */
  private void takeIn(int entry, ChunkAddress address, long length, boolean hasMetadata) {
    if (entry < 0) {
      int entered = enter(address, length, hasMetadata);
      if (entered >= 0) {
        catalog.addToPolicy(entered);
      }
      return;
    }
    if (!takeRoom(address, length)) {
      return;
    }
    catalog.salts.add(catalog.index.salt(entry), catalog.physicalBytes(length));
    removing.add(catalog.address(entry));
    superseded++;
    catalog.retireReplaced(entry);
    catalog.index.clearFlag(entry, Catalog.UNCONFIRMED);
    catalog.sawGeneration(address.generation());
    catalog.describe(entry, address, length, hasMetadata);
    catalog.addToPolicy(entry);
  }

  /** Brings the chunks into their order, and the usage under the capacity. */
  public Report finish() {
    if (knownBelow > 0) {
      for (int entry = catalog.index.nextOccupied(0);
          entry >= 0;
          entry = catalog.index.nextOccupied(entry + 1)) {
        if (catalog.index.flag(entry, Catalog.UNCONFIRMED)) {
          catalog.index.clearFlag(entry, Catalog.UNCONFIRMED);
          machine.lost(entry);
          forgotten++;
        }
      }
      long evicted = machine.enforceCapacity();
      return new Report(catalog.index.size(), forgotten, superseded, evicted);
    }
    int[] present = new int[catalog.index.size()];
    int count = 0;
    for (int entry = catalog.index.nextOccupied(0);
        entry >= 0;
        entry = catalog.index.nextOccupied(entry + 1)) {
      if (catalog.index.flag(entry, Catalog.UNCONFIRMED)) {
        catalog.forgetUnconfirmed(entry);
        forgotten++;
      } else {
        present[count++] = entry;
      }
    }
    for (int entry : byStamp(Arrays.copyOf(present, count))) {
      catalog.eviction.readmit(
          entry,
          catalog.index.salt(entry),
          catalog.index.keyHash(entry),
          catalog.physicalOf(entry),
          states[entry]);
    }
    long evicted = machine.enforceCapacity();
    return new Report(catalog.index.size(), forgotten, superseded, evicted);
  }

  /** The room of a chunk that was found; false where it cannot be there. */
  private boolean takeRoom(ChunkAddress address, long length) {
    return catalog.room.found(
        address.location(), catalog.physicalBytes(length), CapacityLedger.Category.CHUNKS);
  }

  /** Enters a chunk that was found; -1 where it cannot be there. */
  private int enter(ChunkAddress address, long length, boolean hasMetadata) {
    catalog.sawGeneration(address.generation());
    if (!takeRoom(address, length)) {
      return -1;
    }
    int salt = catalog.saltOf(address.key());
    catalog.salts.add(salt, catalog.physicalBytes(length));
    return catalog.enter(address, salt, length, hasMetadata);
  }

  /** Lets an entry name what was found of its key, and charges its salt for that instead. */
  private void describe(int entry, ChunkAddress address, long length, boolean hasMetadata) {
    int salt = catalog.index.salt(entry);
    long before = catalog.physicalOf(entry);
    // In this order: a salt without a chunk loses its number.
    catalog.salts.add(salt, catalog.physicalBytes(length));
    catalog.salts.remove(salt, before);
    catalog.sawGeneration(address.generation());
    catalog.describe(entry, address, length, hasMetadata);
  }

  /** Younger than everything in the snapshot, in the order of the generations. */
  private long young(ChunkAddress address) {
    return snapshotLast + address.generation();
  }

  private void remember(int entry, long stamp, int policyState) {
    if (entry >= stamps.length) {
      stamps = Arrays.copyOf(stamps, Math.max(entry + 1, stamps.length * 2));
      states = Arrays.copyOf(states, stamps.length);
    }
    stamps[entry] = stamp;
    states[entry] = policyState;
  }

  private int[] byStamp(int[] entries) {
    long[] sorted = new long[entries.length];
    for (int i = 0; i < entries.length; i++) {
      sorted[i] = stamps[entries[i]];
    }
    Arrays.sort(sorted);
    long[] ranked = new long[entries.length];
    for (int i = 0; i < entries.length; i++) {
      long rank = Arrays.binarySearch(sorted, stamps[entries[i]]);
      ranked[i] = rank << 32 | entries[i];
    }
    // Equal stamps may get different ranks of their run; any order among them will do.
    Arrays.sort(ranked);
    for (int i = 0; i < ranked.length; i++) {
      entries[i] = (int) ranked[i];
    }
    return entries;
  }

  /**
   * Hands over the entries of a bounded part of the index, for a snapshot of it.
   *
   * @param cursor 0 to begin, then what the call before returned
   * @return {@link KeysPage#END} when all were handed over
   */
  public static long snapshotStep(StoreMachine machine, long cursor, int steps, SnapshotSink sink) {
    Catalog catalog = machine.catalog();
    int entry = (int) cursor;
    for (int i = 0; i < steps; i++) {
      entry = catalog.index.nextOccupied(entry);
      if (entry < 0) {
        return KeysPage.END;
      }
      int salt = catalog.index.salt(entry);
      boolean parked = catalog.index.flag(entry, ChunkIndex.PARKED);
      sink.accept(
          catalog.address(entry),
          catalog.index.payloadLength(entry),
          catalog.index.flag(entry, ChunkIndex.HAS_METADATA),
          parked ? 0 : catalog.eviction.stamp(entry, salt),
          parked ? 0 : catalog.eviction.state(entry, salt));
      entry++;
    }
    return entry;
  }
}
