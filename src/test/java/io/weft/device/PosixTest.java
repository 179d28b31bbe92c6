package io.weft.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PosixTest {
  @TempDir Path folder;

  @Test
  void thisMachineIsSupported() {
    assertNull(Posix.unsupported());
  }

  @ParameterizedTest
  @CsvSource({
    "5, IO_ERROR", "6, IO_ERROR", "19, IO_ERROR", "61, IO_ERROR", "67, IO_ERROR",
    "110, IO_ERROR", "117, IO_ERROR", "121, IO_ERROR", "28, NO_SPACE", "122, NO_SPACE",
    "30, READ_ONLY", "2, NOT_FOUND", "116, NOT_FOUND", "13, NO_PERMISSION", "1, NO_PERMISSION",
    "24, EXHAUSTED", "23, EXHAUSTED", "12, EXHAUSTED", "22, OTHER", "17, OTHER",
  })
  void errorNumbersBecomeWhatTheStoreReactsTo(int errno, Kind kind) {
    assertEquals(kind, Posix.kind(errno));
  }

  @Test
  void failuresSayWhatWasTriedWhereAndWhatTheKernelSaid() {
    DeviceException failure = Posix.failure("pwrite", "chunks/00/01/k~1", 4096, 8192, -28);
    assertEquals(
        "pwrite chunks/00/01/k~1 offset=4096 length=8192: No space left on device"
            + " (NO_SPACE, errno 28)",
        failure.getMessage());
    assertEquals(28, failure.errno());
  }

  @Test
  void aFailedCallAnswersItsErrorNumber() {
    assertEquals(-Posix.ENOENT, Posix.openat(Posix.AT_FDCWD, folder + "/none", Posix.O_RDONLY, 0));
    assertEquals(-9, Posix.fsync(-1));
  }

  @Test
  void statxReadsTheFieldsOfTheKernelsStructure() throws Exception {
    Path file = Files.write(folder.resolve("file"), new byte[5000]);
    int fd = Posix.openat(Posix.AT_FDCWD, file.toString(), Posix.O_RDONLY, 0);
    assertTrue(fd >= 0);
    try {
      assertEquals(0, Posix.statx(fd));
      assertEquals(5000, Posix.statSize());
      assertTrue(Posix.statIsRegularFile());
      int result = Posix.fsync(fd);
      assertEquals(0, result);
      assertEquals(0, Posix.statx(fd));
      long blocks = ((Number) Files.getAttribute(file, "unix:size")).longValue();
      assertEquals(5000, blocks);
      assertEquals(0, Posix.statPhysicalBytes() % 512);
      assertTrue(Posix.statPhysicalBytes() >= 5000);
      assertEquals(0, Posix.fstatfs(fd));
      assertEquals(Files.getFileStore(file).getTotalSpace(), Posix.filesystemTotalBytes());
    } finally {
      Posix.close(fd);
    }
    assertEquals(0, Posix.statx(Posix.AT_FDCWD, folder.toString()));
    assertTrue(Posix.statIsDirectory());
  }

  @Test
  void aPathThatLeadsOutOrOverALinkIsNotOpened() throws Exception {
    Files.createDirectories(folder.resolve("a/b"));
    Files.createSymbolicLink(folder.resolve("a/link"), Path.of("b"));
    Files.createSymbolicLink(folder.resolve("alias"), Path.of("a"));
    int root = Posix.openat(Posix.AT_FDCWD, folder.toString(), Posix.O_DIRECTORY, 0);
    try {
      int fd = Posix.openBeneath(root, "a/b", Posix.O_RDONLY | Posix.O_DIRECTORY);
      assertTrue(fd >= 0, () -> "openat2 gave " + fd);
      Posix.close(fd);
      for (String path : new String[] {"a/link", "alias/b", "../", "/tmp"}) {
        assertTrue(Posix.openBeneath(root, path, Posix.O_RDONLY | Posix.O_DIRECTORY) < 0, path);
      }
    } finally {
      Posix.close(root);
    }
  }

  @Test
  void namesThatNoFileCanHaveAreRefusedBeforeTheKernelSeesThem() {
    assertThrows(
        IllegalArgumentException.class,
        () -> Posix.openat(Posix.AT_FDCWD, "a\0b", Posix.O_RDONLY, 0));
    assertThrows(
        IllegalArgumentException.class,
        () -> Posix.openat(Posix.AT_FDCWD, "x".repeat(5000), Posix.O_RDONLY, 0));
  }
}
