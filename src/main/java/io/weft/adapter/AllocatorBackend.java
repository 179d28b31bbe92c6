package io.weft.adapter;

import io.weft.base.ChunkMetadata;
import org.jspecify.annotations.Nullable;

/**
 * Who provides the memory that chunks are loaded into: in LMCache the backend for local memory,
 * which every other backend asks ({@code get_allocator_backend}). Thread-safe; called on threads of
 * the backend that loads, never on one that runs actors.
 */
@FunctionalInterface
public interface AllocatorBackend {
  /**
   * Memory for one chunk.
   *
   * @param length the chunk's bytes
   * @param metadata what the chunk was stored with
   * @return an object with one reference, the caller's; null where there is no memory: the load is
   *     a miss then
   */
  @Nullable MemoryObject allocate(long length, ChunkMetadata metadata);
}
