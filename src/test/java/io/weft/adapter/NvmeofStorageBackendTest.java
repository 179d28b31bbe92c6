package io.weft.adapter;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;

/** Our backend in a plain directory. */
class NvmeofStorageBackendTest extends StorageBackendContract {
  @TempDir private Path directory;

  @Override
  protected StorageBackend open(AllocatorBackend allocator) {
    return new NvmeofStorageBackend(
        new StoragePluginContext(
            "weft",
            Map.of(
                "weft.mode", "directory",
                "weft.directory", directory.toString(),
                // A chunk takes a block of its own.
                "weft.capacity", CHUNKS * (CHUNK + 4096),
                "weft.reserve", 0,
                "weft.snapshot-interval", 0,
                "weft.io.threads", 4,
                "weft.io.reserved-for-loads", 2),
            allocator));
  }
}
