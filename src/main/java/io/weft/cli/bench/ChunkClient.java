package io.weft.cli.bench;

import java.io.IOException;

/** Stores and loads one chunk at a time, and returns when that is done. For one thread. */
public interface ChunkClient extends AutoCloseable {
  /** Stores what the slot's payload holds. */
  void store(int chunk, Slot slot) throws IOException;

  /** Loads into the slot's payload. */
  void load(int chunk, Slot slot) throws IOException;

  @Override
  void close() throws IOException;
}
