package io.weft.device;

import static io.weft.device.Layouts.address;
import static io.weft.device.Layouts.fails;
import static io.weft.device.Layouts.file;
import static io.weft.device.Layouts.load;
import static io.weft.device.Layouts.open;
import static io.weft.device.Layouts.payload;
import static io.weft.device.Layouts.scanReport;
import static io.weft.device.Layouts.staged;
import static io.weft.device.Layouts.store;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Durability;
import io.weft.testing.LoopMount;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** What only a filesystem of one's own can show: being full, read-only, or gone. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class FileLayoutOnMountContract extends FileLayoutContract {
  private LoopMount mount;

  /** A filesystem with room for all tests of the class. */
  abstract LoopMount mountLarge();

  /** The smallest filesystem of the kind. */
  abstract LoopMount mountSmall();

  /** The kernel's name of it. */
  abstract String filesystem();

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
    return Files.createTempDirectory(mount.directory(), "store");
  }

  @Test
  void directIoIsUsedAndLeavesNothingInThePageCache() throws Exception {
    assertTrue(layout.info().directIo(), layout.info()::directIoDetail);
    assertEquals(filesystem(), layout.info().filesystem());
    layout.close();
    layout = open(root, DirectIo.REQUIRED, Durability.RELAXED);
    store(layout, address("direct", 1), payload(1 << 20, 1));
    load(layout, address("direct", 1), 1 << 20);
    assertEquals(0, cachedBytes(file(layout, address("direct", 1))));
    layout.close();
    layout = open(root, DirectIo.OFF, Durability.RELAXED);
    store(layout, address("buffered", 1), payload(1 << 20, 1));
    assertTrue(cachedBytes(file(layout, address("buffered", 1))) >= 1 << 20);
  }

  private static long cachedBytes(Path file) {
    String output =
        LoopMount.run(
            List.of("fincore", "--bytes", "--noheadings", "--output", "RES", file.toString()));
    return output.isEmpty() ? 0 : Long.parseLong(output);
  }

  @Test
  void aMountsOwnDirectoryCanBeAStore() throws Exception {
    try (LoopMount own = mountSmall();
        FileLayout opened = open(own.directory())) {
      store(opened, address("a", 1), payload(10, 1));
      assertArrayEquals(payload(10, 1), load(opened, address("a", 1), 10));
    }
  }

  @Test
  void aFullFilesystemIsSaidSoLeavesNothingHalfAndRecovers() throws Exception {
    try (LoopMount own = mountSmall()) {
      FileLayout opened = open(own.directory());
      int chunks = fill(opened, 1 << 20);
      assertTrue(chunks > 3, "only " + chunks);
      DeviceException early =
          fails(
              Kind.NO_SPACE,
              () -> opened.beginStore(address("early", 1), ChunkMetadata.EMPTY, 64L << 20, null));
      assertTrue(early.getMessage().contains("No space left on device"), early.getMessage());
      assertFalse(early.deviceInDoubt());
      assertEquals(List.of(), staged(own.directory()));
      for (int i = 0; i < chunks; i++) {
        assertArrayEquals(payload(1 << 20, i), load(opened, address("k" + i, 1), 1 << 20));
      }
      assertEquals(chunks, scanReport(opened).chunks());
      opened.close();

      FileLayout again = open(own.directory());
      assertTrue(again.delete(address("k0", 1)), "a full store opens, and can be emptied");
      again.quarantine(address("k1", 1));
      again.pruneQuarantine(0);
      store(again, address("new", 1), payload(1 << 20, 7));
      assertArrayEquals(payload(1 << 20, 7), load(again, address("new", 1), 1 << 20));
      again.close();
    }
  }

  /** Stores chunks until there is no room; returns how many there are. */
  private int fill(FileLayout opened, int size) {
    for (int i = 0; ; i++) {
      try {
        store(opened, address("k" + i, 1), payload(size, i));
      } catch (DeviceException full) {
        assertEquals(Kind.NO_SPACE, full.kind(), full.getMessage());
        return i;
      }
    }
  }

  @Test
  void aFullFilesystemWithoutAStoreIsRefusedClearly() throws Exception {
    try (LoopMount own = mountSmall()) {
      Path store = Files.createDirectory(own.directory().resolve("store"));
      fillUp(own.directory());
      DeviceException refused = fails(Kind.NO_SPACE, () -> open(store));
      // Whichever write it is that finds no block: the probe's, the lock's or the format's.
      assertTrue(refused.getMessage().contains("NO_SPACE"), refused.getMessage());
    }
  }

  /** Files until neither a block nor a name is left. */
  private static void fillUp(Path directory) {
    byte[] block = new byte[1 << 20];
    for (int size : new int[] {1 << 20, 4096, 1024, 1}) {
      for (int i = 0; ; i++) {
        try {
          Files.write(directory.resolve(size + "-" + i), java.util.Arrays.copyOf(block, size));
        } catch (IOException full) {
          break;
        }
      }
    }
  }

  @Test
  void aReadOnlyRemountIsSaidSoAndLoadsGoOn() throws Exception {
    try (LoopMount own = mountSmall()) {
      FileLayout opened = open(own.directory());
      store(opened, address("a", 1), payload(5000, 1));
      own.remountReadOnly();
      DeviceException failure =
          fails(Kind.READ_ONLY, () -> store(opened, address("b", 1), payload(10, 1)));
      assertTrue(failure.deviceInDoubt());
      fails(Kind.READ_ONLY, () -> opened.delete(address("a", 1)));
      fails(Kind.READ_ONLY, () -> opened.changeExpiry(address("a", 1), 5));
      fails(Kind.READ_ONLY, () -> opened.quarantine(address("a", 1)));
      fails(Kind.READ_ONLY, opened::probe);
      assertArrayEquals(payload(5000, 1), load(opened, address("a", 1), 5000));
      opened.close();
      DeviceException refused = fails(Kind.READ_ONLY, () -> open(own.directory()));
      assertTrue(refused.getMessage().contains("read-only"), refused.getMessage());
      own.remountReadWrite();
      try (FileLayout again = open(own.directory())) {
        assertEquals(1, scanReport(again).chunks());
      }
    }
  }

  @Test
  void aVanishedMountRedirectsNothing() throws Exception {
    try (LoopMount own = mountSmall();
        FileLayout opened = open(own.directory())) {
      store(opened, address("a", 1), payload(5000, 1));
      own.detach();
      for (int i = 0; i < 20; i++) {
        store(opened, address("after " + i, 1), payload(5000, 2));
        assertArrayEquals(payload(5000, 2), load(opened, address("after " + i, 1), 5000));
      }
      assertEquals(List.of(), Layouts.files(own.directory()));
      try (var left = Files.list(own.directory())) {
        assertEquals(0, left.count(), "the directory under the mount stays empty");
      }
    }
  }

  @Test
  void aMountInADirectorysPlaceIsNotEntered() throws Exception {
    Path leaf = file(layout, address("a", 1)).getParent();
    Files.createDirectories(leaf);
    LoopMount.run(List.of("mount", "-t", "tmpfs", "weft-test", leaf.toString()));
    try {
      fails(Kind.NO_PERMISSION, () -> store(layout, address("a", 1), payload(10, 1)));
      assertEquals(0, scanReport(layout).chunks());
    } finally {
      LoopMount.run(List.of("umount", leaf.toString()));
    }
    store(layout, address("a", 1), payload(10, 1));
  }

  @Test
  void fullDurabilityOutlivesAPowerCut() throws Exception {
    try (LoopMount own = mountSmall();
        FileLayout full = open(own.directory(), DirectIo.PREFERRED, Durability.FULL)) {
      for (int i = 0; i < 10; i++) {
        store(full, address("k" + i, 1), payload(5000 + i, i));
      }
      ChunkAddress changed = new ChunkAddress(address("k1", 1).key(), 1, 5_000);
      try (LoopMount cut = own.afterPowerCut();
          FileLayout after = open(cut.directory())) {
        assertEquals(10, scanReport(after).chunks());
        for (int i = 0; i < 10; i++) {
          assertArrayEquals(payload(5000 + i, i), load(after, address("k" + i, 1), 5000 + i));
        }
      }
      assertTrue(full.delete(address("k0", 1)));
      try (LoopMount cut = own.afterPowerCut();
          FileLayout after = open(cut.directory())) {
        fails(Kind.NOT_FOUND, () -> load(after, address("k0", 1), 5000));
      }
      full.changeExpiry(address("k1", 1), changed.expiresAtMillis());
      try (LoopMount cut = own.afterPowerCut();
          FileLayout after = open(cut.directory())) {
        assertArrayEquals(payload(5001, 1), load(after, changed, 5001));
        assertEquals(9, scanReport(after).chunks());
      }
    }
  }

  @Test
  void withoutFullDurabilityAPowerCutLeavesWholeChunksOrNone() throws Exception {
    for (Durability durability : List.of(Durability.RELAXED, Durability.DATA)) {
      try (LoopMount own = mountSmall();
          FileLayout opened = open(own.directory(), DirectIo.OFF, durability)) {
        store(opened, address("first", 1), payload(5000, 0));
        LoopMount.run(List.of("sync", "--file-system", own.directory().toString()));
        for (int i = 0; i < 10; i++) {
          store(opened, address("k" + i, 1), payload(5000, i));
        }
        try (LoopMount cut = own.afterPowerCut();
            FileLayout after = open(cut.directory())) {
          for (FoundChunk found : Layouts.scan(after)) {
            long generation = found.address().generation();
            assertEquals(1, generation);
            int seed =
                found.address().equals(address("first", 1))
                    ? 0
                    : Integer.parseInt(found.address().key().toString().substring(1));
            assertArrayEquals(payload(5000, seed), load(after, found.address(), 5000));
          }
          assertArrayEquals(payload(5000, 0), load(after, address("first", 1), 5000));
        }
      }
    }
  }

  @Test
  void piecesOfAFallocatedFileAreZeroUntilWrittenAndCountInFull() throws Exception {
    ChunkMedium.ChunkWrite write =
        layout.beginStore(address("a", 1), ChunkMetadata.EMPTY, 1 << 20, null);
    Path staged = staged(root).getFirst();
    long blocks = Long.parseLong(LoopMount.run(List.of("stat", "-c", "%b", staged.toString())));
    assertEquals(layout.physicalBytes(1 << 20), blocks * 512);
    write.write(0, MemorySegment.ofArray(payload(1 << 20, 1)), scratch);
    write.publish(scratch);
    assertArrayEquals(payload(1 << 20, 1), load(layout, address("a", 1), 1 << 20));
  }
}
