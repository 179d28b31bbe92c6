package io.weft.device;

import static io.weft.device.Layouts.bytes;
import static io.weft.device.Layouts.fails;
import static io.weft.device.Layouts.load;
import static io.weft.device.Layouts.payload;
import static io.weft.device.Layouts.scan;
import static io.weft.device.Layouts.scanReport;
import static io.weft.device.Layouts.staged;
import static io.weft.device.Layouts.store;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Durability;
import io.weft.device.ChunkMedium.ChunkRead;
import io.weft.device.ChunkMedium.ChunkWrite;
import io.weft.device.Layouts.Memory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What every layout promises on any filesystem. */
abstract class LayoutContract {
  static final long K = 1 << 10;
  static final long[] SIZES = {0, 1, 4095, 4096, 4097, 16 * K, 128 * K + 1, K * K, 5 * K * K + 3};

  Path root;
  Layout layout;
  IoScratch scratch;

  /** An empty directory on the filesystem under test. */
  abstract Path emptyDirectory() throws IOException;

  /** The layout under test. */
  abstract LayoutSettings.Kind kind();

  /** The address of a chunk of this length; the same for the same key and generation. */
  abstract ChunkAddress at(String key, long generation, long length) throws Exception;

  @BeforeEach
  void openLayout() throws Exception {
    scratch = new IoScratch(Layouts.PIECE);
    root = emptyDirectory();
    layout = opened(DirectIo.PREFERRED, Durability.RELAXED);
  }

  @AfterEach
  void closeLayout() {
    layout.close();
    scratch.close();
  }

  final Layout opened(DirectIo direct, Durability durability) throws Exception {
    return Layout.open(
        new LayoutSettings(root, direct, durability, "", kind()), Layouts.at(1_000_000));
  }

  final void reopen(DirectIo direct, Durability durability) throws Exception {
    layout.close();
    layout = opened(direct, durability);
  }

  @ParameterizedTest
  @EnumSource(Memory.class)
  void whatWasStoredIsLoadedFromAndIntoAnyMemory(Memory memory) throws Exception {
    for (DirectIo direct : List.of(DirectIo.PREFERRED, DirectIo.OFF)) {
      reopen(direct, Durability.RELAXED);
      for (long size : SIZES) {
        ChunkAddress address = at(direct + "." + size, 1, size);
        byte[] payload = payload(size, size);
        try (Arena arena = Arena.ofConfined()) {
          MemorySegment source = memory.holding(arena, payload);
          layout.store(address, ChunkMetadata.EMPTY, source, null, scratch);
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
  void onlyWholeBlocksOfRoomAreTouchedBeyondThePayload() throws Exception {
    long size = 3 * 4096 + 100;
    ChunkAddress address = at("k", 1, size);
    store(layout, address, payload(size, 1));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(8 * 4096, 4096);
      for (long room : new long[] {size, size + 1, 4 * 4096 - 1, 4 * 4096, 6 * 4096}) {
        memory.fill((byte) 0x77);
        layout.load(address, memory.asSlice(0, room), size, scratch);
        assertArrayEquals(payload(size, 1), bytes(memory, size));
        long untouchedFrom = room >= 4 * 4096 ? 4 * 4096 : size;
        for (long at = untouchedFrom; at < memory.byteSize(); at++) {
          assertEquals(0x77, memory.get(ValueLayout.JAVA_BYTE, at), room + " at " + at);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Durability.class)
  void piecesComeInAnyOrderFromAnyThread(Durability durability) throws Exception {
    reopen(DirectIo.PREFERRED, durability);
    Random random = new Random(1);
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      for (long size : SIZES) {
        for (Memory memory : Memory.values()) {
          ChunkAddress address = at(memory + "." + size, 1, size);
          byte[] payload = payload(size, size);
          List<long[]> pieces = pieces(size, random);
          ChunkWrite write = layout.beginStore(address, ChunkMetadata.EMPTY, size, null);
          fails(Kind.NOT_FOUND, () -> load(layout, address, size));
          forEach(
              threads,
              pieces,
              (piece, own) -> {
                byte[] part =
                    Arrays.copyOfRange(payload, (int) piece[0], (int) (piece[0] + piece[1]));
                try (Arena arena = Arena.ofShared()) {
                  write.write(piece[0], memory.holding(arena, part), own);
                }
              });
          write.publish(scratch);
          write.abandon();

          byte[] loaded = new byte[(int) size];
          ChunkRead read = layout.beginLoad(address, size, scratch);
          Collections.shuffle(pieces, random);
          forEach(
              threads,
              pieces,
              (piece, own) -> {
                try (Arena arena = Arena.ofShared()) {
                  MemorySegment target = memory.allocate(arena, piece[1]);
                  MemorySegment part = target.asSlice(0, piece[1]);
                  read.read(piece[0], part, target.byteSize() - piece[1], own);
                  MemorySegment.copy(part, 0, MemorySegment.ofArray(loaded), piece[0], piece[1]);
                }
              });
          read.verify();
          read.close();
          read.close();
          assertArrayEquals(payload, loaded);
          assertArrayEquals(payload, load(layout, address, size));
        }
      }
    }
    assertEquals(List.of(), staged(root));
  }

  private interface PieceWork {
    void run(long[] piece, IoScratch own) throws Exception;
  }

  private static void forEach(ExecutorService threads, List<long[]> pieces, PieceWork work)
      throws Exception {
    List<Future<?>> runs = new ArrayList<>();
    for (long[] piece : pieces) {
      runs.add(
          threads.submit(
              () -> {
                try (IoScratch own = new IoScratch(64 * K)) {
                  work.run(piece, own);
                }
                return null;
              }));
    }
    for (Future<?> run : runs) {
      run.get();
    }
  }

  /** A random cut into whole blocks, shuffled. */
  private static List<long[]> pieces(long size, Random random) {
    List<long[]> pieces = new ArrayList<>();
    for (long at = 0; at < size; ) {
      long length = Math.min(4096L * (1 + random.nextInt(64)), size - at);
      pieces.add(new long[] {at, length});
      at += length;
    }
    Collections.shuffle(pieces, random);
    return pieces;
  }

  @Test
  void aPayloadLongerThanTheScratchGoesThroughItInSteps() throws Exception {
    byte[] payload = payload(300 * K + 7, 1);
    byte[] loaded = new byte[payload.length];
    ChunkAddress address = at("k", 1, payload.length);
    try (IoScratch small = new IoScratch(64 * K)) {
      MemorySegment source = MemorySegment.ofArray(payload);
      layout.store(address, ChunkMetadata.EMPTY, source, null, small);
      layout.load(address, MemorySegment.ofArray(loaded), payload.length, small);
    }
    assertArrayEquals(payload, loaded);
  }

  @Test
  void theBlockSaysWhatWasStored() throws Exception {
    ChunkMetadata metadata = ChunkMetadata.of("bf16 [2,32,256,1024]".getBytes(UTF_8));
    ChunkAddress placed = at("key", 77, 5000);
    ChunkAddress address = new ChunkAddress(placed.key(), 77, 5_000, placed.location());
    byte[] payload = payload(5000, 1);
    layout.store(address, metadata, MemorySegment.ofArray(payload), null, scratch);
    ChunkBlock block = layout.block(address, scratch);
    assertEquals(
        new ChunkBlock(
            address.key(), 77, 5000, Crc32c.of(payload, 0, payload.length), metadata, 1_000_000),
        block);
    FoundChunk found = scan(layout).getFirst();
    assertEquals(address, found.address());
    assertEquals(5000, found.payloadLength());
    assertTrue(found.hasMetadata());
  }

  @ParameterizedTest
  @EnumSource(Durability.class)
  void generationsOfAKeyLiveSideBySide(Durability durability) throws Exception {
    reopen(DirectIo.PREFERRED, durability);
    ChunkAddress first = at("k", 1, 5000);
    ChunkAddress second = at("k", 2, 6000);
    store(layout, first, payload(5000, 1));
    store(layout, second, payload(6000, 2));
    assertEquals(2, scan(layout).size());
    assertTrue(layout.delete(first));
    assertFalse(layout.delete(first));
    fails(Kind.NOT_FOUND, () -> load(layout, first, 5000));
    assertArrayEquals(payload(6000, 2), load(layout, second, 6000));
    ChunkAddress other = new ChunkAddress(first.key(), 3, Chunks.NEVER, second.location());
    fails(Kind.NOT_FOUND, () -> load(layout, other, 6000));
    fails(Kind.NOT_FOUND, () -> layout.block(other, scratch));
    fails(Kind.NOT_FOUND, () -> layout.beginLoad(other, 6000, scratch));
    fails(Kind.NOT_FOUND, () -> layout.changeExpiry(other, 5));
    assertFalse(layout.delete(other));
    assertEquals(0, layout.quarantine(other));
    assertArrayEquals(payload(6000, 2), load(layout, second, 6000));
  }

  @ParameterizedTest
  @EnumSource(Durability.class)
  void anExpiryTimeChangesWithoutTouchingTheBytes(Durability durability) throws Exception {
    reopen(DirectIo.PREFERRED, durability);
    // Long enough that a name turns from readable to hashed when the expiry time joins it.
    for (String key : List.of("k", "x".repeat(250))) {
      ChunkAddress never = at(key, 1, 100);
      ChunkAddress later = new ChunkAddress(never.key(), 1, 1_700_000_000_000L, never.location());
      store(layout, never, payload(100, 1));
      layout.changeExpiry(never, later.expiresAtMillis());
      layout.changeExpiry(later, later.expiresAtMillis());
      fails(Kind.NOT_FOUND, () -> load(layout, never, 100));
      assertArrayEquals(payload(100, 1), load(layout, later, 100));
      assertEquals(later, scan(layout).getFirst().address());
      layout.changeExpiry(later, Chunks.NEVER);
      assertArrayEquals(payload(100, 1), load(layout, never, 100));
      layout.delete(never);
    }
  }

  @ParameterizedTest
  @EnumSource(Durability.class)
  void whatIsAbandonedLeavesNothing(Durability durability) throws Exception {
    reopen(DirectIo.PREFERRED, durability);
    ChunkAddress address = at("k", 1, 100_000);
    ChunkWrite write = layout.beginStore(address, ChunkMetadata.EMPTY, 100_000, null);
    write.write(0, MemorySegment.ofArray(payload(8192, 1)), scratch);
    write.abandon();
    write.abandon();
    assertEquals(List.of(), staged(root));
    fails(Kind.CLOSED, () -> write.write(8192, MemorySegment.ofArray(payload(4096, 1)), scratch));
    assertEquals(0, scanReport(layout).chunks());
    fails(Kind.NOT_FOUND, () -> load(layout, address, 100_000));
  }

  @Test
  void aChunkWithMissingOrOverlappingPiecesIsNeverPublished() throws Exception {
    ChunkAddress address = at("k", 1, 12288);
    for (long[][] pieces :
        new long[][][] {
          {}, {{0, 4096}}, {{4096, 8192}}, {{0, 4096}, {8192, 4096}}, {{0, 8192}, {4096, 8192}}
        }) {
      ChunkWrite write = layout.beginStore(address, ChunkMetadata.EMPTY, 12288, null);
      for (long[] piece : pieces) {
        write.write(piece[0], MemorySegment.ofArray(payload(piece[1], 1)), scratch);
      }
      assertThrows(IllegalStateException.class, () -> write.publish(scratch));
      write.abandon();
    }
    ChunkWrite write = layout.beginStore(address, ChunkMetadata.EMPTY, 12000, null);
    for (long[] wrong : new long[][] {{1, 4096}, {0, 4000}, {8192, 3000}, {12288, 1}, {-4096, 1}}) {
      MemorySegment piece = MemorySegment.ofArray(payload(wrong[1], 1));
      assertThrows(IllegalArgumentException.class, () -> write.write(wrong[0], piece, scratch));
    }
    write.abandon();
    assertEquals(0, scanReport(layout).chunks());
    assertEquals(List.of(), staged(root));
  }

  @Test
  void buffersThatAreTooSmallOrReadOnlyAreRefused() throws Exception {
    ChunkAddress address = at("k", 1, 5000);
    store(layout, address, payload(5000, 1));
    MemorySegment small = MemorySegment.ofArray(new byte[4999]);
    assertThrows(IllegalArgumentException.class, () -> layout.load(address, small, 5000, scratch));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment fixed = arena.allocate(8192, 4096).asReadOnly();
      assertThrows(
          IllegalArgumentException.class, () -> layout.load(address, fixed, 5000, scratch));
      ChunkAddress other = at("from read-only", 1, 8192);
      MemorySegment source = Memory.ALIGNED.holding(arena, payload(8192, 2)).asReadOnly();
      layout.store(other, ChunkMetadata.EMPTY, source, null, scratch);
      assertArrayEquals(payload(8192, 2), load(layout, other, 8192));
    }
  }

  @Test
  void aLengthThatIsNotTheChunksIsCorrupt() throws Exception {
    ChunkAddress address = at("key", 1, 5000);
    store(layout, address, payload(5000, 1));
    fails(Kind.CORRUPT, () -> load(layout, address, 4999));
    fails(Kind.CORRUPT, () -> layout.beginLoad(address, 5001, scratch));
    assertArrayEquals(payload(5000, 1), load(layout, address, 5000));
  }

  // Recycling, as far as it does not depend on where the chunks are.

  @ParameterizedTest
  @EnumSource(Durability.class)
  void theRoomOfARetiredChunkIsTheNextChunks(Durability durability) throws Exception {
    reopen(DirectIo.PREFERRED, durability);
    ChunkAddress old = at("old", 1, 100_000);
    for (int i = 2; i < 12; i++) {
      store(layout, old, payload(100_000, i));
      ChunkAddress next =
          i % 2 == 0
              ? new ChunkAddress(at("n" + i, i, 100_000).key(), i, 7, old.location())
              : at("n" + i, i, 100_000);
      byte[] payload = payload(100_000, 100 + i);
      if (i % 3 == 0) {
        MemorySegment source = MemorySegment.ofArray(payload);
        layout.store(next, ChunkMetadata.EMPTY, source, old, scratch);
      } else {
        ChunkWrite write = layout.beginStore(next, ChunkMetadata.EMPTY, 100_000, old);
        fails(Kind.NOT_FOUND, () -> load(layout, old, 100_000));
        write.write(0, MemorySegment.ofArray(payload), scratch);
        write.publish(scratch);
      }
      fails(Kind.NOT_FOUND, () -> load(layout, old, 100_000));
      assertArrayEquals(payload, load(layout, next, 100_000));
      assertTrue(layout.delete(next));
    }
  }

  // Prepared transfers.

  /** Makes the transfer as a ring would; {@code most} bytes at the most are moved by it. */
  static void make(PreparedIo io, long most) throws Exception {
    IoVector vector = io.vector();
    long wanted = vector.bytes();
    if (most == 0) {
      io.done(-Posix.EAGAIN);
      return;
    }
    MemorySegment held = MemorySegment.NULL;
    long moved =
        io.writes()
            ? Posix.pwritev(io.fd(), vector, io.offset(), held)
            : Posix.preadv(io.fd(), vector, io.offset(), held);
    assertEquals(wanted, moved);
    io.done(Math.min(moved, most));
  }

  @Test
  void preparedPiecesAreAsGoodAsWrittenOnes() throws Exception {
    long size = 3 * 65536 + 1234;
    byte[] payload = payload(size, 1);
    for (long most : new long[] {Long.MAX_VALUE, 8192, 0}) {
      ChunkAddress address = at("k" + most, 1, size);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment source = Memory.ALIGNED.holding(arena, payload);
        MemorySegment target = arena.allocate(size + 8192, 4096);
        ChunkWrite write = layout.beginStore(address, ChunkMetadata.EMPTY, size, null);
        assertNull(write.prepareWrite(0, MemorySegment.ofArray(payload), scratch));
        for (long at = 0; at < size; at += 65536) {
          MemorySegment piece = source.asSlice(at, Math.min(65536, size - at));
          make(prepared(write.prepareWrite(at, piece, scratch)), most);
        }
        write.publish(scratch);
        ChunkRead read = layout.beginLoad(address, size, scratch);
        for (long at = 0; at < size; at += 65536) {
          MemorySegment piece = target.asSlice(at, Math.min(65536, size - at));
          make(prepared(read.prepareRead(at, piece, 0, scratch)), most);
        }
        read.verify();
        read.close();
        assertArrayEquals(payload, bytes(target, size));
      }
    }
  }

  static PreparedIo prepared(PreparedIo io) {
    assertNotNull(io);
    return io;
  }

  @Test
  void aPreparedPieceThatFailsSaysSoAndTheChunkIsNotPublished() throws Exception {
    ChunkAddress address = at("k", 1, 65536);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment source = arena.allocate(65536, 4096);
      ChunkWrite write = layout.beginStore(address, ChunkMetadata.EMPTY, 65536, null);
      PreparedIo io = prepared(write.prepareWrite(0, source, scratch));
      assertEquals(Posix.EIO, fails(Kind.IO_ERROR, () -> io.done(-Posix.EIO)).errno());
      assertThrows(IllegalStateException.class, () -> write.publish(scratch));
      write.abandon();
    }
    fails(Kind.NOT_FOUND, () -> load(layout, address, 65536));
  }

  // Start and end.

  @Test
  void whatTheSinkThrowsEndsTheScan() throws Exception {
    store(layout, at("a", 1, 10), payload(10, 1));
    assertThrows(
        IllegalCallerException.class,
        () ->
            layout.scan(
                2,
                batch -> {
                  throw new IllegalCallerException("the receiver's own");
                }));
  }

  @Test
  void closingWaitsForNobodyAndTheLockGoesWithTheLastOne() throws Exception {
    ChunkAddress address = at("a", 1, 10);
    ChunkAddress second = at("b", 1, 10);
    store(layout, address, payload(10, 1));
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    try (ExecutorService threads = Executors.newFixedThreadPool(1)) {
      Future<ScanReport> scan =
          threads.submit(
              () ->
                  layout.scan(
                      1,
                      batch -> {
                        inside.countDown();
                        awaitUninterrupted(goOn);
                      }));
      try {
        inside.await();
        layout.close();
        layout.close();
        fails(Kind.CLOSED, () -> store(layout, second, payload(10, 1)));
        fails(Kind.CLOSED, () -> load(layout, address, 10));
        fails(Kind.CLOSED, layout::probe);
        fails(Kind.CLOSED, layout::space);
        fails(Kind.CLOSED, () -> layout.snapshots().open());
        fails(Kind.NO_PERMISSION, () -> opened(DirectIo.PREFERRED, Durability.RELAXED));
      } finally {
        goOn.countDown();
      }
      assertEquals(1, scan.get().chunks());
    }
    opened(DirectIo.PREFERRED, Durability.RELAXED).close();
  }

  private static void awaitUninterrupted(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException interrupted) {
      throw new AssertionError(interrupted);
    }
  }

  @Test
  void anUnfinishedWriteKeepsTheDirectoryUntilItEnds() throws Exception {
    ChunkAddress address = at("a", 1, 10);
    ChunkWrite write = layout.beginStore(address, ChunkMetadata.EMPTY, 10, null);
    layout.close();
    fails(Kind.NO_PERMISSION, () -> opened(DirectIo.PREFERRED, Durability.RELAXED));
    write.write(0, MemorySegment.ofArray(payload(10, 1)), scratch);
    write.publish(scratch);
    layout = opened(DirectIo.PREFERRED, Durability.RELAXED);
    assertArrayEquals(payload(10, 1), load(layout, address, 10));
  }

  @Test
  void theProbeSucceedsAndItsFileIsNoChunk() throws Exception {
    layout.probe();
    layout.probe();
    assertTrue(Files.size(root.resolve("probe")) >= 4096);
    ScanReport report = scanReport(layout);
    assertEquals(0, report.foreign() + report.chunks());
  }

  @Test
  void aStoreOfTheOtherLayoutIsRefusedWithTheMend() throws Exception {
    layout.close();
    LayoutSettings.Kind other =
        kind() instanceof LayoutSettings.Files
            ? new LayoutSettings.Slabs(1 << 20, true)
            : new LayoutSettings.Files();
    LayoutSettings wrong =
        new LayoutSettings(root, DirectIo.PREFERRED, Durability.RELAXED, "", other);
    String message = fails(Kind.OTHER, () -> Layout.open(wrong, Layouts.at(1))).getMessage();
    assertTrue(message.contains("weft.layout = "), message);
    LayoutSettings any =
        new LayoutSettings(
            root, DirectIo.PREFERRED, Durability.RELAXED, "", new LayoutSettings.AsFound());
    try (Layout found = Layout.open(any, Layouts.at(1))) {
      assertEquals(layout.getClass(), found.getClass());
    }
  }

  @Test
  void manyThreadsStoreLoadAndDeleteWithoutMixingAnything() throws Exception {
    List<ChunkAddress> places = new ArrayList<>();
    for (int t = 0; t < 8; t++) {
      places.add(at("t" + t, 1, 128 * K));
    }
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      List<Future<?>> runs = new ArrayList<>();
      for (int t = 0; t < 8; t++) {
        int thread = t;
        runs.add(
            threads.submit(
                () -> {
                  Random random = new Random(thread);
                  ChunkAddress place = places.get(thread);
                  try (IoScratch own = new IoScratch(Layouts.PIECE);
                      Arena arena = Arena.ofConfined()) {
                    for (int i = 0; i < 60; i++) {
                      ChunkAddress address =
                          new ChunkAddress(
                              place.key(), 1000 * thread + i, Chunks.NEVER, place.location());
                      // All of one size of slot.
                      byte[] payload = payload(126_000 + random.nextInt(5_000), i);
                      Memory[] all = Memory.values();
                      MemorySegment source =
                          all[random.nextInt(all.length)].holding(arena, payload);
                      layout.store(address, ChunkMetadata.EMPTY, source, null, own);
                      MemorySegment target =
                          all[random.nextInt(all.length)].allocate(arena, payload.length);
                      layout.load(address, target, payload.length, own);
                      assertArrayEquals(payload, bytes(target, payload.length));
                      assertTrue(layout.delete(address));
                    }
                  }
                  return null;
                }));
      }
      for (Future<?> run : runs) {
        run.get();
      }
    }
    ScanReport report = scanReport(layout);
    assertEquals(0, report.quarantined() + report.chunks());
  }
}
