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
import java.util.stream.IntStream;
import org.apache.pekko.stream.javadsl.Sink;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Each {@link Alteration} of a chunk on the device of a real store, found when the chunk is loaded
 * and found when the store starts with a scan. A layout says where a chunk's bytes lie.
 */
abstract class CorruptionContract {
  private static final int PAYLOAD = 3 * Alteration.BLOCK + 100;
  private static final byte[] METADATA = "dtype=bf16".getBytes(StandardCharsets.US_ASCII);

  @TempDir Path directory;

  /** Where the bytes of the key's newest value lie. */
  abstract Place locate(Path directory, ChunkKey key) throws IOException;

  /** How many chunks are put aside. */
  abstract long putAside(Path directory) throws IOException;

  /** Settings that choose the layout. */
  abstract String settings();

  /** A store and what its subscribers heard of chunks put aside. */
  private final class Running implements AutoCloseable {
    final ChunkStore store;
    final Set<ChunkKey> told = ConcurrentHashMap.newKeySet();

    Running() throws Exception {
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
                        if (event instanceof StoreEvent.Quarantined(ChunkKey key, String _)) {
                          told.add(key);
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

    long corrupt() throws Exception {
      return get(store.status()).counters().get(Metric.CORRUPT);
    }

    @Override
    public void close() {
      store.close();
    }
  }

  private static <T> T get(CompletionStage<T> stage) throws Exception {
    return stage.toCompletableFuture().get(30, SECONDS);
  }

  private static ChunkKey key(int number) {
    return ChunkKey.of("model@01000100@0@%08x".formatted(number));
  }

  private static byte[] payload(long seed) {
    byte[] bytes = new byte[PAYLOAD];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private List<Alteration> alterations() throws IOException {
    List<Alteration> all = Alteration.all(key(0).length(), METADATA.length, PAYLOAD);
    return locate(directory, key(0)).ownFile()
        ? all
        : all.stream().filter(each -> !each.ownFileOnly()).toList();
  }

  /** More than there are alterations. */
  private static final int CHUNKS = 160;

  private void fill(Running running) throws Exception {
    for (int i = 0; i < CHUNKS; i++) {
      running.store(key(i), payload(i));
    }
  }

  private List<Alteration> alter() throws IOException {
    List<Alteration> alterations = alterations();
    assertTrue(alterations.size() > 100 && alterations.size() < CHUNKS);
    for (int i = 0; i < alterations.size(); i++) {
      alterations.get(i).action().on(locate(directory, key(i)));
    }
    return alterations;
  }

  private static List<ChunkKey> promised(List<Alteration> alterations, Promise promise) {
    return IntStream.range(0, alterations.size())
        .filter(i -> alterations.get(i).promise() == promise)
        .mapToObj(CorruptionContract::key)
        .toList();
  }

  private void assertAnswers(Running running, List<Alteration> alterations) throws Exception {
    for (int i = 0; i < CHUNKS; i++) {
      String what = i < alterations.size() ? alterations.get(i).name() : "not altered";
      if (i < alterations.size() && alterations.get(i).promise() != Promise.HARMLESS) {
        running.assertMiss(key(i), what);
        running.assertMiss(key(i), what + ", again");
      } else {
        running.assertHit(key(i), payload(i), what);
      }
    }
  }

  @Test
  void eachIsFoundByALoad() throws Exception {
    try (Running running = new Running()) {
      fill(running);
      List<Alteration> alterations = alter();
      assertAnswers(running, alterations);
      List<ChunkKey> aside = promised(alterations, Promise.PUT_ASIDE);
      await().atMost(20, SECONDS).until(() -> putAside(directory) == aside.size());
      await().atMost(20, SECONDS).until(() -> running.told.containsAll(aside));
      assertTrue(running.corrupt() >= aside.size(), "counted: " + running.corrupt());
      // The keys are free again.
      running.store(key(0), payload(-1));
      running.assertHit(key(0), payload(-1), "stored anew");
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
      assertAnswers(running, alterations);
      long aside = promised(alterations, Promise.PUT_ASIDE).size();
      await().atMost(20, SECONDS).until(() -> putAside(directory) == aside);
      for (ChunkKey left : promised(alterations, Promise.LEFT_ALONE)) {
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
      assertAnswers(running, alterations);
      long aside = promised(alterations, Promise.PUT_ASIDE).size();
      await().atMost(20, SECONDS).until(() -> putAside(directory) == aside);
    }
  }

  @Test
  void twoChunksThatChangedPlacesAreBothMisses() throws Exception {
    try (Running running = new Running()) {
      running.store(key(1), payload(1));
      running.store(key(2), payload(2));
      Place one = locate(directory, key(1));
      Place other = locate(directory, key(2));
      byte[] bytes = one.read();
      one.write(other.read());
      other.write(bytes);
      running.assertMiss(key(1), "in the other's place");
      running.assertMiss(key(2), "in the other's place");
      await().atMost(20, SECONDS).until(() -> putAside(directory) == 2);
    }
  }

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
