package io.weft.device;

import static io.weft.device.Layouts.fails;
import static io.weft.device.Layouts.open;
import static io.weft.device.Layouts.staged;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Durability;
import io.weft.device.SnapshotStore.Reader;
import io.weft.device.SnapshotStore.SnapshotEntry;
import io.weft.device.SnapshotStore.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class FileSnapshotsTest {
  @TempDir Path folder;

  private FileLayout layout;
  private SnapshotStore snapshots;

  @BeforeEach
  void openLayout() throws Exception {
    layout = open(folder);
    snapshots = layout.snapshots();
  }

  @AfterEach
  void closeLayout() {
    layout.close();
  }

  private static SnapshotEntry entry(Random random, int keyBytes) {
    byte[] key = new byte[keyBytes];
    random.nextBytes(key);
    return new SnapshotEntry(
        new ChunkAddress(ChunkKey.of(key), random.nextLong(), random.nextLong() >>> 1),
        random.nextLong(Chunks.MAX_PAYLOAD_BYTES + 1),
        random.nextBoolean(),
        random.nextLong(),
        random.nextInt());
  }

  private static List<SnapshotEntry> entries(int count) {
    Random random = new Random(count);
    List<SnapshotEntry> entries = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      entries.add(entry(random, 1 + random.nextInt(i % 10 == 0 ? ChunkKey.MAX_BYTES : 200)));
    }
    return entries;
  }

  private void write(List<SnapshotEntry> entries, boolean clean) throws DeviceException {
    try (Writer writer = snapshots.begin()) {
      for (SnapshotEntry entry : entries) {
        writer.add(entry);
      }
      writer.commit("lru", 77, clean);
    }
  }

  private Reader reader() throws DeviceException {
    Reader reader = snapshots.open();
    assertNotNull(reader);
    return reader;
  }

  private List<SnapshotEntry> read() throws DeviceException {
    try (Reader reader = reader()) {
      List<SnapshotEntry> entries = new ArrayList<>();
      reader.forEach(entries::add);
      assertEquals(reader.header().entries(), entries.size());
      return entries;
    }
  }

  private boolean clean() throws DeviceException {
    try (Reader reader = reader()) {
      return reader.header().clean();
    }
  }

  private Path file() {
    return folder.resolve("index.snapshot");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 1000, 60_000})
  void entriesComeBackInOrder(int count) throws Exception {
    for (DirectIo direct : DirectIo.values()) {
      if (direct == DirectIo.REQUIRED && !layout.info().directIo()) {
        continue;
      }
      layout.close();
      layout = open(folder, direct, Durability.RELAXED);
      snapshots = layout.snapshots();
      List<SnapshotEntry> entries = entries(count);
      write(entries, true);
      assertEquals(entries, read());
      try (Reader reader = reader()) {
        assertEquals(new SnapshotStore.Header(true, "lru", 77, count), reader.header());
      }
    }
  }

  @Test
  void withoutASnapshotThereIsNone() throws Exception {
    assertNull(snapshots.open());
    assertEquals(0, snapshots.physicalBytes());
    snapshots.removeCleanMarker();
  }

  @Test
  void theNewSnapshotReplacesTheOldInOneStep() throws Exception {
    write(entries(100), true);
    try (Writer writer = snapshots.begin()) {
      for (SnapshotEntry entry : entries(200)) {
        writer.add(entry);
      }
      assertEquals(entries(100), read());
    }
    assertEquals(List.of(), staged(folder), "what was not committed is removed");
    assertEquals(entries(100), read());
    assertTrue(clean());
    write(entries(200), false);
    assertEquals(entries(200), read());
    assertFalse(clean());
    assertEquals(List.of(), staged(folder));
  }

  @Test
  void aReaderOfTheOldSnapshotReadsOn() throws Exception {
    write(entries(5000), true);
    List<SnapshotEntry> seen = new ArrayList<>();
    try (Reader reader = reader()) {
      write(entries(10), true);
      reader.forEach(seen::add);
    }
    assertEquals(entries(5000), seen);
  }

  @Test
  void theMarkerFitsItsOwnSnapshotOnly() throws Exception {
    Path marker = folder.resolve("clean");
    write(entries(10), true);
    byte[] of10 = Files.readAllBytes(marker);
    byte[] snapshotOf10 = Files.readAllBytes(file());
    write(entries(10), true);
    assertTrue(clean());
    byte[] ofAnother = Files.readAllBytes(marker);
    Files.write(marker, of10);
    assertFalse(clean(), "the same entries, written another time");
    Files.write(marker, ofAnother);
    assertTrue(clean());
    Files.write(file(), snapshotOf10);
    assertFalse(clean(), "the snapshot was put back");
    Files.write(marker, of10);
    assertTrue(clean());
    for (int at = 0; at < of10.length; at++) {
      byte[] damaged = of10.clone();
      damaged[at] ^= 1;
      Files.write(marker, damaged);
      assertFalse(clean(), "a flipped bit at " + at);
    }
    Files.write(marker, Arrays.copyOf(of10, of10.length - 1));
    assertFalse(clean());
    Files.write(marker, new byte[0]);
    assertFalse(clean());
    Files.delete(marker);
    assertFalse(clean());
    assertEquals(entries(10), read(), "it goes on lending what it knows");
  }

  @Test
  void theMarkerIsGoneOnceItIsRemoved() throws Exception {
    write(entries(10), true);
    snapshots.removeCleanMarker();
    assertFalse(clean());
    assertFalse(Files.exists(folder.resolve("clean")));
    assertEquals(entries(10), read());
  }

  @Test
  void aDamagedHeaderIsNoSnapshot() throws Exception {
    write(entries(1000), true);
    byte[] good = Files.readAllBytes(file());
    for (int at : new int[] {0, 8, 12, 16, 24, 32, 40, 48, 56, 60, 64, 2000, 4095}) {
      byte[] damaged = good.clone();
      damaged[at] ^= 4;
      Files.write(file(), damaged);
      assertNull(snapshots.open(), "a flipped bit at " + at);
    }
    for (int length : new int[] {0, 1, 4095, 4096, good.length - 1, good.length - 65536}) {
      Files.write(file(), Arrays.copyOf(good, length));
      assertNull(snapshots.open(), "cut to " + length);
    }
    Files.write(file(), Arrays.copyOf(good, good.length + 65536));
    assertNull(snapshots.open(), "extended");
  }

  @Test
  void aDamagedFrameEndsTheReadingAndWhatCameBeforeIsRight() throws Exception {
    List<SnapshotEntry> entries = entries(5000);
    write(entries, true);
    byte[] good = Files.readAllBytes(file());
    int frames = (good.length - 4096) / FileSnapshots.FRAME_BYTES;
    assertTrue(frames > 3);
    Random random = new Random(1);
    for (int frame = 0; frame < frames; frame++) {
      byte[] damaged = good.clone();
      int start = 4096 + frame * FileSnapshots.FRAME_BYTES;
      damaged[start + random.nextInt(FileSnapshots.FRAME_BYTES)] ^= 1;
      assertReadsAPrefixOnly(entries, damaged);
    }
    byte[] swapped = good.clone();
    System.arraycopy(good, 4096, swapped, 4096 + 65536, 65536);
    System.arraycopy(good, 4096 + 65536, swapped, 4096, 65536);
    assertReadsAPrefixOnly(entries, swapped);

    write(entries, true);
    byte[] another = Files.readAllBytes(file());
    System.arraycopy(good, 4096 + 65536, another, 4096 + 65536, 65536);
    assertReadsAPrefixOnly(entries, another);
  }

  private void assertReadsAPrefixOnly(List<SnapshotEntry> entries, byte[] file) throws Exception {
    Files.write(file(), file);
    List<SnapshotEntry> seen = new ArrayList<>();
    try (Reader reader = reader()) {
      fails(Kind.CORRUPT, () -> reader.forEach(seen::add));
    }
    assertTrue(seen.size() < entries.size());
    assertEquals(entries.subList(0, seen.size()), seen);
  }

  @Test
  void theEstimateIsNeverTooSmall() throws Exception {
    Random random = new Random(3);
    int[] unlucky = {ChunkKey.MAX_BYTES, 1, 1300, 2000, 700};
    for (int count : new int[] {0, 1, 31, 32, 33, 500, 20_000}) {
      for (int shape = 0; shape < 4; shape++) {
        List<SnapshotEntry> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
          int keyBytes =
              switch (shape) {
                case 0 -> 1;
                case 1 -> Math.min(count, 500) < count ? 120 : ChunkKey.MAX_BYTES;
                case 2 -> 1 + random.nextInt(300);
                default -> unlucky[random.nextInt(unlucky.length)];
              };
          entries.add(entry(random, keyBytes));
        }
        write(entries, true);
        long keyBytes = entries.stream().mapToLong(entry -> entry.address().key().length()).sum();
        long estimate = snapshots.estimateBytes(count, keyBytes);
        long actual = snapshots.physicalBytes();
        assertTrue(actual <= estimate, () -> actual + " of " + estimate);
        assertTrue(estimate <= actual * 1.1 + 200_000, () -> actual + " of " + estimate);
      }
    }
  }

  @Test
  void aSnapshotIsWrittenOnce() throws Exception {
    Writer writer = snapshots.begin();
    writer.commit("s3fifo", 1, false);
    assertThrows(IllegalStateException.class, () -> writer.commit("lru", 2, true));
    assertThrows(IllegalStateException.class, () -> writer.add(entry(new Random(1), 5)));
    writer.close();
    writer.close();
    assertEquals(List.of(), read());
  }

  @ParameterizedTest
  @EnumSource(
      value = DirectIo.class,
      names = {"PREFERRED", "OFF"})
  void aMillionEntriesAreReadInBoundedTime(DirectIo direct) throws Exception {
    layout.close();
    layout = open(folder, direct, Durability.RELAXED);
    snapshots = layout.snapshots();
    byte[] key = new byte[120];
    try (Writer writer = snapshots.begin()) {
      for (int i = 0; i < 1_000_000; i++) {
        key[i % 4] = (byte) i;
        key[50] = (byte) (i >> 8);
        key[60] = (byte) (i >> 16);
        writer.add(
            new SnapshotEntry(new ChunkAddress(ChunkKey.of(key), i, 0), 131_072, false, i, 0));
      }
      writer.commit("lru", 1_000_001, true);
    }
    long[] sum = new long[1];
    long begin = System.nanoTime();
    try (Reader reader = reader()) {
      reader.forEach(entry -> sum[0] += entry.address().generation());
    }
    long millis = (System.nanoTime() - begin) / 1_000_000;
    assertEquals(499_999_500_000L, sum[0]);
    assertTrue(millis < 10_000, () -> millis + " ms");
  }

  /** Its checksums may fit: whoever can write the directory can compute them. */
  @ParameterizedTest
  @ValueSource(longs = {-1, Chunks.MAX_PAYLOAD_BYTES + 1, Long.MIN_VALUE})
  void anEntryThatNoStoreWritesEndsTheReading(long length) throws Exception {
    write(
        List.of(new SnapshotEntry(new ChunkAddress(ChunkKey.of("k"), 1, 0), length, false, 0, 0)),
        true);
    fails(Kind.CORRUPT, this::read);
    write(
        List.of(new SnapshotEntry(new ChunkAddress(ChunkKey.of("k"), 1, -1), 1, false, 0, 0)),
        true);
    fails(Kind.CORRUPT, this::read);
  }
}
