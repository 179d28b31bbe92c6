package io.weft.core;

import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;

/**
 * The account of bytes on the device, and the guard of the filesystem's reserve.
 *
 * <p><b>Capacity.</b> Every byte that a file of ours takes, block rounding included, is in exactly
 * one category from before it is written until its last descriptor is closed. {@link #tryReserve}
 * never lets their sum exceed the capacity; only {@link #charge}, for what a start finds on the
 * device, may.
 *
 * <p><b>Reserve.</b> The filesystem may fill up through others, so no write starts that could leave
 * less than the reserve free. What the filesystem had free is known as of the last sample only.
 * From it, everything is subtracted that may have been allocated since: all writes started after
 * the sample was asked for, and all that were unfinished then, finished meanwhile or not. What was
 * freed since counts from the next sample on. Before the first sample nothing may start.
 *
 * <p>An account below zero is a bug of the caller and throws.
 */
public final class CapacityLedger {

  /** What bytes are taken for. */
  public enum Category {
    /** Published chunks. */
    CHUNKS,
    /** Files and slots being written. */
    STAGING,
    /** Segments, as far as no chunk takes their slots. */
    POOLED,
    /** Deleted or replaced, but still open or not yet unlinked. */
    RETIRED,
    /** Put aside for a person to look at. */
    QUARANTINE,
    /** Snapshots of the index. */
    SNAPSHOT,
    /** Chunks of a later format version: not ours to read or to remove. */
    LATER_VERSION
  }

  private static final class Account {
    long bytes;
  }

  private static final long UNKNOWN = -1;

  private final long capacityBytes;
  private final long reserveBytes;
  private final Map<Category, Account> accounts = new EnumMap<>(Category.class);
  private long usedTotal;

  private long usableBytes = UNKNOWN;

  /** What may have been allocated since {@link #usableBytes} was true. */
  private long claimedBytes;

  private long unfinishedBytes;

  /** {@link #claimedBytes} of the sample that was asked for and is not there yet. */
  private long claimedBySampling = UNKNOWN;

  /**
   * @param capacityBytes what all categories may take together
   * @param reserveBytes what stays free on the filesystem
   */
  public CapacityLedger(long capacityBytes, long reserveBytes) {
    this.capacityBytes = notNegative(capacityBytes);
    this.reserveBytes = notNegative(reserveBytes);
    for (Category category : Category.values()) {
      accounts.put(category, new Account());
    }
  }

  /** Takes bytes of the capacity, or returns false where so many are not free. */
  public boolean tryReserve(Category category, long bytes) {
    if (notNegative(bytes) > capacityBytes - usedTotal) {
      return false;
    }
    charge(category, bytes);
    return true;
  }

  /** Takes bytes that are on the device already, capacity or not. */
  public void charge(Category category, long bytes) {
    usedTotal = Math.addExact(usedTotal, notNegative(bytes));
    account(category).bytes += bytes;
  }

  /** The bytes are of another category from now on. */
  public void move(Category from, Category to, long bytes) {
    take(from, bytes);
    account(to).bytes += bytes;
  }

  /** The bytes are free again. */
  public void release(Category category, long bytes) {
    take(category, bytes);
    usedTotal -= bytes;
  }

  public long used(Category category) {
    return account(category).bytes;
  }

  /** All categories together. */
  public long used() {
    return usedTotal;
  }

  public long capacity() {
    return capacityBytes;
  }

  /** What {@link #tryReserve} would still give. */
  public long free() {
    return Math.max(0, capacityBytes - usedTotal);
  }

  /**
   * The filesystem is about to be asked what it has free. To be called before the question leaves,
   * where the answer takes a while: a write that ends meanwhile may not be in the answer. One
   * question at a time.
   */
  public void samplingStarts() {
    if (claimedBySampling != UNKNOWN) {
      throw new IllegalStateException("a sample is asked for already");
    }
    claimedBySampling = unfinishedBytes;
  }

  /** The filesystem did not answer. The last sample goes on counting. */
  public void samplingFailed() {
    claimedBySampling = UNKNOWN;
  }

  /** The filesystem's answer, to the question asked or, without one, as of this moment. */
  public void spaceSampled(long usableBytes) {
    this.usableBytes = notNegative(usableBytes);
    claimedBytes = claimedBySampling == UNKNOWN ? unfinishedBytes : claimedBySampling;
    claimedBySampling = UNKNOWN;
  }

  /** Whether a write of so many bytes keeps the reserve. */
  public boolean mayStart(long bytes) {
    return usableBytes != UNKNOWN && notNegative(bytes) <= headroom();
  }

  /** What may still be written until the next sample; negative where the reserve is touched. */
  public long headroom() {
    return usableBytes == UNKNOWN ? 0 : usableBytes - claimedBytes - reserveBytes;
  }

  /** A write of so many bytes begins. */
  public void started(long bytes) {
    unfinishedBytes = Math.addExact(unfinishedBytes, notNegative(bytes));
    claimedBytes = Math.addExact(claimedBytes, bytes);
    if (claimedBySampling != UNKNOWN) {
      claimedBySampling = Math.addExact(claimedBySampling, bytes);
    }
  }

  /** A write that {@link #started} has ended, well or not: it allocates nothing from now on. */
  public void finished(long bytes) {
    if (notNegative(bytes) > unfinishedBytes) {
      throw new IllegalStateException(
          "%d bytes finished of %d that were started".formatted(bytes, unfinishedBytes));
    }
    unfinishedBytes -= bytes;
  }

  /**
   * A file of so many bytes is gone from the filesystem. Counts until the next sample; what goes
   * while a sample is on its way may or may not be in it, and counts as not.
   */
  public void freed(long bytes) {
    claimedBytes -= notNegative(bytes);
  }

  private Account account(Category category) {
    return Objects.requireNonNull(accounts.get(category));
  }

  private void take(Category category, long bytes) {
    Account from = account(category);
    if (notNegative(bytes) > from.bytes) {
      throw new IllegalStateException(
          "%d bytes taken from %s, which has %d".formatted(bytes, category, from.bytes));
    }
    from.bytes -= bytes;
  }

  private static long notNegative(long bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("bytes are not negative: " + bytes);
    }
    return bytes;
  }
}
