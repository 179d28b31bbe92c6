package io.weft.boot;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
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
import io.weft.api.StoreEvent;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.Rejected;
import io.weft.base.StoreOutcome;
import io.weft.testing.LoopMount;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AskPattern;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.stream.javadsl.Sink;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A real filesystem gets into trouble under a store in a host's actor system, and under load: every
 * request is answered in time and with no wrong byte, another actor of the host's notices nothing,
 * the status says what is wrong, and what was stored before is there when the trouble is over.
 */
@Tag("root")
class DeviceTroubleTest {
  private static final int MIB = 1 << 20;
  private static final int CHUNK = 64 << 10;

  /** Stored first, and pinned. */
  private static final int KEPT = 16;

  private static final Duration DEADLINE = Duration.ofSeconds(1);

  /** How late an answer may be, on a machine that others use as well. */
  private static final Duration LATE = Duration.ofSeconds(5);

  private static ActorTestKit host;

  /** An actor of the host's that has nothing to do with the store. */
  private static ActorRef<Ping> bystander;

  private record Ping(ActorRef<String> replyTo) {}

  @BeforeAll
  static void startHost() {
    host =
        ActorTestKit.create(
            "host",
            ConfigFactory.parseString("pekko.log-dead-letters = off")
                .withFallback(ConfigFactory.load()));
    Behavior<Ping> answering =
        Behaviors.receiveMessage(
            ping -> {
              ping.replyTo().tell("pong");
              return Behaviors.same();
            });
    bystander = host.spawn(answering);
  }

  @AfterAll
  static void stopHost() {
    host.shutdownTestKit();
  }

  private static <T> T get(CompletionStage<T> stage) throws Exception {
    return stage.toCompletableFuture().get(30, SECONDS);
  }

  private static ChunkKey key(String name) {
    return ChunkKey.of(name);
  }

  private static List<ChunkKey> kept() {
    return IntStream.range(0, KEPT).mapToObj(i -> key("kept-" + i)).toList();
  }

  /** What is stored under a key, always. */
  private static byte[] bytes(ChunkKey key) {
    byte[] bytes = new byte[CHUNK];
    new Random(key.hashCode()).nextBytes(bytes);
    return bytes;
  }

  private static List<String> names(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }

  private static ChunkStore start(LoopMount mount, String layout, String... more) throws Exception {
    Config config =
        ConfigFactory.parseString(String.join("\n", more))
            .withFallback(
                ConfigFactory.parseString(
                    """
                    weft {
                      mode = mount, directory = "%s", layout = %s
                      capacity = 64MiB, reserve = 0, max-chunk = 1MiB
                      slab { segment = 4MiB, prewrite = off }
                      snapshot-interval = 0s, request-timeout = 1s
                      link { retry-min = 20ms, retry-max = 50ms, detach-timeout = 5s }
                      link { probe-interval = 50ms, probe-timeout = 500ms }
                      io { threads = 4, reserved-for-loads = 2, lease-pool = 8MiB }
                      io { stuck-after = 300ms }
                    }
                    """
                        .formatted(mount.directory(), layout)))
            .withFallback(ConfigFactory.load());
    ChunkStore store = ChunkStore.start(host.system(), config);
    StoreStatus status = get(store.ready());
    assertEquals(StoreStatus.State.UP, status.state(), status::detail);
    return store;
  }

  private static void storeKept(ChunkStore store) throws Exception {
    for (ChunkKey key : kept()) {
      assertStored(store, key);
    }
    KeysOutcome pinned = get(store.keys(KeyOperation.PIN, kept()));
    assertEquals(KEPT, assertInstanceOf(KeysOutcome.Done.class, pinned).hits().cardinality());
  }

  private static void assertStored(ChunkStore store, ChunkKey key) throws Exception {
    StoreOutcome outcome =
        get(store.store(key, Payload.of(bytes(key)), StoreOptions.DEFAULT, patient()));
    assertInstanceOf(StoreOutcome.Stored.class, outcome, outcome::toString);
  }

  /** Whether it is a hit, whose bytes are right then. */
  private static boolean hit(ChunkStore store, ChunkKey key) throws Exception {
    return isRight(key, get(store.load(key, LoadTarget.lease())));
  }

  private static boolean isRight(ChunkKey key, LoadOutcome outcome) {
    if (!(outcome instanceof LoadOutcome.Leased(var lease))) {
      return false;
    }
    try (lease) {
      assertArrayEquals(bytes(key), lease.memory().toArray(ValueLayout.JAVA_BYTE), key::toString);
    }
    return true;
  }

  /** On a busy machine, an answer may take longer than a client waits. */
  private static Deadline patient() {
    return Deadline.in(Duration.ofSeconds(20));
  }

  private static LoadOutcome patiently(ChunkStore store, ChunkKey key) throws Exception {
    return get(store.load(key, LoadTarget.lease(), StoreProtocol.Urgency.LOAD, patient()));
  }

  private static void assertKept(ChunkStore store) throws Exception {
    for (ChunkKey key : kept()) {
      LoadOutcome outcome = patiently(store, key);
      assertTrue(isRight(key, outcome), () -> key + ": " + outcome);
    }
  }

  private static StoreStatus awaitState(ChunkStore store, StoreStatus.State state)
      throws Exception {
    await()
        .atMost(30, SECONDS)
        .pollInterval(10, MILLISECONDS)
        .until(() -> get(store.status()).state() == state);
    return get(store.status());
  }

  private static void assertSays(StoreStatus status, String... words) {
    for (String word : words) {
      assertTrue(status.detail().contains(word), status::detail);
    }
  }

  /** All is as before: a new chunk is stored, those of before are hits, others hits or misses. */
  private static void assertRecovered(ChunkStore store, Clients clients) throws Exception {
    await().atMost(30, SECONDS).until(() -> stores(store, "after"));
    assertKept(store);
    clients.stop();
    for (int i = 0; i < Clients.KEYS; i++) {
      boolean _ = hit(store, Clients.key(i));
    }
    assertEquals(0, get(store.status()).stuckThreads());
  }

  private static boolean stores(ChunkStore store, String name) throws Exception {
    ChunkKey key = key(name);
    var _ = get(store.delete(List.of(key)));
    return get(store.store(key, Payload.of(bytes(key)))) instanceof StoreOutcome.Stored
        && hit(store, key);
  }

  /**
   * Clients that store, load and delete all the time, and time all answers, and the bystander's.
   */
  private static final class Clients implements AutoCloseable {
    static final int KEYS = 200;

    private final ChunkStore store;
    private final ScheduledExecutorService threads = Executors.newScheduledThreadPool(5);
    private final AtomicReference<@Nullable Throwable> wrong = new AtomicReference<>();
    private final AtomicLong slowestNanos = new AtomicLong();
    private final AtomicLong slowestPingNanos = new AtomicLong();
    final AtomicInteger stored = new AtomicInteger();
    final AtomicInteger rejected = new AtomicInteger();
    final AtomicInteger late = new AtomicInteger();

    Clients(ChunkStore store) {
      this.store = store;
      for (int i = 0; i < 4; i++) {
        Random random = new Random(i);
        every(2, () -> request(random));
      }
      every(20, this::ping);
    }

    static ChunkKey key(int number) {
      return ChunkKey.of("client-" + number);
    }

    private interface Step {
      void run() throws Exception;
    }

    private void every(long millis, Step step) {
      var _ =
          threads.scheduleWithFixedDelay(
              () -> {
                try {
                  step.run();
                } catch (Exception | AssertionError failed) {
                  wrong.compareAndSet(null, failed);
                }
              },
              0,
              millis,
              MILLISECONDS);
    }

    private void request(Random random) throws Exception {
      ChunkKey key = key(random.nextInt(KEYS));
      long begun = System.nanoTime();
      switch (random.nextInt(4)) {
        case 0 -> {
          var _ = get(store.delete(List.of(key)));
        }
        case 1, 2 -> {
          switch (get(store.store(key, Payload.of(bytes(key))))) {
            case StoreOutcome.Stored _ -> stored.incrementAndGet();
            case Rejected _ -> rejected.incrementAndGet();
            case Failed failed when failed.cause() == Failed.Cause.DEADLINE ->
                late.incrementAndGet();
            default -> {}
          }
        }
        default -> {
          boolean _ = hit(store, random.nextInt(8) == 0 ? DeviceTroubleTest.key("kept-0") : key);
        }
      }
      slowestNanos.accumulateAndGet(System.nanoTime() - begun, Math::max);
    }

    private void ping() throws Exception {
      long begun = System.nanoTime();
      String _ =
          get(
              AskPattern.<Ping, String>ask(
                  bystander, Ping::new, Duration.ofSeconds(20), host.system().scheduler()));
      slowestPingNanos.accumulateAndGet(System.nanoTime() - begun, Math::max);
    }

    /** So many more stores come to this end. */
    void await(AtomicInteger end, int more) {
      int goal = end.get() + more;
      org.awaitility.Awaitility.await()
          .atMost(30, SECONDS)
          .pollInterval(5, MILLISECONDS)
          .until(() -> end.get() >= goal || wrong.get() != null);
    }

    /** No answer was wrong, and none late. */
    void stop() throws Exception {
      threads.shutdown();
      assertTrue(threads.awaitTermination(30, SECONDS), "a client has no answer");
      if (wrong.get() != null) {
        throw new AssertionError("a client", wrong.get());
      }
      Duration slowest = Duration.ofNanos(slowestNanos.get());
      assertTrue(slowest.compareTo(DEADLINE.plus(LATE)) < 0, () -> "an answer took " + slowest);
      Duration ping = Duration.ofNanos(slowestPingNanos.get());
      assertTrue(ping.compareTo(LATE) < 0, () -> "the bystander took " + ping);
    }

    @Override
    public void close() {
      threads.shutdown();
    }
  }

  // ---------------------------------------------------------------- no room

  /** Others take all that is free, the reserve, too. */
  @ParameterizedTest
  @ValueSource(strings = {"file", "slab"})
  void othersFillTheFilesystem(String layout) throws Exception {
    try (LoopMount mount = LoopMount.ext4(96 * MIB);
        ChunkStore store = start(mount, layout, "weft.reserve = 8MiB");
        Clients clients = new Clients(store)) {
      storeKept(store);
      clients.await(clients.stored, 50);
      Path ballast = mount.directory().resolve("ballast");
      fill(ballast);
      // Files are rejected, where evicting them all would not make room; slots are there already.
      clients.await(layout.equals("slab") ? clients.stored : clients.rejected, 20);
      assertKept(store);
      StoreStatus full = get(store.status());
      assertEquals(StoreStatus.State.UP, full.state(), full::detail);
      Files.delete(ballast);
      clients.await(clients.stored, 50);
      assertRecovered(store, clients);
    }
  }

  private static void fill(Path file) {
    byte[] some = new byte[64 << 10];
    try (OutputStream out = Files.newOutputStream(file)) {
      while (true) {
        out.write(some);
      }
    } catch (IOException full) {
      assertTrue(String.valueOf(full.getMessage()).contains("No space"), full::toString);
    }
  }

  /** Others take all inodes. Slots need none; files are evicted, and taken over. */
  @ParameterizedTest
  @ValueSource(strings = {"file", "slab"})
  void othersTakeAllInodes(String layout) throws Exception {
    try (LoopMount mount = LoopMount.ext4(96 * MIB, "-N", "512");
        ChunkStore store = start(mount, layout);
        Clients clients = new Clients(store)) {
      storeKept(store);
      clients.await(clients.stored, 20);
      Path others = Files.createDirectory(mount.directory().resolve("others"));
      takeInodes(others);
      int before = clients.stored.get();
      await()
          .atMost(30, SECONDS)
          .until(() -> layout.equals("slab") || count(store, Metric.NO_SPACE) > 0);
      assertKept(store);
      StoreStatus full = get(store.status());
      assertEquals(StoreStatus.State.UP, full.state(), full::detail);
      for (String name : names(others)) {
        Files.delete(others.resolve(name));
      }
      clients.await(clients.stored, 50);
      assertTrue(clients.stored.get() > before);
      assertRecovered(store, clients);
    }
  }

  private static void takeInodes(Path directory) {
    try {
      for (int i = 0; i < 10_000; i++) {
        Files.createFile(directory.resolve("f" + i));
      }
      throw new AssertionError("there is no end of inodes");
    } catch (IOException full) {
      assertTrue(String.valueOf(full.getMessage()).contains("No space"), full::toString);
    }
  }

  private static long count(ChunkStore store, Metric metric) throws Exception {
    return get(store.status()).counters().get(metric);
  }

  // ---------------------------------------------------------------- no device

  /** The kernel's own way: an error of the filesystem, which is read-only from then on. */
  @ParameterizedTest
  @ValueSource(strings = {"file", "slab"})
  void theKernelMakesItReadOnly(String layout) throws Exception {
    try (LoopMount mount = LoopMount.ext4(96 * MIB, "-e", "remount-ro");
        ChunkStore store = start(mount, layout, "weft.durability = full");
        Clients clients = new Clients(store)) {
      storeKept(store);
      clients.await(clients.stored, 50);
      mount.failAsExt4();
      assertSays(awaitState(store, StoreStatus.State.DOWN), "READ_ONLY");
      clients.await(clients.rejected, 20);
      // In mode mount a person unmounts it, checks it, and mounts it.
      mount.unmount();
      mount.mountAgain();
      awaitState(store, StoreStatus.State.UP);
      assertRecovered(store, clients);
    }
  }

  /** Its descriptors keep the filesystem alive; nothing goes beneath the mount point. */
  @ParameterizedTest
  @ValueSource(strings = {"file", "slab"})
  void itIsUnmounted(String layout) throws Exception {
    try (LoopMount mount = LoopMount.ext4(96 * MIB)) {
      try (ChunkStore store = start(mount, layout);
          Clients clients = new Clients(store)) {
        storeKept(store);
        clients.await(clients.stored, 50);
        mount.detach();
        StoreStatus down = awaitState(store, StoreStatus.State.DOWN);
        await()
            .atMost(30, SECONDS)
            .until(() -> get(store.status()).detail().contains("nothing is mounted there"));
        assertTrue(down.detail().contains("mount"), down::detail);
        clients.await(clients.rejected, 20);
        assertEquals(List.of(), names(mount.directory()));
        mount.mountAgain();
        awaitState(store, StoreStatus.State.UP);
        assertRecovered(store, clients);
      }
      mount.unmount();
      assertEquals(List.of(), names(mount.directory()));
    }
  }

  /** What is there now is served, and what was there before when it is back: never one as both. */
  @ParameterizedTest
  @ValueSource(strings = {"file", "slab"})
  void anotherFilesystemIsMountedInItsPlace(String layout) throws Exception {
    ChunkKey theirs = key("theirs");
    try (LoopMount mount = LoopMount.ext4(96 * MIB);
        LoopMount empty = LoopMount.ext4(96 * MIB);
        LoopMount anothers = LoopMount.ext4(96 * MIB)) {
      try (ChunkStore another = start(anothers, layout)) {
        assertStored(another, theirs);
      }
      empty.unmount();
      anothers.unmount();
      try (ChunkStore store = start(mount, layout);
          Clients clients = new Clients(store)) {
        storeKept(store);
        clients.await(clients.stored, 50);
        AtomicInteger opened = new AtomicInteger();
        var _ =
            store
                .events(1024)
                .runWith(
                    Sink.foreach(
                        event -> {
                          if (event instanceof StoreEvent.LinkChanged changed
                              && changed.from().equals("MOUNTING")
                              && changed.to().equals("UP")) {
                            opened.incrementAndGet();
                          }
                        }),
                    store.system());
        int expected = 0;
        for (LoopMount instead : List.of(empty, anothers)) {
          mount.detach();
          instead.mountAt(mount.directory());
          awaitOpened(store, opened, ++expected);
          for (ChunkKey key : kept()) {
            assertTrue(!hit(store, key), () -> key + " is of another filesystem");
          }
          assertEquals(instead.equals(anothers), isRight(theirs, patiently(store, theirs)));
          await().atMost(30, SECONDS).until(() -> stores(store, "there"));
        }
        mount.detach();
        mount.mountAgain();
        awaitOpened(store, opened, ++expected);
        assertTrue(!hit(store, theirs), "the other one's");
        assertRecovered(store, clients);
      }
    }
  }

  private static void awaitOpened(ChunkStore store, AtomicInteger opened, int expected) {
    await()
        .atMost(30, SECONDS)
        .pollInterval(10, MILLISECONDS)
        .until(
            () -> opened.get() >= expected && get(store.status()).state() == StoreStatus.State.UP);
  }

  // ---------------------------------------------------------------- no answer

  /** The kernel keeps every write for longer than every deadline, in as many threads as come. */
  @ParameterizedTest
  @ValueSource(strings = {"file", "slab"})
  void itIsFrozen(String layout) throws Exception {
    try (LoopMount mount = LoopMount.ext4(96 * MIB);
        ChunkStore store = start(mount, layout);
        Clients clients = new Clients(store)) {
      storeKept(store);
      clients.await(clients.stored, 50);
      int lateBefore = clients.late.get();
      mount.freeze();
      try {
        StoreStatus degraded = awaitState(store, StoreStatus.State.DEGRADED);
        assertTrue(!degraded.detail().isEmpty());
        await().atMost(30, SECONDS).until(() -> get(store.status()).stuckThreads() > 0);
        await().atMost(30, SECONDS).until(() -> clients.late.get() > lateBefore);
        clients.await(clients.rejected, 200);
        assertEquals(StoreStatus.State.DEGRADED, get(store.status()).state());
      } finally {
        mount.thaw();
      }
      awaitState(store, StoreStatus.State.UP);
      await().atMost(30, SECONDS).until(() -> get(store.status()).stuckThreads() == 0);
      assertRecovered(store, clients);
    }
  }
}
