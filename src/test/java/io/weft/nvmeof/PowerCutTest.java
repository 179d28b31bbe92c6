package io.weft.nvmeof;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.LoadOutcome;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The power of the target's disk goes at some moment: what a store had acknowledged by then. The
 * disk's writes and flushes are recorded, each acknowledgement puts a mark among them, and the disk
 * is made again as it was at a mark, without anything that was not flushed. Every third operation
 * replaces an earlier chunk.
 *
 * <p>With {@code WEFT_POWER_CUTS=N} in the environment each test cuts N times: {@code
 * scripts/crash-test --power-cuts N}.
 */
@Tag("nvmeof")
class PowerCutTest {
  private static final long DISK_BYTES = 160L << 20;
  private static final Path IMAGES = Path.of("/scratch/power-cut");
  private static final int OPERATIONS = 24;

  /** So many operations leave room for all on the disk. */
  private static final int OPERATIONS_MOST = 300;

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

  @ParameterizedTest
  @ValueSource(strings = {"file", "slab"})
  void fullDurabilityKeepsEveryAcknowledgedChunk(String layout) throws IOException {
    int[] cuts = cuts(1, 7, 12, 18, OPERATIONS);
    List<String> keys = record(layout, "full", cuts[cuts.length - 1]);
    try (WriteLog log = log()) {
      for (int acknowledged : cuts) {
        int writes = log.replayTo("acknowledged-" + acknowledged);
        assertTrue(writes > 0, "nothing was written for " + acknowledged);
        Map<String, Integer> found = foundAfterPowerCut(layout, keys);
        assertEquals(latest(keys.subList(0, acknowledged)), found, "acknowledged");
      }
    }
    say(layout, "full", cuts, "all that was acknowledged was there each time");
  }

  @ParameterizedTest
  @ValueSource(strings = {"file", "slab"})
  void relaxedDurabilityKeepsNothingOrTheRightBytes(String layout) throws IOException {
    int[] cuts = cuts(2, OPERATIONS);
    List<String> keys = record(layout, "relaxed", cuts[cuts.length - 1]);
    int kept = 0;
    int acknowledgedKeys = 0;
    try (WriteLog log = log()) {
      for (int acknowledged : cuts) {
        log.replayTo("acknowledged-" + acknowledged);
        List<String> done = keys.subList(0, acknowledged);
        Map<String, Integer> found = foundAfterPowerCut(layout, keys);
        for (Map.Entry<String, Integer> each : found.entrySet()) {
          assertTrue(each.getValue() < acknowledged, each + " of " + done);
        }
        kept += found.size();
        acknowledgedKeys += latest(done).size();
      }
    }
    say(layout, "relaxed", cuts, kept + " of " + acknowledgedKeys + " chunks were there, whole");
  }

  /** After how many acknowledgements the power goes: those named, or as many as were asked for. */
  private static int[] cuts(int... few) {
    String wanted = System.getenv("WEFT_POWER_CUTS");
    if (wanted == null) {
      return few;
    }
    int count = Integer.parseInt(wanted);
    int operations = Math.clamp(count, OPERATIONS, OPERATIONS_MOST);
    return IntStream.rangeClosed(1, count)
        .map(cut -> Math.max(1, (int) ((long) cut * operations / count)))
        .distinct()
        .toArray();
  }

  /** The key of each operation, in order. */
  private static List<String> keys(int operations) {
    return IntStream.range(0, operations).mapToObj(i -> "cut" + (i % 3 == 2 ? i / 2 : i)).toList();
  }

  /** By key, the number of the operation that stored its value. */
  private static Map<String, Integer> latest(List<String> keys) {
    Map<String, Integer> latest = new TreeMap<>();
    for (int i = 0; i < keys.size(); i++) {
      latest.put(keys.get(i), i);
    }
    return latest;
  }

  private static byte[] value(String key, int operation) {
    return FabricStore.bytes(key + "#" + operation);
  }

  /** Stores chunks and marks each acknowledgement; returns their keys in that order. */
  private static List<String> record(String layout, String durability, int operations) {
    List<String> keys = keys(operations);
    try (FabricStore store =
        FabricStore.up("weft.durability = " + durability, layoutSettings(layout))) {
      for (int i = 0; i < operations; i++) {
        StoreOutcome outcome =
            FabricStore.get(
                store.store.store(
                    ChunkKey.of(keys.get(i)),
                    Payload.of(value(keys.get(i), i)),
                    StoreOptions.DEFAULT.withMode(StoreMode.REPLACE),
                    Deadline.in(Duration.ofSeconds(60))));
        assertInstanceOf(StoreOutcome.Stored.class, outcome, outcome::toString);
        NvmeTarget.call("mark", "acknowledged-" + (i + 1));
      }
      store.end();
    }
    return keys;
  }

  private static String layoutSettings(String layout) {
    return "weft { layout = %s, slab.segment = 4MiB, capacity = 96MiB }".formatted(layout);
  }

  private static WriteLog log() throws IOException {
    return new WriteLog(Path.of(NvmeTarget.call("log")), IMAGES.resolve("disk"), DISK_BYTES);
  }

  /** Mounts a copy of the disk as it is, opens a store there, and returns what hits, verified. */
  private static Map<String, Integer> foundAfterPowerCut(String layout, List<String> keys)
      throws IOException {
    Path image = IMAGES.resolve("copy");
    NvmeTarget.run("cp", "--sparse=always", IMAGES.resolve("disk").toString(), image.toString());
    Path mountPoint = Files.createDirectories(IMAGES.resolve("mnt"));
    NvmeTarget.run("mount", "-o", "loop", image.toString(), mountPoint.toString());
    try (ChunkStore store =
        ChunkStore.start(
            ConfigFactory.parseString(
                    """
                    weft { mode = mount, directory = "%s", reserve = 0 }
                    weft.io { threads = 4, reserved-for-loads = 2, lease-pool = 32MiB, scan-threads = 2 }
                    """
                        .formatted(mountPoint))
                .withFallback(ConfigFactory.parseString(layoutSettings(layout)))
                .withFallback(ConfigFactory.load()))) {
      StoreStatus status = FabricStore.get(store.ready());
      assertEquals(StoreStatus.State.UP, status.state(), status.detail());
      Map<String, Integer> found = new TreeMap<>();
      for (String key : Set.copyOf(keys)) {
        int operation = operationOf(store, key, keys);
        if (operation >= 0) {
          found.put(key, operation);
        }
      }
      return found;
    } finally {
      NvmeTarget.run("umount", mountPoint.toString());
      Files.delete(image);
    }
  }

  /** The operation whose value the key has; -1 where there is none. */
  private static int operationOf(ChunkStore store, String key, List<String> keys) {
    LoadOutcome outcome = FabricStore.get(store.load(ChunkKey.of(key), LoadTarget.lease()));
    if (outcome instanceof LoadOutcome.Leased(var lease)) {
      try (lease) {
        byte[] loaded = lease.memory().toArray(ValueLayout.JAVA_BYTE);
        return IntStream.range(0, keys.size())
            .filter(i -> keys.get(i).equals(key) && Arrays.equals(value(key, i), loaded))
            .findFirst()
            .orElseThrow(() -> new AssertionError(key + " has wrong bytes"));
      }
    }
    assertInstanceOf(LoadOutcome.Miss.class, outcome);
    return -1;
  }

  private static void say(String layout, String durability, int[] cuts, String what) {
    System.out.printf(
        "layout %s, durability %s: %d power cuts; %s%n", layout, durability, cuts.length, what);
  }
}
