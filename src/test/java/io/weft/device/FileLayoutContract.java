package io.weft.device;

import static io.weft.device.Layouts.address;
import static io.weft.device.Layouts.bytes;
import static io.weft.device.Layouts.fails;
import static io.weft.device.Layouts.file;
import static io.weft.device.Layouts.load;
import static io.weft.device.Layouts.open;
import static io.weft.device.Layouts.payload;
import static io.weft.device.Layouts.quarantined;
import static io.weft.device.Layouts.scan;
import static io.weft.device.Layouts.scanReport;
import static io.weft.device.Layouts.staged;
import static io.weft.device.Layouts.store;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Durability;
import io.weft.device.ChunkMedium.ChunkRead;
import io.weft.device.ChunkMedium.ChunkWrite;
import io.weft.device.Layouts.Memory;
import io.weft.testing.LoopMount;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the file layout promises on any filesystem; the subclasses say on which. */
abstract class FileLayoutContract extends LayoutContract {
  @Override
  LayoutSettings.Kind kind() {
    return new LayoutSettings.Files();
  }

  @Override
  ChunkAddress at(String key, long generation, long length) {
    return address(key, generation);
  }

  @ParameterizedTest
  @EnumSource(Memory.class)
  void payloadsComeBackFromAndIntoAnyMemory(Memory memory) throws Exception {
    for (DirectIo direct : List.of(DirectIo.PREFERRED, DirectIo.OFF)) {
      reopen(direct, Durability.RELAXED);
      for (long size : SIZES) {
        ChunkAddress address = address(direct + "/" + size, 1 + size);
        byte[] payload = payload(size, size);
        try (Arena arena = Arena.ofConfined()) {
          MemorySegment source = memory.holding(arena, payload);
          layout.store(address, ChunkMetadata.EMPTY, source, null, scratch);
          byte[] content = Files.readAllBytes(file(layout, address));
          assertEquals(ChunkFormat.fileBytes(size), content.length);
          for (int at = 4096 + (int) size; at < content.length; at++) {
            assertEquals(0, content[at], "padding at " + at);
          }
          for (Memory target : Memory.values()) {
            MemorySegment loaded = target.allocate(arena, size);
            layout.load(address, loaded, size, scratch);
            assertArrayEquals(payload, bytes(loaded, size), size + " into " + target);
          }
        }
      }
    }
  }

  @Test
  void everyKeyThatIsLegalComesBack() throws Exception {
    Set<ChunkKey> keys =
        IntStream.range(0, 256)
            .mapToObj(value -> ChunkKey.of(new byte[] {(byte) value}))
            .collect(Collectors.toSet());
    for (String text :
        List.of("..", "/", "../../etc/passwd", "a/b", "\0", "é", "%staging-x-0", "k~1", "#")) {
      keys.add(ChunkKey.of(text));
    }
    for (int length : new int[] {80, 84, 85, 250, 251, 252, 253, 254, 255, 256, 2047, 2048}) {
      for (char fill : new char[] {'a', '/', '\0'}) {
        keys.add(ChunkKey.of(String.valueOf(fill).repeat(length)));
      }
    }
    byte[] all = new byte[256];
    for (int value = 0; value < 256; value++) {
      all[value] = (byte) value;
    }
    keys.add(ChunkKey.of(all));
    for (ChunkKey key : keys) {
      store(layout, new ChunkAddress(key, 3, Chunks.NEVER), key.toBytes());
    }
    reopen(DirectIo.PREFERRED, Durability.RELAXED);
    Set<ChunkKey> found =
        scan(layout).stream().map(chunk -> chunk.address().key()).collect(Collectors.toSet());
    assertEquals(keys, found);
    for (ChunkKey key : keys) {
      ChunkAddress address = new ChunkAddress(key, 3, Chunks.NEVER);
      assertArrayEquals(key.toBytes(), load(layout, address, key.length()));
    }
    assertEquals(List.of(), quarantined(root));
  }

  @Test
  void whatIsNotThereIsNotFound() throws Exception {
    fails(Kind.NOT_FOUND, () -> load(layout, address("none", 1), 10));
    fails(Kind.NOT_FOUND, () -> layout.beginLoad(address("none", 1), 10, scratch));
    fails(Kind.NOT_FOUND, () -> layout.block(address("none", 1), scratch));
    fails(Kind.NOT_FOUND, () -> layout.changeExpiry(address("none", 1), 10));
    assertFalse(layout.delete(address("none", 1)));
    assertEquals(0, layout.quarantine(address("none", 1)));
    store(layout, address("k", 2), payload(10, 1));
    fails(Kind.NOT_FOUND, () -> load(layout, address("k", 1), 10));
    fails(Kind.NOT_FOUND, () -> layout.changeExpiry(address("k", 3), Chunks.NEVER));
    assertFalse(layout.delete(address("k", 3)));
    assertArrayEquals(payload(10, 1), load(layout, address("k", 2), 10));
  }

  @Test
  void aLoadGoesOnOverADeletedFile() throws Exception {
    byte[] payload = payload(9000, 1);
    store(layout, address("k", 1), payload);
    ChunkRead read = layout.beginLoad(address("k", 1), 9000, scratch);
    assertTrue(layout.delete(address("k", 1)));
    MemorySegment target = MemorySegment.ofArray(new byte[9000]);
    read.read(0, target, 0, scratch);
    read.verify();
    read.close();
    assertArrayEquals(payload, bytes(target, 9000));
  }

  @Test
  void aChunkIsPublishedOnceAndNeverOverAnother() throws Exception {
    ChunkWrite first = layout.beginStore(address("k", 1), ChunkMetadata.EMPTY, 0, null);
    first.publish(scratch);
    assertThrows(IllegalStateException.class, () -> first.publish(scratch));
    ChunkWrite second = layout.beginStore(address("k", 1), ChunkMetadata.EMPTY, 4096, null);
    second.write(0, MemorySegment.ofArray(payload(4096, 1)), scratch);
    fails(Kind.OTHER, () -> second.publish(scratch));
    second.abandon();
    assertArrayEquals(new byte[0], load(layout, address("k", 1), 0));
    assertEquals(List.of(), staged(root));
  }

  @Test
  void filesAndDirectoriesAreTheOwnersAlone() throws Exception {
    store(layout, address("k", 1), payload(10, 1));
    Path file = file(layout, address("k", 1));
    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
    for (Path directory : List.of(file.getParent(), file.getParent().getParent())) {
      assertEquals(
          "rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(directory)));
    }
  }

  @Test
  void aRemovedDirectoryIsMadeAgain() throws Exception {
    store(layout, address("k", 1), payload(10, 1));
    Path leaf = file(layout, address("k", 1)).getParent();
    layout.delete(address("k", 1));
    Files.delete(leaf);
    fails(Kind.NOT_FOUND, () -> load(layout, address("k", 1), 10));
    store(layout, address("k", 2), payload(10, 2));
    assertArrayEquals(payload(10, 2), load(layout, address("k", 2), 10));
  }

  @Test
  void physicalBytesAreWhatTheFilesystemCounts() throws Exception {
    for (long size : SIZES) {
      store(layout, address("one " + size, 1), payload(size, 1));
      ChunkWrite write =
          layout.beginStore(address("two " + size, 1), ChunkMetadata.EMPTY, size, null);
      if (size > 0) {
        write.write(0, MemorySegment.ofArray(payload(size, 1)), scratch);
      }
      write.publish(scratch);
    }
    List<FoundChunk> found = scan(layout);
    assertEquals(2 * SIZES.length, found.size());
    // Delayed allocation shows less until the blocks are written out.
    if (layout.info().directIo()) {
      layout.verify(
          1,
          false,
          new VerifySink() {
            @Override
            public void file(VerifiedFile file) {
              assertEquals(
                  layout.physicalBytes(file.payloadBytes()), file.physicalBytes(), file::path);
            }

            @Override
            public void progress(int done, int parts) {}
          });
    }
  }

  // Recycling.

  /** Stores a chunk in the file of another, in one go or in pieces. */
  private void storeOver(ChunkAddress old, ChunkAddress address, byte[] payload, boolean pieces)
      throws Exception {
    if (!pieces) {
      layout.store(address, ChunkMetadata.EMPTY, MemorySegment.ofArray(payload), old, scratch);
      return;
    }
    ChunkWrite write = layout.beginStore(address, ChunkMetadata.EMPTY, payload.length, old);
    assertFalse(Files.exists(file(layout, old), LinkOption.NOFOLLOW_LINKS));
    for (int at = 0; at < payload.length; at += 65536) {
      byte[] piece = Arrays.copyOfRange(payload, at, Math.min(at + 65536, payload.length));
      write.write(at, MemorySegment.ofArray(piece), scratch);
    }
    write.publish(scratch);
  }

  private static Object inode(Path file) throws IOException {
    return Files.getAttribute(file, "unix:ino");
  }

  @ParameterizedTest
  @EnumSource(Durability.class)
  void aRetiredChunksFileBecomesTheNewChunks(Durability durability) throws Exception {
    for (DirectIo direct : List.of(DirectIo.PREFERRED, DirectIo.OFF)) {
      for (boolean pieces : new boolean[] {false, true}) {
        reopen(direct, durability);
        String run = direct + "/" + pieces + "/";
        for (int i = 0; i < 20; i++) {
          ChunkAddress old = address(run + "old " + i, 1);
          ChunkAddress next = address(run + "next " + i, 2);
          store(layout, old, payload(200_000, i));
          LoopMount.run(List.of("sync", "--file-system", root.toString()));
          Object inode = inode(file(layout, old));
          // Another length, the same room.
          byte[] payload = payload(199_000 - i, 100 + i);
          storeOver(old, next, payload, pieces);
          assertEquals(inode, inode(file(layout, next)));
          assertFalse(Files.exists(file(layout, old)));
          fails(Kind.NOT_FOUND, () -> load(layout, old, 200_000));
          assertArrayEquals(payload, load(layout, next, payload.length));
        }
        assertEquals(List.of(), staged(root));
      }
    }
    ScanReport report = scanReport(layout);
    assertEquals(80, report.chunks());
    assertEquals(0, report.quarantined());
  }

  /** Nobody reserved the room of a new file. */
  @Test
  void whereARetiredChunksFileIsGoneNothingIsStored() throws Exception {
    for (boolean pieces : new boolean[] {false, true}) {
      ChunkAddress old = address("old", 1);
      ChunkAddress next = address("next", 2);
      store(layout, old, payload(40_000, 1));
      Files.delete(file(layout, old));
      fails(Kind.NOT_FOUND, () -> storeOver(old, next, payload(40_001, 2), pieces));
      assertFalse(Files.exists(file(layout, next)));
      assertEquals(List.of(), staged(root));
    }
  }

  /** What may stand where a recycled chunk's file should. */
  static Stream<Named<Damage>> plants() {
    return Stream.of(
        Named.of("shorter", resize(-4096)),
        Named.of("longer", resize(4096)),
        Named.of(
            "holes",
            file -> {
              Files.delete(file);
              try (var channel =
                  FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                channel.write(ByteBuffer.allocate(1), 4096 + 40_960 - 1);
              }
            }),
        Named.of(
            "a directory",
            file -> {
              Files.delete(file);
              Files.createDirectory(file);
              Files.writeString(file.resolve("notes"), "mine");
            }),
        Named.of(
            "a link",
            file -> {
              Path elsewhere = Files.createTempFile("elsewhere", "");
              Files.write(elsewhere, Files.readAllBytes(file));
              Files.delete(file);
              Files.createSymbolicLink(file, elsewhere);
            }),
        Named.of(
            "a pipe",
            file -> {
              Files.delete(file);
              LoopMount.run(List.of("mkfifo", file.toString()));
            }));
  }

  @ParameterizedTest
  @MethodSource("plants")
  void whatIsNotARetiredChunksFileIsNotWrittenTo(Damage plant) throws Exception {
    for (boolean pieces : new boolean[] {false, true}) {
      ChunkAddress old = address("old", 1);
      ChunkAddress next = address("next " + pieces, 2);
      store(layout, old, payload(40_000, 1));
      Path file = file(layout, old);
      plant.to(file);
      Path elsewhere = Files.isSymbolicLink(file) ? Files.readSymbolicLink(file) : null;
      byte[] before = elsewhere == null ? new byte[0] : Files.readAllBytes(elsewhere);
      storeOver(old, next, payload(40_001, 2), pieces);
      assertFalse(Files.exists(file, LinkOption.NOFOLLOW_LINKS));
      assertArrayEquals(payload(40_001, 2), load(layout, next, 40_001));
      assertFalse(layout.delete(old));
      if (elsewhere != null) {
        assertArrayEquals(before, Files.readAllBytes(elsewhere));
        Files.delete(elsewhere);
      }
      for (Path aside : quarantined(root)) {
        assertEquals("mine", Files.readString(aside));
      }
    }
    assertEquals(List.of(), staged(root));
    assertEquals(2, scanReport(layout).chunks());
  }

  @Test
  void aFileWithAnotherNameIsNotOverwritten() throws Exception {
    store(layout, address("old", 1), payload(40_000, 1));
    Path copy = root.resolve("copy");
    Files.createLink(copy, file(layout, address("old", 1)));
    byte[] before = Files.readAllBytes(copy);
    storeOver(address("old", 1), address("next", 2), payload(40_000, 2), false);
    assertArrayEquals(before, Files.readAllBytes(copy));
    assertArrayEquals(payload(40_000, 2), load(layout, address("next", 2), 40_000));
    assertFalse(Files.exists(file(layout, address("old", 1))));
  }

  @ParameterizedTest
  @EnumSource(Durability.class)
  void aRecycledChunkIsGoneThoughTheStoreFails(Durability durability) throws Exception {
    reopen(DirectIo.PREFERRED, durability);
    ChunkAddress old = address("old", 1);
    store(layout, address("there", 2), payload(40_000, 2));
    store(layout, old, payload(40_000, 1));
    fails(Kind.OTHER, () -> storeOver(old, address("there", 2), payload(40_000, 3), false));
    fails(Kind.NOT_FOUND, () -> load(layout, old, 40_000));

    store(layout, old, payload(40_000, 1));
    ChunkWrite gap = layout.beginStore(address("gap", 3), ChunkMetadata.EMPTY, 40_000, old);
    gap.write(0, MemorySegment.ofArray(payload(4096, 1)), scratch);
    assertThrows(IllegalStateException.class, () -> gap.publish(scratch));
    gap.abandon();
    fails(Kind.NOT_FOUND, () -> load(layout, old, 40_000));
    fails(Kind.NOT_FOUND, () -> load(layout, address("gap", 3), 40_000));

    store(layout, old, payload(40_000, 1));
    layout.beginStore(address("given up", 4), ChunkMetadata.EMPTY, 40_000, old).abandon();
    assertEquals(List.of(), staged(root));
    assertArrayEquals(payload(40_000, 2), load(layout, address("there", 2), 40_000));
    assertEquals(1, scanReport(layout).chunks());
  }

  @Test
  void aCrashWithARecycledFileLeavesNothingOfEitherChunk() throws Exception {
    store(layout, address("old", 1), payload(40_000, 1));
    ChunkWrite dead =
        layout.beginStore(address("next", 2), ChunkMetadata.EMPTY, 40_000, address("old", 1));
    dead.write(0, MemorySegment.ofArray(payload(8192, 2)), scratch);
    Path left = staged(root).getFirst();
    byte[] bytes = Files.readAllBytes(left);
    dead.abandon();
    // A staging name of another process.
    Files.write(left.resolveSibling("%staging-dead-0"), bytes);
    reopen(DirectIo.PREFERRED, Durability.RELAXED);
    ScanReport report = scanReport(layout);
    assertEquals(1, report.stagingRemoved());
    assertEquals(0, report.chunks() + report.quarantined());
  }

  // Damage.

  interface Damage {
    void to(Path file) throws IOException;
  }

  private static Damage flip(long at) {
    return file -> {
      byte[] bytes = Files.readAllBytes(file);
      bytes[(int) at] ^= 0x10;
      Files.write(file, bytes);
    };
  }

  private static Damage sealed(int at, long value, int bytes) {
    return file -> {
      ByteBuffer content =
          ByteBuffer.wrap(Files.readAllBytes(file)).order(java.nio.ByteOrder.LITTLE_ENDIAN);
      if (bytes == 4) {
        content.putInt(at, (int) value);
      } else {
        content.putLong(at, value);
      }
      content.putInt(4092, Crc32c.of(content.array(), 0, 4092));
      Files.write(file, content.array());
    };
  }

  private static Damage resize(long by) {
    return file -> {
      byte[] bytes = Files.readAllBytes(file);
      Files.write(file, Arrays.copyOf(bytes, (int) (bytes.length + by)));
    };
  }

  static Stream<Named<Damage>> damages() {
    return Stream.of(
        Named.of("magic", flip(0)),
        Named.of("version", flip(8)),
        Named.of("block length", flip(13)),
        Named.of("payload length", flip(16)),
        Named.of("generation", flip(24)),
        Named.of("payload sum", flip(33)),
        Named.of("key length", flip(36)),
        Named.of("metadata length", flip(38)),
        Named.of("stored at", flip(41)),
        Named.of("flags", flip(48)),
        Named.of("reserved", flip(60)),
        Named.of("key", flip(64)),
        Named.of("metadata", flip(67)),
        Named.of("padding", flip(3000)),
        Named.of("block sum", flip(4094)),
        Named.of("sealed generation", sealed(24, 99, 8)),
        Named.of("sealed length of other file", sealed(16, 50_000, 8)),
        Named.of("sealed key", sealed(64, 0x7a7a7a7a, 4)),
        Named.of("cut short", resize(-4096)),
        Named.of("cut by a byte", resize(-1)),
        Named.of("cut into the block", resize(-8192 - 100)),
        Named.of("empty", resize(-12288)),
        Named.of("extended", resize(4096)),
        Named.of("extended by a byte", resize(1)),
        Named.of("zeros", file -> Files.write(file, new byte[12288])),
        Named.of("noise", file -> Files.write(file, payload(12288, 9))));
  }

  @ParameterizedTest
  @MethodSource("damages")
  void aDamagedBlockIsNeverServedAndTheScanMovesItAway(Damage damage) throws Exception {
    ChunkMetadata metadata = ChunkMetadata.of(new byte[] {1, 2, 3});
    MemorySegment source = MemorySegment.ofArray(payload(5000, 1));
    layout.store(address("key", 1), metadata, source, null, scratch);
    store(layout, address("other", 2), payload(5000, 2));
    damage.to(file(layout, address("key", 1)));
    for (DirectIo direct : List.of(DirectIo.PREFERRED, DirectIo.OFF)) {
      reopen(direct, Durability.RELAXED);
      fails(Kind.CORRUPT, () -> load(layout, address("key", 1), 5000));
      fails(Kind.CORRUPT, () -> layout.beginLoad(address("key", 1), 5000, scratch));
      fails(Kind.CORRUPT, () -> layout.block(address("key", 1), scratch));
    }
    List<FoundChunk> found = new ArrayList<>();
    ScanReport report = layout.scan(2, found::addAll);
    assertEquals(1, report.quarantined());
    assertEquals(1, report.chunks());
    assertEquals(address("other", 2), found.getFirst().address());
    assertEquals(1, quarantined(root).size());
    fails(Kind.NOT_FOUND, () -> load(layout, address("key", 1), 5000));
    assertArrayEquals(payload(5000, 2), load(layout, address("other", 2), 5000));
  }

  @Test
  void aChunkOfAnotherLengthIsNeverServed() throws Exception {
    store(layout, address("key", 1), payload(5000, 1));
    fails(Kind.CORRUPT, () -> load(layout, address("key", 1), 4999));
    fails(Kind.CORRUPT, () -> load(layout, address("key", 1), 50_000));
    fails(Kind.CORRUPT, () -> layout.beginLoad(address("key", 1), 5001, scratch));
    assertArrayEquals(payload(5000, 1), load(layout, address("key", 1), 5000));
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 2500, 4095, 4096, 4999})
  void aFlippedPayloadBitIsNeverServed(long at) throws Exception {
    store(layout, address("key", 1), payload(5000, 1));
    flip(4096 + at).to(file(layout, address("key", 1)));
    fails(Kind.CORRUPT, () -> load(layout, address("key", 1), 5000));
    ChunkRead read = layout.beginLoad(address("key", 1), 5000, scratch);
    try (Arena arena = Arena.ofConfined()) {
      read.read(4096, Memory.MISALIGNED.allocate(arena, 904), 0, scratch);
      read.read(0, Memory.ALIGNED.allocate(arena, 4096), 0, scratch);
      fails(Kind.CORRUPT, read::verify);
    } finally {
      read.close();
    }
    assertTrue(layout.quarantine(address("key", 1)) >= 12288);
    assertEquals(1, quarantined(root).size());
    fails(Kind.NOT_FOUND, () -> load(layout, address("key", 1), 5000));
  }

  @Test
  void swappedFilesAreNeverServed() throws Exception {
    store(layout, address("a", 1), payload(5000, 1));
    store(layout, address("b", 1), payload(5000, 2));
    Path spare = root.resolve("spare");
    Files.move(file(layout, address("a", 1)), spare);
    Files.move(file(layout, address("b", 1)), file(layout, address("a", 1)));
    Files.move(spare, file(layout, address("b", 1)));
    fails(Kind.CORRUPT, () -> load(layout, address("a", 1), 5000));
    fails(Kind.CORRUPT, () -> load(layout, address("b", 1), 5000));
    assertEquals(2, scanReport(layout).quarantined());
  }

  @Test
  void anOlderGenerationUnderANewerNameIsNeverServed() throws Exception {
    store(layout, address("a", 1), payload(5000, 1));
    Files.move(file(layout, address("a", 1)), file(layout, address("a", 2)));
    fails(Kind.CORRUPT, () -> load(layout, address("a", 2), 5000));
    assertEquals(1, scanReport(layout).quarantined());
  }

  @Test
  void aChunkInAnotherDirectoryIsMovedAway() throws Exception {
    store(layout, address("a", 1), payload(5000, 1));
    store(layout, address("b", 1), payload(5000, 2));
    Path file = file(layout, address("a", 1));
    Files.move(file, file(layout, address("b", 1)).resolveSibling(file.getFileName()));
    ScanReport report = scanReport(layout);
    assertEquals(1, report.quarantined());
    assertEquals(1, report.chunks());
  }

  @Test
  void aLaterVersionIsNeitherServedNorTouched() throws Exception {
    store(layout, address("a", 1), payload(5000, 1));
    store(layout, address("b", 1), payload(5000, 2));
    Path later = file(layout, address("a", 1));
    sealed(8, 2, 4).to(later);
    byte[] before = Files.readAllBytes(later);
    assertTrue(
        fails(Kind.NOT_FOUND, () -> load(layout, address("a", 1), 5000))
            .getMessage()
            .contains("version 2"));
    ScanReport report = scanReport(layout);
    assertEquals(1, report.laterVersion());
    assertTrue(report.laterVersionBytes() >= 12288, report::toString);
    assertEquals(1, report.chunks());
    assertEquals(0, report.quarantined());
    assertArrayEquals(before, Files.readAllBytes(later));
  }

  @Test
  void foreignFilesAreLeftAlone() throws Exception {
    store(layout, address("a", 1), payload(5000, 1));
    Path leaf = file(layout, address("a", 1)).getParent();
    List<Path> foreign =
        List.of(
            leaf.resolve("README"),
            leaf.resolve("a~01"),
            leaf.resolve("naïve name"),
            leaf.getParent().resolve("notes"),
            root.resolve("chunks/notes"),
            root.resolve("notes"),
            root.resolve("quarantine/notes"));
    for (Path file : foreign) {
      Files.writeString(file, "mine");
    }
    Files.createDirectory(leaf.resolve("b~1"));
    Files.createDirectory(root.resolve("chunks/40"));
    Files.createDirectory(leaf.getParent().resolve("zz"));
    ScanReport report = scanReport(layout);
    assertEquals(8, report.foreign());
    assertEquals(1, report.chunks());
    assertEquals(0, report.quarantined());
    layout.pruneQuarantine(0);
    reopen(DirectIo.PREFERRED, Durability.RELAXED);
    for (Path file : foreign) {
      assertEquals("mine", Files.readString(file));
    }
  }

  // What somebody may plant.

  @Test
  void aPlantedLinkInAChunksPlaceIsNotFollowed() throws Exception {
    store(layout, address("a", 1), payload(5000, 1));
    Path elsewhere = emptyDirectory().resolve("elsewhere");
    Path file = file(layout, address("a", 1));
    Files.move(file, elsewhere);
    Files.createSymbolicLink(file, elsewhere);
    fails(Kind.CORRUPT, () -> load(layout, address("a", 1), 5000));
    ScanReport report = scanReport(layout);
    assertEquals(0, report.chunks());
    assertEquals(1, report.foreign());
    assertTrue(layout.delete(address("a", 1)));
    assertTrue(Files.exists(elsewhere), "the link is removed, not what it leads to");
  }

  @Test
  void otherThingsInAChunksPlaceAreNotWaitedFor() throws Exception {
    Path file = file(layout, address("a", 1));
    Files.createDirectories(file.getParent());
    Files.createDirectory(file);
    fails(Kind.CORRUPT, () -> load(layout, address("a", 1), 5000));
    Files.delete(file);
    assertEquals(0, new ProcessBuilder("mkfifo", file.toString()).start().waitFor());
    fails(Kind.CORRUPT, () -> load(layout, address("a", 1), 5000));
    assertEquals(1, scanReport(layout).foreign());
  }

  @Test
  void aPlantedLinkInADirectorysPlaceIsNotFollowed() throws Exception {
    Path elsewhere = emptyDirectory();
    Path leaf = file(layout, address("a", 1)).getParent();
    Files.createDirectories(leaf.getParent());
    Files.createSymbolicLink(leaf, elsewhere);
    fails(Kind.NO_PERMISSION, () -> store(layout, address("a", 1), payload(10, 1)));
    fails(Kind.NO_PERMISSION, () -> load(layout, address("a", 1), 10));
    assertEquals(1, scanReport(layout).foreign());
    assertEquals(List.of(), Layouts.files(elsewhere));

    Files.delete(leaf);
    Files.delete(leaf.getParent());
    Files.createSymbolicLink(leaf.getParent(), elsewhere);
    fails(Kind.NO_PERMISSION, () -> store(layout, address("a", 1), payload(10, 1)));
    assertEquals(1, scanReport(layout).foreign());
    assertEquals(List.of(), Layouts.files(elsewhere));
  }

  // Start.

  @Test
  void leftoversOfADeadStoreAreRemovedAndThoseOfThisOneAreNot() throws Exception {
    ChunkWrite dead = layout.beginStore(address("a", 1), ChunkMetadata.EMPTY, 10_000, null);
    dead.write(0, MemorySegment.ofArray(payload(10_000, 1)), scratch);
    Path leftover = staged(root).getFirst();
    Path copy = leftover.resolveSibling(leftover.getFileName().toString().replace("-0", "-9"));
    byte[] content = Files.readAllBytes(leftover);
    dead.publish(scratch);
    reopen(DirectIo.PREFERRED, Durability.RELAXED);
    Files.write(copy, content);
    Files.write(root.resolve(leftover.getFileName()), content);
    ChunkWrite own = layout.beginStore(address("b", 1), ChunkMetadata.EMPTY, 0, null);
    ScanReport report = scanReport(layout);
    assertEquals(1, report.stagingRemoved());
    assertEquals(1, report.chunks());
    assertFalse(Files.exists(copy));
    own.publish(scratch);
    assertArrayEquals(new byte[0], load(layout, address("b", 1), 0));
    reopen(DirectIo.PREFERRED, Durability.RELAXED);
    assertEquals(List.of(), staged(root), "leftovers in the root go when the store is opened");
  }

  @Test
  void aScanHandsOverThousandsInBatchesOneCallAtATime() throws Exception {
    int count = 3000;
    for (int i = 0; i < count; i++) {
      store(layout, address("key " + i, i + 1), payload(i % 7, i));
    }
    AtomicBoolean inside = new AtomicBoolean();
    List<FoundChunk> found = new ArrayList<>();
    ScanReport report =
        layout.scan(
            4,
            batch -> {
              assertTrue(inside.compareAndSet(false, true), "two calls at a time");
              assertTrue(batch.size() <= 1024 && !batch.isEmpty());
              found.addAll(batch);
              for (int i = 0; i < 1_000_000; i++) {
                Thread.onSpinWait();
              }
              inside.set(false);
            });
    assertEquals(count, report.chunks());
    assertEquals(
        IntStream.range(0, count).mapToLong(i -> i % 7).sum(),
        found.stream().mapToLong(FoundChunk::payloadLength).sum());
    assertEquals(
        IntStream.range(0, count)
            .mapToObj(i -> address("key " + i, i + 1))
            .collect(Collectors.toSet()),
        found.stream().map(FoundChunk::address).collect(Collectors.toSet()));
    assertEquals(count, found.size());
  }

  // Quarantine.

  @Test
  void theOldestOfTheQuarantineGoFirst() throws Exception {
    layout.close();
    for (int i = 1; i <= 4; i++) {
      LayoutSettings settings = new LayoutSettings(root, DirectIo.PREFERRED, Durability.FULL);
      // The times come in another order than the names.
      try (Layout then = Layout.open(settings, Layouts.at(10_000 - i))) {
        store(then, address("x".repeat(i * 100), 1), payload(4096, i));
        assertEquals(8192, then.quarantine(address("x".repeat(i * 100), 1)));
      }
    }
    layout = open(root);
    assertEquals(4, quarantined(root).size());
    assertEquals(4 * 8192, layout.pruneQuarantine(1 << 20));
    assertEquals(2 * 8192, layout.pruneQuarantine(3 * 8192 - 1));
    Set<String> left =
        quarantined(root).stream()
            .map(file -> file.getFileName().toString().replaceAll(".*!([0-9a-f]+)-.*", "$1"))
            .collect(Collectors.toSet());
    assertEquals(Set.of(Long.toHexString(9_999), Long.toHexString(9_998)), left);
    assertEquals(0, layout.pruneQuarantine(0));
    assertEquals(List.of(), quarantined(root));
  }

  // Direct I/O.

  @Test
  void theModeThatIsReportedIsTheModeOfTheDescriptors() throws Exception {
    store(layout, address("a", 1), payload(10, 1));
    for (DirectIo direct : List.of(DirectIo.PREFERRED, DirectIo.OFF)) {
      reopen(direct, Durability.RELAXED);
      ChunkRead read = layout.beginLoad(address("a", 1), 10, scratch);
      ChunkWrite write = layout.beginStore(address("b", 1), ChunkMetadata.EMPTY, 10, null);
      int openDirect = 0;
      int open = 0;
      for (Path file : List.of(file(layout, address("a", 1)), staged(root).getFirst())) {
        int flags = flags(file);
        open++;
        openDirect += (flags & Posix.O_DIRECT) != 0 ? 1 : 0;
      }
      assertEquals(2, open);
      assertEquals(layout.info().directIo() ? 2 : 0, openDirect);
      assertEquals(layout.info().directIo(), layout.info().directIoDetail().isEmpty());
      read.close();
      write.abandon();
    }
    assertFalse(layout.info().directIo());
  }

  /** The flags of this process's open descriptor on the file. */
  private static int flags(Path file) throws IOException {
    try (var descriptors = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
      for (Path descriptor : descriptors) {
        if (Files.exists(descriptor) && Files.isSameFile(descriptor, file)) {
          String info =
              Files.readString(Path.of("/proc/self/fdinfo", descriptor.getFileName().toString()));
          return Integer.parseInt(info.replaceAll("(?s).*flags:\\s*0*([0-7]+).*", "$1"), 8);
        }
      }
    }
    throw new AssertionError("nobody has " + file + " open");
  }

  @Test
  void theFilesystemsRoomIsToldAsItIs() throws Exception {
    FilesystemSpace space = layout.space();
    var store = Files.getFileStore(root);
    assertEquals(store.getTotalSpace(), space.totalBytes());
    long difference = Math.abs(store.getUsableSpace() - space.usableBytes());
    assertTrue(difference < space.totalBytes() / 10, space::toString);
    assertTrue(space.freeInodes() > 0 || space.freeInodes() == -1);
    assertEquals(store.type(), layout.info().filesystem());
  }

  @Test
  void everyDescriptorIsClosedInTheEnd() throws Exception {
    layout.close();
    long before = descriptors();
    for (Durability durability : Durability.values()) {
      FileLayout opened = open(root, DirectIo.PREFERRED, durability);
      for (int i = 0; i < 50; i++) {
        store(opened, address("k" + i, 1), payload(i, i));
        load(opened, address("k" + i, 1), i);
        opened.block(address("k" + i, 1), scratch);
        fails(Kind.CORRUPT, wrongLength(opened, "k" + i, i + 5000));
        opened.delete(address("k" + i, 1));
        fails(Kind.NOT_FOUND, wrongLength(opened, "k" + i, i));
      }
      opened.scan(3, batch -> {});
      opened.close();
    }
    fails(Kind.NOT_FOUND, () -> open(root.resolve("none")));
    assertEquals(before, descriptors());
  }

  private static org.junit.jupiter.api.function.Executable wrongLength(
      FileLayout layout, String key, long length) {
    return () -> load(layout, address(key, 1), length);
  }

  private static long descriptors() throws IOException {
    try (var all = Files.list(Path.of("/proc/self/fd"))) {
      return all.count();
    }
  }

  private static Memory any(Random random) {
    List<Memory> all = List.of(Memory.values());
    return all.get(random.nextInt(all.size()));
  }

  @Test
  void manyThreadsWithFewKeysMixNothing() throws Exception {
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      List<Future<?>> runs = new ArrayList<>();
      for (int t = 0; t < 8; t++) {
        int thread = t;
        runs.add(
            threads.submit(
                () -> {
                  Random random = new Random(thread);
                  try (IoScratch own = new IoScratch(Layouts.PIECE);
                      Arena arena = Arena.ofConfined()) {
                    for (int i = 0; i < 60; i++) {
                      ChunkAddress address = address("k" + random.nextInt(5), 1000 * thread + i);
                      byte[] payload = payload(random.nextInt(200_000), i);
                      MemorySegment source = any(random).holding(arena, payload);
                      layout.store(address, ChunkMetadata.EMPTY, source, null, own);
                      MemorySegment target = any(random).allocate(arena, payload.length);
                      layout.load(address, target, payload.length, own);
                      assertArrayEquals(payload, bytes(target, payload.length));
                      if (random.nextBoolean()) {
                        assertTrue(layout.delete(address));
                      }
                    }
                  }
                  return null;
                }));
      }
      for (Future<?> run : runs) {
        run.get();
      }
    }
    assertEquals(0, scanReport(layout).quarantined());
  }
}
