package io.weft.adapter;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * LMCache's second-level cache in MP mode ({@code L2AdapterInterface}): submit a task, be told by
 * an eventfd that one of its kind is complete, ask for the result once.
 *
 * <p>Thread-safe: a store controller, a prefetch controller and an eviction thread call it at the
 * same time. Submits never block. Trouble of the device is a failed task or a clear bit, never an
 * exception; lists of unequal length are a bug of the caller and an {@link
 * IllegalArgumentException}.
 *
 * <p>Buffers are the caller's, and lent to the adapter from the submit until the task's result is
 * there: before that the kernel may read or write them. Any thread must be able to touch them. A
 * task that a query calls pending has its buffers in use, also after {@link #close()}.
 *
 * <p>Task ids are unique within one adapter.
 */
public interface L2Adapter extends AutoCloseable {
  /** LMCache's page size of a listing. */
  int PAGE_SIZE = 500;

  /**
   * The file descriptor of a Linux eventfd that becomes readable when tasks of this kind are
   * complete: one of three, and unlike that of every other adapter. Whoever polls it reads it (8
   * bytes), then queries all tasks that he waits for; several completions may be one signal. It is
   * the adapter's, and closed by {@link #close()}.
   */
  int eventFd(L2Event event);

  /**
   * Waits for the eventfd and reads it: for callers in Java. Blocks, and so is not for threads that
   * run actors.
   *
   * @return false where nothing was signalled in time, or the adapter is closed
   */
  boolean await(L2Event event, Duration timeout);

  /** Stores chunks; the first store of a key wins. Each buffer is read from start to end. */
  long submitStore(List<ObjectKey> keys, List<MemorySegment> buffers);

  /** The results of all store tasks that completed since the last call. Each is given once. */
  Map<Long, L2StoreResult> popCompletedStores();

  /** Tests which keys are there, and takes a counted lock on each hit in the same step. */
  long submitLookupAndLock(List<ObjectKey> keys);

  /** A bit for each hit; null while the task is pending and after the result was given once. */
  @Nullable BitSet queryLookupAndLock(long task);

  /**
   * Gives back one lock of each key. Never fails from the caller's view: what cannot be done now is
   * tried again; keys that are unknown, or not locked, are tolerated.
   */
  void submitUnlock(List<ObjectKey> keys);

  /** Loads chunks into the caller's buffers, each exactly as long as its chunk. */
  long submitLoad(List<ObjectKey> keys, List<MemorySegment> buffers);

  /**
   * A bit for each chunk that stands in its buffer; the other buffers hold nothing of worth. Null
   * while the task is pending and after the result was given once.
   */
  @Nullable BitSet queryLoad(long task);

  /** Removes chunks that are not locked. Waits for it, in bounds. */
  L2DeleteResult delete(List<ObjectKey> keys);

  /**
   * Keys in a stable order: a chunk that is there during the whole walk is listed exactly once.
   * Waits for it, in bounds.
   *
   * @param modelName of the keys; empty for every model
   * @param cursor null, then what the page before said
   */
  default L2Listing listKeys(String modelName, int pageSize, @Nullable String cursor) {
    return new L2Listing.Unavailable("this adapter does not list its keys");
  }

  AdapterUsage usage();

  /** Whether there is a capacity that the usage can be compared with. */
  default boolean supportsGlobalEviction() {
    return usage().capacityBytes() > 0;
  }

  void addListener(L2Listener listener);

  void removeListener(L2Listener listener);

  /** How the adapter is; {@code is_healthy}, a Boolean, is always there. Answers within seconds. */
  Map<String, Object> reportStatus();

  /**
   * Ends in bounds: tasks are completed, locks that the adapter holds are given back, eventfds are
   * closed. Results can still be asked for. Idempotent.
   */
  @Override
  void close();
}
