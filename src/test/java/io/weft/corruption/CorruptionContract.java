package io.weft.corruption;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreEvent;
import io.weft.api.StoreOptions;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Deadline;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.RemovalCause;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.corruption.Alteration.Promise;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.pekko.stream.javadsl.Sink;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Each {@link Alteration} of a chunk on the device of a real store, found when the chunk is loaded
 * and found when the store starts with a scan. A layout says where a chunk's bytes lie.
 */
abstract class CorruptionContract {
  static final int PAYLOAD = 3 * Alteration.BLOCK + 100;
  private static final byte[] METADATA = "dtype=bf16".getBytes(StandardCharsets.US_ASCII);

  @TempDir Path directory;

  /** Where the bytes of the key's newest value lie. */
  abstract Place locate(Path directory, ChunkKey key) throws IOException;

  /** What may happen to a chunk of these lengths. */
  abstract List<Alteration> alterations(int keyLength, int metadataLength, int payloadLength);

  /** Settings that choose the layout. */
  abstract String settings();

  /** How many chunks are put aside. */
  final long putAside() throws IOException {
    return files(directory.resolve("quarantine"), "").size();
  }

  static List<Path> files(Path directory, String prefix) throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      return files
          .filter(Files::isRegularFile)
          .filter(file -> file.getFileName().toString().startsWith(prefix))
          .toList();
    }
  }

  /** A store and what its subscribers heard of chunks put aside, and of chunks gone. */
  final class Running implements AutoCloseable {
    final ChunkStore store;
    final Set<ChunkKey> told = ConcurrentHashMap.newKeySet();
    final Set<ChunkKey> toldGone = ConcurrentHashMap.newKeySet();

    Running() throws Exception {
      this(directory);
    }

    Running(Path directory) throws Exception {
      Config config =
          ConfigFactory.parseString(
                  """
                  weft {
                    directory = "%s"
                    capacity = 256MiB, reserve = 0, snapshot-interval = 0s, quarantine = 64MiB
                    io { threads = 4, queue-per-worker = 2, reserved-for-loads = 2 }
                  }
                  """
                      .formatted(directory))
              .withFallback(ConfigFactory.parseString(settings()))
              .withFallback(ConfigFactory.load());
      store = ChunkStore.start(config);
      StoreStatus status = get(store.ready());
      assertEquals(StoreStatus.State.UP, status.state(), status::toString);
      var _ =
          store
              .events(4096)
              .runWith(
                  Sink.foreach(
                      event -> {
                        switch (event) {
                          case StoreEvent.Quarantined(ChunkKey key, String _) -> told.add(key);
                          case StoreEvent.Removed removed
                              when removed.cause() == RemovalCause.VANISHED ->
                              toldGone.add(removed.key());
                          default -> {}
                        }
                      }),
                  store.system());
    }

    void store(ChunkKey key, byte[] payload) throws Exception {
      StoreOutcome outcome =
          get(
              store.store(
                  key,
                  Payload.of(payload),
                  StoreOptions.DEFAULT
                      .withMode(StoreMode.REPLACE)
                      .withMetadata(ChunkMetadata.of(METADATA)),
                  Deadline.in(Duration.ofSeconds(20))));
      assertEquals(StoreOutcome.Stored.class, outcome.getClass(), outcome::toString);
    }

    LoadOutcome load(ChunkKey key) throws Exception {
      return get(store.load(key, LoadTarget.lease()));
    }

    void assertHit(ChunkKey key, byte[] payload, String what) throws Exception {
      LoadOutcome outcome = load(key);
      if (!(outcome instanceof LoadOutcome.Leased(var lease))) {
        throw new AssertionError(what + ": " + outcome);
      }
      try (lease) {
        byte[] loaded = new byte[Math.toIntExact(lease.length())];
        lease.buffer().get(loaded);
        assertArrayEquals(payload, loaded, what);
      }
    }

    void assertMiss(ChunkKey key, String what) throws Exception {
      LoadOutcome outcome = load(key);
      assertTrue(outcome instanceof LoadOutcome.Miss, () -> what + ": " + outcome);
    }

    long count(Metric metric) throws Exception {
      return get(store.status()).counters().get(metric);
    }

    @Override
    public void close() {
      store.close();
    }
  }

  private static <T> T get(CompletionStage<T> stage) throws Exception {
    return stage.toCompletableFuture().get(30, SECONDS);
  }

  static ChunkKey key(int number) {
    return ChunkKey.of("model@01000100@0@%08x".formatted(number));
  }

  static byte[] payload(long seed) {
    byte[] bytes = new byte[PAYLOAD];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  /** More than there are alterations. */
  private static final int CHUNKS = 160;

  private void fill(Running running) throws Exception {
    for (int i = 0; i < CHUNKS; i++) {
      running.store(key(i), payload(i));
    }
  }

  private List<Alteration> alter() throws IOException {
    List<Alteration> alterations = alterations(key(0).length(), METADATA.length, PAYLOAD);
    assertTrue(alterations.size() > 100 && alterations.size() < CHUNKS);
    for (int i = 0; i < alterations.size(); i++) {
      alterations.get(i).action().on(locate(directory, key(i)));
    }
    return alterations;
  }

  private static List<ChunkKey> promised(
      List<Alteration> alterations, Function<Alteration, Promise> when, Promise promise) {
    return IntStream.range(0, alterations.size())
        .filter(i -> when.apply(alterations.get(i)) == promise)
        .mapToObj(CorruptionContract::key)
        .toList();
  }

  private void assertAnswers(
      Running running, List<Alteration> alterations, Function<Alteration, Promise> when)
      throws Exception {
    for (int i = 0; i < CHUNKS; i++) {
      String what = i < alterations.size() ? alterations.get(i).name() : "not altered";
      if (i < alterations.size() && when.apply(alterations.get(i)) != Promise.HARMLESS) {
        running.assertMiss(key(i), what);
        running.assertMiss(key(i), what + ", again");
      } else {
        running.assertHit(key(i), payload(i), what);
      }
    }
  }

  /** Every chunk that the index knew is put aside or gone, counted and told; nothing else is. */
  private void assertAccounted(Running running, List<Alteration> alterations) throws Exception {
    List<ChunkKey> aside = promised(alterations, Alteration::known, Promise.PUT_ASIDE);
    List<ChunkKey> gone = promised(alterations, Alteration::known, Promise.GONE);
    List<ChunkKey> left = promised(alterations, Alteration::known, Promise.LEFT_ALONE);
    await().atMost(20, SECONDS).until(() -> putAside() == aside.size());
    await().atMost(20, SECONDS).until(() -> running.told.equals(Set.copyOf(aside)));
    await().atMost(20, SECONDS).until(() -> running.toldGone.containsAll(gone));
    assertEquals(aside.size(), running.count(Metric.CORRUPT));
    assertEquals(gone.size() + left.size(), running.count(Metric.VANISHED));
  }

  @Test
  void eachIsFoundByALoad() throws Exception {
    try (Running running = new Running()) {
      fill(running);
      List<Alteration> alterations = alter();
      assertAnswers(running, alterations, Alteration::known);
      assertAccounted(running, alterations);
      // The keys are free again.
      for (int i = 0; i < CHUNKS; i++) {
        running.store(key(i), payload(-i));
      }
      for (int i = 0; i < CHUNKS; i++) {
        running.assertHit(key(i), payload(-i), "stored anew");
      }
    }
  }

  @Test
  void eachIsFoundAfterAStartWithAScan() throws Exception {
    List<Alteration> alterations;
    try (Running running = new Running()) {
      fill(running);
    }
    alterations = alter();
    Files.delete(directory.resolve("clean"));
    try (Running running = new Running()) {
      assertAnswers(running, alterations, Alteration::scanned);
      long aside = promised(alterations, Alteration::scanned, Promise.PUT_ASIDE).size();
      await().atMost(20, SECONDS).until(() -> putAside() == aside);
      assertEquals(aside, running.count(Metric.CORRUPT));
      for (ChunkKey left : promised(alterations, Alteration::scanned, Promise.LEFT_ALONE)) {
        assertTrue(Files.exists(locate(directory, left).file()), "left alone");
      }
    }
  }

  @Test
  void eachIsFoundAfterACleanStart() throws Exception {
    try (Running running = new Running()) {
      fill(running);
    }
    List<Alteration> alterations = alter();
    try (Running running = new Running()) {
      assertAnswers(running, alterations, Alteration::known);
      assertAccounted(running, alterations);
    }
  }

  @Test
  void twoChunksThatChangedPlacesAreBothMisses() throws Exception {
    try (Running running = new Running()) {
      running.store(key(1), payload(1));
      running.store(key(2), payload(2));
      exchange(locate(directory, key(1)), locate(directory, key(2)));
      running.assertMiss(key(1), "in the other's place");
      running.assertMiss(key(2), "in the other's place");
      assertDetected(running, 2);
    }
  }

  static void exchange(Place one, Place other) throws IOException {
    byte[] bytes = one.read();
    one.write(other.read());
    other.write(bytes);
  }

  /** So many chunks that the index knew were found not to be what they should be. */
  abstract void assertDetected(Running running, int chunks) throws Exception;

  @Test
  void anOldGenerationInTheNewOnesPlaceIsAMiss() throws Exception {
    for (boolean restart : new boolean[] {false, true}) {
      try (Running running = new Running()) {
        running.store(key(1), payload(1));
        byte[] old = locate(directory, key(1)).read();
        running.store(key(1), payload(2));
        Place newest = locate(directory, key(1));
        newest.write(old);
        if (!restart) {
          running.assertMiss(key(1), "an old generation");
        }
      }
      if (restart) {
        try (Running running = new Running()) {
          running.assertMiss(key(1), "an old generation");
        }
      }
    }
  }
}
