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
import io.weft.api.StoreEvent;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.api.StoreProtocol.Urgency;
import io.weft.api.StoreStatus;
import io.weft.base.BufferLease;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.KeysPage;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.Rejected;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.base.Ticker;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.FishingOutcomes;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What fails under a store: the device, the kernel, and the store's own parts. */
class StoreFaultsTest {
  private static final int MIB = 1 << 20;
  private static final String ONE_WORKER = "weft.io { threads = 1, reserved-for-loads = 0 }";
  private static ActorTestKit kit;

  @TempDir Path directory;

  @BeforeAll
  static void startSystem() {
    kit = TestStore.kit("faults");
  }

  @AfterAll
  static void stopSystem() {
    kit.shutdownTestKit();
  }

  private TestStore start(String... overrides) {
    return TestStore.start(kit, directory, overrides);
  }

  /** Counts how often each of its requests is answered. */
  private static final class Answers {
    private final Map<String, AtomicInteger> counts = new LinkedHashMap<>();
    private final Map<String, Object> last = new LinkedHashMap<>();

    synchronized <T> ReplyTo<T> of(String name) {
      counts.put(name, new AtomicInteger());
      return answer -> {
        synchronized (this) {
          counts.get(name).incrementAndGet();
          last.put(name, answer);
        }
      };
    }

    synchronized boolean all() {
      return counts.values().stream().allMatch(count -> count.get() > 0);
    }

    synchronized boolean has(String name) {
      return counts.get(name).get() > 0;
    }

    synchronized Object last(String name) {
      return last.get(name);
    }

    synchronized void assertEachOnce() {
      counts.forEach((name, count) -> assertEquals(1, count.get(), name));
    }
  }

  /** Fails once, for a caller of this class, as a bug in that class would. */
  private static final class TroubleTicker implements Ticker {
    final AtomicReference<String> trouble = new AtomicReference<>();

    @Override
    public long nanoTime() {
      String caller = trouble.get();
      if (caller != null
          && StackWalker.getInstance()
              .walk(frames -> frames.anyMatch(frame -> frame.getClassName().startsWith(caller)))
          && trouble.compareAndSet(caller, null)) {
        throw new IllegalStateException("a bug in " + caller);
      }
      return Ticker.system().nanoTime();
    }

    @Override
    public long epochMillis() {
      return Ticker.system().epochMillis();
    }
  }

  private static final String FRAGILE = "weft.eviction.policy = \"io.weft.actor.FragilePolicy\"";

  private static void breakIndex(TestStore store, String name) {
    FragilePolicy.broken = true;
    KeysOutcome outcome = get(store.facade.keys(KeyOperation.TOUCH, keys(name)));
    assertTrue(outcome instanceof Failed, outcome::toString);
  }

  private static long count(TestStore store, Metric metric) {
    return store.status().counters().get(metric);
  }

  // ---------------------------------------------------------------- the kernel does not return

  @Test
  void answersComeByTheDeadlineAndMemoryWhenTheKernelIsDone() {
    try (TestStore store = start("weft.io.lease-pool = 1MiB")) {
      store.stored("k", 10_000);
      FaultyMedium.Gate gate = store.faults.gate("load", "store");
      LoadTarget target = LoadTarget.into(ByteBuffer.allocateDirect(10_000));
      LoadTarget lease = LoadTarget.lease();
      Payload payload = Payload.of(bytes("new", 20_000));
      long before = System.nanoTime();
      CompletableFuture<LoadOutcome> load =
          store.facade.load(key("k"), target, Urgency.LOAD, in(300)).toCompletableFuture();
      CompletableFuture<LoadOutcome> leased =
          store.facade.load(key("k"), lease, Urgency.PREFETCH, in(300)).toCompletableFuture();
      CompletableFuture<StoreOutcome> stored =
          store
              .facade
              .store(key("new"), payload, StoreOptions.DEFAULT, in(300))
              .toCompletableFuture();
      assertEquals(Failed.Cause.DEADLINE, ((Failed) get(load)).cause());
      assertEquals(Failed.Cause.DEADLINE, ((Failed) get(leased)).cause());
      assertEquals(Failed.Cause.DEADLINE, ((Failed) get(stored)).cause());
      long millis = (System.nanoTime() - before) / 1_000_000;
      assertTrue(millis >= 300 && millis <= 550, () -> "answered after " + millis + " ms");
      assertEquals(3, gate.waiting.get());
      assertEquals(0, store.status().operationsInFlight(), "answered: their permits are back");
      assertEquals(30_000, store.status().bytesInFlight());
      assertFalse(target.released().toCompletableFuture().isDone());
      assertFalse(lease.released().toCompletableFuture().isDone());
      assertFalse(payload.released().toCompletableFuture().isDone());
      assertEquals(3, count(store, Metric.DEADLINES));
      gate.open();
      get(target.released());
      get(lease.released());
      get(payload.released());
      store.assertNothingHeld();
      BufferLease whole = store.facade.lease(MIB);
      assertEquals(MIB, whole.length(), "the lease of nobody is back in the pool");
      whole.release();
      store.assertHit("k", 10_000);
      // It was published after its answer; the key can be stored again whatever became of it.
      store.stored("new", 5);
      store.assertHit("new", 5);
    }
  }

  /** While a whole piece is with the kernel, the others of its transfer end by its deadline. */
  @Test
  void aLargeStoreThatIsStuckIsUndone() {
    try (TestStore store = start()) {
      FaultyMedium.Gate gate = store.faults.gate("write");
      Payload payload = Payload.of(bytes("k", 8 * MIB));
      StoreOutcome outcome =
          get(store.facade.store(key("k"), payload, StoreOptions.DEFAULT, in(100)));
      assertEquals(Failed.Cause.DEADLINE, ((Failed) outcome).cause());
      soon().until(() -> gate.waiting.get() > 0);
      gate.open();
      get(payload.released());
      store.assertNothingHeld();
      soon().until(() -> get(store.facade.usage()).usedBytes() == 0);
      assertEquals("", store.present("k"));
      store.kill();
    }
    try (TestStore store = start()) {
      String recovery = store.status().recovery();
      assertTrue(recovery.contains(" 0 unfinished stores removed"), recovery);
    }
  }

  @Test
  void aStuckThreadIsReplacedAndItsRoomFreed() {
    try (TestStore store =
        start(ONE_WORKER, "weft.io { queue-per-worker = 1, stuck-after = 100ms }")) {
      store.stored("stuck", 10);
      store.stored("k", 1_000);
      FaultyMedium.Gate gate = store.faults.gateOn(Set.of("stuck"), "load");
      List<CompletableFuture<LoadOutcome>> stuck = new ArrayList<>();
      for (int i = 1; i <= 3; i++) {
        stuck.add(loading(store, "stuck", 10));
        int threads = i;
        soon().until(() -> store.status().stuckThreads() == threads);
        // A stuck operation puts the device in doubt until a probe says that it is well.
        soon().until(() -> store.status().serving());
        store.assertHit("k", 1_000);
        store.stored("l", i);
      }
      assertTrue(count(store, Metric.STUCK_THREADS) >= 3);
      stuck.forEach(each -> assertFalse(each.isDone()));
      gate.open();
      stuck.forEach(each -> assertEquals(new LoadOutcome.Loaded(10), get(each)));
      soon().until(() -> store.status().stuckThreads() == 0);
      store.assertHit("stuck", 10);
      store.assertNothingHeld();
    }
  }

  /** What waits at a worker behind a stuck piece goes along to the new thread. */
  @Test
  void whatWaitsBehindAStuckPieceGoesOn() {
    try (TestStore store =
        start(ONE_WORKER, "weft.io { queue-per-worker = 4, stuck-after = 200ms }")) {
      store.stored("stuck", 10);
      store.stored("k", 10);
      FaultyMedium.Gate gate = store.faults.gateOn(Set.of("stuck"), "load");
      CompletableFuture<LoadOutcome> stuck = loading(store, "stuck", 10);
      soon().until(() -> gate.waiting.get() == 1);
      List<CompletableFuture<LoadOutcome>> behind = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        behind.add(loading(store, "k", 10));
      }
      behind.forEach(each -> assertEquals(new LoadOutcome.Loaded(10), get(each)));
      assertFalse(stuck.isDone());
      gate.open();
      assertEquals(new LoadOutcome.Loaded(10), get(stuck));
    }
  }

  @Test
  void onlySoManyStuckThreadsAreReplaced() {
    try (TestStore store =
        start(
            "weft.io { threads = 2, reserved-for-loads = 0, stuck-after = 500ms }",
            "weft.io.stuck-threads-max = 1")) {
      store.stored("stuck", 10);
      store.stored("k", 10);
      TestProbe<StoreEvent> events = kit.createTestProbe();
      store.actor.tell(new StoreProtocol.Subscribe(events.getRef()));
      FaultyMedium.Gate gate = store.faults.gateOn(Set.of("stuck"), "load");
      List<CompletableFuture<LoadOutcome>> stuck =
          List.of(loading(store, "stuck", 10), loading(store, "stuck", 10));
      soon().until(() -> gate.waiting.get() == 2 && store.status().stuckThreads() == 1);
      // In doubt, and trusted again after a probe.
      nextLinkChange(events);
      nextLinkChange(events);
      soon().until(() -> store.status().serving());
      // The replaced thread serves; nothing is put behind the one that waits for the kernel.
      for (int i = 0; i < 10; i++) {
        store.assertHit("k", 10);
      }
      assertEquals(1, store.status().stuckThreads());
      gate.open();
      stuck.forEach(each -> assertEquals(new LoadOutcome.Loaded(10), get(each)));
      soon().until(() -> store.status().stuckThreads() == 0);
      store.assertNothingHeld();
    }
  }

  private static CompletableFuture<LoadOutcome> loading(TestStore store, String name, int length) {
    return store
        .facade
        .load(key(name), LoadTarget.into(ByteBuffer.allocate(length)))
        .toCompletableFuture();
  }

  // ---------------------------------------------------------------- the device fails

  @Test
  void aStreakOfDeviceErrorsIsProbedAndTheStoreRecovers() {
    try (TestStore store =
        start(ONE_WORKER, "weft.io.errors-before-probe = 3", "weft.link.probe-interval = 1h")) {
      store.stored("k", 10);
      TestProbe<StoreEvent> events = kit.createTestProbe();
      store.actor.tell(new StoreProtocol.Subscribe(events.getRef()));
      AtomicInteger probes = new AtomicInteger();
      store.faults.now =
          (operation, _) -> {
            switch (operation) {
              case "load" -> throw error("load");
              case "probe" -> probes.incrementAndGet();
              default -> {}
            }
          };
      FaultyMedium.Fault failing = store.faults.now;
      for (int i = 0; i < 2; i++) {
        Failed failed = (Failed) store.load("k");
        assertEquals(Failed.Cause.DEVICE, failed.cause());
        assertEquals(DeviceException.Kind.IO_ERROR, failed.error().kind());
      }
      store.faults.none();
      store.assertHit("k", 10);
      store.faults.now = failing;
      store.load("k");
      store.load("k");
      assertEquals(StoreStatus.State.UP, store.status().state(), "a success ends a streak");
      assertEquals(0, probes.get());
      store.load("k");
      soon().until(() -> probes.get() == 1);
      StoreEvent.LinkChanged degraded = (StoreEvent.LinkChanged) nextLinkChange(events);
      assertEquals("UP", degraded.from());
      assertEquals("DEGRADED", degraded.to());
      assertTrue(degraded.why().contains("by the test"), degraded.why());
      // The probe succeeds, and with it the device is trusted again.
      StoreEvent.LinkChanged up = (StoreEvent.LinkChanged) nextLinkChange(events);
      assertEquals("UP", up.to());
      soon().until(() -> store.status().state() == StoreStatus.State.UP);
      store.faults.none();
      store.assertHit("k", 10);
    }
  }

  private static StoreEvent nextLinkChange(TestProbe<StoreEvent> events) {
    return events
        .fishForMessage(
            Duration.ofSeconds(20),
            event ->
                event instanceof StoreEvent.LinkChanged
                    ? FishingOutcomes.complete()
                    : FishingOutcomes.continueAndIgnore())
        .getLast();
  }

  private static DeviceException error(String operation) {
    return new DeviceException(
        DeviceException.Kind.IO_ERROR, operation, "the device", -1, -1, 5, "by the test", null);
  }

  @Test
  void aDeviceThatFailsItsProbesLeavesTheStoreDegradedUntilOneSucceeds() {
    try (TestStore store =
        start("weft.link { probe-interval = 20ms, failed-probes-max = 1000000 }")) {
      store.stored("k", 10);
      store.faults.fail(DeviceException.Kind.IO_ERROR, "probe");
      soon().until(() -> store.status().state() == StoreStatus.State.DEGRADED);
      assertTrue(store.status().detail().contains("by the test"), store.status()::detail);
      assertEquals(new LoadOutcome.Miss(LoadOutcome.Miss.Why.UNAVAILABLE), store.load("k"));
      assertEquals("", store.present("k"));
      Rejected stored = (Rejected) get(store.storing("l", new byte[1], StoreMode.REPLACE));
      assertEquals(Rejected.Reason.BREAKER_OPEN, stored.reason());
      // A full device is no broken one.
      store.faults.fail(DeviceException.Kind.NO_SPACE, "probe");
      soon().until(() -> store.status().state() == StoreStatus.State.UP);
      assertEquals("", store.status().detail());
      store.assertHit("k", 10);
    }
  }

  @Test
  void aProbeThatTheKernelKeepsDegradesTheStore() {
    try (TestStore store = start("weft.link { probe-interval = 20ms, probe-timeout = 50ms }")) {
      FaultyMedium.Gate gate = store.faults.gate("probe");
      soon().until(() -> store.status().state() == StoreStatus.State.DEGRADED);
      assertEquals(1, gate.waiting.get(), "one probe at a time");
      gate.open();
      soon().until(() -> store.status().state() == StoreStatus.State.UP);
    }
  }

  // ---------------------------------------------------------------- bugs below the workers

  @ParameterizedTest
  @ValueSource(
      strings = {
        "store",
        "begin store",
        "write",
        "publish",
        "load",
        "begin load",
        "read",
        "delete",
        "block",
        "change expiry"
      })
  void aBugInADeviceOperationEndsOneRequest(String broken) {
    for (Throwable bug : List.of(new IllegalStateException("a bug"), new StackOverflowError())) {
      Path own = directory.resolve(bug.getClass().getSimpleName());
      try (TestStore store = TestStore.start(kit, own)) {
        StoreOptions withMetadata =
            StoreOptions.DEFAULT.withMetadata(ChunkMetadata.of(new byte[] {1}));
        get(
            store.facade.store(
                key("small"), Payload.of(bytes("small", 10)), withMetadata, in(20_000)));
        store.stored("large", 3 * MIB);
        store.faults.now =
            (operation, _) -> {
              if (operation.equals(broken)) {
                switch (bug) {
                  case RuntimeException exception -> throw exception;
                  case Error error -> throw error;
                  default -> throw new AssertionError(bug);
                }
              }
            };
        Object outcome =
            switch (broken) {
              case "store" -> get(store.storing("new", bytes("new", 10), StoreMode.IF_ABSENT));
              case "begin store", "write", "publish" ->
                  get(store.storing("new", bytes("new", 3 * MIB), StoreMode.IF_ABSENT));
              case "load" -> store.load("small");
              case "begin load", "read" -> store.load("large");
              case "block" -> get(store.facade.stat(keys("small"), in(20_000))).getFirst();
              case "change expiry" ->
                  get(store.facade.expire(keys("small"), Chunks.NEVER - 1, in(20_000))).getFirst();
              default -> get(store.facade.delete(keys("small")));
            };
        if (broken.equals("delete")) {
          assertEquals("", store.present("small"));
        } else {
          assertEquals(Failed.Cause.INTERNAL, ((Failed) outcome).cause(), outcome::toString);
        }
        store.faults.none();
        assertEquals("", store.present("new"));
        store.assertHit("large", 3 * MIB);
        store.stored("small", 10);
        store.assertHit("small", 10);
        store.stored("new", 2 * MIB);
        store.assertHit("new", 2 * MIB);
        assertEquals(StoreStatus.State.UP, store.status().state());
        assertEquals(0, count(store, Metric.WORKER_RESTARTS));
        store.assertNothingHeld();
        get(store.facade.deleteAll(in(20_000)));
        soon().until(() -> get(store.facade.usage()).usedBytes() == 0);
      }
    }
  }

  // ---------------------------------------------------------------- the store's own parts

  @Test
  void aWorkerThatFailsIsRestartedAndLosesNothing() {
    TroubleTicker ticker = new TroubleTicker();
    try (TestStore store = start(ticker, ONE_WORKER, "weft.io.stuck-after = 300ms")) {
      store.stored("k", 10);
      FaultyMedium.Gate gate = store.faults.gate("load");
      CompletableFuture<LoadOutcome> first = loading(store, "k", 10);
      CompletableFuture<LoadOutcome> second = loading(store, "k", 10);
      soon().until(() -> gate.waiting.get() == 1);
      ticker.trouble.set(IoWorkerActor.class.getName());
      soon().until(() -> count(store, Metric.WORKER_RESTARTS) == 1);
      gate.open();
      assertEquals(new LoadOutcome.Loaded(10), get(first));
      assertEquals(new LoadOutcome.Loaded(10), get(second));
      store.assertHit("k", 10);
      store.stored("l", MIB * 3);
      store.assertHit("l", MIB * 3);
      assertEquals(StoreStatus.State.UP, store.status().state());
      store.assertNothingHeld();
    }
  }

  @Test
  void aWorkerThatFailsTooOftenFailsTheStoreWhichStaysAnswerable() {
    TroubleTicker ticker = new TroubleTicker();
    try (TestStore store =
        start(ticker, ONE_WORKER, "weft.io { stuck-after = 10s, restarts-max = 0 }")) {
      store.stored("k", 10);
      FaultyMedium.Gate gate = store.faults.gate("load");
      Answers answers = new Answers();
      List<LoadTarget> targets = new ArrayList<>();
      // One with the kernel, one behind it at the worker, and one more that waits in its lane.
      for (String name : List.of("kernel", "worker", "lane")) {
        LoadTarget target = LoadTarget.into(ByteBuffer.allocate(10));
        targets.add(target);
        store.actor.tell(
            new StoreProtocol.Load(key("k"), target, Urgency.LOAD, in(60_000), answers.of(name)));
      }
      soon().until(() -> gate.waiting.get() == 1);
      ticker.trouble.set(IoWorkerActor.class.getName());
      soon().until(() -> store.status().state() == StoreStatus.State.FAILED);
      assertTrue(store.status().detail().contains("failed too often"), store.status()::detail);
      soon().until(answers::all);
      assertRefuses(store);
      gate.open();
      targets.forEach(target -> get(target.released()));
      answers.assertEachOnce();
      store.assertNothingHeld();
    }
    try (TestStore store = start()) {
      store.assertHit("k", 10);
    }
  }

  private TestStore start(Ticker ticker, String... overrides) {
    TestStore store = TestStore.starting(kit, directory, ticker, overrides);
    assertEquals(StoreStatus.State.UP, get(store.facade.ready()).state());
    return store;
  }

  /** Nothing is taken any more, and everybody is told so. */
  private static void assertRefuses(TestStore store) {
    Payload payload = Payload.of(new byte[1]);
    assertEquals(
        Rejected.Reason.CLOSED, ((Rejected) get(store.facade.store(key("n"), payload))).reason());
    get(payload.released());
    assertEquals(Rejected.Reason.CLOSED, ((Rejected) store.load("k")).reason());
    assertEquals(Rejected.Reason.CLOSED, ((Rejected) get(store.facade.lookup(keys("k")))).reason());
    StoreProtocol.LoadReply raw =
        get(
            store.<StoreProtocol.LoadReply>ask(
                to ->
                    new StoreProtocol.Load(
                        key("k"), LoadTarget.lease(), Urgency.LOAD, in(10_000), to)));
    assertEquals(Rejected.Reason.CLOSED, ((Rejected) raw.outcome()).reason());
    assertEquals(StoreStatus.State.FAILED, get(store.facade.ready()).state());
    get(store.facade.usage());
  }

  @Test
  void lanesThatFailAreMaterialisedAnew() {
    TroubleTicker ticker = new TroubleTicker();
    try (TestStore store = start(ticker, "weft.io.pieces-per-chunk = 2")) {
      store.stored("k", 10);
      FaultyMedium.Gate gate = store.faults.gate("load", "write");
      Answers answers = new Answers();
      LoadTarget target = LoadTarget.into(ByteBuffer.allocate(10));
      store.actor.tell(
          new StoreProtocol.Load(key("k"), target, Urgency.LOAD, in(60_000), answers.of("load")));
      Payload payload = Payload.of(bytes("large", 3 * MIB));
      store.actor.tell(
          new StoreProtocol.Store(
              key("large"), payload, StoreOptions.DEFAULT, in(60_000), answers.of("store")));
      soon().until(() -> gate.waiting.get() == 3);
      ticker.trouble.set("io.weft.stream.LaneMerge");
      soon().until(() -> count(store, Metric.LANE_RESTARTS) == 1);
      store.stored("new", 10);
      assertFalse(answers.has("load"), "the kernel has it still");
      gate.open();
      soon().until(answers::all);
      get(target.released());
      get(payload.released());
      answers.assertEachOnce();
      Failed undone = (Failed) ((StoreProtocol.StoreReply) answers.last("store")).outcome();
      assertEquals(Failed.Cause.RESTARTED, undone.cause());
      assertEquals("knew", store.present("k", "large", "new"));
      store.assertHit("k", 10);
      store.stored("large", 3 * MIB);
      store.assertHit("large", 3 * MIB);
      assertEquals(StoreStatus.State.UP, store.status().state());
      store.assertNothingHeld();
      get(store.facade.deleteAll(in(20_000)));
      soon().until(() -> get(store.facade.usage()).usedBytes() == 0);
    }
  }

  @Test
  void lanesThatFailTooOftenFailTheStore() {
    TroubleTicker ticker = new TroubleTicker();
    try (TestStore store = start(ticker, "weft.io.restarts-max = 1")) {
      store.stored("k", 10);
      ticker.trouble.set("io.weft.stream.LaneMerge");
      soon().until(() -> count(store, Metric.LANE_RESTARTS) == 1);
      store.assertHit("k", 10);
      ticker.trouble.set("io.weft.stream.LaneMerge");
      soon().until(() -> store.status().state() == StoreStatus.State.FAILED);
      assertRefuses(store);
      store.assertNothingHeld();
    }
  }

  @Test
  void anIndexThatFailsIsRebuiltFromTheDevice() {
    try (TestStore store = start(FRAGILE)) {
      for (int i = 0; i < 30; i++) {
        store.stored("k" + i, 1_000 + i);
      }
      store.stored("large", 3 * MIB);
      int scans = store.faults.scans.get();
      FaultyMedium.Gate gate = store.faults.gate("load", "store");
      Answers answers = new Answers();
      List<LoadTarget> targets = new ArrayList<>();
      List<Payload> payloads = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        LoadTarget target = LoadTarget.into(ByteBuffer.allocate(2_000));
        targets.add(target);
        store.actor.tell(
            new StoreProtocol.Load(
                key("k" + i), target, Urgency.LOAD, in(60_000), answers.of("load " + i)));
        Payload payload = Payload.of(bytes("new" + i, 500));
        payloads.add(payload);
        store.actor.tell(
            new StoreProtocol.Store(
                key("new" + i),
                payload,
                StoreOptions.DEFAULT,
                in(60_000),
                answers.of("store " + i)));
      }
      soon().until(() -> gate.waiting.get() == 4);
      FragilePolicy.broken = true;
      store.actor.tell(
          new StoreProtocol.Keys(
              KeyOperation.TOUCH, keys("k0"), in(60_000), answers.of("the one that breaks it")));
      // Behind it in the index's mailbox, or held until there is one again.
      store.actor.tell(
          new StoreProtocol.Keys(KeyOperation.LOOKUP, keys("k0"), in(60_000), answers.of("keys")));
      store.actor.tell(new StoreProtocol.Stat(keys("k0", "k1"), in(60_000), answers.of("stat")));
      store.actor.tell(
          new StoreProtocol.ListKeys("k", KeysPage.START, 5, in(60_000), answers.of("list")));
      soon().until(() -> count(store, Metric.INDEX_REBUILDS) == 1);
      assertEquals(StoreStatus.State.STARTING, store.status().state());
      soon().until(() -> answers.has("load 7") && answers.has("store 7"));
      assertEquals(
          Failed.Cause.RESTARTED,
          ((Failed) ((StoreProtocol.LoadReply) answers.last("load 0")).outcome()).cause());
      assertFalse(targets.getFirst().released().toCompletableFuture().isDone());
      // Held until the index is there again, and answered by it.
      CompletableFuture<KeysOutcome> held =
          store.facade.lookup(keys("k29", "large", "x")).toCompletableFuture();
      assertFalse(held.isDone());
      gate.open();
      assertEquals(2, ((KeysOutcome.Done) get(held)).hits().cardinality());
      soon().until(() -> store.status().state() == StoreStatus.State.UP);
      soon().until(answers::all);
      targets.forEach(target -> get(target.released()));
      payloads.forEach(payload -> get(payload.released()));
      answers.assertEachOnce();
      assertEquals(scans + 1, store.faults.scans.get(), "rebuilt by a scan");
      for (int i = 0; i < 30; i++) {
        store.assertHit("k" + i, 1_000 + i);
      }
      store.assertHit("large", 3 * MIB);
      store.stored("k3", 7);
      store.assertHit("k3", 7);
      store.assertNothingHeld();

      FragilePolicy.broken = true;
      store.actor.tell(
          new StoreProtocol.Keys(
              KeyOperation.TOUCH, keys("k0"), in(60_000), answers.of("what breaks it again")));
      // It fails with the index, or is held and done by the next one: either is right.
      store.actor.tell(new StoreProtocol.DeleteAll(in(60_000), answers.of("delete all")));
      soon().until(answers::all);
      soon().until(() -> store.status().state() == StoreStatus.State.UP);
      answers.assertEachOnce();
      get(store.facade.deleteAll(in(20_000)));
      soon().until(() -> get(store.facade.usage()).usedBytes() == 0);
    }
  }

  /** A device that keeps a piece does not hold the rebuilding up for ever. */
  @Test
  void anIndexIsRebuiltAlsoWhileTheKernelKeepsAPiece() {
    try (TestStore store = start(FRAGILE, "weft.io.stuck-after = 100ms")) {
      store.stored("k", 10);
      store.stored("stuck", 10);
      FaultyMedium.Gate gate = store.faults.gateOn(Set.of("stuck"), "load");
      LoadTarget target = LoadTarget.into(ByteBuffer.allocate(10));
      CompletableFuture<LoadOutcome> stuck =
          store.facade.load(key("stuck"), target).toCompletableFuture();
      soon().until(() -> gate.waiting.get() == 1);
      breakIndex(store, "k");
      assertEquals(Failed.Cause.RESTARTED, ((Failed) get(stuck)).cause());
      soon().until(() -> store.status().state() == StoreStatus.State.UP);
      store.assertHit("k", 10);
      assertFalse(target.released().toCompletableFuture().isDone());
      gate.open();
      get(target.released());
      store.assertHit("stuck", 10);
      store.assertNothingHeld();
    }
  }

  @Test
  void anIndexThatFailsTooOftenFailsTheStoreWhichStaysAnswerable() {
    try (TestStore store = start(FRAGILE, "weft.io.restarts-max = 1")) {
      store.stored("k", 10);
      breakIndex(store, "k");
      soon().until(() -> store.status().state() == StoreStatus.State.UP);
      store.assertHit("k", 10);
      breakIndex(store, "k");
      soon().until(() -> store.status().state() == StoreStatus.State.FAILED);
      assertEquals("the index failed too often", store.status().detail());
      assertRefuses(store);
      store.assertNothingHeld();
    }
    try (TestStore store = start(FRAGILE)) {
      store.assertHit("k", 10);
    }
  }

  @Test
  void anIndexThatCannotBeRebuiltFailsTheStore() {
    try (TestStore store =
        start(FRAGILE, "weft.io.restarts-max = 2", "weft.link.retry-min = 10ms")) {
      store.stored("k", 10);
      store.faults.fail(DeviceException.Kind.IO_ERROR, "scan");
      breakIndex(store, "k");
      soon().until(() -> store.status().state() == StoreStatus.State.FAILED);
      assertTrue(store.status().detail().contains("by the test"), store.status()::detail);
      assertRefuses(store);
      store.assertNothingHeld();
    }
  }
}
