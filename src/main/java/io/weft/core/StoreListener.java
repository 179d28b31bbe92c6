package io.weft.core;

import io.weft.base.ChunkKey;
import io.weft.base.RemovalCause;

/** Hears of every change of the set of published chunks. Called by the machine, in order. */
public interface StoreListener {

  void stored(ChunkKey key, long generation, long length);

  void accessed(ChunkKey key);

  void removed(ChunkKey key, long length, RemovalCause cause);

  void quarantined(ChunkKey key, String detail);

  /** Whether anyone listens; the machine builds no keys for nobody. */
  boolean active();
}
