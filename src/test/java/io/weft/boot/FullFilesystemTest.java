package io.weft.boot;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.StoreOutcome;
import io.weft.testing.LoopMount;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A filesystem that is smaller than the capacity that was configured for it. */
@Tag("root")
class FullFilesystemTest {
  private static final long RESERVE = 16 << 20;

  /**
   * What the filesystem itself may take of the reserve between two looks at it: a directory and an
   * extent block, of 1 KiB each, for every chunk of the test.
   */
  private static final long METADATA = 2_000 << 10;

  private static byte[] bytes(int seed) {
    byte[] bytes = new byte[256 << 10];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private static ChunkKey key(int number) {
    return ChunkKey.of("k" + number);
  }

  /** It evicts for the reserve's sake, takes every store, and is no reason to doubt the device. */
  @Test
  void itEvictsAndKeepsTheReserve() throws Exception {
    try (LoopMount mount = LoopMount.ext4(96 << 20);
        ChunkStore store =
            ChunkStore.start(
                ConfigFactory.parseString(
                        """
                        weft { mode = mount, directory = "%s", capacity = 10GiB, reserve = %d }
                        weft.io { threads = 4, reserved-for-loads = 2, lease-pool = 8MiB }
                        """
                            .formatted(mount.directory(), RESERVE))
                    .withFallback(ConfigFactory.load()))) {
      store.ready().toCompletableFuture().get(30, SECONDS);
      int count = 1_000;
      for (int first = 0; first < count; first += 20) {
        List<CompletionStage<StoreOutcome>> some = new ArrayList<>();
        for (int i = first; i < first + 20; i++) {
          some.add(store.store(key(i), Payload.of(bytes(i))));
        }
        for (CompletionStage<StoreOutcome> each : some) {
          StoreOutcome outcome = each.toCompletableFuture().get(30, SECONDS);
          assertInstanceOf(StoreOutcome.Stored.class, outcome, first + ": " + outcome);
        }
      }
      StoreStatus status = store.status().toCompletableFuture().get(30, SECONDS);
      assertEquals(StoreStatus.State.UP, status.state());
      assertTrue(status.counters().get(Metric.EVICTIONS) > 0, "the filesystem was never full");
      long free = mount.directory().toFile().getUsableSpace();
      assertTrue(free >= RESERVE - METADATA, "only " + free + " bytes are free");
      for (int i = count - 50; i < count; i++) {
        LoadOutcome outcome =
            store.load(key(i), LoadTarget.lease()).toCompletableFuture().get(30, SECONDS);
        try (var lease = assertInstanceOf(LoadOutcome.Leased.class, outcome).lease()) {
          assertArrayEquals(bytes(i), lease.memory().toArray(ValueLayout.JAVA_BYTE));
        }
      }
      // Room for the snapshot is made in the same way.
      assertEquals("", store.shutdown().toCompletableFuture().get(30, SECONDS).detail());
    }
  }
}
