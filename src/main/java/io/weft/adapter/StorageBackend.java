package io.weft.adapter;

import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A tier of the in-process mode: LMCache's {@code StoragePluginInterface}, method by method. {@code
 * StorageBackendContract} among the tests holds an implementation against every clause of it.
 *
 * <p>All methods are thread-safe. Those that say that they block are for the engine's threads, and
 * end within a bound of the backend's; they must not be called on threads that run actors. Stages
 * and callbacks run on threads of the backend, where the host may call any method. Trouble with the
 * device is never an exception: a chunk that cannot be had is a miss, one that cannot be written is
 * not stored. A bug of the caller (lists of different lengths, memory that is not held, a key that
 * is too long) throws.
 *
 * <p>Lists of keys are prefixes of a request: their order matters. LMCache's {@code transfer_spec}
 * is for tiers that move data between devices, and has no place here.
 */
public interface StorageBackend extends AutoCloseable {

  /**
   * Whether the chunk is there. Blocks.
   *
   * @param pin whether a hit is pinned too, in the same step, as vLLM's lookup wants it
   */
  default boolean contains(EngineKey key, boolean pin) {
    return batchedContains(List.of(key), pin) == 1;
  }

  /**
   * How many of the keys, from the first on, are there without a gap. Blocks.
   *
   * @param pin whether the keys that were counted, and no others, are pinned too
   */
  int batchedContains(List<EngineKey> keys, boolean pin);

  /**
   * {@link #batchedContains} without blocking.
   *
   * @param lookupId the request, for {@link #cancelRequest}
   */
  CompletionStage<Integer> batchedAsyncContains(String lookupId, List<EngineKey> keys, boolean pin);

  /** Whether the chunk is being written. Does not block. */
  boolean existsInPutTasks(EngineKey key);

  /**
   * Stores chunks; the first store of a key wins. Does not block. The backend retains every object
   * until neither it nor the kernel reads the memory any more, which may be after the put is
   * answered; the caller keeps its own reference, and must leave the bytes as they are meanwhile. A
   * key that is being written already is not written a second time: it ends with the other.
   *
   * @param onComplete called once for each distinct key of this call, when it is on the device or
   *     has failed for good; {@link #existsInPutTasks} is false by then. What it throws is logged
   * @return one stage a key, complete after the callback: whether the chunk is there now
   * @throws IllegalArgumentException where the lists differ in length
   */
  List<CompletionStage<Boolean>> batchedSubmitPutTask(
      List<EngineKey> keys,
      List<MemoryObject> objects,
      @Nullable Consumer<? super EngineKey> onComplete);

  /** The chunk, in an object of {@link #allocatorBackend()}; null for a miss. Blocks. */
  default @Nullable MemoryObject getBlocking(EngineKey key) {
    return batchedGetBlocking(List.of(key)).getFirst();
  }

  /**
   * One object a key, null for a miss. Blocks. Each object comes from {@link #allocatorBackend()}
   * with one reference, which is the caller's to release.
   */
  List<@Nullable MemoryObject> batchedGetBlocking(List<EngineKey> keys);

  /**
   * {@link #batchedGetBlocking} without blocking, for bytes that will be wanted soon. Pins of the
   * caller's stay as they are.
   *
   * @param lookupId the request, for {@link #cancelRequest}
   */
  CompletionStage<List<@Nullable MemoryObject>> batchedGetNonBlocking(
      String lookupId, List<EngineKey> keys);

  /**
   * Counts one pin more: the chunk is not evicted while the count is above zero. False, and nothing
   * is counted, where it is absent. Blocks.
   */
  boolean pin(EngineKey key);

  /**
   * Counts one pin less. False where the chunk is absent. Blocks. The count has no floor: what is
   * unpinned once too often is made good by the next pin. Only pins that were taken through this
   * backend are ever given back.
   */
  boolean unpin(EngineKey key);

  /** Whether the chunk was there and is removed. Blocks. See {@link #batchedRemove}. */
  default boolean remove(EngineKey key, boolean force) {
    return batchedRemove(List.of(key), force) == 1;
  }

  /**
   * How many of the chunks were there and are removed. Blocks.
   *
   * @param force whether pinned chunks are removed too; without, they are left, as eviction leaves
   *     them
   */
  int batchedRemove(List<EngineKey> keys, boolean force);

  /**
   * The keys that lookups have pinned since the last call count as used, last to first, so that the
   * head of a prefix outlives its tail. Does not block.
   */
  void touchCache();

  /** Who provides the memory of loads. */
  AllocatorBackend allocatorBackend();

  /**
   * Ends what goes on asynchronously under this id, at once: gets are misses, lookups count nothing
   * and keep no pin. Unknown ids are tolerated. Does not block.
   */
  void cancelRequest(String lookupId);

  /**
   * Takes nothing new, lets puts end, gives back every pin that was taken here, and closes what
   * belongs to the backend. Blocks, within a bound. Memory that the kernel still holds is released
   * when it lets go. Idempotent.
   */
  @Override
  void close();
}
