package io.weft.device;

import static io.weft.device.Layouts.bytes;
import static io.weft.device.Layouts.fails;
import static io.weft.device.Layouts.load;
import static io.weft.device.Layouts.payload;
import static io.weft.device.Layouts.quarantined;
import static io.weft.device.Layouts.scan;
import static io.weft.device.Layouts.scanReport;
import static io.weft.device.Layouts.staged;
import static io.weft.device.Layouts.store;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Durability;
import io.weft.device.ChunkMedium.ChunkRead;
import io.weft.device.ChunkMedium.ChunkWrite;
import io.weft.device.Layouts.Memory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the slab layout promises on any filesystem; the subclasses say on which. */
abstract class SlabLayoutContract extends LayoutContract {
  static final long SEGMENT = 8L << 20;

  private final SlabFormat format = new SlabFormat(SEGMENT);
  private final Map<ChunkKey, Map<Long, ChunkAddress>> placed = new HashMap<>();

  /** For each size of slot the segment that is being filled, and its next place. */
  private final Map<Long, int[]> filling = new HashMap<>();

  private int segments;

  @Override
  LayoutSettings.Kind kind() {
    return new LayoutSettings.Slabs(SEGMENT, false);
  }

  @BeforeEach
  void forgetPlaces() {
    placed.clear();
    filling.clear();
    segments = 0;
  }

  @Override
  ChunkAddress at(String key, long generation, long length) throws Exception {
    ChunkKey named = ChunkKey.of(key);
    Map<Long, ChunkAddress> generations = placed.computeIfAbsent(named, _ -> new HashMap<>());
    ChunkAddress present = generations.get(generation);
    if (present == null) {
      long slotBytes = format.slotBytes(length);
      int[] next = filling.get(slotBytes);
      if (next == null || next[1] == format.slots(slotBytes)) {
        next = new int[] {makeSegment(), 0};
        filling.put(slotBytes, next);
      }
      long location = ChunkAddress.slot(next[0], next[1]++);
      present = new ChunkAddress(named, generation, Chunks.NEVER, location);
      generations.put(generation, present);
    }
    return present;
  }

  private int makeSegment() throws Exception {
    make(segments);
    return segments++;
  }

  private void make(int number) throws Exception {
    ChunkWrite write = layout.beginSegment(number);
    MemorySegment any = MemorySegment.ofArray(new byte[1 << 20]);
    for (long at = 0; at < SEGMENT; at += any.byteSize()) {
      write.write(at, any, scratch);
    }
    write.publish(scratch);
    write.abandon();
  }

  private static ChunkAddress slot(String key, long generation, int segment, int place) {
    return new ChunkAddress(
        ChunkKey.of(key), generation, Chunks.NEVER, ChunkAddress.slot(segment, place));
  }

  private Path segmentFile(int number) {
    return root.resolve("segments").resolve(SlabFormat.name(number));
  }

  private long offset(ChunkAddress address, long length) {
    return SlabFormat.offset(ChunkAddress.placeOf(address.location()), format.slotBytes(length));
  }

  /** Changes bytes of a segment while no store has it open. */
  private void patch(int segment, long at, byte[] bytes) throws Exception {
    layout.close();
    try (FileChannel file = FileChannel.open(segmentFile(segment), StandardOpenOption.WRITE)) {
      file.write(ByteBuffer.wrap(bytes), at);
      file.force(true);
    }
    layout = opened(DirectIo.PREFERRED, Durability.RELAXED);
  }

  private byte[] bytesOf(int segment, long at, int length) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(length);
    try (FileChannel file = FileChannel.open(segmentFile(segment), StandardOpenOption.READ)) {
      while (bytes.hasRemaining()) {
        assertTrue(file.read(bytes, at + bytes.position()) > 0);
      }
    }
    return bytes.array();
  }

  private void flip(int segment, long at) throws Exception {
    byte[] one = bytesOf(segment, at, 1);
    one[0] ^= 0x10;
    patch(segment, at, one);
  }

  // Sizes.

  @Test
  void slotsFitTheirPayloadsAndPowersOfTwoWasteNothing() {
    SlabFormat large = new SlabFormat(256L << 20);
    for (long exact : new long[] {4 * K, 16 * K, 128 * K, 2 * K * K, 32 * K * K, 128 * K * K}) {
      assertEquals(4096 + exact, large.slotBytes(exact));
    }
    assertEquals(8192, large.slotBytes(0));
    long last = 0;
    Set<Long> classes = new HashSet<>();
    for (long length = 1; length <= 64 * K * K; length += 1021) {
      long slot = large.slotBytes(length);
      assertTrue(slot >= last && slot % 4096 == 0 && slot - 4096 >= length);
      assertTrue(slot - 4096 <= Math.max(length + 4096, length * 9 / 8 + 4096), "" + length);
      classes.add(slot);
      last = slot;
    }
    assertTrue(classes.size() < 8 * 15, "" + classes.size());
    assertEquals((256L << 20) - 4096, large.slotBytes(large.maxPayloadBytes()));
    assertEquals(1, large.slots(large.slotBytes(large.maxPayloadBytes())));
  }

  @Test
  void theLargestPayloadFillsASegment() throws Exception {
    long most = layout.info().maxPayloadBytes();
    assertEquals(SEGMENT - 8192, most);
    ChunkAddress address = at("k", 1, most);
    store(layout, address, payload(most, 1));
    assertArrayEquals(payload(most, 1), load(layout, address, most));
    assertThrows(
        IllegalArgumentException.class, () -> store(layout, address, payload(most + 1, 1)));
    assertThrows(
        IllegalArgumentException.class, () -> store(layout, slot("k", 1, 0, 1), payload(most, 1)));
    assertEquals(SEGMENT, layout.info().segmentBytes());
    assertEquals(4096, layout.info().segmentHeaderBytes());
  }

  // Segments.

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void segmentsAreMadeWholeAndRemoved(boolean prewrite) throws Exception {
    layout.close();
    layout =
        Layout.open(
            new LayoutSettings(
                root,
                DirectIo.PREFERRED,
                Durability.FULL,
                "",
                new LayoutSettings.Slabs(SEGMENT, prewrite)),
            Layouts.at(1));
    ChunkWrite unfinished = layout.beginSegment(7);
    MemorySegment any = MemorySegment.ofArray(payload(1 << 20, 1));
    unfinished.write(0, any, scratch);
    assertEquals(List.of(), layout.segments());
    assertThrows(IllegalStateException.class, () -> unfinished.publish(scratch));
    unfinished.abandon();
    assertEquals(List.of(), staged(root));

    make(3);
    make(0xabcdef);
    assertEquals(Set.of(3, 0xabcdef), new HashSet<>(layout.segments()));
    assertEquals(SEGMENT, Files.size(segmentFile(3)));
    assertTrue(new UsageSampler(root).sample().seenBytes() >= 2 * SEGMENT);
    fails(Kind.NO_PERMISSION, () -> layout.beginSegment(3));
    fails(Kind.NOT_FOUND, () -> store(layout, slot("k", 1, 4, 0), payload(10, 1)));
    fails(Kind.NOT_FOUND, () -> load(layout, slot("k", 1, 3, 0), 10));
    store(layout, slot("k", 1, 3, 0), payload(10, 1));
    assertTrue(layout.removeSegment(3));
    assertFalse(layout.removeSegment(3));
    fails(Kind.NOT_FOUND, () -> load(layout, slot("k", 1, 3, 0), 10));
    assertEquals(List.of(0xabcdef), layout.segments());
    make(3);
    fails(Kind.NOT_FOUND, () -> load(layout, slot("k", 1, 3, 0), 10));
  }

  @Test
  void anotherSegmentSizeIsRefusedWithTheMend() throws Exception {
    layout.close();
    LayoutSettings other =
        new LayoutSettings(
            root,
            DirectIo.PREFERRED,
            Durability.RELAXED,
            "",
            new LayoutSettings.Slabs(16 << 20, true));
    String message = fails(Kind.OTHER, () -> Layout.open(other, Layouts.at(1))).getMessage();
    assertTrue(message.contains("weft.slab.segment = 8MiB"), message);
    assertEquals(SEGMENT, Layout.segmentBytes(root));
  }

  @Test
  void leftoversAreRemovedAndWhatIsNotOursIsLeft() throws Exception {
    make(0);
    Path directory = root.resolve("segments");
    Files.write(directory.resolve("%staging-dead-0"), new byte[100]);
    Files.writeString(directory.resolve("notes"), "mine");
    Files.createDirectory(directory.resolve("00000005"));
    Files.write(directory.resolve("00000006"), new byte[4096]);
    Files.createSymbolicLink(directory.resolve("00000007"), segmentFile(0));
    assertEquals(List.of(0), layout.segments());
    ScanReport report = scanReport(layout);
    assertEquals(1, report.stagingRemoved());
    assertEquals(3, report.foreign());
    assertEquals(1, report.quarantined());
    assertEquals(1, quarantined(root).size());
    assertEquals("mine", Files.readString(directory.resolve("notes")));
    fails(Kind.NOT_FOUND, () -> load(layout, slot("k", 1, 5, 0), 10));
  }

  @Test
  void aSegmentOfALaterVersionIsNotOurs() throws Exception {
    ChunkAddress address = at("k", 1, 5000);
    store(layout, address, payload(5000, 1));
    ByteBuffer header =
        ByteBuffer.wrap(bytesOf(0, 0, 4096)).order(ByteOrder.LITTLE_ENDIAN).putInt(8, 2);
    header.putInt(4092, Crc32c.of(header.array(), 0, 4092));
    patch(0, 0, header.array());
    assertEquals(List.of(), layout.segments());
    fails(Kind.NOT_FOUND, () -> load(layout, address, 5000));
    ScanReport report = scanReport(layout);
    assertEquals(1, report.laterVersion());
    assertTrue(report.laterVersionBytes() >= SEGMENT);
    assertEquals(0, report.chunks() + report.quarantined());
    assertArrayEquals(header.array(), bytesOf(0, 0, 4096));
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 8, 13, 16, 24, 33, 41, 49, 3000, 4093})
  void aDamagedHeaderCostsTheSegmentsChunksAndNoWrongByte(long at) throws Exception {
    ChunkAddress address = at("k", 1, 5000);
    ChunkAddress other = at("other", 1, 100_000);
    store(layout, address, payload(5000, 1));
    store(layout, other, payload(100_000, 2));
    flip(0, at);
    assertEquals(Set.of(0, 1), new HashSet<>(layout.segments()));
    fails(Kind.NOT_FOUND, () -> load(layout, address, 5000));
    assertEquals(List.of(other), scan(layout).stream().map(FoundChunk::address).toList());
    // It is used again, and nothing of before comes back.
    ChunkAddress next = at("next", 2, 5000);
    store(layout, next, payload(5000, 3));
    fails(Kind.NOT_FOUND, () -> load(layout, address, 5000));
    reopen(DirectIo.PREFERRED, Durability.RELAXED);
    assertArrayEquals(payload(5000, 3), load(layout, next, 5000));
    assertEquals(2, scan(layout).size());
  }

  // Damage.

  static Stream<Named<Integer>> blockBytes() {
    return Stream.of(
        Named.of("magic", 0),
        Named.of("version", 8),
        Named.of("block length", 13),
        Named.of("payload length", 16),
        Named.of("generation", 24),
        Named.of("payload sum", 33),
        Named.of("key length", 36),
        Named.of("metadata length", 38),
        Named.of("stored at", 41),
        Named.of("flags", 48),
        Named.of("reserved", 53),
        Named.of("expiry", 57),
        Named.of("key", 64),
        Named.of("metadata", 67),
        Named.of("padding", 3000),
        Named.of("block sum", 4094));
  }

  @ParameterizedTest
  @MethodSource("blockBytes")
  void aDamagedBlockIsNeverServedAndTheScanSetsItAside(int at) throws Exception {
    ChunkAddress address = at("key", 1, 5000);
    ChunkAddress other = at("other", 2, 5000);
    ChunkMetadata metadata = ChunkMetadata.of(new byte[] {1, 2, 3});
    layout.store(address, metadata, MemorySegment.ofArray(payload(5000, 1)), null, scratch);
    store(layout, other, payload(5000, 2));
    flip(0, offset(address, 5000) + at);
    for (DirectIo direct : List.of(DirectIo.PREFERRED, DirectIo.OFF)) {
      reopen(direct, Durability.RELAXED);
      fails(Kind.CORRUPT, () -> load(layout, address, 5000));
      fails(Kind.CORRUPT, () -> layout.beginLoad(address, 5000, scratch));
      fails(Kind.CORRUPT, () -> layout.block(address, scratch));
      assertFalse(layout.delete(address));
    }
    List<FoundChunk> found = new ArrayList<>();
    ScanReport report = layout.scan(2, found::addAll);
    assertEquals(1, report.quarantined());
    assertEquals(List.of(other), found.stream().map(FoundChunk::address).toList());
    assertEquals(format.slotBytes(5000), Files.size(quarantined(root).getFirst()));
    fails(Kind.NOT_FOUND, () -> load(layout, address, 5000));
    assertArrayEquals(payload(5000, 2), load(layout, other, 5000));
    assertEquals(0, scanReport(layout).quarantined());
  }

  @Test
  void aBlockWithoutTheSegmentsNonceIsNoChunk() throws Exception {
    ChunkAddress address = at("key", 1, 5000);
    store(layout, address, payload(5000, 1));
    flip(0, offset(address, 5000) + 4086);
    fails(Kind.CORRUPT, () -> load(layout, address, 5000));
    ScanReport report = scanReport(layout);
    assertEquals(0, report.chunks() + report.quarantined());
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 2500, 4095, 4096, 4999})
  void aFlippedPayloadBitIsNeverServed(long at) throws Exception {
    ChunkAddress address = at("key", 1, 5000);
    store(layout, address, payload(5000, 1));
    flip(0, offset(address, 5000) + 4096 + at);
    fails(Kind.CORRUPT, () -> load(layout, address, 5000));
    ChunkRead read = layout.beginLoad(address, 5000, scratch);
    try (Arena arena = Arena.ofConfined()) {
      read.read(4096, Memory.MISALIGNED.allocate(arena, 904), 0, scratch);
      read.read(0, Memory.ALIGNED.allocate(arena, 4096), 0, scratch);
      fails(Kind.CORRUPT, read::verify);
    } finally {
      read.close();
    }
    List<VerifiedFile> wrong = verified();
    assertEquals(VerifiedFile.Verdict.WRONG, wrong.getFirst().verdict());
    assertEquals(format.slotBytes(5000), layout.quarantine(address));
    Path copy = quarantined(root).getFirst();
    assertTrue(copy.getFileName().toString().startsWith(ChunkName.of(address)));
    ChunkInspection inspected = ChunkInspection.of(copy);
    assertNotNull(inspected.block());
    assertFalse(inspected.payloadProblem().isEmpty());
    fails(Kind.NOT_FOUND, () -> load(layout, address, 5000));
    assertEquals(0, layout.quarantine(address));
    assertEquals(0, scanReport(layout).chunks());
  }

  private List<VerifiedFile> verified() throws Exception {
    List<VerifiedFile> files = new ArrayList<>();
    layout.verify(
        2,
        false,
        new VerifySink() {
          @Override
          public void file(VerifiedFile file) {
            files.add(file);
          }

          @Override
          public void progress(int done, int parts) {}
        });
    return files;
  }

  @Test
  void whatIsInOrderVerifiesAndCanBeInspected() throws Exception {
    for (long size : SIZES) {
      store(layout, at("k" + size, 1, size), payload(size, size));
    }
    List<VerifiedFile> files = verified();
    assertEquals(SIZES.length, files.size());
    assertTrue(files.stream().allMatch(file -> file.verdict() == VerifiedFile.Verdict.GOOD));
    ChunkAddress address = at("k5242883", 1, 5 * K * K + 3);
    Path segment = segmentFile(ChunkAddress.segmentOf(address.location()));
    assertEquals(1, ChunkInspection.slots(segment));
    ChunkInspection inspected = ChunkInspection.ofSlot(segment, 0);
    assertEquals(address.key(), blockOf(inspected).key());
    assertEquals("", inspected.payloadProblem());
    assertEquals(-1, ChunkInspection.slots(root.resolve("weft.format")));
  }

  private static ChunkBlock blockOf(ChunkInspection inspected) {
    ChunkBlock block = inspected.block();
    assertNotNull(block);
    return block;
  }

  /** What an earlier use of the segment left is absent or corrupt, as its bytes happen to be. */
  private static void neverServed(Executable load) {
    Kind kind = assertThrows(DeviceException.class, load).kind();
    assertTrue(kind == Kind.NOT_FOUND || kind == Kind.CORRUPT, () -> "" + kind);
  }

  // Nonces.

  @Test
  void aTenantsBytesThatLookLikeABlockAreNeverAChunk() throws Exception {
    // Slots of 64 KiB and a block, later slots of 4 KiB and a block in the same segment.
    long large = 64 * K;
    int segment = makeSegment();
    store(layout, slot("real", 1, segment, 0), payload(large, 1));
    byte[] real = bytesOf(segment, 4096, 4096);
    byte[] payload = new byte[(int) large];
    MemorySegment memory = MemorySegment.ofArray(payload);
    // What the tenant can know: the format, not the nonce that the segment will have. Where it
    // knows the present one, too, that does not help.
    for (int at = 0; at + 4096 <= large; at += 4096) {
      ChunkFormat.encodeSlot(
          new SlotBlock(
              new ChunkBlock(ChunkKey.of("victim"), 9, 0, 0, ChunkMetadata.EMPTY, 1),
              ChunkFormat.slotNonce(MemorySegment.ofArray(real)),
              Chunks.NEVER),
          memory.asSlice(at, 4096));
    }
    store(layout, slot("planted", 2, segment, 1), payload);
    assertEquals(2, scan(layout).size());
    assertTrue(layout.delete(slot("real", 1, segment, 0)));
    assertTrue(layout.delete(slot("planted", 2, segment, 1)));

    store(layout, slot("small", 3, segment, 0), payload(10, 3));
    for (int run = 0; run < 2; run++) {
      assertEquals(
          List.of(slot("small", 3, segment, 0)),
          scan(layout).stream().map(FoundChunk::address).toList());
      assertEquals(0, scanReport(layout).quarantined());
      for (int place = 1; place < format.slots(8192); place++) {
        ChunkAddress planted = slot("victim", 9, segment, place);
        neverServed(() -> layout.block(planted, scratch));
      }
      reopen(DirectIo.PREFERRED, Durability.RELAXED);
    }
  }

  @ParameterizedTest
  @EnumSource(Durability.class)
  void aReassignedSegmentForgetsItsChunks(Durability durability) throws Exception {
    reopen(DirectIo.PREFERRED, durability);
    int segment = makeSegment();
    ChunkAddress old = slot("old", 1, segment, 3);
    store(layout, old, payload(16 * K, 1));
    store(layout, slot("next", 2, segment, 0), payload(128 * K, 2));
    neverServed(() -> load(layout, old, 16 * K));
    // And back to the size of before, with another nonce.
    store(layout, slot("third", 3, segment, 9), payload(16 * K, 3));
    neverServed(() -> load(layout, old, 16 * K));
    neverServed(() -> load(layout, slot("next", 2, segment, 0), 128 * K));
    reopen(DirectIo.PREFERRED, durability);
    neverServed(() -> load(layout, old, 16 * K));
    assertEquals(
        List.of(slot("third", 3, segment, 9)),
        scan(layout).stream().map(FoundChunk::address).toList());
  }

  // Crash points.

  @Test
  void noPieceOfAnUnpublishedChunkIsEverAChunk() throws Exception {
    long size = 300_000;
    ChunkAddress old = at("old", 1, size);
    ChunkAddress next = new ChunkAddress(ChunkKey.of("next"), 2, Chunks.NEVER, old.location());
    for (int pieces = 0; pieces <= 5; pieces++) {
      store(layout, old, payload(size, 1));
      ChunkWrite write = layout.beginStore(next, ChunkMetadata.EMPTY, size, old);
      for (int piece = 0; piece < pieces; piece++) {
        long at = piece * 65536L;
        write.write(at, MemorySegment.ofArray(payload(Math.min(65536, size - at), piece)), scratch);
      }
      // What a process that died here leaves.
      byte[] left = bytesOf(0, 0, (int) SEGMENT);
      write.abandon();
      patch(0, 0, left);
      fails(Kind.NOT_FOUND, () -> load(layout, old, size));
      fails(Kind.NOT_FOUND, () -> load(layout, next, size));
      ScanReport report = scanReport(layout);
      assertEquals(0, report.chunks() + report.quarantined());
    }
  }

  @Test
  void aTornStoreIsAMissForBothChunks() throws Exception {
    long size = 100_000;
    ChunkAddress old = at("old", 1, size);
    ChunkAddress next = new ChunkAddress(ChunkKey.of("next"), 2, Chunks.NEVER, old.location());
    store(layout, old, payload(size, 1));
    byte[] before = bytesOf(0, 4096, 4096 + 102_400);
    store(layout, next, payload(size, 2));
    byte[] after = bytesOf(0, 4096, 4096 + 102_400);
    for (int cut = 512; cut < before.length; cut += 512 * 13) {
      byte[] torn = after.clone();
      System.arraycopy(before, cut, torn, cut, before.length - cut);
      patch(0, 4096, torn);
      for (ChunkAddress address : List.of(old, next)) {
        neverServed(() -> load(layout, address, size));
      }
      // The block without the payload, and the payload without the block.
      System.arraycopy(before, 0, torn, 0, cut);
      System.arraycopy(after, cut, torn, cut, after.length - cut);
      patch(0, 4096, torn);
      for (ChunkAddress address : List.of(old, next)) {
        neverServed(() -> load(layout, address, size));
      }
      patch(0, 4096, after);
    }
    assertArrayEquals(payload(size, 2), load(layout, next, size));
  }

  @Test
  void aScanFindsAllChunksOfAllSizesAndBothGenerations() throws Exception {
    Set<ChunkAddress> stored = new HashSet<>();
    for (int i = 0; i < 300; i++) {
      long size = i % 5 * 7000L + (i % 50 == 0 ? 400_000L : 0L);
      ChunkAddress address = at("k" + i / 2, 1 + i % 2, size);
      store(layout, address, payload(size, i));
      if (i % 7 == 0) {
        assertTrue(layout.delete(address));
      } else {
        stored.add(address);
      }
    }
    reopen(DirectIo.PREFERRED, Durability.RELAXED);
    List<FoundChunk> found = scan(layout);
    assertEquals(stored.size(), found.size());
    Set<ChunkAddress> addresses = new HashSet<>();
    Set<Long> locations = new HashSet<>();
    for (FoundChunk chunk : found) {
      addresses.add(chunk.address());
      assertTrue(locations.add(chunk.address().location()));
    }
    assertEquals(stored, addresses);
  }

  // Prepared transfers of whole chunks.

  @Test
  void preparedStoresAndLoadsAreAsGoodAsMadeOnes() throws Exception {
    for (long size : new long[] {0, 10, 4096, 16 * K, 128 * K + 1}) {
      byte[] payload = payload(size, size);
      // The segment has its slots with the first chunk; before, there is no single transfer.
      store(layout, at("first" + size, 1, size), payload);
      for (long most : new long[] {Long.MAX_VALUE, 4096, 0}) {
        ChunkAddress address = at(size + "." + most, 2, size);
        try (Arena arena = Arena.ofConfined()) {
          MemorySegment source = Memory.ALIGNED.holding(arena, payload);
          assertNull(
              layout.prepareStore(
                  address,
                  ChunkMetadata.EMPTY,
                  Memory.MISALIGNED.holding(arena, payload),
                  scratch));
          make(prepared(layout.prepareStore(address, ChunkMetadata.EMPTY, source, scratch)), most);
          for (Memory memory : List.of(Memory.ALIGNED, Memory.ALIGNED_WITH_ROOM)) {
            MemorySegment target = memory.allocate(arena, size);
            make(prepared(layout.prepareLoad(address, target, size, scratch)), most);
            assertArrayEquals(payload, bytes(target, size));
          }
        }
        assertArrayEquals(payload, load(layout, address, size));
      }
    }
  }

  @Test
  void preparedTransfersFailAsMadeOnesDo() throws Exception {
    ChunkAddress address = at("k", 1, 5000);
    ChunkAddress free = at("free", 1, 5000);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(8192, 4096);
      assertNull(layout.prepareStore(address, ChunkMetadata.EMPTY, memory, scratch));
      store(layout, address, payload(5000, 1));
      PreparedIo store =
          prepared(
              layout.prepareStore(address, ChunkMetadata.EMPTY, memory.asSlice(0, 5000), scratch));
      fails(Kind.IO_ERROR, () -> store.done(-Posix.EIO));
      // What such a write left is the index's to remove.
      assertTrue(layout.delete(address));
      fails(Kind.NOT_FOUND, () -> load(layout, address, 5000));
      PreparedIo absent = prepared(layout.prepareLoad(free, memory, 5000, scratch));
      fails(Kind.NOT_FOUND, () -> make(absent, Long.MAX_VALUE));
      store(layout, address, payload(5000, 1));
      flip(0, offset(address, 5000) + 4096 + 7);
      layout.segments();
      PreparedIo wrong = prepared(layout.prepareLoad(address, memory, 5000, scratch));
      fails(Kind.CORRUPT, () -> make(wrong, Long.MAX_VALUE));
      PreparedIo late = prepared(layout.prepareLoad(address, memory, 5000, scratch));
      layout.close();
      fails(Kind.NO_PERMISSION, () -> opened(DirectIo.PREFERRED, Durability.RELAXED));
      fails(Kind.IO_ERROR, () -> late.done(-Posix.EIO));
      reopen(DirectIo.PREFERRED, Durability.DATA);
      layout.segments();
      assertNull(layout.prepareStore(address, ChunkMetadata.EMPTY, memory, scratch));
    }
  }

  @Test
  void everyDescriptorIsClosedInTheEnd() throws Exception {
    layout.close();
    long before = descriptors();
    layout = opened(DirectIo.PREFERRED, Durability.RELAXED);
    for (int i = 0; i < 4; i++) {
      make(i);
    }
    store(layout, slot("k", 1, 0, 0), payload(10, 1));
    fails(Kind.NOT_FOUND, () -> load(layout, slot("k", 1, 1, 0), 10));
    scan(layout);
    layout.removeSegment(2);
    layout.beginSegment(9).abandon();
    layout.close();
    assertEquals(before, descriptors());
  }

  private static long descriptors() throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
      return all.count();
    }
  }
}
