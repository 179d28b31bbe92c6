package io.weft.device;

import static io.weft.device.Layouts.fails;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.DeviceException.Kind;
import io.weft.device.LeafDirectories.Leaf;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** With openat2 and without, as on kernels and in sandboxes that do not have it. */
class LeafDirectoriesTest {
  @TempDir Path folder;

  private Directory root;
  private Directory chunks;

  @BeforeEach
  void open() throws Exception {
    Files.createDirectory(folder.resolve("chunks"));
    int flags = Posix.O_RDONLY | Posix.O_DIRECTORY;
    root = new Directory(Posix.openat(Posix.AT_FDCWD, folder.toString(), flags, 0), ".");
    chunks = new Directory(Posix.openat(root.fd(), "chunks", flags, 0), "chunks");
  }

  @AfterEach
  void close() {
    chunks.close();
    root.close();
  }

  private LeafDirectories leaves(boolean resolvesBeneath, int keptMax) {
    return new LeafDirectories(root, chunks, resolvesBeneath, true, keptMax);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void directoriesAreMadeWhenNeededAndStayOpen(boolean resolvesBeneath) throws Exception {
    LeafDirectories leaves = leaves(resolvesBeneath, 10);
    assertNull(leaves.open(0xfff));
    assertFalse(Files.exists(folder.resolve("chunks/3f")));
    Leaf made = leaves.openOrCreate(0xfff);
    assertTrue(made.kept());
    assertTrue(Files.isDirectory(folder.resolve("chunks/3f/3f")));
    assertSame(made, leaves.open(0xfff));
    made.release();
    assertEquals(0, Posix.statx(made.directory().fd()));
    leaves.close();
    assertTrue(Posix.statx(made.directory().fd()) < 0);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void beyondTheLimitEachUseOpensItsOwn(boolean resolvesBeneath) throws Exception {
    LeafDirectories leaves = leaves(resolvesBeneath, 2);
    leaves.openOrCreate(1).release();
    leaves.openOrCreate(2).release();
    Leaf third = leaves.openOrCreate(3);
    assertFalse(third.kept());
    assertEquals("chunks/00/03", third.directory().path());
    third.release();
    assertTrue(Posix.statx(third.directory().fd()) < 0);
    assertNotNull(leaves.open(1)).release();
    leaves.close();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void linksAndFilesAreNotEntered(boolean resolvesBeneath) throws Exception {
    LeafDirectories leaves = leaves(resolvesBeneath, 10);
    Files.createDirectories(folder.resolve("elsewhere/05"));
    Files.createDirectory(folder.resolve("chunks/00"));
    Files.createSymbolicLink(folder.resolve("chunks/00/04"), Path.of("../../elsewhere/05"));
    Files.createSymbolicLink(folder.resolve("chunks/01"), Path.of("../elsewhere"));
    Files.createFile(folder.resolve("chunks/00/06"));
    for (int number : new int[] {4, 64 + 5, 6}) {
      fails(Kind.NO_PERMISSION, () -> leaves.open(number));
      fails(Kind.NO_PERMISSION, () -> leaves.openOrCreate(number));
    }
    leaves.close();
  }

  private static Leaf assertNotNull(Leaf leaf) {
    org.junit.jupiter.api.Assertions.assertNotNull(leaf);
    return leaf;
  }
}
