package io.weft.actor;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.ReplyTo;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import io.weft.device.Layout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.ActorRef;
import org.awaitility.core.ConditionFactory;

/** A store on a real directory, with a device that can be made to fail. */
final class TestStore implements AutoCloseable {
  private static final String SMALL =
      """
      weft {
        capacity = 256MiB
        reserve = 0
        snapshot-interval = 0s
        request-timeout = 20s
        shutdown-timeout = 20s
        io { threads = 4, queue-per-worker = 2, reserved-for-loads = 2, scan-threads = 2 }
        io { lease-pool = 32MiB }
      }
      """;

  final ActorRef<StoreProtocol.Command> actor;
  final ChunkStore facade;
  final FaultyMedium.Faults faults;
  final Path directory;
  private final ActorTestKit kit;

  private TestStore(
      ActorTestKit kit,
      ActorRef<StoreProtocol.Command> actor,
      FaultyMedium.Faults faults,
      Path directory) {
    this.kit = kit;
    this.actor = actor;
    this.faults = faults;
    this.directory = directory;
    CompletableFuture<ChunkStore> answer = new CompletableFuture<>();
    actor.tell(new StoreProtocol.GetFacade((ReplyTo<ChunkStore>) answer::complete));
    this.facade = get(answer);
  }

  /** A system without noise. */
  static ActorTestKit kit(String name) {
    return ActorTestKit.create(
        name,
        ConfigFactory.parseString("pekko.log-dead-letters = off")
            .withFallback(ConfigFactory.load()));
  }

  static Config config(Path directory, String... overrides) {
    return ConfigFactory.parseString(String.join("\n", overrides))
        .withFallback(ConfigFactory.parseString("weft.directory = \"" + directory + "\""))
        .withFallback(ConfigFactory.parseString(SMALL))
        .withFallback(ConfigFactory.load());
  }

  /** Started and serving. */
  static TestStore start(ActorTestKit kit, Path directory, String... overrides) {
    TestStore store = starting(kit, directory, Ticker.system(), overrides);
    assertEquals(StoreStatus.State.UP, get(store.facade.ready()).state());
    return store;
  }

  static TestStore starting(ActorTestKit kit, Path directory, Ticker ticker, String... overrides) {
    return starting(kit, directory, ticker, new FaultyMedium.Faults(), overrides);
  }

  static TestStore starting(
      ActorTestKit kit,
      Path directory,
      Ticker ticker,
      FaultyMedium.Faults faults,
      String... overrides) {
    StoreSettings settings = StoreSettings.from(config(directory, overrides));
    ActorRef<StoreProtocol.Command> actor =
        kit.spawn(
            StoreSupervisor.create(
                settings,
                TestStore::salt,
                ticker,
                null,
                (layout, time) -> {
                  faults.now.before("open", "");
                  return new FaultyMedium(Layout.open(layout, time), faults);
                }));
    return new TestStore(kit, actor, faults, directory);
  }

  /** What stands before the colon. */
  private static String salt(ChunkKey key) {
    String text = new String(key.toBytes(), StandardCharsets.UTF_8);
    return text.contains(":") ? text.substring(0, text.indexOf(':')) : "";
  }

  static <T> T get(CompletionStage<T> stage) {
    try {
      return stage.toCompletableFuture().get(30, SECONDS);
    } catch (Exception failed) {
      throw new AssertionError("no answer", failed);
    }
  }

  static ConditionFactory soon() {
    return await().atMost(30, SECONDS).pollInterval(Duration.ofMillis(5));
  }

  /** The bytes of a name: every chunk has other ones. */
  static byte[] bytes(String name, int length) {
    byte[] bytes = new byte[length];
    new Random(name.hashCode()).nextBytes(bytes);
    return bytes;
  }

  static byte[] bytes(MemorySegment memory) {
    return memory.toArray(ValueLayout.JAVA_BYTE);
  }

  static ChunkKey key(String name) {
    return ChunkKey.of(name);
  }

  static List<ChunkKey> keys(String... names) {
    return java.util.Arrays.stream(names).map(TestStore::key).toList();
  }

  static Deadline in(long millis) {
    return Deadline.in(Duration.ofMillis(millis));
  }

  /** Asks the actor itself, as a host does that speaks the protocol. */
  <T> CompletableFuture<T> ask(java.util.function.Function<ReplyTo<T>, StoreProtocol.Command> how) {
    CompletableFuture<T> answer = new CompletableFuture<>();
    actor.tell(
        how.apply(
            reply -> {
              if (!answer.complete(reply)) {
                throw new AssertionError("answered twice: " + reply);
              }
            }));
    return answer;
  }

  CompletableFuture<StoreOutcome> storing(String name, byte[] bytes, StoreMode mode) {
    return facade
        .store(key(name), Payload.of(bytes), StoreOptions.DEFAULT.withMode(mode), in(20_000))
        .toCompletableFuture();
  }

  void stored(String name, int length) {
    StoreOutcome outcome = get(storing(name, bytes(name, length), StoreMode.REPLACE));
    assertEquals(StoreOutcome.Stored.class, outcome.getClass(), outcome::toString);
  }

  LoadOutcome load(String name) {
    return get(facade.load(key(name), LoadTarget.lease()));
  }

  /** It is there, byte for byte. */
  void assertHit(String name, int length) {
    if (load(name) instanceof LoadOutcome.Leased(var lease)) {
      try (lease) {
        org.junit.jupiter.api.Assertions.assertArrayEquals(
            bytes(name, length), bytes(lease.memory()), name);
      }
    } else {
      throw new AssertionError(name + " is no hit: " + load(name));
    }
  }

  String present(String... names) {
    KeysOutcome.Done done = (KeysOutcome.Done) get(facade.lookup(keys(names)));
    StringBuilder present = new StringBuilder();
    done.hits().stream().forEach(i -> present.append(names[i]));
    return present.toString();
  }

  StoreStatus status() {
    return get(facade.status());
  }

  /** All permits are back. */
  void assertNothingHeld() {
    soon()
        .until(
            () -> {
              StoreStatus status = status();
              return status.operationsInFlight() == 0 && status.bytesInFlight() == 0;
            });
  }

  /** The process dies, as far as a store in a process can. */
  void kill() {
    kit.stop(actor, Duration.ofSeconds(20));
    get(facade.closed());
    soon().until(() -> faults.closes.get() > 0);
  }

  @Override
  public void close() {
    faults.none();
    get(facade.shutdown());
  }
}
