package io.weft.device;

import static io.weft.device.Layouts.fails;
import static io.weft.device.Layouts.load;
import static io.weft.device.Layouts.payload;
import static io.weft.device.Layouts.scanReport;
import static io.weft.device.Layouts.staged;
import static io.weft.device.Layouts.store;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Durability;
import io.weft.device.ChunkMedium.ChunkWrite;
import io.weft.testing.LoopMount;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** What only a filesystem of one's own can show: being full, and a power cut. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class SlabLayoutOnMountContract extends SlabLayoutContract {
  private LoopMount mount;
  private Path own;

  /** A filesystem with room for all tests of the class. */
  abstract LoopMount mountLarge();

  /** One that is filled, or cut off. */
  abstract LoopMount mountSmall();

  @BeforeAll
  void mountOnce() {
    mount = mountLarge();
  }

  @AfterAll
  void unmount() {
    if (mount != null) {
      mount.close();
    }
  }

  @Override
  Path emptyDirectory() throws IOException {
    return Files.createTempDirectory(own == null ? mount.directory() : own, "store");
  }

  /** Does what follows on a filesystem of its own. */
  private void on(LoopMount filesystem, Durability durability) throws Exception {
    layout.close();
    own = filesystem.directory();
    root = emptyDirectory();
    own = null;
    layout = opened(DirectIo.PREFERRED, durability);
  }

  @Test
  void directIoIsUsed() {
    assertTrue(layout.info().directIo(), layout.info()::directIoDetail);
  }

  @Test
  void anAcknowledgedChunkOutlivesAPowerCutInDataAndFull() throws Exception {
    for (Durability durability : List.of(Durability.DATA, Durability.FULL)) {
      forgetPlaces();
      try (LoopMount filesystem = mountSmall()) {
        on(filesystem, durability);
        ChunkAddress whole = at("whole", 1, 50_000);
        ChunkAddress pieces = at("pieces", 1, 300_000);
        ChunkAddress gone = at("gone", 1, 50_000);
        store(layout, whole, payload(50_000, 1));
        store(layout, gone, payload(50_000, 2));
        ChunkWrite write = layout.beginStore(pieces, ChunkMetadata.EMPTY, 300_000, null);
        write.write(0, MemorySegment.ofArray(payload(300_000, 3)), scratch);
        write.publish(scratch);
        assertTrue(layout.delete(gone));
        Path name = root.getFileName();
        try (LoopMount cut = filesystem.afterPowerCut();
            Layout after =
                Layout.open(
                    new LayoutSettings(
                        cut.directory().resolve(name), DirectIo.PREFERRED, durability, "", kind()),
                    Layouts.at(1))) {
          assertArrayEquals(payload(50_000, 1), load(after, whole, 50_000));
          assertArrayEquals(payload(300_000, 3), load(after, pieces, 300_000));
          if (durability == Durability.FULL) {
            fails(Kind.NOT_FOUND, () -> load(after, gone, 50_000));
            assertEquals(2, scanReport(after).chunks());
          }
        }
        layout.close();
      }
    }
  }

  @Test
  void aFullFilesystemMakesNoSegmentAndStoresInThoseThatAreThere() throws Exception {
    forgetPlaces();
    try (LoopMount filesystem = mountSmall()) {
      on(filesystem, Durability.RELAXED);
      ChunkAddress address = at("k", 1, 50_000);
      ChunkAddress damaged = at("d", 1, 50_000);
      store(layout, damaged, payload(50_000, 9));
      List<ChunkWrite> begun = new ArrayList<>();
      int made = 1;
      while (made >= 0) {
        int number = 100 + made++;
        try {
          begun.add(layout.beginSegment(number));
        } catch (DeviceException full) {
          assertEquals(Kind.NO_SPACE, full.kind(), full.getMessage());
          made = -1;
        }
      }
      begun.forEach(ChunkWrite::abandon);
      fill(filesystem.directory());
      store(layout, address, payload(50_000, 1));
      assertArrayEquals(payload(50_000, 1), load(layout, address, 50_000));
      // No room for a copy: the slot is freed without one.
      assertEquals(0, layout.quarantine(damaged));
      fails(Kind.NOT_FOUND, () -> load(layout, damaged, 50_000));
      assertEquals(1, scanReport(layout).chunks());
      layout.close();
    }
  }

  private static void fill(Path directory) {
    for (int size : new int[] {1 << 20, 4096}) {
      try {
        for (int i = 0; ; i++) {
          Files.write(directory.resolve(size + "-" + i), new byte[size]);
        }
      } catch (IOException full) {
        // As wanted.
      }
    }
  }

  @Test
  void nothingIsStagedAfterAFailedSegment() throws Exception {
    forgetPlaces();
    try (LoopMount filesystem = mountSmall()) {
      on(filesystem, Durability.RELAXED);
      fill(filesystem.directory());
      fails(Kind.NO_SPACE, () -> layout.beginSegment(0));
      assertEquals(List.of(), staged(root));
      layout.close();
    }
  }
}
