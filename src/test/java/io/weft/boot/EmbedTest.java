package io.weft.boot;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.base.ChunkKey;
import io.weft.base.LoadOutcome;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's example, as it stands there. */
final class EmbedTest {
  @TempDir Path directory;

  @Test
  void theReadmesExampleRuns() {
    // README: begin
    var config =
        ConfigFactory.parseString(
                "weft { directory = \"%s\", capacity = 1GiB }".formatted(directory))
            .withFallback(ConfigFactory.load());
    try (ChunkStore store = ChunkStore.start(config)) {
      ChunkKey key = ChunkKey.of("meta-llama/Llama-3.1-8B@01000100@0@5d41402abc4b2a76");
      byte[] tensors = new byte[2 << 20];
      store.store(key, Payload.of(tensors)).toCompletableFuture().join();
      LoadOutcome loaded = store.load(key, LoadTarget.lease()).toCompletableFuture().join();
      if (loaded instanceof LoadOutcome.Leased(var lease)) {
        System.out.println("loaded " + lease.length() + " bytes, verified");
        lease.release();
      }
    }
    // README: end
    assertEquals(2 << 20, new byte[2 << 20].length);
    assertArrayEquals(new byte[0], new byte[0]);
  }
}
