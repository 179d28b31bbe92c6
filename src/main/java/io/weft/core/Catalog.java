package io.weft.core;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.SaltRule;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The published chunks: what is where, who holds it, in which order it is given up, and what it
 * takes of the capacity. Pure data with its rules; the {@link StoreMachine} decides on it, {@link
 * Recovery} rebuilds it.
 *
 * <p><b>Holds.</b> An entry with locks, pins, readers or the BUSY flag is held and never evicted. A
 * held entry that the policy offers as victim is parked outside the policy, and goes back when its
 * last hold goes.
 *
 * <p><b>Retired locations.</b> A file that no entry names any more, but that readers may still have
 * open, or that is not unlinked yet, counts as RETIRED until it is really gone.
 */
final class Catalog {
  /** The chunk's file is being renamed: it has one of two names. */
  static final int BUSY = 1 << 4;

  /** A snapshot named the chunk and no scan has found it yet. */
  static final int UNCONFIRMED = 1 << 5;

  private static final class Retired {
    final ChunkAddress address;
    final long physicalBytes;
    int readers;

    Retired(ChunkAddress address, long physicalBytes, int readers) {
      this.address = address;
      this.physicalBytes = physicalBytes;
      this.readers = readers;
    }
  }

  final ChunkIndex index = new ChunkIndex();
  final Salts salts = new Salts();
  final EvictionGroups eviction;
  final CapacityLedger ledger;
  final @Nullable Slabs slabs;
  final Room room;
  private final SaltRule saltRule;
  private final LongUnaryOperator physicalSize;
  private final Order.Door door;
  private final Map<Long, Retired> retired = new HashMap<>();

  /** By entry, for those with readers: {@link #renames} after the last rename of its file. */
  private final Map<Integer, Long> renamed = new HashMap<>();

  private long renames;
  private long nextGeneration = 1;
  private long expiring;

  Catalog(
      Function<PolicyContext, EvictionPolicy> policies,
      CapacityLedger ledger,
      @Nullable Slabs slabs,
      SaltRule saltRule,
      LongUnaryOperator physicalSize,
      Map<String, Long> quotaBytes,
      Order.Door door) {
    this.eviction = new EvictionGroups(policies, ledger.capacity());
    this.ledger = ledger;
    this.slabs = slabs;
    this.room = new Room(ledger, slabs);
    this.saltRule = saltRule;
    this.physicalSize = physicalSize;
    this.door = door;
    quotaBytes.forEach(
        (salt, quota) -> {
          salts.setQuota(salt, quota);
          eviction.isolate(salts.find(salt), quota);
        });
  }

  long physicalBytes(long payloadLength) {
    return physicalSize.applyAsLong(payloadLength);
  }

  int saltOf(ChunkKey key) {
    return salts.intern(saltRule.saltOf(key));
  }

  long takeGeneration() {
    return nextGeneration++;
  }

  long nextGeneration() {
    return nextGeneration;
  }

  /** No generation up to this one is given out again. */
  void sawGeneration(long generation) {
    nextGeneration = Math.max(nextGeneration, generation + 1);
  }

  /** How many entries carry an expiry time. */
  long expiring() {
    return expiring;
  }

  ChunkAddress address(int entry) {
    return new ChunkAddress(
        index.key(entry),
        index.generation(entry),
        index.expiresAtMillis(entry),
        index.location(entry));
  }

  long physicalOf(int entry) {
    return physicalBytes(index.payloadLength(entry));
  }

  /**
   * Enters a chunk without telling the policy. Its room must have been taken, and its bytes charged
   * to its salt, before.
   */
  int enter(ChunkAddress address, int salt, long length, boolean hasMetadata) {
    int entry = index.insert(address.key(), salt);
    describe(entry, address, length, hasMetadata);
    return entry;
  }

  /**
   * Enters a chunk that a snapshot names. Its bytes must have been charged to its salt; it has no
   * room until {@link #confirm}.
   */
  int enterUnconfirmed(ChunkAddress address, int salt, long length, boolean hasMetadata) {
    int entry = index.insert(address.key(), salt);
    index.setFlag(entry, UNCONFIRMED);
    describe(entry, address, length, hasMetadata);
    return entry;
  }

  /**
   * A chunk that a snapshot named is where the snapshot says.
   *
   * @return false where it cannot be there
   */
  boolean confirm(int entry) {
    long location = index.location(entry);
    if (!room.found(location, physicalOf(entry), CapacityLedger.Category.CHUNKS)) {
      return false;
    }
    index.clearFlag(entry, UNCONFIRMED);
    if (slabs != null) {
      slabs.holds(location, entry);
    }
    return true;
  }

  /** Lets the entry name another value of its key, whose room was taken for it. */
  void describe(int entry, ChunkAddress address, long length, boolean hasMetadata) {
    index.setLocation(entry, address.location());
    if (slabs != null && !index.flag(entry, UNCONFIRMED)) {
      slabs.holds(address.location(), entry);
    }
    changeExpiry(entry, address.expiresAtMillis());
    index.setGeneration(entry, address.generation());
    index.setPayloadLength(entry, length);
    if (hasMetadata) {
      index.setFlag(entry, ChunkIndex.HAS_METADATA);
    } else {
      index.clearFlag(entry, ChunkIndex.HAS_METADATA);
    }
  }

  void changeExpiry(int entry, long expiresAtMillis) {
    expiring += (expiresAtMillis != 0 ? 1 : 0) - (index.expiresAtMillis(entry) != 0 ? 1 : 0);
    index.setExpiresAtMillis(entry, expiresAtMillis);
  }

  /** The chunk's file got another name. */
  void renamed(int entry) {
    renames++;
    if (index.readers(entry) > 0) {
      renamed.put(entry, renames);
    }
  }

  /** How many files were renamed until now. */
  long renames() {
    return renames;
  }

  /** Whether the file of a chunk that is being read was renamed after so many renames. */
  boolean renamedSince(int entry, long renamesBefore) {
    Long last = renamed.get(entry);
    return last != null && last > renamesBefore;
  }

  void addToPolicy(int entry) {
    eviction.add(entry, index.salt(entry), index.keyHash(entry), physicalOf(entry));
  }

  /** The chunk was used. */
  void touch(int entry) {
    if (index.flag(entry, ChunkIndex.PARKED)) {
      index.setFlag(entry, ChunkIndex.TOUCHED_WHILE_PARKED);
    } else {
      eviction.access(entry, index.salt(entry));
    }
  }

  boolean held(int entry) {
    return index.held(entry) || index.flag(entry, BUSY);
  }

  /** To be called after every step that may have taken an entry's last hold away. */
  void released(int entry) {
    if (index.flag(entry, ChunkIndex.PARKED) && !held(entry)) {
      index.clearFlag(entry, ChunkIndex.PARKED);
      eviction.restore(entry, index.salt(entry));
      if (index.flag(entry, ChunkIndex.TOUCHED_WHILE_PARKED)) {
        index.clearFlag(entry, ChunkIndex.TOUCHED_WHILE_PARKED);
        eviction.access(entry, index.salt(entry));
      }
    }
  }

  /**
   * Takes the next victim out of the policy, parking held ones on the way; -1 where nothing can be
   * evicted. The caller retires it with {@link #retireVictim}.
   *
   * @param salt whose order, or -1 for the whole store's
   */
  int takeVictim(int salt) {
    while (true) {
      int entry = salt < 0 ? eviction.evictAny() : eviction.evict(salt);
      if (entry < 0 || !held(entry)) {
        return entry;
      }
      index.setFlag(entry, ChunkIndex.PARKED);
    }
  }

  /** Puts a chunk that {@link #takeVictim} had taken out of the policy back: the next victim. */
  void restoreVictim(int entry) {
    eviction.restore(entry, index.salt(entry));
  }

  /** Retires a chunk that {@link #takeVictim} had taken out of the policy, and drops its entry. */
  void retireVictim(int entry) {
    eviction.forget(entry, index.salt(entry));
    retireLocation(entry);
    drop(entry);
  }

  /**
   * Drops a chunk that {@link #takeVictim} had taken out of the policy, and keeps its room for a
   * write of the same size.
   */
  ChunkAddress recycleVictim(int entry) {
    eviction.forget(entry, index.salt(entry));
    ChunkAddress address = address(entry);
    long bytes = physicalOf(entry);
    room.reused(address.location(), bytes);
    salts.remove(index.salt(entry), bytes);
    drop(entry);
    return address;
  }

  /** Retires a chunk that is still in the policy (or parked), and drops its entry. */
  void retire(int entry) {
    forgetInPolicy(entry);
    retireLocation(entry);
    drop(entry);
  }

  /** Removes what no entry names: an older generation that a scan found. */
  void removeUnlisted(ChunkAddress address, long payloadLength) {
    long bytes = physicalBytes(payloadLength);
    // Where something else has the slot by now, nothing is left of the older one.
    if (room.found(address.location(), bytes, CapacityLedger.Category.RETIRED)) {
      door.submit(new Order.Remove(address, null, bytes));
    }
  }

  /**
   * Drops an entry that a snapshot named and a scan did not find; it has no room, and is in no
   * policy yet.
   */
  void forgetUnconfirmed(int entry) {
    long bytes = physicalOf(entry);
    salts.remove(index.salt(entry), bytes);
    drop(entry);
  }

  /**
   * Drops the entry of a chunk whose file is gone or goes elsewhere; the ledger is the caller's.
   */
  void dropWithoutFile(int entry) {
    forgetInPolicy(entry);
    salts.remove(index.salt(entry), physicalOf(entry));
    drop(entry);
  }

  /**
   * Retires the value that the entry names, while the entry stays and will name another one. Locks
   * and pins belong to the key and stay.
   */
  void retireReplaced(int entry) {
    forgetInPolicy(entry);
    retireLocation(entry);
    renamed.remove(entry);
    while (index.readers(entry) > 0) {
      index.decrementReaders(entry);
    }
  }

  /** A reader of the value that the entry names is done. */
  void readerLeft(int entry) {
    index.decrementReaders(entry);
    if (index.readers(entry) == 0) {
      renamed.remove(entry);
    }
    released(entry);
  }

  /** A reader of this generation is done; true where that generation was retired meanwhile. */
  boolean retiredReaderLeft(long generation) {
    Retired location = retired.get(generation);
    if (location == null) {
      return false;
    }
    if (--location.readers == 0) {
      retired.remove(generation);
      door.submit(new Order.Remove(location.address, null, location.physicalBytes));
    }
    return true;
  }

  /** The keys from entry number {@code from} on, at most {@code steps} entries looked at. */
  int walk(int from, int steps, List<Integer> occupied) {
    int at = from;
    for (int i = 0; i < steps; i++) {
      at = index.nextOccupied(at);
      if (at < 0) {
        return -1;
      }
      occupied.add(at++);
    }
    return at;
  }

  /** What is held beside the chunks, in words; empty where nothing is. */
  String leftovers() {
    long retiredBytes = ledger.used(CapacityLedger.Category.RETIRED);
    return retired.isEmpty() && retiredBytes == 0 && renamed.isEmpty()
        ? ""
        : " %d retired with readers, %d bytes retired, %d renamed"
            .formatted(retired.size(), retiredBytes, renamed.size());
  }

  private void forgetInPolicy(int entry) {
    if (index.flag(entry, ChunkIndex.PARKED)) {
      index.clearFlag(entry, ChunkIndex.PARKED | ChunkIndex.TOUCHED_WHILE_PARKED);
      eviction.forget(entry, index.salt(entry));
    } else {
      eviction.remove(entry, index.salt(entry));
    }
  }

  private void retireLocation(int entry) {
    long bytes = physicalOf(entry);
    ChunkAddress address = address(entry);
    room.retired(address.location(), bytes);
    salts.remove(index.salt(entry), bytes);
    if (index.readers(entry) > 0) {
      retired.put(address.generation(), new Retired(address, bytes, index.readers(entry)));
    } else {
      door.submit(new Order.Remove(address, null, bytes));
    }
  }

  private void drop(int entry) {
    renamed.remove(entry);
    changeExpiry(entry, 0);
    index.setLocation(entry, ChunkAddress.FILE);
    index.remove(entry);
  }
}
