package io.weft.bench;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.LoadOutcome;
import io.weft.base.StoreOutcome;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;

/**
 * How long a store takes to serve again: after a clean shutdown, from its snapshot; after a crash,
 * from a scan of all chunk files. Both times the count of chunks is checked, and a sample of them
 * is loaded and compared.
 *
 * <p>Arguments: {@code DIRECTORY [chunks]}, 200,000 by default; the directory must be empty.
 */
public final class RestartBench {
  private static final int PAYLOAD_BYTES = 1_024;
  private static final int IN_FLIGHT = 256;
  private static final int SAMPLE = 2_000;

  private RestartBench() {}

  public static void main(String[] arguments) throws Exception {
    Path directory = Path.of(arguments[0]);
    int chunks = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 200_000;
    Config config =
        ConfigFactory.parseString(
                "weft { directory = \"%s\", capacity = 1TiB, snapshot-interval = 0s }"
                    .formatted(directory))
            .withFallback(ConfigFactory.load());
    try (ChunkStore store = ChunkStore.start(config)) {
      long begin = System.nanoTime();
      fill(store, chunks);
      System.out.printf("%,d chunks stored in %.1f s%n", chunks, seconds(begin));
    }
    restart(config, chunks, "restart from the snapshot of a clean shutdown");
    Files.delete(directory.resolve("clean"));
    restart(config, chunks, "restart by a scan of all files, as after a crash");
  }

  private static void fill(ChunkStore store, int chunks) throws InterruptedException {
    Semaphore slots = new Semaphore(IN_FLIGHT);
    AtomicLong failed = new AtomicLong();
    for (int i = 0; i < chunks; i++) {
      slots.acquire();
      var _ =
          store
              .store(key(i), Payload.of(content(i)))
              .whenComplete(
                  (outcome, _) -> {
                    if (!(outcome instanceof StoreOutcome.Stored)) {
                      failed.incrementAndGet();
                    }
                    slots.release();
                  });
    }
    slots.acquire(IN_FLIGHT);
    if (failed.get() > 0) {
      throw new IllegalStateException(failed + " stores failed");
    }
  }

  private static void restart(Config config, int chunks, String what) {
    long begin = System.nanoTime();
    try (ChunkStore store = ChunkStore.start(config)) {
      StoreStatus status = store.ready().toCompletableFuture().join();
      double taken = seconds(begin);
      if (status.usage().chunks() != chunks) {
        throw new IllegalStateException(
            "%,d chunks of %,d are back: %s".formatted(status.usage().chunks(), chunks, status));
      }
      long wrong = 0;
      for (int i = 0; i < SAMPLE; i++) {
        int chunk = (int) (i * 7919L % chunks);
        byte[] target = new byte[PAYLOAD_BYTES];
        LoadOutcome outcome =
            store
                .load(key(chunk), LoadTarget.into(java.nio.ByteBuffer.wrap(target)))
                .toCompletableFuture()
                .join();
        if (!(outcome instanceof LoadOutcome.Loaded) || !Arrays.equals(target, content(chunk))) {
          wrong++;
        }
      }
      System.out.printf(
          "%s: %,d chunks in %.2f s; of %,d loaded, %,d wrong%n",
          what, chunks, taken, SAMPLE, wrong);
      if (wrong > 0) {
        throw new IllegalStateException(wrong + " wrong chunks");
      }
    }
  }

  private static ChunkKey key(int chunk) {
    return ChunkKey.of(
        "meta-llama/Llama-3.3-70B-Instruct@08000800@0@%064x"
            .formatted(chunk * 0x9E3779B97F4A7C15L));
  }

  private static byte[] content(int chunk) {
    byte[] content = new byte[PAYLOAD_BYTES];
    new java.util.SplittableRandom(chunk).nextBytes(content);
    return content;
  }

  private static double seconds(long begin) {
    return (System.nanoTime() - begin) / 1e9;
  }
}
