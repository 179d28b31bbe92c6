package io.weft.boot;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
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
import io.weft.base.Rejected;
import io.weft.base.StoreOutcome;
import io.weft.fabric.MountTable;
import io.weft.testing.LoopMount;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Mode mount: the filesystem that is mounted there, or nothing at all. */
@Tag("root")
class MountModeTest {
  private static final ChunkKey KEY = ChunkKey.of("m@01000100@0@abcd");
  private static final long SIZE = 64L << 20;

  private static ChunkStore start(Path directory, String expectedDevice) {
    return ChunkStore.start(
        ConfigFactory.parseString(
                """
                weft {
                  mode = mount
                  directory = "%s"
                  mount.expected-device = "%s"
                  capacity = 32MiB
                  reserve = 0
                  link { retry-min = 20ms, retry-max = 20ms, probe-interval = 20ms }
                  io { threads = 2, reserved-for-loads = 1, lease-pool = 8MiB }
                }
                """
                    .formatted(directory, expectedDevice))
            .withFallback(ConfigFactory.load()));
  }

  private static <T> T get(CompletionStage<T> stage) throws Exception {
    return stage.toCompletableFuture().get(30, SECONDS);
  }

  private static byte[] bytes() {
    byte[] bytes = new byte[100_000];
    new Random(1).nextBytes(bytes);
    return bytes;
  }

  private static void assertStores(ChunkStore store) throws Exception {
    assertInstanceOf(StoreOutcome.Stored.class, get(store.store(KEY, Payload.of(bytes()))));
    assertLoads(store);
  }

  private static void assertLoads(ChunkStore store) throws Exception {
    LoadOutcome outcome = get(store.load(KEY, LoadTarget.lease()));
    try (var lease = assertInstanceOf(LoadOutcome.Leased.class, outcome).lease()) {
      assertArrayEquals(bytes(), lease.memory().toArray(ValueLayout.JAVA_BYTE));
    }
  }

  /** Down, and everything is refused with this reason. */
  private static void assertDown(ChunkStore store, String... words) throws Exception {
    StoreStatus status = get(store.ready());
    assertEquals(StoreStatus.State.DOWN, status.state(), status::detail);
    StoreOutcome stored = get(store.store(KEY, Payload.of(bytes())));
    Rejected rejected = assertInstanceOf(Rejected.class, stored);
    assertEquals(Rejected.Reason.LINK_DOWN, rejected.reason());
    for (String word : words) {
      assertTrue(status.detail().contains(word), status::detail);
      assertTrue(rejected.detail().contains(word), rejected::detail);
    }
  }

  private static List<String> names(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }

  private static String device(LoopMount mount) throws IOException {
    return MountTable.read().at(mount.directory()).orElseThrow().source();
  }

  @ParameterizedTest
  @ValueSource(strings = {"ext4", "xfs"})
  void aVerifiedMountServes(String filesystem) throws Exception {
    try (LoopMount mount =
        filesystem.equals("xfs") ? LoopMount.xfs(300L << 20) : LoopMount.ext4(SIZE)) {
      try (ChunkStore store = start(mount.directory(), device(mount))) {
        StoreStatus status = get(store.ready());
        assertEquals(StoreStatus.State.UP, status.state(), status::detail);
        assertEquals(filesystem, status.filesystem());
        assertStores(store);
      }
      try (ChunkStore store = start(mount.directory(), "")) {
        assertLoads(store);
      }
      mount.unmount();
      assertEquals(List.of(), names(mount.directory()));
    }
  }

  @Test
  void withoutTheMountItIsDownUntilTheMountIsThere() throws Exception {
    try (LoopMount mount = LoopMount.ext4(SIZE)) {
      mount.unmount();
      try (ChunkStore store = start(mount.directory(), "")) {
        assertDown(store, "weft.directory = " + mount.directory(), "nothing is mounted there");
        assertEquals(List.of(), names(mount.directory()));
        mount.mountAgain();
        await()
            .atMost(30, SECONDS)
            .until(() -> get(store.status()).state() == StoreStatus.State.UP);
        assertEquals("", get(store.status()).detail());
        assertStores(store);
      }
      mount.unmount();
      assertEquals(List.of(), names(mount.directory()));
    }
  }

  @Test
  void aDirectoryInsideTheMountIsNoMount() throws Exception {
    try (LoopMount mount = LoopMount.ext4(SIZE)) {
      Path inside = Files.createDirectory(mount.directory().resolve("inside"));
      try (ChunkStore store = start(inside, "")) {
        assertDown(store, "nothing is mounted there");
      }
      assertEquals(List.of(), names(inside));
    }
  }

  @Test
  void aMissingMountPointIsNotMade() throws Exception {
    try (LoopMount mount = LoopMount.ext4(SIZE)) {
      Path missing = mount.directory().resolve("missing");
      try (ChunkStore store = start(missing, "")) {
        assertDown(store, "nothing is mounted there");
      }
      assertTrue(Files.notExists(missing));
    }
  }

  @Test
  void anotherDeviceThanTheExpectedOneIsLeftAlone() throws Exception {
    try (LoopMount mount = LoopMount.ext4(SIZE)) {
      try (ChunkStore store = start(mount.directory(), "/dev/nvme7n1")) {
        assertDown(
            store,
            "weft.mount.expected-device = /dev/nvme7n1",
            mount.directory() + " has " + device(mount) + " mounted");
      }
      assertEquals(List.of("lost+found"), names(mount.directory()));
    }
  }

  /** What is open stays with the filesystem that was verified. */
  @Test
  void aMountThatVanishesLeavesNothingOnTheDiskBelow() throws Exception {
    try (LoopMount mount = LoopMount.ext4(SIZE)) {
      try (ChunkStore store = start(mount.directory(), "")) {
        assertStores(store);
        mount.detach();
        for (int i = 0; i < 20; i++) {
          var _ = get(store.store(ChunkKey.of("after-" + i), Payload.of(bytes())));
        }
      }
      assertEquals(List.of(), names(mount.directory()));
      mount.mountAgain();
      try (ChunkStore store = start(mount.directory(), "")) {
        assertLoads(store);
      }
    }
  }
}
