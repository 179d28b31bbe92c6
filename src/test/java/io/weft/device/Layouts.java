package io.weft.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.Durability;
import io.weft.base.Ticker;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.function.Executable;

/** What the tests of the file layout share: opening, payloads, memory of every kind, files. */
final class Layouts {
  static final long PIECE = 1 << 20;

  private Layouts() {}

  static Ticker at(long epochMillis) {
    return new Ticker() {
      @Override
      public long nanoTime() {
        return 0;
      }

      @Override
      public long epochMillis() {
        return epochMillis;
      }
    };
  }

  static FileLayout open(Path root) throws DeviceException {
    return open(root, DirectIo.PREFERRED, Durability.RELAXED);
  }

  static FileLayout open(Path root, DirectIo direct, Durability durability) throws DeviceException {
    return (FileLayout) Layout.open(new LayoutSettings(root, direct, durability), at(1_000_000));
  }

  static ChunkAddress address(String key, long generation) {
    return new ChunkAddress(ChunkKey.of(key), generation, Chunks.NEVER);
  }

  static byte[] payload(long length, long seed) {
    byte[] bytes = new byte[(int) length];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  static void store(Layout layout, ChunkAddress address, byte[] payload) throws DeviceException {
    try (IoScratch scratch = new IoScratch(PIECE)) {
      layout.store(address, ChunkMetadata.EMPTY, MemorySegment.ofArray(payload), null, scratch);
    }
  }

  static byte[] load(Layout layout, ChunkAddress address, long length) throws DeviceException {
    byte[] bytes = new byte[(int) length];
    try (IoScratch scratch = new IoScratch(PIECE)) {
      layout.load(address, MemorySegment.ofArray(bytes), length, scratch);
    }
    return bytes;
  }

  static DeviceException fails(DeviceException.Kind kind, Executable call) {
    DeviceException failure = assertThrows(DeviceException.class, call);
    assertEquals(kind, failure.kind(), failure.getMessage());
    return failure;
  }

  static List<FoundChunk> scan(Layout layout) throws DeviceException {
    List<FoundChunk> found = Collections.synchronizedList(new ArrayList<>());
    layout.scan(4, found::addAll);
    return found;
  }

  static ScanReport scanReport(Layout layout) throws DeviceException {
    return layout.scan(2, batch -> {});
  }

  static Path file(Layout layout, ChunkAddress address) {
    return layout
        .info()
        .root()
        .resolve(LeafDirectories.path(ChunkName.leaf(address.key())))
        .resolve(ChunkName.of(address));
  }

  /** All files below a directory, but not the directories. */
  static List<Path> files(Path directory) {
    try (Stream<Path> files = Files.walk(directory)) {
      return files.filter(file -> !Files.isDirectory(file)).toList();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  static List<Path> quarantined(Path root) {
    return files(root.resolve("quarantine"));
  }

  static List<Path> staged(Path root) {
    return files(root).stream()
        .filter(file -> file.getFileName().toString().startsWith("%staging"))
        .toList();
  }

  /** Memory that a caller may come with. */
  enum Memory {
    HEAP {
      @Override
      MemorySegment allocate(Arena arena, long length) {
        return MemorySegment.ofArray(new byte[(int) length]);
      }
    },
    HEAP_OF_LONGS {
      @Override
      MemorySegment allocate(Arena arena, long length) {
        return MemorySegment.ofArray(new long[(int) (length / 8) + 2]).asSlice(3, length);
      }
    },
    MISALIGNED {
      @Override
      MemorySegment allocate(Arena arena, long length) {
        return arena.allocate(length + 4096, 4096).asSlice(512 + 1, length);
      }
    },
    ALIGNED {
      @Override
      MemorySegment allocate(Arena arena, long length) {
        return arena.allocate(Math.max(length, 1), 4096).asSlice(0, length);
      }
    },
    ALIGNED_WITH_ROOM {
      @Override
      MemorySegment allocate(Arena arena, long length) {
        return arena.allocate(ChunkFormat.roundUp(length) + 8192, 4096);
      }
    };

    /** At least {@code length} bytes; exactly as many, except with room. */
    abstract MemorySegment allocate(Arena arena, long length);

    MemorySegment holding(Arena arena, byte[] bytes) {
      MemorySegment memory = allocate(arena, bytes.length).asSlice(0, bytes.length);
      MemorySegment.copy(MemorySegment.ofArray(bytes), 0, memory, 0, bytes.length);
      return memory;
    }
  }

  static byte[] bytes(MemorySegment memory, long length) {
    byte[] bytes = new byte[(int) length];
    MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, 0, bytes, 0, bytes.length);
    return bytes;
  }
}
