package io.weft.api;

import io.weft.base.LoadOutcome;
import io.weft.base.StoreOutcome;

/** One result of {@link ChunkStore#flow}, with the correlation of its request. */
public sealed interface StreamResult<C> {
  C correlation();

  record Stored<C>(C correlation, StoreOutcome outcome) implements StreamResult<C> {}

  record Loaded<C>(C correlation, LoadOutcome outcome) implements StreamResult<C> {}
}
