package io.weft.api;

import io.weft.base.ChunkKey;

/**
 * One request of {@link ChunkStore#flow}.
 *
 * @param <C> what the caller tells its requests apart by
 */
public sealed interface StreamRequest<C> {
  C correlation();

  record Store<C>(C correlation, ChunkKey key, Payload payload, StoreOptions options)
      implements StreamRequest<C> {}

  record Load<C>(C correlation, ChunkKey key, LoadTarget target, StoreProtocol.Urgency urgency)
      implements StreamRequest<C> {}
}
