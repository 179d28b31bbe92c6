package io.weft.adapter;

import io.weft.testing.LoopMount;
import java.util.Map;
import org.junit.jupiter.api.Tag;

/** Our backend on a mounted ext4, told where it is as LMCache's users tell it. */
@Tag("root")
class NvmeofStorageBackendOnExt4Test extends StorageBackendContract {
  private LoopMount mount;

  @Override
  protected StorageBackend open(AllocatorBackend allocator) {
    mount = LoopMount.ext4(64L << 20);
    return new NvmeofStorageBackend(
        new StoragePluginContext(
            "weft",
            Map.of(
                "nvmeof.mount_path", mount.directory().toString(),
                "weft.capacity", CHUNKS * (CHUNK + 4096),
                "weft.reserve", 0,
                "weft.snapshot-interval", 0,
                "weft.direct-io", "required",
                "weft.io.threads", 4,
                "weft.io.reserved-for-loads", 2),
            allocator));
  }

  @Override
  protected void cleanUp() {
    mount.close();
  }
}
