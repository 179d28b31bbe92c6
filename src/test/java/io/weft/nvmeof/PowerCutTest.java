package io.weft.nvmeof;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.LoadOutcome;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The power of the target's disk goes at some moment: what a store had acknowledged by then. The
 * disk's writes and flushes are recorded, each acknowledgement puts a mark among them, and the disk
 * is made again as it was at a mark, without anything that was not flushed.
 */
@Tag("nvmeof")
class PowerCutTest {
  private static final long DISK_BYTES = 160L << 20;
  private static final int CHUNKS = 24;
  private static final Path IMAGES = Path.of("/scratch/power-cut");

  @BeforeEach
  void targetUp() throws IOException {
    Files.createDirectories(IMAGES);
    NvmeTarget.call("up", "--size", Long.toString(DISK_BYTES), "--log-writes");
  }

  @AfterEach
  void targetDown() {
    NvmeTarget.call("down");
    NvmeTarget.run("rm", "-rf", IMAGES.toString());
  }

  @Test
  void fullDurabilityKeepsEveryAcknowledgedChunk() throws IOException {
    List<String> names = record("full");
    try (WriteLog log = log()) {
      for (int acknowledged : new int[] {1, 7, 12, 18, CHUNKS}) {
        int writes = log.replayTo("acknowledged-" + acknowledged);
        assertTrue(writes > 0, "nothing was written for " + acknowledged);
        assertEquals(names.subList(0, acknowledged), hitsAfterPowerCut(names), "acknowledged");
      }
    }
  }

  @Test
  void relaxedDurabilityKeepsNothingOrTheRightBytes() throws IOException {
    List<String> names = record("relaxed");
    try (WriteLog log = log()) {
      for (int acknowledged : new int[] {2, CHUNKS}) {
        log.replayTo("acknowledged-" + acknowledged);
        List<String> hits = hitsAfterPowerCut(names);
        assertTrue(names.subList(0, acknowledged).containsAll(hits), hits.toString());
      }
    }
  }

  /** Stores chunks and marks each acknowledgement; returns their names in that order. */
  private static List<String> record(String durability) {
    List<String> names = FabricStore.names("cut", CHUNKS);
    try (FabricStore store = FabricStore.up("weft.durability = " + durability)) {
      for (int i = 0; i < CHUNKS; i++) {
        store.store(List.of(names.get(i)));
        NvmeTarget.call("mark", "acknowledged-" + (i + 1));
      }
      store.end();
    }
    return names;
  }

  private static WriteLog log() throws IOException {
    return new WriteLog(Path.of(NvmeTarget.call("log")), IMAGES.resolve("disk"), DISK_BYTES);
  }

  /** Mounts a copy of the disk as it is, opens a store there, and returns what hits, verified. */
  private static List<String> hitsAfterPowerCut(List<String> names) throws IOException {
    Path image = IMAGES.resolve("copy");
    NvmeTarget.run("cp", "--sparse=always", IMAGES.resolve("disk").toString(), image.toString());
    Path mountPoint = Files.createDirectories(IMAGES.resolve("mnt"));
    NvmeTarget.run("mount", "-o", "loop", image.toString(), mountPoint.toString());
    try (ChunkStore store =
        ChunkStore.start(
            ConfigFactory.parseString(
                    """
                    weft { mode = mount, directory = "%s", capacity = 512MiB, reserve = 0 }
                    weft.io { threads = 4, reserved-for-loads = 2, lease-pool = 32MiB, scan-threads = 2 }
                    """
                        .formatted(mountPoint))
                .withFallback(ConfigFactory.load()))) {
      StoreStatus status = FabricStore.get(store.ready());
      assertEquals(StoreStatus.State.UP, status.state(), status.detail());
      return names.stream().filter(name -> hits(store, name)).toList();
    } finally {
      NvmeTarget.run("umount", mountPoint.toString());
      Files.delete(image);
    }
  }

  private static boolean hits(ChunkStore store, String name) {
    LoadOutcome outcome = FabricStore.get(store.load(ChunkKey.of(name), LoadTarget.lease()));
    if (outcome instanceof LoadOutcome.Leased(var lease)) {
      try (lease) {
        assertArrayEquals(
            FabricStore.bytes(name), lease.memory().toArray(ValueLayout.JAVA_BYTE), name);
        return true;
      }
    }
    assertEquals(new LoadOutcome.Miss(LoadOutcome.Miss.Why.ABSENT), outcome);
    return false;
  }
}
