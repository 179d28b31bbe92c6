package io.weft.api;

import io.weft.base.ChunkKey;
import io.weft.base.RemovalCause;

/** What subscribers hear, in the order in which it happened. */
public sealed interface StoreEvent {

  /** A chunk was published. */
  record Stored(ChunkKey key, long generation, long length) implements StoreEvent {}

  /** A chunk was used: loaded or touched. */
  record Accessed(ChunkKey key) implements StoreEvent {}

  /** A chunk is not there any more. */
  record Removed(ChunkKey key, long length, RemovalCause cause) implements StoreEvent {}

  /** A chunk failed verification and was put aside. */
  record Quarantined(ChunkKey key, String detail) implements StoreEvent {}

  /** The link to the device changed. */
  record LinkChanged(String from, String to, String why) implements StoreEvent {}

  /** A subscriber was too slow: so many events were not kept for it. */
  record Dropped(long events) implements StoreEvent {}
}
