package io.weft.nvmeof;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.StoreOutcome;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.apache.pekko.actor.typed.ActorSystem;
import org.awaitility.core.ConditionFactory;

/** A store in mode nvmeof on the target of this machine, as a host embeds it. */
final class FabricStore implements AutoCloseable {
  static final int CHUNK_BYTES = 256 << 10;
  static final Path MOUNT_POINT = Path.of("/scratch/weft-mnt");

  /** As config/reference.conf would be set by somebody who wants to see a loss soon. */
  private static final String SETTINGS =
      """
      weft {
        mode = nvmeof
        directory = "%s"
        capacity = 512MiB
        snapshot-interval = 0s
        io { threads = 4, reserved-for-loads = 2, queue-per-worker = 1, stuck-after = 3s, scan-threads = 2 }
        io { lease-pool = 32MiB }
        link { probe-interval = 500ms, probe-timeout = 2s, retry-min = 200ms, retry-max = 1s }
        nvmeof {
          subsystem-nqn = "%s"
          format = if-empty
          ctrl-loss-timeout = 5s
          reconnect-delay = 1s
          command-timeout = 20s
        }
      }
      """
          .formatted(MOUNT_POINT, NvmeTarget.NQN);

  static final String ONE_PATH = "weft.nvmeof.paths = [{ address = 127.0.0.1, service = 4420 }]";
  static final String TWO_PATHS =
      "weft.nvmeof.paths = [{ address = 127.0.0.1, service = 4420 },"
          + " { address = 127.0.0.2, service = 4420 }]";

  /** How the chunks lie on the device, and how they get there. */
  enum Layout {
    FILES("weft { layout = file, io.engine = threads }"),
    SLOTS(
        """
        weft { layout = slab, capacity = 128MiB, slab { segment = 4MiB, prewrite = off } }
        weft.io { engine = io-uring, ring-depth = 16 }
        """);

    final String settings;

    Layout(String settings) {
      this.settings = settings;
    }
  }

  final ChunkStore store;

  private FabricStore(ChunkStore store) {
    this.store = store;
  }

  /** Started, whatever comes of it. */
  static FabricStore start(String... settings) {
    makeMountPoint();
    return new FabricStore(ChunkStore.start(config(settings)));
  }

  private static void makeMountPoint() {
    try {
      Files.createDirectories(MOUNT_POINT);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  static Config config(String... settings) {
    return ConfigFactory.parseString(String.join("\n", settings))
        .withFallback(ConfigFactory.parseString(ONE_PATH))
        .withFallback(ConfigFactory.parseString(SETTINGS))
        .withFallback(ConfigFactory.load());
  }

  static FabricStore up(String... settings) {
    return start(settings).up();
  }

  /** In a host's actor system, which must have been made with this class's {@link #config}. */
  static FabricStore upIn(ActorSystem<?> host, String... settings) {
    makeMountPoint();
    return new FabricStore(ChunkStore.start(host, config(settings))).up();
  }

  private FabricStore up() {
    StoreStatus status = get(store.ready());
    assertEquals(StoreStatus.State.UP, status.state(), status.detail());
    return this;
  }

  static <T> T get(CompletionStage<T> stage) {
    try {
      return stage.toCompletableFuture().get(120, SECONDS);
    } catch (InterruptedException | ExecutionException | TimeoutException failed) {
      throw new AssertionError("no answer", failed);
    }
  }

  /** Everything here takes its time under emulation. */
  static ConditionFactory within(int seconds) {
    return await().atMost(seconds, SECONDS).pollInterval(Duration.ofMillis(100));
  }

  StoreStatus status() {
    return get(store.status());
  }

  void awaitState(StoreStatus.State state, int seconds) {
    within(seconds).until(() -> status().state() == state);
  }

  static byte[] bytes(String name) {
    byte[] bytes = new byte[CHUNK_BYTES];
    new Random(name.hashCode()).nextBytes(bytes);
    return bytes;
  }

  static List<String> names(String prefix, int count) {
    return Stream.iterate(0, i -> i + 1).limit(count).map(i -> prefix + i).toList();
  }

  CompletionStage<StoreOutcome> storing(String name, Duration timeout) {
    return store.store(
        ChunkKey.of(name), Payload.of(bytes(name)), StoreOptions.DEFAULT, Deadline.in(timeout));
  }

  CompletionStage<LoadOutcome> loading(String name, Duration timeout) {
    return store.load(
        ChunkKey.of(name), LoadTarget.lease(), StoreProtocol.Urgency.LOAD, Deadline.in(timeout));
  }

  void store(List<String> names) {
    List<CompletionStage<StoreOutcome>> all = new ArrayList<>();
    names.forEach(name -> all.add(storing(name, Duration.ofSeconds(60))));
    for (CompletionStage<StoreOutcome> each : all) {
      StoreOutcome outcome = get(each);
      assertInstanceOf(StoreOutcome.Stored.class, outcome, outcome::toString);
    }
  }

  /** All of them are there, byte for byte. */
  void assertHits(List<String> names) {
    List<String> missing = new ArrayList<>();
    for (String name : names) {
      LoadOutcome outcome = get(loading(name, Duration.ofSeconds(60)));
      if (outcome instanceof LoadOutcome.Leased(var lease)) {
        try (lease) {
          assertArrayEquals(bytes(name), lease.memory().toArray(ValueLayout.JAVA_BYTE), name);
        }
      } else {
        missing.add(name + ": " + outcome);
      }
    }
    assertEquals(List.of(), missing, "%d of %d".formatted(missing.size(), names.size()));
  }

  /** How many of them hit, byte for byte; the others are misses, or fail with the cause. */
  int right(List<String> names) {
    int right = 0;
    for (String name : names) {
      switch (get(loading(name, Duration.ofSeconds(60)))) {
        case LoadOutcome.Leased(var lease) -> {
          try (lease) {
            assertArrayEquals(bytes(name), lease.memory().toArray(ValueLayout.JAVA_BYTE), name);
          }
          right++;
        }
        case LoadOutcome.Miss _, Failed _ -> {}
        case LoadOutcome other -> throw new AssertionError(name + ": " + other);
      }
    }
    return right;
  }

  int hits(List<String> names) {
    KeysOutcome outcome = get(store.lookup(names.stream().map(ChunkKey::of).toList()));
    return assertInstanceOf(KeysOutcome.Done.class, outcome).hits().cardinality();
  }

  /** What lies under the mount point while nothing is mounted there: on the root disk. */
  static void assertNothingUnderTheMountPoint() {
    try (Stream<Path> files = Files.list(MOUNT_POINT)) {
      assertEquals(List.of(), files.toList());
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  static List<Path> controllers() {
    Path all = Path.of("/sys/class/nvme");
    if (Files.notExists(all)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(all)) {
      return entries.sorted().toList();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  static boolean mounted() {
    try {
      return Files.readString(Path.of("/proc/self/mountinfo")).contains(" " + MOUNT_POINT + " ");
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** Ended in order: everything that it set up is gone. */
  void end() {
    StoreStatus status = get(store.shutdown());
    assertEquals(StoreStatus.State.CLOSED, status.state());
    assertEquals("", status.detail());
    assertTrue(!mounted(), "unmounted");
    assertNothingUnderTheMountPoint();
  }

  @Override
  public void close() {
    get(store.shutdown());
  }
}
