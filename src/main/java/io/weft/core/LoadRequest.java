package io.weft.core;

import io.weft.base.ChunkKey;
import io.weft.base.LoadOutcome;

/** A load as the machine sees it. The memory it loads into stays with whoever made the request. */
public interface LoadRequest {
  ChunkKey key();

  /**
   * How many bytes the target holds; {@link Long#MAX_VALUE} where the store provides the memory.
   */
  long capacityBytes();

  /** {@link Lane#LOAD} or {@link Lane#PREFETCH}. */
  Lane lane();

  /**
   * Whether a hit counts as a use of the chunk at once (a batch touches all its hits at its end).
   */
  boolean touches();

  boolean abandoned();

  /** The chunk's bytes are in the target, verified. */
  void loaded(long length);

  /**
   * Any other end. One of the two is called exactly once by the machine, also for an abandoned
   * request, when no device order uses its memory any more.
   */
  void answer(LoadOutcome outcome);
}
