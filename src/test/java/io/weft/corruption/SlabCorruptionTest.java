package io.weft.corruption;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkKey;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The slab layout: a chunk lies in a slot of a segment that others share. */
class SlabCorruptionTest extends CorruptionContract {
  private static final int SEGMENT = 1 << 20;
  private static final int HEADER = 4096;

  /** So long that a segment has one slot for it. */
  private static final int LARGE = 600 << 10;

  @TempDir Path otherDirectory;

  @Override
  Place locate(Path directory, ChunkKey key) throws IOException {
    Place newest = null;
    long generation = -1;
    for (Path file : segments(directory)) {
      // Most segments have no slots yet.
      boolean empty = word(new Place(file, 0, HEADER).read(), 32) == 0;
      byte[] bytes = empty ? new byte[HEADER] : Files.readAllBytes(file);
      ByteBuffer segment = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
      long slotBytes = segment.getLong(32);
      for (long at = HEADER; slotBytes > 0 && at + slotBytes <= SEGMENT; at += slotBytes) {
        int slot = (int) at;
        if (segment.getLong(slot + Alteration.NONCE_AT) == segment.getLong(40)
            && isOf(bytes, slot, segment.getShort(slot + 36), key)
            && segment.getLong(slot + 24) > generation) {
          generation = segment.getLong(slot + 24);
          int length = HEADER + (int) Alteration.roundUp(segment.getLong(slot + 16));
          newest = new Place(file, at, length);
        }
      }
    }
    if (newest == null) {
      throw new AssertionError("no slot holds " + key);
    }
    return newest;
  }

  private static long word(byte[] bytes, int at) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(at);
  }

  /** Those of the right length; others may be on their way to be made. */
  private static List<Path> segments(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory.resolve("segments"))) {
      return files
          .filter(file -> file.getFileName().toString().matches("[0-9a-f]{8}"))
          .filter(file -> file.toFile().length() == SEGMENT)
          .toList();
    }
  }

  private static boolean isOf(byte[] segment, int slot, int keyLength, ChunkKey key) {
    byte[] bytes = key.toBytes();
    int at = slot + Alteration.KEY_AT;
    return keyLength == bytes.length
        && Arrays.equals(bytes, 0, keyLength, segment, at, at + keyLength);
  }

  @Override
  List<Alteration> alterations(int keyLength, int metadataLength, int payloadLength) {
    return Alteration.ofSlot(keyLength, metadataLength, payloadLength);
  }

  @Override
  String settings() {
    return "weft { layout = slab, slab { segment = 1MiB, prewrite = off }, max-chunk = 768KiB }";
  }

  /** A chunk that is whole under its own name is not put aside for the one that is missed. */
  @Override
  void assertDetected(Running running, int chunks) throws Exception {
    assertEquals(chunks, running.count(Metric.VANISHED));
    await().atMost(20, SECONDS).until(() -> running.toldGone.size() == chunks);
    assertEquals(0, putAside());
  }

  private static byte[] large(long seed) {
    byte[] bytes = new byte[LARGE];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private void unclean(boolean scan) throws IOException {
    if (scan) {
      Files.delete(directory.resolve("clean"));
    }
  }

  @Test
  void chunksThatChangedPlacesInTheirSegmentAreThemselvesForAScan() throws Exception {
    try (Running running = new Running()) {
      running.store(key(1), payload(1));
      running.store(key(2), payload(2));
    }
    exchange(locate(directory, key(1)), locate(directory, key(2)));
    unclean(true);
    try (Running running = new Running()) {
      running.assertHit(key(1), payload(1), "elsewhere");
      running.assertHit(key(2), payload(2), "elsewhere");
    }
  }

  /** Another size of slot: the chunks cannot lie in the same segment. */
  private Place inAnotherSegment(Running running) throws Exception {
    byte[] bytes = Arrays.copyOf(payload(3), PAYLOAD);
    int number = 1_000;
    Path first = locate(directory, key(1)).file();
    while (true) {
      running.store(key(number), bytes);
      Place place = locate(directory, key(number));
      if (!place.file().equals(first)) {
        return place;
      }
      number++;
    }
  }

  /** Neither its nonce nor its place is right there, whatever else is. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aSlotOfAnotherSegmentIsNoChunk(boolean scan) throws Exception {
    byte[] foreign;
    try (Running running = new Running()) {
      running.store(key(1), payload(1));
      foreign = inAnotherSegment(running).read();
    }
    putThere(foreign, scan);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theSameSlotOfAnotherStoreIsNoChunk(boolean scan) throws Exception {
    byte[] foreign;
    try (Running running = new Running(otherDirectory)) {
      running.store(key(1), payload(77));
      foreign = locate(otherDirectory, key(1)).read();
    }
    try (Running running = new Running()) {
      running.store(key(1), payload(1));
    }
    putThere(foreign, scan);
  }

  private void putThere(byte[] foreign, boolean scan) throws Exception {
    locate(directory, key(1)).write(foreign);
    unclean(scan);
    try (Running running = new Running()) {
      running.assertMiss(key(1), "another's slot");
      if (!scan) {
        assertDetected(running, 1);
      }
      assertEquals(0, putAside());
      running.store(key(1), payload(2));
      running.assertHit(key(1), payload(2), "stored anew");
    }
  }

  /** What a scan finds of two generations is the later one, wherever the earlier one lies. */
  @Test
  void anOldGenerationInAFreeSlotIsNotServed() throws Exception {
    byte[] old;
    Place free;
    try (Running running = new Running()) {
      running.store(key(1), payload(1));
      free = locate(directory, key(1));
      old = free.read();
      running.store(key(1), payload(2));
    }
    assertTrue(locate(directory, key(1)).from() != free.from());
    free.write(old);
    unclean(true);
    try (Running running = new Running()) {
      running.assertHit(key(1), payload(2), "the later one");
    }
  }

  /** A way to damage a segment, and whether a scan puts its one chunk aside. */
  private record HeaderDamage(String name, boolean aside, Consumer<byte[]> bend) {}

  private static HeaderDamage flip(String name, int at) {
    return new HeaderDamage(name + ", at " + at, false, bytes -> bytes[at] ^= (byte) (1 << at % 8));
  }

  private static HeaderDamage forged(String name, boolean aside, Alteration.Forgery forgery) {
    return new HeaderDamage("forged: " + name, aside, bytes -> Alteration.forge(bytes, forgery));
  }

  private static List<HeaderDamage> headerDamages() {
    List<HeaderDamage> all = new ArrayList<>();
    // Every second byte of every field, so that each of them has several.
    for (int at = 0; at < 56; at += 2) {
      all.add(flip("a field", at));
    }
    all.add(flip("zeros, first", 56));
    all.add(flip("zeros, middle", 2_000));
    all.add(flip("zeros, last", Alteration.BLOCK_CRC_AT - 1));
    all.add(flip("checksum, first", Alteration.BLOCK_CRC_AT));
    all.add(flip("checksum, last", HEADER - 1));
    all.add(new HeaderDamage("zeroed", false, bytes -> Arrays.fill(bytes, (byte) 0)));
    all.add(new HeaderDamage("torn", false, bytes -> Arrays.fill(bytes, 0, 512, (byte) 0xff)));
    all.add(forged("an earlier version", false, bytes -> bytes.putInt(8, 0)));
    all.add(forged("another header length", false, bytes -> bytes.putInt(12, 512)));
    all.add(forged("another length", false, bytes -> bytes.putLong(16, 2L * SEGMENT)));
    all.add(forged("another number", false, bytes -> bytes.putInt(24, bytes.getInt(24) ^ 1)));
    all.add(forged("no slots", false, bytes -> bytes.putLong(32, 0)));
    all.add(forged("odd slots", false, bytes -> bytes.putLong(32, 10_000)));
    all.add(forged("endless slots", false, bytes -> bytes.putLong(32, 1L << 40)));
    all.add(forged("other slots", true, bytes -> bytes.putLong(32, 8192)));
    all.add(forged("no nonce", false, bytes -> bytes.putLong(40, 0)));
    all.add(forged("another nonce", false, bytes -> bytes.putLong(40, bytes.getLong(40) ^ 1)));
    return all;
  }

  /** The chunks of such a segment are gone; those of others are not, and no byte is wrong. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aDamagedHeaderCostsTheChunksOfItsSegment(boolean scan) throws Exception {
    List<HeaderDamage> damages = headerDamages();
    List<Path> segments = new ArrayList<>();
    try (Running running = new Running()) {
      for (int i = 0; i <= damages.size(); i++) {
        running.store(key(i), large(i));
        segments.add(locate(directory, key(i)).file());
      }
      assertEquals(segments.size(), segments.stream().distinct().count());
    }
    for (int i = 0; i < damages.size(); i++) {
      Place header = new Place(segments.get(i), 0, HEADER);
      byte[] bytes = header.read();
      damages.get(i).bend().accept(bytes);
      header.write(bytes);
    }
    unclean(scan);
    try (Running running = new Running()) {
      running.assertHit(key(damages.size()), large(damages.size()), "beside them");
      for (int i = 0; i < damages.size(); i++) {
        running.assertMiss(key(i), damages.get(i).name());
      }
      long aside = scan ? damages.stream().filter(HeaderDamage::aside).count() : 0;
      assertEquals(aside, running.count(Metric.CORRUPT));
      assertEquals(aside, putAside());
      assertEquals(scan ? 0 : damages.size(), running.count(Metric.VANISHED));
      // All of it is used again.
      for (int i = 0; i < damages.size(); i++) {
        running.store(key(i), large(-i));
        running.assertHit(key(i), large(-i), "stored anew");
      }
    }
  }

  /** While the store runs, the header is in memory, and nobody reads it. */
  @Test
  void aHeaderOfALaterVersionLeavesTheSegmentAlone() throws Exception {
    Path segment;
    try (Running running = new Running()) {
      running.store(key(1), large(1));
      segment = locate(directory, key(1)).file();
      Place header = new Place(segment, 0, HEADER);
      byte[] bytes = header.read();
      Alteration.forge(bytes, block -> block.putInt(8, 2));
      header.write(bytes);
      running.assertHit(key(1), large(1), "in memory");
    }
    byte[] before = Files.readAllBytes(segment);
    for (boolean scan : new boolean[] {false, true}) {
      unclean(scan);
      try (Running running = new Running()) {
        running.assertMiss(key(1), "of a later version");
        running.store(key(2), large(2));
        running.assertHit(key(2), large(2), "beside it");
      }
      assertArrayEquals(before, Files.readAllBytes(segment), "left alone");
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void twoSegmentsThatChangedPlacesHoldNothing(boolean scan) throws Exception {
    try (Running running = new Running()) {
      running.store(key(1), large(1));
      running.store(key(2), large(2));
    }
    Path one = locate(directory, key(1)).file();
    Path other = locate(directory, key(2)).file();
    Path aside = directory.resolve("aside");
    Files.move(one, aside);
    Files.move(other, one);
    Files.move(aside, other, StandardCopyOption.ATOMIC_MOVE);
    unclean(scan);
    try (Running running = new Running()) {
      running.assertMiss(key(1), "in the other's segment");
      running.assertMiss(key(2), "in the other's segment");
      running.store(key(1), large(3));
      running.assertHit(key(1), large(3), "stored anew");
    }
  }

  /** It goes to quarantine whole, with a scan; without one its chunks are known to be gone. */
  @ParameterizedTest
  @ValueSource(longs = {0, HEADER + 100, SEGMENT - 1, SEGMENT + 1})
  void aSegmentOfAnotherLengthIsNotRead(long length) throws Exception {
    for (boolean scan : new boolean[] {true, false}) {
      try (Running running = new Running()) {
        running.store(key(1), large(1));
        running.store(key(2), large(2));
      }
      Path segment = locate(directory, key(1)).file();
      new Place(segment, 0, SEGMENT).resize(length);
      unclean(scan);
      try (Running running = new Running()) {
        running.assertMiss(key(1), "in a segment of " + length);
        running.assertHit(key(2), large(2), "beside it");
        if (scan) {
          assertEquals(1, putAside());
          assertEquals(1, running.count(Metric.CORRUPT));
          assertEquals(length, Files.size(files(directory.resolve("quarantine"), "").getFirst()));
        }
        running.store(key(1), large(3));
        running.assertHit(key(1), large(3), "stored anew");
      }
    }
  }

  /** What is cut off cannot be read; what is not is served. */
  @Test
  void aSegmentThatIsCutUnderAStoreServesNoWrongByte() throws Exception {
    try (Running running = new Running()) {
      running.store(key(0), payload(0));
      running.store(key(1), payload(1));
      running.store(key(2), payload(2));
      Place cut = locate(directory, key(1));
      new Place(cut.file(), 0, SEGMENT).resize(cut.from() + HEADER + 4096);
      running.assertHit(key(0), payload(0), "before the cut");
      for (int i = 1; i <= 2; i++) {
        LoadOutcome outcome = running.load(key(i));
        assertTrue(
            !(outcome instanceof LoadOutcome.Leased) && !(outcome instanceof LoadOutcome.Loaded),
            outcome::toString);
      }
      running.store(key(3), payload(3));
      running.assertHit(key(3), payload(3), "stored anew");
    }
  }

  @Test
  void aSegmentThatIsLongerUnderAStoreIsAsGoodAsBefore() throws Exception {
    try (Running running = new Running()) {
      running.store(key(1), payload(1));
      new Place(locate(directory, key(1)).file(), 0, SEGMENT).resize(SEGMENT + 4096);
      running.assertHit(key(1), payload(1), "in a longer segment");
    }
  }
}
