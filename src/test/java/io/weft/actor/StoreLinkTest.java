package io.weft.actor;

import static io.weft.actor.TestStore.bytes;
import static io.weft.actor.TestStore.get;
import static io.weft.actor.TestStore.in;
import static io.weft.actor.TestStore.key;
import static io.weft.actor.TestStore.keys;
import static io.weft.actor.TestStore.soon;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.ReplyTo;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.api.StoreProtocol.Urgency;
import io.weft.api.StoreStatus;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.Rejected;
import io.weft.base.StatOutcome;
import io.weft.base.StoreOutcome;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A store whose device goes away and comes back. */
class StoreLinkTest {
  private static final String FAST =
      "weft.link { probe-interval = 20ms, retry-min = 10ms, retry-max = 20ms }";
  private static final String SHORT_DETACH = "weft.link.detach-timeout = 20ms";
  private static final String FRAGILE = "weft.eviction.policy = \"io.weft.actor.FragilePolicy\"";
  private static ActorTestKit kit;

  @TempDir Path directory;

  @BeforeAll
  static void startSystem() {
    kit = TestStore.kit("link");
  }

  @AfterAll
  static void stopSystem() {
    kit.shutdownTestKit();
  }

  private TestStore start(String... overrides) {
    return TestStore.start(kit, directory, with(overrides));
  }

  private TestStore starting(FaultyMedium.Faults faults, String... overrides) {
    return TestStore.starting(kit, directory, Ticker.system(), faults, with(overrides));
  }

  private static String[] with(String... overrides) {
    List<String> all = new ArrayList<>(List.of(FAST));
    all.addAll(Arrays.asList(overrides));
    return all.toArray(String[]::new);
  }

  /** Each request is answered once: a second answer fails the test that asked. */
  private static final class Answer<T> implements ReplyTo<T> {
    final CompletableFuture<T> future = new CompletableFuture<>();
    final AtomicInteger answers = new AtomicInteger();

    @Override
    public void reply(T answer) {
      answers.incrementAndGet();
      future.complete(answer);
    }
  }

  private static void await(TestStore store, StoreStatus.State state) {
    soon().until(() -> store.status().state() == state);
  }

  private static DeviceException error(String operation) {
    return new DeviceException(
        DeviceException.Kind.IO_ERROR, operation, "the device", -1, -1, 5, "by the test", null);
  }

  /** Nothing that concerns the device works, and opening it does not. */
  private static void loseDevice(TestStore store) {
    store.faults.fail(DeviceException.Kind.IO_ERROR, "probe", "open");
    await(store, StoreStatus.State.DOWN);
  }

  private static void deviceIsBack(TestStore store) {
    store.faults.none();
    await(store, StoreStatus.State.UP);
  }

  private static int changed(TestStore store, KeyOperation operation, String... names) {
    return ((KeysOutcome.Done) get(store.facade.keys(operation, keys(names)))).hits().cardinality();
  }

  private static StatOutcome.Present stat(TestStore store, String name) {
    return (StatOutcome.Present) get(store.facade.stat(keys(name), in(20_000))).getFirst();
  }

  private static void assertRefused(Object outcome) {
    assertEquals(Rejected.Reason.LINK_DOWN, ((Rejected) outcome).reason(), outcome::toString);
  }

  private static final LoadOutcome UNAVAILABLE =
      new LoadOutcome.Miss(LoadOutcome.Miss.Why.UNAVAILABLE);

  // ---------------------------------------------------------------- down and up

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aDeviceThatFailsIsTakenDownAndComesBackByItself(boolean misses) {
    try (TestStore store = start(misses ? "" : "weft.link.when-down = reject")) {
      store.stored("k", 1_000);
      store.stored("large", 3 << 20);
      store.stored("deleted", 10);
      get(store.facade.delete(keys("deleted")));
      assertEquals(2, changed(store, KeyOperation.LOOKUP_AND_LOCK, "k", "large"));
      assertEquals(2, changed(store, KeyOperation.LOOKUP_AND_LOCK, "k", "large"));
      assertEquals(2, changed(store, KeyOperation.PIN, "k", "large"));
      for (int round = 1; round <= 2; round++) {
        int scans = store.faults.scans.get();
        loseDevice(store);
        StoreStatus down = store.status();
        assertTrue(down.detail().contains("by the test"), down::detail);
        Payload payload = Payload.of(new byte[10]);
        assertRefused(get(store.facade.store(key("new"), payload)));
        get(payload.released());
        LoadTarget target = LoadTarget.lease();
        LoadOutcome load = get(store.facade.load(key("k"), target));
        get(target.released());
        KeysOutcome lookup = get(store.facade.lookup(keys("k")));
        if (misses) {
          assertEquals(UNAVAILABLE, load);
          assertTrue(((KeysOutcome.Done) lookup).hits().isEmpty());
          assertEquals(0, changed(store, KeyOperation.LOOKUP_AND_LOCK, "k"));
        } else {
          assertRefused(load);
          assertRefused(lookup);
        }
        assertRefused(get(store.facade.delete(keys("k"))));
        assertRefused(get(store.facade.stat(keys("k"), in(20_000))).getFirst());
        assertFalse(get(store.facade.deleteAll(in(20_000))).done());
        assertEquals(1, changed(store, KeyOperation.UNLOCK, "k"));
        if (round == 1) {
          assertEquals(1, changed(store, KeyOperation.UNPIN, "large"));
        }
        store.assertNothingHeld();
        deviceIsBack(store);
        assertEquals(scans + 1, store.faults.scans.get(), "checked against the device");
        assertEquals(2 - round, stat(store, "k").locks());
        assertEquals(2, stat(store, "large").locks());
        assertEquals(1, stat(store, "k").pins());
        assertEquals(0, stat(store, "large").pins());
        store.assertHit("k", 1_000);
        store.assertHit("large", 3 << 20);
        assertEquals("klarge", store.present("k", "large", "deleted", "new"));
        store.stored("fresh" + round, 10);
        store.assertHit("fresh" + round, 10);
      }
      store.assertNothingHeld();
    }
    try (TestStore store = start()) {
      assertEquals(0, store.faults.scans.get(), "a clean shutdown");
      store.assertHit("fresh1", 10);
    }
  }

  @Test
  void whatIsInFlightAtTheLossIsAnsweredOnceByItsDeadline() {
    try (TestStore store = start(SHORT_DETACH, "weft.io { threads = 2, reserved-for-loads = 0 }")) {
      for (int i = 0; i < 6; i++) {
        store.stored("k" + i, 1_000);
      }
      FaultyMedium.Gate gate = store.faults.gate("load", "store", "write");
      List<Answer<?>> answers = new ArrayList<>();
      List<CompletionStage<Void>> memory = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        LoadTarget target = LoadTarget.into(ByteBuffer.allocate(1_000));
        memory.add(target.released());
        Answer<StoreProtocol.LoadReply> load = new Answer<>();
        answers.add(load);
        store.actor.tell(
            new StoreProtocol.Load(key("k" + i), target, Urgency.LOAD, in(2_000), load));
        Payload payload = Payload.of(bytes("new" + i, i == 0 ? 3 << 20 : 1_000));
        memory.add(payload.released());
        Answer<StoreProtocol.StoreReply> stored = new Answer<>();
        answers.add(stored);
        store.actor.tell(
            new StoreProtocol.Store(
                key("new" + i), payload, StoreOptions.DEFAULT, in(2_000), stored));
      }
      soon().until(() -> gate.waiting.get() == 2);
      store.faults.now =
          (operation, key) -> {
            gate.before(operation, key);
            if (operation.equals("probe") || operation.equals("open")) {
              throw error(operation);
            }
          };
      long before = System.nanoTime();
      await(store, StoreStatus.State.DOWN);
      answers.forEach(answer -> get(answer.future));
      long millis = (System.nanoTime() - before) / 1_000_000;
      assertTrue(millis < 3_000, () -> "answered after " + millis + " ms");
      // An answer by the deadline may come before the memory of what never began is back.
      soon().until(() -> held(memory) <= 2);
      assertEquals(2, held(memory), "what is with the kernel is not given back");
      assertEquals(0, store.status().operationsInFlight());
      gate.open();
      memory.forEach(TestStore::get);
      store.assertNothingHeld();
      deviceIsBack(store);
      for (int i = 0; i < 6; i++) {
        store.assertHit("k" + i, 1_000);
        store.stored("new" + i, 50 + i);
        store.assertHit("new" + i, 50 + i);
      }
      answers.forEach(answer -> assertEquals(1, answer.answers.get()));
      get(store.facade.deleteAll(in(20_000)));
      soon().until(() -> get(store.facade.usage()).usedBytes() == 0);
    }
  }

  private static long held(List<CompletionStage<Void>> memory) {
    return memory.stream().filter(each -> !each.toCompletableFuture().isDone()).count();
  }

  @Test
  void errorStreaksBetweenGoodProbesTakeTheDeviceDownAndUp() {
    try (TestStore store =
        start(
            "weft.io { threads = 1, reserved-for-loads = 0, errors-before-probe = 1 }",
            "weft.link { probe-interval = 1h, error-streaks-max = 3 }")) {
      store.stored("k", 10);
      for (int streak = 1; streak <= 2; streak++) {
        FaultyMedium.Gate probe = store.faults.gate("probe");
        store.faults.now =
            (operation, key) -> {
              probe.before(operation, key);
              failLoads(operation);
            };
        assertEquals(Failed.Cause.DEVICE, ((Failed) store.load("k")).cause());
        await(store, StoreStatus.State.DEGRADED);
        probe.open();
        await(store, StoreStatus.State.UP);
        assertEquals(0, store.faults.closes.get(), "not before its time");
      }
      store.faults.now = (operation, _) -> failLoads(operation);
      assertEquals(Failed.Cause.DEVICE, ((Failed) store.load("k")).cause());
      soon().until(() -> store.faults.scans.get() == 2);
      await(store, StoreStatus.State.UP);
      assertEquals(1, store.faults.closes.get());
      store.faults.none();
      store.assertHit("k", 10);
      assertEquals(2, store.faults.scans.get());
    }
  }

  /** The index is no authority on another store's chunks: they stay, and it is built anew. */
  @Test
  void anotherStoreOnTheDeviceKeepsItsChunks() throws Exception {
    Path other = Files.createDirectory(directory.resolveSibling(directory.getFileName() + "-b"));
    try (TestStore store = TestStore.start(kit, other, "weft.link.retry-min = 10ms")) {
      store.stored("theirs", 10);
    }
    try (TestStore store = start("weft.link.retry-min = 10ms")) {
      for (int i = 0; i < 20; i++) {
        store.stored("ours", 100 + i);
      }
      store.faults.fail(DeviceException.Kind.IO_ERROR, "probe", "open");
      await(store, StoreStatus.State.DOWN);
      swap(directory, other);
      store.faults.none();
      await(store, StoreStatus.State.UP);
      store.assertHit("theirs", 10);
      assertEquals("", store.present("ours"));
    }
  }

  private static void swap(Path one, Path two) throws IOException {
    Path aside = one.resolveSibling("aside");
    Files.move(one, aside);
    Files.move(two, one);
    Files.move(aside, two);
  }

  private static void failLoads(String operation) throws DeviceException {
    if (operation.equals("load")) {
      throw error(operation);
    }
  }

  // ---------------------------------------------------------------- lost at a bad moment

  @Test
  void aDeviceLostWhileTheFirstIndexIsBuiltIsReadAnew() {
    try (TestStore store = start()) {
      for (int i = 0; i < 20; i++) {
        store.stored("k" + i, 100);
      }
      store.kill();
    }
    FaultyMedium.Faults faults = new FaultyMedium.Faults();
    faults.oneByOne = true;
    FaultyMedium.Gate gate = faults.gateOn(Set.of(key("k7").toString()), "found");
    FaultyMedium.Fault gated = faults.now;
    try (TestStore store = starting(faults, SHORT_DETACH)) {
      soon().until(() -> gate.waiting.get() == 1);
      Payload payload = Payload.of(new byte[10]);
      CompletionStage<StoreOutcome> stored = store.facade.store(key("new"), payload);
      CompletionStage<KeysOutcome> lookup = store.facade.lookup(keys("k1"));
      faults.now =
          (operation, key) -> {
            gated.before(operation, key);
            if (operation.equals("probe") || operation.equals("open")) {
              throw error(operation);
            }
          };
      await(store, StoreStatus.State.DOWN);
      assertTrue(get(stored) instanceof Failed);
      assertTrue(get(lookup) instanceof Failed);
      get(payload.released());
      store.assertNothingHeld();
      gate.open();
      deviceIsBack(store);
      assertEquals(20, get(store.facade.usage()).chunks());
      for (int i = 0; i < 20; i++) {
        store.assertHit("k" + i, 100);
      }
    }
  }

  @Test
  void aDeviceLostWhileTheIndexIsCheckedIsCheckedAnew() {
    try (TestStore store = start(SHORT_DETACH)) {
      for (int i = 0; i < 20; i++) {
        store.stored("k" + i, 100);
      }
      assertEquals(1, changed(store, KeyOperation.LOOKUP_AND_LOCK, "k3"));
      assertEquals(1, changed(store, KeyOperation.PIN, "k4"));
      loseDevice(store);
      store.faults.oneByOne = true;
      FaultyMedium.Gate gate = store.faults.gateOn(Set.of(key("k7").toString()), "found");
      FaultyMedium.Fault gated = store.faults.now;
      soon().until(() -> gate.waiting.get() == 1);
      assertEquals(UNAVAILABLE, store.load("k1"), "not before all is checked");
      assertEquals(1, changed(store, KeyOperation.UNLOCK, "k3"), "nobody waits for the check");
      int closes = store.faults.closes.get();
      store.faults.now =
          (operation, key) -> {
            gated.before(operation, key);
            if (operation.equals("probe") || operation.equals("open")) {
              throw error(operation);
            }
          };
      soon().until(() -> store.faults.closes.get() == closes + 1);
      store.faults.none();
      // The first reading goes on into a check that is another's.
      gate.open();
      await(store, StoreStatus.State.UP);
      for (int i = 0; i < 20; i++) {
        store.assertHit("k" + i, 100);
      }
      assertEquals(0, stat(store, "k3").locks());
      assertEquals(1, stat(store, "k4").pins());
      assertEquals(20, get(store.facade.usage()).chunks());
      get(store.facade.keys(KeyOperation.DELETE_FORCED, keys("k4")));
      get(store.facade.deleteAll(in(20_000)));
      soon().until(() -> get(store.facade.usage()).usedBytes() == 0);
    }
  }

  @Test
  void anIndexThatFailsWhileTheDeviceIsAwayIsRebuiltWhenItIsBack() {
    try (TestStore store = start(SHORT_DETACH, FRAGILE)) {
      store.stored("k", 10);
      store.stored("l", 10);
      FaultyMedium.Gate gate = store.faults.gate("loaded");
      LoadTarget target = LoadTarget.into(ByteBuffer.allocate(10));
      CompletionStage<LoadOutcome> load = store.facade.load(key("k"), target);
      soon().until(() -> gate.waiting.get() == 1);
      loseDevice(store);
      FragilePolicy.broken = true;
      // What the kernel finished late counts as a use, and that breaks the policy.
      gate.open();
      get(load);
      get(target.released());
      soon().until(() -> store.status().counters().get(Metric.INDEX_REBUILDS) == 1);
      assertEquals(StoreStatus.State.DOWN, store.status().state());
      assertEquals(UNAVAILABLE, store.load("k"));
      assertRefused(get(store.facade.keys(KeyOperation.UNLOCK, keys("k"))));
      deviceIsBack(store);
      store.assertHit("k", 10);
      store.stored("l", 20);
      store.assertHit("l", 20);
      store.assertNothingHeld();
    }
  }

  /** Held for an index that is being rebuilt; then the device goes, and nobody is to wait. */
  @Test
  void whatIsHeldForAnIndexEndsWhenTheDeviceIsLost() {
    try (TestStore store = start(SHORT_DETACH, FRAGILE)) {
      store.stored("k", 10);
      FaultyMedium.Gate gate = store.faults.gate("load");
      LoadTarget target = LoadTarget.into(ByteBuffer.allocate(10));
      CompletionStage<LoadOutcome> stuck = store.facade.load(key("k"), target);
      soon().until(() -> gate.waiting.get() == 1);
      FragilePolicy.broken = true;
      get(store.facade.keys(KeyOperation.TOUCH, keys("k")));
      await(store, StoreStatus.State.STARTING);
      get(stuck);
      LoadTarget heldTarget = LoadTarget.lease();
      Payload payload = Payload.of(new byte[10]);
      CompletionStage<LoadOutcome> load = store.facade.load(key("k"), heldTarget);
      CompletionStage<StoreOutcome> stored = store.facade.store(key("new"), payload);
      CompletionStage<KeysOutcome> lookup = store.facade.lookup(keys("k"));
      CompletionStage<KeysOutcome> unlock = store.facade.keys(KeyOperation.UNLOCK, keys("k"));
      var stat = store.facade.stat(keys("k"), in(20_000));
      var expire = store.facade.expire(keys("k"), Chunks.NEVER, in(20_000));
      var list = store.facade.list("", 0, 10, in(20_000));
      var deleted = store.facade.deleteAll(in(20_000));
      var usage = store.facade.usage();
      assertEquals(9, store.status().operationsInFlight());
      store.faults.now =
          (operation, key) -> {
            gate.before(operation, key);
            if (operation.equals("probe") || operation.equals("open")) {
              throw error(operation);
            }
          };
      assertEquals(UNAVAILABLE, get(load));
      assertRefused(get(stored));
      assertTrue(((KeysOutcome.Done) get(lookup)).hits().isEmpty());
      assertRefused(get(unlock));
      assertRefused(get(stat).getFirst());
      assertRefused(get(expire).getFirst());
      assertRefused(get(list));
      assertFalse(get(deleted).done());
      get(usage);
      get(heldTarget.released());
      get(payload.released());
      assertEquals(StoreStatus.State.DOWN, store.status().state());
      gate.open();
      get(target.released());
      store.assertNothingHeld();
      deviceIsBack(store);
      store.assertHit("k", 10);
      assertEquals("", store.present("new"));
    }
  }

  @Test
  void aDeviceThatFailsTooOftenFailsTheStoreWhichStaysAnswerable() {
    TestStore store = start("weft.io.restarts-max = 1");
    store.stored("k", 10);
    loseDevice(store);
    deviceIsBack(store);
    store.assertHit("k", 10);
    store.faults.fail(DeviceException.Kind.IO_ERROR, "probe");
    await(store, StoreStatus.State.FAILED);
    assertTrue(store.status().detail().contains("too often"), store.status()::detail);
    Payload payload = Payload.of(new byte[1]);
    assertEquals(
        Rejected.Reason.CLOSED, ((Rejected) get(store.facade.store(key("n"), payload))).reason());
    get(payload.released());
    assertEquals(Rejected.Reason.CLOSED, ((Rejected) store.load("k")).reason());
    assertEquals(Rejected.Reason.CLOSED, ((Rejected) get(store.facade.lookup(keys("k")))).reason());
    assertEquals(StoreStatus.State.FAILED, get(store.facade.ready()).state());
    store.assertNothingHeld();
    assertEquals(StoreStatus.State.CLOSED, get(store.facade.shutdown()).state());
    try (TestStore next = start()) {
      next.assertHit("k", 10);
    }
  }

  // ---------------------------------------------------------------- shutting down without it

  @Test
  void aShutdownWhileTheDeviceIsAwayEndsAtOnce() {
    TestStore store = start();
    store.stored("k", 10);
    loseDevice(store);
    StoreStatus last = get(store.facade.shutdown());
    assertEquals(StoreStatus.State.CLOSED, last.state());
    assertTrue(last.detail().contains("without a clean snapshot"), last::detail);
    try (TestStore next = start()) {
      assertEquals(1, next.faults.scans.get());
      next.assertHit("k", 10);
    }
  }

  @Test
  void aShutdownWhileTheDeviceIsAttachedClosesWhatWasOpened() {
    TestStore store = start();
    store.stored("k", 10);
    FaultyMedium.Gate gate = store.faults.gate("open");
    FaultyMedium.Fault gated = store.faults.now;
    store.faults.now =
        (operation, key) -> {
          gated.before(operation, key);
          if (operation.equals("probe")) {
            throw error(operation);
          }
        };
    soon().until(() -> gate.waiting.get() == 1);
    assertEquals(1, store.faults.closes.get());
    CompletionStage<StoreStatus> shutdown = store.facade.shutdown();
    assertEquals(StoreStatus.State.DRAINING, store.status().state());
    assertFalse(shutdown.toCompletableFuture().isDone());
    gate.open();
    assertEquals(StoreStatus.State.CLOSED, get(shutdown).state());
    assertEquals(2, store.faults.closes.get());
    try (TestStore next = start()) {
      next.assertHit("k", 10);
    }
  }

  // ---------------------------------------------------------------- answered meanwhile

  /** Holds a thread of the machine's up, at its question what time it is. */
  private static final class HoldingTicker implements Ticker {
    final AtomicReference<CompletableFuture<?>> until = new AtomicReference<>();

    @Override
    public long nanoTime() {
      return Ticker.system().nanoTime();
    }

    @Override
    public long epochMillis() {
      CompletableFuture<?> event = until.get();
      if (event != null
          && StackWalker.getInstance()
              .walk(frames -> frames.anyMatch(frame -> frame.getMethodName().equals("lookup")))) {
        event.join();
      }
      return Ticker.system().epochMillis();
    }
  }

  /** A client that was answered by its deadline knows of no locks or pins. */
  @ParameterizedTest
  @ValueSource(strings = {"LOOKUP_AND_LOCK", "PIN"})
  void whatALateQuestionTookIsGivenBack(String operation) {
    HoldingTicker ticker = new HoldingTicker();
    try (TestStore store = TestStore.starting(kit, directory, ticker)) {
      StoreOptions expiring =
          StoreOptions.DEFAULT.withExpiryAt(System.currentTimeMillis() + 3_600_000);
      get(store.facade.store(key("k"), Payload.of(new byte[10]), expiring, in(20_000)));
      CompletableFuture<Object> answered = new CompletableFuture<>();
      ticker.until.set(answered);
      Answer<KeysOutcome> answer = new Answer<>();
      store.actor.tell(
          new StoreProtocol.Keys(
              KeyOperation.valueOf(operation),
              keys("k"),
              in(200),
              (ReplyTo<KeysOutcome>)
                  outcome -> {
                    answer.reply(outcome);
                    answered.complete(outcome);
                  }));
      assertEquals(Failed.Cause.DEADLINE, ((Failed) get(answer.future)).cause());
      ticker.until.set(null);
      assertEquals(0, stat(store, "k").locks());
      assertEquals(0, stat(store, "k").pins());
      assertEquals(1, answer.answers.get());
    }
  }

  /** A thread that was admitted, and comes to send its request when the store has ended. */
  @Test
  void aRequestBehindTheEndOfTheStoreGivesItsMemoryBack() {
    Shared shared =
        new Shared(StoreSettings.from(TestStore.config(directory)), key -> "", Ticker.system());
    Failed closed = new Failed(Failed.Cause.CLOSED, "by the test", null);
    Requests requests =
        new Requests(
            shared,
            false,
            _ -> {
              // The supervisor is no more.
            });
    shared.ended = closed;
    Payload payload = Payload.of(new byte[10]);
    Answer<StoreOutcome> stored = new Answer<>();
    requests.store(key("k"), payload, StoreOptions.DEFAULT, in(20_000), stored);
    assertEquals(closed, get(stored.future));
    get(payload.released());
    LoadTarget target = LoadTarget.into(ByteBuffer.allocate(10));
    Answer<LoadOutcome> load = new Answer<>();
    requests.load(key("k"), target, Urgency.LOAD, in(20_000), load);
    assertEquals(closed, get(load.future));
    get(target.released());
    assertEquals(0, shared.intake.operations());
    assertEquals(0, shared.intake.bytesHeld());
  }
}
