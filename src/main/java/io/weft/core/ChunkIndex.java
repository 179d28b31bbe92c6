package io.weft.core;

import io.weft.base.ChunkKey;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The table of chunks: from a key to an entry, which is a small number, and from the entry to what
 * is known of the chunk. Everything else in this room names a chunk by its entry.
 *
 * <p>An entry keeps its number from {@link #insert} to {@link #remove}; a freed number is taken
 * again, least recently freed first. So whoever walks the entries by {@link #nextOccupied} in
 * bounded steps sees each one that lives through the whole walk exactly once.
 *
 * <p><b>Memory.</b> No object a chunk: primitive arrays only. An entry is a record of five longs
 * (its fields side by side, since whoever resolves a chunk reads most of them) in a page of 4,096
 * records; growth adds a page and copies nothing. Its key's bytes stand in a {@link KeyArena}. Hash
 * slots are longs, 32 bits of the hash and the entry, in 1,024 open-addressing tables chosen by the
 * hash's top bits. Each table grows by half when it is three quarters full: 10.7 to 16 bytes an
 * entry. Together at most 57 bytes an entry beyond the key's room at any size from some 100,000 on,
 * right after a growth included. The memory follows the largest number of entries there ever was;
 * it does not shrink.
 *
 * <p><b>Pauses.</b> A table of a thousandth of the entries is rebuilt at a time, in one sequential
 * pass: within a table, slots are ordered (nearly) by hash, since the hash is scaled to the table's
 * length instead of taken modulo it. A compaction of the arena is spread over insertions and
 * removals in steps of bounded length.
 *
 * <p><b>Removal</b> shifts the slots of the cluster back; there are no tombstones to clean.
 *
 * <p>Fields may be asked of occupied entries only; anything else is a bug and throws. All methods
 * are O(1) unless they say otherwise.
 */
public final class ChunkIndex {
  /** No entry. */
  public static final int NONE = -1;

  /** The chunk's block carries metadata. */
  public static final int HAS_METADATA = 1;

  /** The entry was taken out of the eviction policy while it was held. */
  public static final int PARKED = 1 << 1;

  /** The chunk was used while the entry was parked. */
  public static final int TOUCHED_WHILE_PARKED = 1 << 2;

  /** How many flags there are room for; those above are for the owner to name. */
  public static final int FLAG_BITS = 16;

  /** The most that one counter counts. */
  public static final int MAX_COUNT = (1 << 21) - 1;

  private static final int FLAG_MASK = (1 << FLAG_BITS) - 1;

  private static final int TABLE_BITS = 10;
  private static final int TABLE_SHIFT = Long.SIZE - TABLE_BITS;
  private static final int TAG_SHIFT = TABLE_SHIFT - Integer.SIZE;
  private static final long TAG_MASK = 0xffffffffL;
  private static final int MIN_TABLE_SLOTS = 8;
  private static final long[] NO_SLOTS = new long[1];

  private static final int PAGE_SHIFT = 12;
  private static final int PAGE_ENTRIES = 1 << PAGE_SHIFT;

  /** The key's reference above the flags; all zero in a free entry. */
  private static final int KEY_AND_FLAGS = 0;

  /** The chunk's generation; in a free entry, the next free one. */
  private static final int GENERATION = 1;

  private static final int EXPIRY = 2;

  /** The payload's length in the low half, the salt in the high one. */
  private static final int LENGTH_AND_SALT = 3;

  /** Three counters of 21 bits. */
  private static final int COUNTERS = 4;

  private static final int RECORD_LONGS = 5;

  /** After a page's records: one bit an entry, set where it is occupied, and their count. */
  private static final int OCCUPANCY = PAGE_ENTRIES * RECORD_LONGS;

  private static final int OCCUPIED_COUNT = OCCUPANCY + PAGE_ENTRIES / Long.SIZE;
  private static final int PAGE_LONGS = OCCUPIED_COUNT + 1;

  private static final int LOCKS = 0;
  private static final int PINS = 21;
  private static final int READERS = 42;

  /** What an insertion or a removal contributes to a compaction: entries or rooms looked at. */
  private static final int COMPACTION_STEPS = 256;

  /** A key that is moved counts as so many that are only looked at. */
  private static final int STEPS_PER_MOVE = 8;

  /** How many lookups of a batch wait for memory at the same time. */
  private static final int BATCH = 64;

  private static final int ARRAY_HEADER_BYTES = 16;

  private final KeyArena arena = new KeyArena();

  private final long[][] tables = new long[1 << TABLE_BITS][];
  private final int[] tableSizes = new int[1 << TABLE_BITS];
  private long slotCount;

  private long[][] pages = new long[16][];
  private int pageCount;
  private int entryBound;
  private int size;

  private int firstFree = NONE;
  private int lastFree = NONE;

  /** By page, beside {@link #pages}; empty while every chunk has a file of its own. */
  private long[] @Nullable [] locations = {};

  private int locationPages;

  /** The next entry that the compaction under way looks at. */
  private int compactionAt;

  private final long[] batchHashes = new long[BATCH];
  private final long[] batchSlots = new long[BATCH];
  private final long[] batchReferences = new long[BATCH];

  public ChunkIndex() {
    Arrays.fill(tables, NO_SLOTS);
  }

  /** The key's entry, or {@link #NONE}. */
  public int find(ChunkKey key) {
    long hash = key.hash64();
    long[] table = tables[tableOf(hash)];
    long tag = tagOf(hash);
    int at = home(tag, table.length);
    for (long slot = table[at]; slot != 0; slot = table[at]) {
      if (slot >>> Integer.SIZE == tag) {
        int entry = entryOf(slot);
        if (arena.holds(reference(entry), key)) {
          return entry;
        }
      }
      at = next(at, table.length);
    }
    return NONE;
  }

  /**
   * {@link #find} of each key, the answers in {@code entries} in the keys' order. Faster than one
   * by one, for the memory that one key waits for is fetched while others do.
   */
  public void findAll(List<ChunkKey> keys, int[] entries) {
    int count = keys.size();
    Objects.checkFromIndexSize(0, count, entries.length);
    for (int from = 0; from < count; from += BATCH) {
      findBatch(keys, entries, from, Math.min(BATCH, count - from));
    }
  }

  /**
   * Two loops fetch, for all keys of the batch, first the home slots and then the records, so that
   * the fetches of different keys overlap; the third compares. (Fetching the keys' bytes in a loop
   * of its own as well made it slower by a tenth.)
   */
  private void findBatch(List<ChunkKey> keys, int[] entries, int from, int count) {
    for (int i = 0; i < count; i++) {
      long hash = keys.get(from + i).hash64();
      long[] table = tables[tableOf(hash)];
      batchHashes[i] = hash;
      batchSlots[i] = table[home(tagOf(hash), table.length)];
    }
    for (int i = 0; i < count; i++) {
      int entry = entryOf(firstMatch(batchHashes[i], batchSlots[i]));
      entries[from + i] = entry;
      batchReferences[i] = entry == NONE ? 0 : reference(entry);
    }
    for (int i = 0; i < count; i++) {
      long reference = batchReferences[i];
      if (reference != 0) {
        ChunkKey key = keys.get(from + i);
        if (!arena.holds(reference, key)) {
          entries[from + i] = find(key);
        }
      }
    }
  }

  private long firstMatch(long hash, long homeSlot) {
    long tag = tagOf(hash);
    if (homeSlot == 0 || homeSlot >>> Integer.SIZE == tag) {
      return homeSlot;
    }
    long[] table = tables[tableOf(hash)];
    int at = home(tag, table.length);
    long slot;
    do {
      at = next(at, table.length);
      slot = table[at];
    } while (slot != 0 && slot >>> Integer.SIZE != tag);
    return slot;
  }

  /**
   * Makes an entry for a key that has none. All its fields but the salt are zero.
   *
   * @param salt the number of the key's salt, not negative
   */
  public int insert(ChunkKey key, int salt) {
    if (salt < 0) {
      throw new IllegalArgumentException("a salt's number is not negative, this is " + salt);
    }
    long hash = key.hash64();
    int table = tableOf(hash);
    if (find(key) != NONE) {
      throw new IllegalStateException("the key has an entry: " + key);
    }
    int entry = takeEntry();
    long[] page = pages[entry >>> PAGE_SHIFT];
    int record = record(entry);
    page[record + KEY_AND_FLAGS] = arena.store(key) << FLAG_BITS;
    page[record + GENERATION] = 0;
    page[record + LENGTH_AND_SALT] = (long) salt << Integer.SIZE;
    page[OCCUPANCY + ((entry & (PAGE_ENTRIES - 1)) >>> 6)] |= 1L << entry;
    page[OCCUPIED_COUNT]++;
    if ((tableSizes[table] + 1) * 4L > tables[table].length * 3L) {
      grow(table);
    }
    put(tables[table], tagOf(hash) << Integer.SIZE | (entry + 1));
    tableSizes[table]++;
    size++;
    compactSome();
    return entry;
  }

  /** Frees the entry. Its number may name another chunk from now on. */
  public void remove(int entry) {
    long[] page = page(entry);
    int record = record(entry);
    long reference = page[record + KEY_AND_FLAGS] >>> FLAG_BITS;
    dropSlot(arena.hash(reference), entry);
    arena.free(reference);
    Arrays.fill(page, record, record + RECORD_LONGS, 0);
    page[OCCUPANCY + ((entry & (PAGE_ENTRIES - 1)) >>> 6)] &= ~(1L << entry);
    page[OCCUPIED_COUNT]--;
    size--;
    freeEntry(entry);
    compactSome();
  }

  /** A copy of the entry's key. */
  public ChunkKey key(int entry) {
    return arena.key(page(entry)[record(entry)] >>> FLAG_BITS);
  }

  /** {@link ChunkKey#hash64()} of the entry's key, computed from its bytes. */
  public long keyHash(int entry) {
    return arena.hash(page(entry)[record(entry)] >>> FLAG_BITS);
  }

  /** How many entries are occupied. */
  public int size() {
    return size;
  }

  /** The lengths of all keys, summed. */
  public long keyBytes() {
    return arena.keyBytes();
  }

  /** What the index takes of the heap, keys included; its few fixed fields aside. */
  public long memoryBytes() {
    long tableBytes = slotCount * Long.BYTES + (long) tables.length * (ARRAY_HEADER_BYTES + 8);
    long pageBytes =
        pageCount * ((long) PAGE_LONGS * Long.BYTES + ARRAY_HEADER_BYTES) + pages.length * 4L;
    long locationBytes = locationPages * ((long) PAGE_ENTRIES * Long.BYTES + ARRAY_HEADER_BYTES);
    return arena.memoryBytes() + tableBytes + pageBytes + locationBytes;
  }

  /** One more than the largest number that any entry ever had. */
  public int entryBound() {
    return entryBound;
  }

  public boolean occupied(int entry) {
    return entry >= 0
        && entry < entryBound
        && pages[entry >>> PAGE_SHIFT][record(entry) + KEY_AND_FLAGS] != 0;
  }

  /**
   * The first occupied entry from {@code from} on, or {@link #NONE}. Skips an empty page in one
   * step: the call that crosses the most empty room looks at {@code entryBound / 4096} numbers.
   */
  public int nextOccupied(int from) {
    int page = from >>> PAGE_SHIFT;
    int within = from & (PAGE_ENTRIES - 1);
    for (; page < pageCount; page++, within = 0) {
      if (pages[page][OCCUPIED_COUNT] != 0) {
        int found = nextInPage(pages[page], within);
        if (found != NONE) {
          return page << PAGE_SHIFT | found;
        }
      }
    }
    return NONE;
  }

  private static int nextInPage(long[] page, int from) {
    int word = from >>> 6;
    long bits = page[OCCUPANCY + word] & (-1L << from);
    while (bits == 0) {
      word++;
      if (word == PAGE_ENTRIES / Long.SIZE) {
        return NONE;
      }
      bits = page[OCCUPANCY + word];
    }
    return (word << 6) + Long.numberOfTrailingZeros(bits);
  }

  public long generation(int entry) {
    return page(entry)[record(entry) + GENERATION];
  }

  public void setGeneration(int entry, long generation) {
    page(entry)[record(entry) + GENERATION] = generation;
  }

  /** Where the chunk lies; 0, a file of its own, until it is said. */
  public long location(int entry) {
    long[] page = locationPage(entry);
    return page == null ? 0 : page[entry & (PAGE_ENTRIES - 1)];
  }

  /** The first location that is not 0 costs eight bytes for each entry of its page. */
  public void setLocation(int entry, long location) {
    long[] page = locationPage(entry);
    if (page == null) {
      if (location == 0) {
        return;
      }
      page = new long[PAGE_ENTRIES];
      int number = entry >>> PAGE_SHIFT;
      if (number >= locations.length) {
        locations = Arrays.copyOf(locations, Math.max(number + 1, pages.length));
      }
      locations[number] = page;
      locationPages++;
    }
    page[entry & (PAGE_ENTRIES - 1)] = location;
  }

  private long @Nullable [] locationPage(int entry) {
    int number = entry >>> PAGE_SHIFT;
    return number < locations.length ? locations[number] : null;
  }

  /** The payload's length in bytes. */
  public long payloadLength(int entry) {
    return page(entry)[record(entry) + LENGTH_AND_SALT] & TAG_MASK;
  }

  /**
   * @param bytes up to {@link Integer#MAX_VALUE}
   */
  public void setPayloadLength(int entry, long bytes) {
    if (bytes < 0 || bytes > Integer.MAX_VALUE) {
      throw new IllegalArgumentException("a payload has 0 to 2^31-1 bytes, not " + bytes);
    }
    long[] page = page(entry);
    int at = record(entry) + LENGTH_AND_SALT;
    page[at] = (page[at] & ~TAG_MASK) | bytes;
  }

  public long expiresAtMillis(int entry) {
    return page(entry)[record(entry) + EXPIRY];
  }

  public void setExpiresAtMillis(int entry, long epochMillis) {
    page(entry)[record(entry) + EXPIRY] = epochMillis;
  }

  /** The number of the salt that the entry was inserted with. */
  public int salt(int entry) {
    return (int) (page(entry)[record(entry) + LENGTH_AND_SALT] >>> Integer.SIZE);
  }

  /** How many times the chunk is locked. */
  public int locks(int entry) {
    return count(entry, LOCKS);
  }

  /** Returns false, and does nothing, at {@link #MAX_COUNT}. */
  public boolean incrementLocks(int entry) {
    return increment(entry, LOCKS);
  }

  /** Returns false, and does nothing, at zero. */
  public boolean decrementLocks(int entry) {
    return decrement(entry, LOCKS);
  }

  /** How many times the chunk is pinned. */
  public int pins(int entry) {
    return count(entry, PINS);
  }

  /** Returns false, and does nothing, at {@link #MAX_COUNT}. */
  public boolean incrementPins(int entry) {
    return increment(entry, PINS);
  }

  /** Returns false, and does nothing, at zero. */
  public boolean decrementPins(int entry) {
    return decrement(entry, PINS);
  }

  /** How many operations have the chunk's location open. */
  public int readers(int entry) {
    return count(entry, READERS);
  }

  /** Returns false, and does nothing, at {@link #MAX_COUNT}. */
  public boolean incrementReaders(int entry) {
    return increment(entry, READERS);
  }

  /** Returns false, and does nothing, at zero. */
  public boolean decrementReaders(int entry) {
    return decrement(entry, READERS);
  }

  /** Whether anyone locks, pins or reads the chunk. */
  public boolean held(int entry) {
    return page(entry)[record(entry) + COUNTERS] != 0;
  }

  /** Whether any flag of {@code mask} is set. */
  public boolean flag(int entry, int mask) {
    return (page(entry)[record(entry) + KEY_AND_FLAGS] & flags(mask)) != 0;
  }

  /** Sets all flags of {@code mask}. */
  public void setFlag(int entry, int mask) {
    page(entry)[record(entry) + KEY_AND_FLAGS] |= flags(mask);
  }

  /** Clears all flags of {@code mask}. */
  public void clearFlag(int entry, int mask) {
    page(entry)[record(entry) + KEY_AND_FLAGS] &= ~flags(mask);
  }

  private static long flags(int mask) {
    if ((mask & ~FLAG_MASK) != 0) {
      throw new IllegalArgumentException("flags are %d bits: %x".formatted(FLAG_BITS, mask));
    }
    return mask;
  }

  private int count(int entry, int counter) {
    return (int) (page(entry)[record(entry) + COUNTERS] >>> counter) & MAX_COUNT;
  }

  private boolean increment(int entry, int counter) {
    if (count(entry, counter) == MAX_COUNT) {
      return false;
    }
    page(entry)[record(entry) + COUNTERS] += 1L << counter;
    return true;
  }

  private boolean decrement(int entry, int counter) {
    if (count(entry, counter) == 0) {
      return false;
    }
    page(entry)[record(entry) + COUNTERS] -= 1L << counter;
    return true;
  }

  /** The page of an entry that is occupied. */
  private long[] page(int entry) {
    long[] page = pages[Objects.checkIndex(entry, entryBound) >>> PAGE_SHIFT];
    if (page[record(entry) + KEY_AND_FLAGS] == 0) {
      throw new IllegalStateException("entry " + entry + " is not occupied");
    }
    return page;
  }

  private long reference(int entry) {
    return pages[entry >>> PAGE_SHIFT][record(entry) + KEY_AND_FLAGS] >>> FLAG_BITS;
  }

  private static int record(int entry) {
    return (entry & (PAGE_ENTRIES - 1)) * RECORD_LONGS;
  }

  private int takeEntry() {
    int entry = firstFree;
    if (entry == NONE) {
      return newEntry();
    }
    firstFree = (int) pages[entry >>> PAGE_SHIFT][record(entry) + GENERATION];
    if (firstFree == NONE) {
      lastFree = NONE;
    }
    return entry;
  }

  private int newEntry() {
    if (entryBound == Integer.MAX_VALUE) {
      throw new IllegalStateException("the index has no entry numbers left");
    }
    if (entryBound >>> PAGE_SHIFT == pageCount) {
      if (pageCount == pages.length) {
        pages = Arrays.copyOf(pages, pageCount * 2);
      }
      pages[pageCount++] = new long[PAGE_LONGS];
    }
    return entryBound++;
  }

  private void freeEntry(int entry) {
    pages[entry >>> PAGE_SHIFT][record(entry) + GENERATION] = NONE;
    if (lastFree == NONE) {
      firstFree = entry;
    } else {
      pages[lastFree >>> PAGE_SHIFT][record(lastFree) + GENERATION] = entry;
    }
    lastFree = entry;
  }

  private static int tableOf(long hash) {
    return (int) (hash >>> TABLE_SHIFT);
  }

  private static long tagOf(long hash) {
    return (hash >>> TAG_SHIFT) & TAG_MASK;
  }

  private static int entryOf(long slot) {
    return (int) slot - 1;
  }

  private static int home(long tag, int slots) {
    return (int) ((tag * slots) >>> Integer.SIZE);
  }

  private static int next(int at, int slots) {
    return at + 1 == slots ? 0 : at + 1;
  }

  private static int distance(int from, int to, int slots) {
    return to >= from ? to - from : to - from + slots;
  }

  private static void put(long[] table, long slot) {
    int at = home(slot >>> Integer.SIZE, table.length);
    while (table[at] != 0) {
      at = next(at, table.length);
    }
    table[at] = slot;
  }

  private void grow(int table) {
    long[] old = tables[table];
    long[] grown = new long[Math.max(MIN_TABLE_SLOTS, old.length + old.length / 2)];
    for (long slot : old) {
      if (slot != 0) {
        put(grown, slot);
      }
    }
    tables[table] = grown;
    slotCount += grown.length - (old.length == NO_SLOTS.length ? 0 : old.length);
  }

  /**
   * Empties the entry's slot and closes the gap: a later slot of the cluster moves into the gap
   * unless its home lies behind it.
   */
  private void dropSlot(long hash, int entry) {
    int table = tableOf(hash);
    long[] slots = tables[table];
    int gap = home(tagOf(hash), slots.length);
    while (entryOf(slots[gap]) != entry) {
      if (slots[gap] == 0) {
        throw new IllegalStateException("entry " + entry + " has no slot");
      }
      gap = next(gap, slots.length);
    }
    int at = next(gap, slots.length);
    for (; slots[at] != 0; at = next(at, slots.length)) {
      int home = home(slots[at] >>> Integer.SIZE, slots.length);
      if (distance(home, at, slots.length) >= distance(gap, at, slots.length)) {
        slots[gap] = slots[at];
        gap = at;
      }
    }
    slots[gap] = 0;
    tableSizes[table]--;
  }

  /** One bounded part of a compaction, where one is under way. */
  private void compactSome() {
    if (!arena.compacting()) {
      return;
    }
    int steps = arena.dropLeavingRooms(COMPACTION_STEPS);
    while (steps > 0) {
      if (compactionAt == entryBound) {
        arena.endCompaction();
        compactionAt = 0;
        return;
      }
      int entry = compactionAt++;
      steps--;
      long[] page = pages[entry >>> PAGE_SHIFT];
      int at = record(entry) + KEY_AND_FLAGS;
      long reference = page[at] >>> FLAG_BITS;
      if (reference != 0 && arena.leaving(reference)) {
        page[at] = arena.move(reference) << FLAG_BITS | (page[at] & FLAG_MASK);
        steps -= STEPS_PER_MOVE;
      }
    }
  }
}
