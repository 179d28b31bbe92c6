package io.weft.device;

import static io.weft.device.Layouts.fails;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Counts are checked, and vectors go on where a short transfer ended. */
class DataFileTest {
  @TempDir Path folder;

  private Directory directory;

  @BeforeEach
  void open() {
    directory =
        new Directory(Posix.openat(Posix.AT_FDCWD, folder.toString(), Posix.O_DIRECTORY, 0), ".");
  }

  @AfterEach
  void close() {
    directory.close();
  }

  @Test
  void aFileThatEndsEarlyIsAShortTransferAndNoSuccess() throws Exception {
    Files.write(folder.resolve("short"), Layouts.payload(5000, 1));
    for (boolean direct : new boolean[] {false, true}) {
      DataFile file = openOrBuffered(direct);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment memory = arena.allocate(8192, 4096);
        IoVector vector = Posix.vector();
        vector.add(memory);
        DeviceException failure = fails(Kind.SHORT_TRANSFER, () -> file.read(vector, 0, memory));
        assertTrue(failure.deviceInDoubt());
        assertTrue(failure.getMessage().contains("5000 bytes"), failure.getMessage());
        assertTrue(failure.getMessage().contains("offset=0 length=8192"), failure.getMessage());
      } finally {
        file.close();
      }
    }
  }

  /** Where the temporary directory refuses direct I/O, the buffered way is tested twice. */
  private DataFile openOrBuffered(boolean direct) throws DeviceException {
    try {
      return directory.open("short", direct);
    } catch (DeviceException refused) {
      return directory.open("short", false);
    }
  }

  @Test
  void whatWasMovedIsNotMovedAgain() throws Exception {
    byte[] content = Layouts.payload(300, 1);
    Files.write(folder.resolve("file"), content);
    DataFile file = directory.open("file", false);
    try (Arena arena = Arena.ofConfined()) {
      for (int moved = 0; moved < 300; moved++) {
        MemorySegment memory = arena.allocate(1000);
        IoVector vector = Posix.vector();
        vector.add(memory.asSlice(0, 100));
        vector.add(memory.asSlice(300, 0));
        vector.add(memory.asSlice(400, 150));
        vector.add(memory.asSlice(700, 50));
        vector.advance(moved);
        assertEquals(300 - moved, vector.bytes());
        file.read(vector, moved, memory);
        for (int i = 0; i < 300; i++) {
          int at = i < 100 ? i : i < 250 ? i + 300 : i + 450;
          int expected = i < moved ? 0 : content[i];
          assertEquals(expected, memory.get(ValueLayout.JAVA_BYTE, at), moved + " at " + i);
        }
      }
    } finally {
      file.close();
    }
  }

  /** The kernel moves at most 2 GiB less a page in one call, whatever it is asked for. */
  @Test
  void aShortTransferGoesOnWhereItEnded() throws Exception {
    int fd = Posix.openat(Posix.AT_FDCWD, "/dev/null", Posix.O_WRONLY, 0);
    DataFile sink = new DataFile(directory, "null", fd, false);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(4096);
      IoVector vector = Posix.vector();
      for (int i = 0; i < 4; i++) {
        // The null device does not look at the bytes.
        vector.add(memory.address(), 600L << 20);
      }
      sink.write(vector, 0, memory);
      assertEquals((2400L << 20) - 0x7fff_f000L, vector.bytes());
    } finally {
      sink.close();
    }
  }

  @Test
  void aFailedWriteSaysWhereAndHowMuch() throws Exception {
    Files.createFile(folder.resolve("file"));
    DataFile file = directory.open("file", false);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(512);
      IoVector vector = Posix.vector();
      vector.add(memory);
      DeviceException failure = fails(Kind.OTHER, () -> file.write(vector, 4096, memory));
      assertEquals(
          "pwrite file offset=4096 length=512: Bad file descriptor (OTHER, errno 9)",
          failure.getMessage());
    } finally {
      file.close();
    }
  }

  @Test
  void memoryOfAnotherThreadsOrAClosedArenaNeverReachesTheKernel() throws Exception {
    Files.write(folder.resolve("file"), new byte[512]);
    DataFile file = directory.open("file", false);
    MemorySegment memory;
    IoVector vector = Posix.vector();
    try (Arena arena = Arena.ofConfined()) {
      memory = arena.allocate(512);
      vector.add(memory);
    }
    try {
      MemorySegment freed = memory;
      assertThrows(IllegalStateException.class, () -> file.read(vector, 0, freed));
    } finally {
      file.close();
    }
    assertArrayEquals(new byte[512], Files.readAllBytes(folder.resolve("file")));
  }
}
