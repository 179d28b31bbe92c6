package io.weft.device;

import static io.weft.device.Layouts.address;
import static io.weft.device.Layouts.fails;
import static io.weft.device.Layouts.load;
import static io.weft.device.Layouts.open;
import static io.weft.device.Layouts.payload;
import static io.weft.device.Layouts.store;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Durability;
import io.weft.testing.LoopMount;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Opening: what is refused, with which words, and what is made. */
class StoreDirectoryTest {
  @TempDir Path folder;

  private void refused(Kind kind, Path path, String... words) {
    DeviceException refusal = fails(kind, () -> open(path).close());
    for (String word : words) {
      assertTrue(refusal.getMessage().contains(word), () -> word + " in: " + refusal.getMessage());
    }
  }

  @Test
  void anEmptyDirectoryBecomesAStore() throws Exception {
    Files.createDirectory(folder.resolve("lost+found"));
    open(folder).close();
    String format = Files.readString(folder.resolve("weft.format"));
    assertTrue(
        format.matches(
            "weft-store 1\nlayout file\nblock-bytes 4096\nstore [0-9a-f-]{36}\ncreated .*Z\n"),
        format);
    open(folder).close();
    assertEquals(format, Files.readString(folder.resolve("weft.format")));
  }

  @Test
  void aMissingDirectoryIsNotMade() {
    refused(Kind.NOT_FOUND, folder.resolve("none"), "no such directory", "create it");
    assertFalse(Files.exists(folder.resolve("none")));
  }

  @Test
  void aFileIsNoDirectory() throws Exception {
    refused(Kind.OTHER, Files.createFile(folder.resolve("file")), "a directory is needed");
  }

  @Test
  void aDirectoryOfOthersIsNotTouched() throws Exception {
    Files.writeString(folder.resolve("thesis.tex"), "years of work");
    refused(Kind.OTHER, folder, "holds 1 other", "thesis.tex", "empty directory");
    try (var files = Files.list(folder)) {
      assertEquals(1, files.count());
    }
  }

  @Test
  void onceItIsAStoreForeignFilesDoNoHarm() throws Exception {
    open(folder).close();
    Files.writeString(folder.resolve("note"), "mine");
    open(folder).close();
    assertEquals("mine", Files.readString(folder.resolve("note")));
  }

  @Test
  void anInterruptedFirstOpenIsTakenUp() throws Exception {
    Files.createFile(folder.resolve("weft.lock"));
    Files.createFile(folder.resolve("%staging-1234-format"));
    open(folder).close();
    assertTrue(Files.exists(folder.resolve("weft.format")));
    assertFalse(Files.exists(folder.resolve("%staging-1234-format")));
  }

  @Test
  void aSecondStoreIsToldWhoHasTheDirectory() throws Exception {
    try (FileLayout first = open(folder)) {
      assertEquals(folder, first.info().root());
      refused(
          Kind.NO_PERMISSION,
          folder,
          "another store",
          "pid " + ProcessHandle.current().pid(),
          "host ",
          "since 1970-01-01T00:16:40Z");
      store(first, address("a", 1), payload(10, 1));
    }
    try (FileLayout second = open(folder)) {
      assertArrayEquals(payload(10, 1), load(second, address("a", 1), 10));
    }
  }

  @Test
  void aLockThatADeadProcessLeftIsNoLock() throws Exception {
    open(folder).close();
    assertTrue(Files.readString(folder.resolve("weft.lock")).startsWith("pid "));
    open(folder).close();
  }

  @Test
  void aLaterLayoutIsRefusedUntouched() throws Exception {
    open(folder).close();
    Path format = folder.resolve("weft.format");
    Files.writeString(format, Files.readString(format).replace("weft-store 1", "weft-store 2"));
    Path leftover = Files.createFile(folder.resolve("%staging-later-1"));
    refused(Kind.OTHER, folder, "version 2", "up to 1");
    assertTrue(Files.exists(leftover));
  }

  @Test
  void aFormatFileThatCannotBeReadIsRefused() throws Exception {
    open(folder).close();
    Path format = folder.resolve("weft.format");
    String good = Files.readString(format);
    for (String bad :
        new String[] {
          "",
          "garbage",
          "weft-store x\n",
          "weft-store 0\nlayout file\nblock-bytes 4096\n",
          good.replace("layout file", "layout slab"),
          good.replace("block-bytes 4096", "block-bytes 512"),
        }) {
      Files.writeString(format, bad);
      refused(Kind.CORRUPT, folder, "weft.format cannot be used");
    }
    Files.writeString(format, good);
    open(folder).close();
  }

  @Test
  void linksInTheStoresOwnPlacesAreRefused() throws Exception {
    Path elsewhere = Files.createDirectory(folder.resolve("elsewhere"));
    for (String name : new String[] {"chunks", "quarantine", "weft.lock", "weft.format"}) {
      Path root = Files.createDirectory(folder.resolve("store-" + name));
      open(root).close();
      Path place = root.resolve(name);
      Path target = elsewhere.resolve(name);
      Files.move(place, target);
      Files.createSymbolicLink(place, target);
      DeviceException refusal = fails(expected(name), () -> open(root).close());
      assertTrue(refusal.getMessage().contains(name), refusal.getMessage());
    }
  }

  private static Kind expected(String name) {
    return switch (name) {
      case "weft.lock" -> Kind.OTHER;
      case "weft.format" -> Kind.CORRUPT;
      default -> Kind.NO_PERMISSION;
    };
  }

  @Test
  void theRootItselfMayBeALink() throws Exception {
    Path real = Files.createDirectory(folder.resolve("real"));
    Path link = Files.createSymbolicLink(folder.resolve("link"), real);
    open(link).close();
    assertTrue(Files.exists(real.resolve("weft.format")));
  }

  @Test
  void aDirectoryWithoutPermissionIsSaidSo() throws Exception {
    if (System.getProperty("user.name").equals("root")) {
      // Root may write wherever the mode forbids it, but not into what is immutable.
      try (LoopMount mount = LoopMount.ext4(16L << 20)) {
        Path fixed = Files.createDirectory(mount.directory().resolve("fixed"));
        LoopMount.run(List.of("chattr", "+i", fixed.toString()));
        refused(Kind.NO_PERMISSION, fixed, "may not read and write");
        LoopMount.run(List.of("chattr", "-i", fixed.toString()));
        open(fixed).close();
      }
      return;
    }
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("r-xr-xr-x"));
    try {
      refused(Kind.NO_PERMISSION, folder, "may not read and write");
    } finally {
      Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
  }

  @Test
  void whereDirectIoIsRefusedRequiredFailsAndPreferredSaysSo() throws Exception {
    // procfs takes no files, so: whatever shm is, the two settings agree with each other.
    Path memory = Path.of("/dev/shm");
    Assumptions.assumeTrue(Files.isWritable(memory), "there is no tmpfs");
    Path root = Files.createTempDirectory(memory, "weft");
    try {
      boolean direct;
      try (FileLayout preferred = open(root, DirectIo.PREFERRED, Durability.FULL)) {
        direct = preferred.info().directIo();
        assertEquals("tmpfs", preferred.info().filesystem());
        assertEquals(direct, preferred.info().directIoDetail().isEmpty());
        store(preferred, address("a", 1), payload(5000, 1));
        assertArrayEquals(payload(5000, 1), load(preferred, address("a", 1), 5000));
        preferred.probe();
      }
      if (direct) {
        open(root, DirectIo.REQUIRED, Durability.FULL).close();
      } else {
        DeviceException refusal =
            fails(Kind.OTHER, () -> open(root, DirectIo.REQUIRED, Durability.FULL));
        assertTrue(refusal.getMessage().contains("direct I/O"), refusal.getMessage());
        assertTrue(refusal.getMessage().contains("'preferred'"), refusal.getMessage());
      }
    } finally {
      try (var files = Files.walk(root)) {
        for (Path file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }
}
