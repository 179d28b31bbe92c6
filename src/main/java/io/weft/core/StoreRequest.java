package io.weft.core;

import io.weft.base.ChunkKey;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;

/** A store as the machine sees it. The payload stays with whoever made the request. */
public interface StoreRequest {
  ChunkKey key();

  /** Payload bytes. */
  long length();

  StoreMode mode();

  /** Wall-clock expiry, or {@link io.weft.base.Chunks#NEVER}. */
  long expiresAtMillis();

  boolean hasMetadata();

  /** Whether the request was answered already, by its deadline: no work need be begun for it. */
  boolean abandoned();

  /**
   * The end of the request: called exactly once by the machine, also for an abandoned one, when no
   * device order uses its memory any more. Only the first answer of all reaches the client.
   */
  void answer(StoreOutcome outcome);
}
