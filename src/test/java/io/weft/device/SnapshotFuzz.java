package io.weft.device;

import io.weft.base.ChunkKey;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.CRC32C;

/** Where a fuzzer comes in: the snapshot of the index, {@code scripts/fuzz snapshot}. */
public final class SnapshotFuzz {
  private static final int HEADER = 4096;
  private static final int FRAME = 65_536;
  private static final Path ROOT = root();
  private static final SnapshotStore SNAPSHOTS = snapshots();

  private SnapshotFuzz() {}

  private static Path root() {
    try {
      Path root = Files.createTempDirectory("weft-snapshot-fuzz");
      Runtime.getRuntime()
          .addShutdownHook(
              new Thread(
                  () -> {
                    Layouts.files(root).forEach(file -> file.toFile().delete());
                    for (String name : new String[] {"chunks", "quarantine", "."}) {
                      root.resolve(name).normalize().toFile().delete();
                    }
                  }));
      return root;
    } catch (IOException failed) {
      throw new ExceptionInInitializerError(failed);
    }
  }

  private static SnapshotStore snapshots() {
    try {
      return Layouts.open(ROOT).snapshots();
    } catch (DeviceException failed) {
      throw new ExceptionInInitializerError(failed);
    }
  }

  /**
   * @param input a snapshot, without the zeros at the end of its frames: the header's 4096 bytes
   *     and then a frame; read as it is, and once more with checksums and identities that fit
   */
  public static void fuzzerTestOneInput(byte[] input) throws IOException, DeviceException {
    read(input);
    int frames = input.length > HEADER ? 1 + (input.length - HEADER - 1) / FRAME : 0;
    byte[] whole = Arrays.copyOf(input, HEADER + frames * FRAME);
    MemorySegment memory = MemorySegment.ofArray(whole);
    MemorySegment.copy(
        MemorySegment.ofArray("WEFTSNAP".getBytes(StandardCharsets.US_ASCII)), 0, memory, 0, 8);
    memory.set(ChunkFormat.U32, 8, 1);
    memory.set(ChunkFormat.U32, 12, FRAME);
    memory.set(ChunkFormat.U64, 32, frames);
    CRC32C sum = new CRC32C();
    for (int i = 0; i < frames; i++) {
      int at = HEADER + i * FRAME;
      memory.set(ChunkFormat.U64, at, memory.get(ChunkFormat.U64, 16));
      memory.set(ChunkFormat.U64, at + 8, i);
      memory.set(ChunkFormat.U32, at + FRAME - 4, Crc32c.of(whole, at, FRAME - 4));
      sum.update(whole, at, FRAME);
    }
    memory.set(ChunkFormat.U32, 56, (int) sum.getValue());
    memory.set(ChunkFormat.U32, HEADER - 4, Crc32c.of(whole, 0, HEADER - 4));
    read(whole);
  }

  private static void read(byte[] bytes) throws IOException, DeviceException {
    Files.write(ROOT.resolve("index.snapshot"), bytes);
    try (SnapshotStore.Reader reader = SNAPSHOTS.open()) {
      if (reader != null) {
        reader.forEach(SnapshotFuzz::check);
      }
    } catch (DeviceException refused) {
      if (refused.kind() != DeviceException.Kind.CORRUPT) {
        throw refused;
      }
    }
  }

  private static void check(SnapshotStore.SnapshotEntry entry) {
    if (entry.payloadLength() < 0
        || entry.payloadLength() > Chunks.MAX_PAYLOAD_BYTES
        || entry.address().key().length() > ChunkKey.MAX_BYTES
        || entry.address().expiresAtMillis() < 0) {
      throw new AssertionError("no store writes such an entry: " + entry);
    }
  }
}
