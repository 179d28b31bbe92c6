package io.weft.device;

import static io.weft.device.Layouts.address;
import static io.weft.device.Layouts.fails;
import static io.weft.device.Layouts.load;
import static io.weft.device.Layouts.open;
import static io.weft.device.Layouts.payload;
import static io.weft.device.Layouts.scanReport;
import static io.weft.device.Layouts.staged;
import static io.weft.device.Layouts.store;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.testing.LoopMount;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("root")
class FileLayoutOnExt4Test extends FileLayoutOnMountContract {
  @Override
  LoopMount mountLarge() {
    return LoopMount.ext4(512L << 20, "-b", "4096");
  }

  @Override
  LoopMount mountSmall() {
    return LoopMount.ext4(16L << 20);
  }

  @Override
  String filesystem() {
    return "ext4";
  }

  @Test
  void whenInodesRunOutItIsSaidSoAndNothingIsLost() throws Exception {
    try (LoopMount own = LoopMount.ext4(32L << 20, "-N", "128");
        FileLayout opened = open(own.directory())) {
      int stored = 0;
      DeviceException full = null;
      while (full == null) {
        try {
          store(opened, address("k" + stored, 1), payload(10, stored));
          stored++;
        } catch (DeviceException failure) {
          full = failure;
        }
      }
      assertEquals(Kind.NO_SPACE, full.kind(), full.getMessage());
      assertEquals(0, opened.space().freeInodes());
      assertTrue(opened.space().usableBytes() > 1 << 20);
      assertEquals(List.of(), staged(own.directory()));
      assertEquals(stored, scanReport(opened).chunks());
      assertArrayEquals(payload(10, 0), load(opened, address("k0", 1), 10));
      assertTrue(opened.delete(address("k0", 1)));
      store(opened, address("k0", 2), payload(10, 5));
      fails(Kind.NOT_FOUND, () -> load(opened, address("k0", 1), 10));
    }
  }

  @Test
  void smallFilesystemBlocksAreNoObstacle() throws Exception {
    try (LoopMount own = LoopMount.ext4(32L << 20, "-b", "1024");
        FileLayout opened = open(own.directory())) {
      assertTrue(opened.info().directIo());
      for (long size : new long[] {0, 1, 5000, 1 << 20}) {
        store(opened, address("k" + size, 1), payload(size, size));
        assertArrayEquals(payload(size, size), load(opened, address("k" + size, 1), size));
      }
    }
  }
}
