package io.weft.corruption;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;

import io.weft.base.ChunkKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
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
    return new Place(file, 0, Math.toIntExact(Files.size(file)), true);
  }

  @Override
  long putAside(Path directory) throws IOException {
    return files(directory.resolve("quarantine"), "").size();
  }

  @Override
  String settings() {
    return "";
  }

  private static List<Path> files(Path directory, String prefix) throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      return files
          .filter(Files::isRegularFile)
          .filter(file -> file.getFileName().toString().startsWith(prefix))
          .toList();
    }
  }
}
