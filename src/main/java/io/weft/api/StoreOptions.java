package io.weft.api;

import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.StoreMode;

/**
 * How a chunk is stored.
 *
 * @param expiresAtMillis wall-clock time from which on the chunk is a miss; {@link Chunks#NEVER}
 *     for none. It travels with the chunk and survives a restart
 * @param metadata kept beside the payload
 */
public record StoreOptions(StoreMode mode, long expiresAtMillis, ChunkMetadata metadata) {
  /** LMCache's way: the first store of a key wins, and it does not expire. */
  public static final StoreOptions DEFAULT =
      new StoreOptions(StoreMode.IF_ABSENT, Chunks.NEVER, ChunkMetadata.EMPTY);

  public StoreOptions {
    if (expiresAtMillis < 0) {
      throw new IllegalArgumentException("an expiry time is not negative: " + expiresAtMillis);
    }
  }

  public StoreOptions withMode(StoreMode mode) {
    return new StoreOptions(mode, expiresAtMillis, metadata);
  }

  public StoreOptions withExpiryAt(long epochMillis) {
    return new StoreOptions(mode, epochMillis, metadata);
  }

  public StoreOptions withMetadata(ChunkMetadata metadata) {
    return new StoreOptions(mode, expiresAtMillis, metadata);
  }
}
