package io.weft.adapter;

import io.weft.testing.LoopMount;
import java.nio.file.Files;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;

/** Ours, on a filesystem of its own. */
@Tag("root")
class NvmeofL2AdapterOnExt4Test extends L2AdapterContract {
  private static LoopMount mount;

  @BeforeAll
  static void mount() {
    mount = LoopMount.ext4(2L << 30, "-b", "4096");
  }

  @AfterAll
  static void unmount() {
    if (mount != null) {
      mount.close();
    }
  }

  @Override
  L2Adapter open() throws Exception {
    return NvmeofL2AdapterTest.open(Files.createTempDirectory(mount.directory(), "s"), "64MiB");
  }
}
