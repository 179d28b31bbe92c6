package io.weft.soak;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.KeysOutcome;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutionException;

/**
 * The process that is killed: clients store, replace and delete, and say what was acknowledged once
 * it was: {@code stored KEY NUMBER}, and {@code deleting KEY} before a delete. Each key is one
 * client's, so that what it says of it comes in order.
 *
 * <p>Arguments: directory, mode, layout, durability, number of this process, seed.
 */
public final class CrashHost {
  /** The longest chunk. */
  static final int LONGEST = 128 << 10;

  private static final int CLIENTS = 4;
  private static final int KEYS_EACH = 40;
  private static final int PROCESS_SHIFT = 32;
  private static final PrintStream OUT = System.out;

  private CrashHost() {}

  public static void main(String[] args) throws Exception {
    int process = Integer.parseInt(args[4]);
    long seed = Long.parseLong(args[5]);
    Thread.ofPlatform().daemon().name("parent").start(CrashHost::endWithParent);
    ChunkStore store = ChunkStore.start(config(Path.of(args[0]), args[1], args[2], args[3]));
    store.ready().toCompletableFuture().get();
    for (int client = 0; client < CLIENTS; client++) {
      int number = client;
      Thread.ofPlatform().name("client-" + client).start(() -> run(store, number, process, seed));
    }
  }

  /** Nothing comes in: the end of the stream is the end of who started this process. */
  private static void endWithParent() {
    try {
      while (System.in.read() >= 0) {}
    } catch (IOException gone) {
      // As good as the end.
    }
    Runtime.getRuntime().halt(1);
  }

  /** Room for all keys: nothing is evicted. */
  static Config config(Path directory, String mode, String layout, String durability) {
    return ConfigFactory.parseString(
            """
            weft {
              mode = %s, directory = "%s", layout = %s, slab.segment = 1MiB, durability = %s
              capacity = 128MiB, reserve = 1MiB, snapshot-interval = 1s
              io { threads = 4, queue-per-worker = 2, reserved-for-loads = 2, scan-threads = 2 }
              io { lease-pool = 16MiB, piece = 64KiB }
            }
            pekko.loglevel = OFF, pekko.stdout-loglevel = OFF
            """
                .formatted(mode, directory, layout, durability))
        .withFallback(ConfigFactory.load());
  }

  private static void run(ChunkStore store, int client, int process, long seed) {
    Random random = new Random((seed << 16) + process * (long) CLIENTS + client);
    long number = (long) process << PROCESS_SHIFT;
    try (Arena arena = Arena.ofShared()) {
      MemorySegment memory = arena.allocate(LONGEST, 4096);
      while (true) {
        ChunkKey key = ChunkKey.of("crash-%d-%d".formatted(client, random.nextInt(KEYS_EACH)));
        if (random.nextInt(12) == 0) {
          say("deleting " + key.text());
          KeysOutcome deleted =
              store
                  .keys(KeyOperation.DELETE_FORCED, List.of(key), in(60))
                  .toCompletableFuture()
                  .get();
          if (!(deleted instanceof KeysOutcome.Done)) {
            say("refused a delete: " + deleted);
          }
          continue;
        }
        number += CLIENTS;
        MemorySegment value = memory.asSlice(0, Values.length(key, number, LONGEST));
        Values.fill(key, number, value);
        Payload payload = Payload.of(value);
        StoreOutcome outcome =
            store
                .store(key, payload, StoreOptions.DEFAULT.withMode(StoreMode.REPLACE), in(60))
                .toCompletableFuture()
                .get();
        say(
            outcome instanceof StoreOutcome.Stored
                ? "stored %s %d".formatted(key.text(), number)
                : "refused a store: " + outcome);
        payload.released().toCompletableFuture().get();
      }
    } catch (InterruptedException | ExecutionException bug) {
      say("refused: " + bug);
    }
  }

  private static Deadline in(int seconds) {
    return Deadline.in(Duration.ofSeconds(seconds));
  }

  private static void say(String line) {
    synchronized (OUT) {
      OUT.println(line);
      OUT.flush();
    }
  }
}
