package io.weft.boot;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.LoadOutcome;
import io.weft.base.StoreOutcome;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Keys that would like to leave the directory, and links that somebody planted in it. */
class HostileDirectoryTest {
  @TempDir Path folder;

  private Path directory;
  private Path outside;

  @BeforeEach
  void makeFolders() throws IOException {
    directory = folder.resolve("store");
    outside = Files.createDirectory(folder.resolve("outside"));
  }

  private ChunkStore start() throws Exception {
    ChunkStore store =
        ChunkStore.start(
            ConfigFactory.parseString(
                    """
                    weft {
                      directory = "%s"
                      capacity = 64MiB, reserve = 0, request-timeout = 20s, shutdown-timeout = 2s
                      io { threads = 2, queue-per-worker = 2, reserved-for-loads = 1 }
                      io { scan-threads = 2 }
                    }
                    """
                        .formatted(directory))
                .withFallback(ConfigFactory.load()));
    get(store.ready());
    return store;
  }

  private static <T> T get(CompletionStage<T> stage) throws Exception {
    return stage.toCompletableFuture().get(30, SECONDS);
  }

  private static List<ChunkKey> hostileKeys() {
    List<ChunkKey> keys = new ArrayList<>();
    for (String text :
        List.of(
            "../outside/stolen",
            "../../../../../../../../etc/weft-was-here",
            "/etc/weft-was-here",
            "//",
            ".",
            "..",
            "./a",
            "a/../../b",
            "nul\0/../x",
            "%staging-1-1",
            "%2e%2e%2f",
            "a~1",
            "#a#b",
            "-rf",
            "weft.format",
            "index.snapshot",
            "line\nend",
            "\u00e9\u4e2d\ud83d\ude00",
            "~",
            " ")) {
      keys.add(ChunkKey.of(text));
    }
    byte[] all = new byte[256];
    for (int i = 0; i < all.length; i++) {
      all[i] = (byte) i;
      keys.add(ChunkKey.of(new byte[] {(byte) i}));
    }
    keys.add(ChunkKey.of(all));
    byte[] longest = new byte[ChunkKey.MAX_BYTES];
    Arrays.fill(longest, (byte) '/');
    keys.add(ChunkKey.of(longest));
    longest[ChunkKey.MAX_BYTES - 1] = '.';
    keys.add(ChunkKey.of(longest));
    return List.copyOf(new java.util.LinkedHashSet<>(keys));
  }

  @Test
  void everyKeyIsAKeyAndNoneAWayOut() throws Exception {
    List<ChunkKey> keys = hostileKeys();
    Map<Path, String> before = tree(folder);
    for (int round = 0; round < 2; round++) {
      try (ChunkStore store = start()) {
        for (ChunkKey key : keys) {
          if (round == 0) {
            StoreOutcome outcome = get(store.store(key, Payload.of(key.toBytes())));
            assertEquals(StoreOutcome.Stored.class, outcome.getClass(), key::toString);
          }
          LoadOutcome loaded = get(store.load(key, LoadTarget.lease()));
          if (!(loaded instanceof LoadOutcome.Leased(var lease))) {
            throw new AssertionError(key + ": " + loaded);
          }
          try (lease) {
            byte[] bytes = new byte[key.length()];
            lease.buffer().get(bytes);
            assertArrayEquals(key.toBytes(), bytes);
          }
        }
      }
      // The second start reads the names.
      Files.deleteIfExists(directory.resolve("clean"));
    }
    Map<Path, String> after = tree(folder);
    after.keySet().removeIf(path -> path.startsWith(directory));
    assertEquals(before, after, "something changed beside the directory");
    assertTrue(Files.notExists(Path.of("/etc/weft-was-here")));
  }

  /** Every place that the store opens by name, with a link in it to something outside. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "chunks",
        "chunks/BRANCH",
        "chunks/BRANCH/LEAF",
        "chunks/BRANCH/LEAF/NAME",
        "quarantine",
        "index.snapshot",
        "clean",
        "weft.lock",
        "weft.format",
        "probe",
        "%staging-link"
      })
  void aPlantedLinkLeadsNowhere(String pattern) throws Exception {
    ChunkKey key = ChunkKey.of("key");
    try (ChunkStore store = start()) {
      get(store.store(key, Payload.of(new byte[5000])));
    }
    Path file;
    try (Stream<Path> files = Files.walk(directory.resolve("chunks"))) {
      file = files.filter(Files::isRegularFile).findFirst().orElseThrow();
    }
    Path leaf = file.getParent();
    Path place =
        directory.resolve(
            pattern
                .replace("BRANCH", leaf.getParent().getFileName().toString())
                .replace("LEAF", leaf.getFileName().toString())
                .replace("NAME", file.getFileName().toString()));
    Path target = outside.resolve("target");
    if (Files.exists(place)) {
      Files.move(place, target);
    } else {
      Files.writeString(target, "somebody's");
    }
    Files.createSymbolicLink(place, target);
    Files.writeString(outside.resolve("beside"), "untouched");
    Map<Path, String> before = tree(outside);
    // With the clean start's trust, and with a scan.
    for (int round = 0; round < 2; round++) {
      try (ChunkStore store = start()) {
        StoreStatus status = get(store.status());
        LoadOutcome loaded = get(store.load(key, LoadTarget.lease()));
        if (loaded instanceof LoadOutcome.Leased(var lease)) {
          lease.release();
        }
        get(store.store(ChunkKey.of("another"), Payload.of(new byte[100])));
        get(store.store(key, Payload.of(new byte[6000])));
        get(store.delete(List.of(key)));
        assertTrue(status.serving() || !status.detail().isEmpty(), status::toString);
      }
      if (!Files.isSymbolicLink(directory.resolve("clean"))) {
        Files.deleteIfExists(directory.resolve("clean"));
      }
      assertEquals(before, tree(outside), "round " + round + " followed the link");
    }
  }

  @SuppressWarnings("restricted")
  @ParameterizedTest
  @ValueSource(ints = {0, 022, 077})
  void filesAndDirectoriesAreTheOwnersAlone(int mask) throws Exception {
    MethodHandle umask =
        Linker.nativeLinker()
            .downcallHandle(
                Linker.nativeLinker().defaultLookup().find("umask").orElseThrow(),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
    int before = umask(umask, mask);
    try {
      try (ChunkStore store = start()) {
        get(store.store(ChunkKey.of("key"), Payload.of(new byte[5000])));
      }
    } finally {
      umask(umask, before);
    }
    tree(directory)
        .forEach(
            (path, what) ->
                assertTrue(
                    what.startsWith("rw-------") || what.equals("rwx------"), path + ": " + what));
  }

  private static int umask(MethodHandle umask, int mask) {
    try {
      return (int) umask.invokeExact(mask);
    } catch (Throwable impossible) {
      throw new AssertionError(impossible);
    }
  }

  /** Everything below, with its mode, and its bytes where it is a file; no link is followed. */
  private static Map<Path, String> tree(Path root) throws IOException {
    Map<Path, String> tree = new TreeMap<>();
    try (Stream<Path> all = Files.walk(root)) {
      for (Path path : all.toList()) {
        String mode =
            PosixFilePermissions.toString(
                Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS));
        tree.put(
            path,
            Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)
                ? mode + " " + Arrays.hashCode(Files.readAllBytes(path))
                : mode);
      }
    }
    return tree;
  }
}
