package io.weft.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.base.ChunkKey;
import io.weft.base.LoadOutcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's example: it compiles, it runs, and the README shows exactly it. */
final class EmbedTest {
  @TempDir Path directory;

  @Test
  void theExampleStoresAndLoads() {
    assertEquals(2 << 20, example(directory));
  }

  // README begins
  static long example(Path directory) {
    Config config =
        ConfigFactory.parseString("weft.directory = \"" + directory + "\", weft.capacity = 1GiB")
            .withFallback(ConfigFactory.load());
    try (ChunkStore store = ChunkStore.start(config)) {
      ChunkKey key = ChunkKey.of("meta-llama/Llama-3.1-8B@01000100@0@5d41402abc4b2a76b9719d91");
      byte[] tensors = new byte[2 << 20];
      store.store(key, Payload.of(tensors)).toCompletableFuture().join();
      LoadOutcome outcome = store.load(key, LoadTarget.lease()).toCompletableFuture().join();
      if (outcome instanceof LoadOutcome.Leased(var lease)) {
        try (lease) {
          return lease.buffer().remaining(); // the tensors, verified
        }
      }
      return 0; // a miss, or why not: outcome says it
    }
  }

  // README ends

  @Test
  void theReadmeShowsTheExample() throws IOException {
    List<String> source = Files.readAllLines(Path.of("src/test/java/io/weft/boot/EmbedTest.java"));
    int begin = source.indexOf("  // README begins");
    int end = source.indexOf("  // README ends");
    String example =
        source.subList(begin + 1, end).stream()
            .map(line -> line.replaceFirst("^  ", ""))
            .collect(Collectors.joining("\n"))
            .strip();
    assertTrue(example.lines().count() <= 20, "the example has at most 20 lines");
    assertTrue(
        Files.readString(Path.of("README.md")).contains("```java\n" + example + "\n```"),
        "README.md shows the example as it stands here:\n" + example);
  }
}
