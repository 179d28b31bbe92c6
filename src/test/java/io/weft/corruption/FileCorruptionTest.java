package io.weft.corruption;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;

import io.weft.base.ChunkKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.zip.CRC32C;

/** The file layout: a chunk has a file to itself, and its bytes begin where the file does. */
class FileCorruptionTest extends CorruptionContract {

  @Override
  Place locate(Path directory, ChunkKey key) throws IOException {
    CRC32C sum = new CRC32C();
    sum.update(key.toBytes());
    int crc = (int) sum.getValue();
    String leaf = "chunks/%02x/%02x".formatted(crc >>> 26, crc >>> 20 & 0x3f);
    // A replaced value's file goes when nobody reads it any more.
    Path file =
        await()
            .atMost(20, SECONDS)
            .pollDelay(Duration.ZERO)
            .until(() -> files(directory.resolve(leaf), key + "~"), found -> found.size() == 1)
            .getFirst();
    return new Place(file, 0, Math.toIntExact(Files.size(file)));
  }

  @Override
  List<Alteration> alterations(int keyLength, int metadataLength, int payloadLength) {
    return Alteration.ofFile(keyLength, metadataLength, payloadLength);
  }

  @Override
  String settings() {
    return "";
  }

  @Override
  void assertDetected(Running running, int chunks) {
    await().atMost(20, SECONDS).until(() -> putAside() == chunks);
  }
}
