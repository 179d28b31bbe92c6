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

import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.ReplyTo;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreProtocol.Urgency;
import io.weft.api.StoreStatus;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.base.Ticker;
import io.weft.testing.LoopMount;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.Done;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.stream.javadsl.Sink;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How stores start and end, and what their hosts see of it. */
class StoreLifecycleTest {
  private static final int MIB = 1 << 20;
  private static ActorTestKit kit;

  @TempDir Path directory;

  @BeforeAll
  static void startSystem() {
    kit = TestStore.kit("lifecycle");
  }

  @AfterAll
  static void stopSystem() {
    kit.shutdownTestKit();
  }

  private TestStore start(String... overrides) {
    return TestStore.start(kit, directory, overrides);
  }

  private TestStore starting(FaultyMedium.Faults faults, String... overrides) {
    return TestStore.starting(kit, directory, Ticker.system(), faults, overrides);
  }

  // ---------------------------------------------------------------- shutdown

  /** Its stream is over, and the store has not noticed yet. */
  @Test
  void aSubscriberThatIsGoneDoesNotKeepTheStoreFromItsEnd() {
    TestStore store = start();
    CompletionStage<Done> over =
        store
            .facade
            .events(8)
            .watchTermination((_, done) -> done)
            .to(Sink.head())
            .run(kit.system());
    store.stored("first", 10);
    get(over);
    store.kill();
  }

  @Test
  void aCleanShutdownSparesTheNextStartTheScanOnce() {
    try (TestStore store = start()) {
      assertEquals(1, store.faults.scans.get());
      store.stored("k", 10);
      store.stored("large", 3 * MIB);
    }
    TestStore again = start();
    assertEquals(0, again.faults.scans.get());
    assertTrue(
        again.status().recovery().startsWith("2 chunks from the snapshot of a clean shutdown"),
        again.status()::recovery);
    again.assertHit("k", 10);
    again.assertHit("large", 3 * MIB);
    again.stored("l", 20);
    again.kill();
    try (TestStore third = start()) {
      assertEquals(1, third.faults.scans.get(), "the marker of the shutdown before is gone");
      third.assertHit("k", 10);
      third.assertHit("l", 20);
    }
  }

  /** Either engine serves, and the status says which one it is. */
  @Test
  void theStatusSaysHowChunksGetToTheDevice() {
    try (TestStore store = start("weft.io.engine = io-uring")) {
      String engine = store.status().ioEngine();
      assertTrue(engine.startsWith("io_uring, 8 deep, beside 4 threads"), engine);
      store.stored("k", 10);
      store.stored("large", 3 * MIB);
    }
    try (TestStore store = start("weft.io.engine = threads")) {
      assertEquals("4 threads (as weft.io.engine says)", store.status().ioEngine());
      store.assertHit("k", 10);
      store.assertHit("large", 3 * MIB);
    }
  }

  @Test
  void aShutdownDrainsWhatIsInFlightAndTakesNothingNew() {
    TestStore store = start();
    store.stored("k", 10);
    FaultyMedium.Gate gate = store.faults.gate("load", "store");
    CompletionStage<LoadOutcome> load =
        store.facade.load(key("k"), LoadTarget.into(ByteBuffer.allocate(10)));
    CompletableFuture<StoreOutcome> stored =
        store.storing("new", bytes("new", 10), StoreMode.REPLACE);
    CompletableFuture<StoreOutcome> behind =
        store.storing("new", bytes("new", 10), StoreMode.IF_ABSENT);
    soon().until(() -> gate.waiting.get() == 2);
    CompletionStage<StoreStatus> shutdown = store.facade.shutdown();
    CompletionStage<StoreStatus> second = store.facade.shutdown();
    assertEquals(StoreStatus.State.DRAINING, store.status().state());
    assertEquals(Rejected.Reason.CLOSED, ((Rejected) store.load("k")).reason());
    assertEquals(
        Rejected.Reason.CLOSED,
        ((Rejected) get(store.storing("x", new byte[1], StoreMode.REPLACE))).reason());
    assertFalse(shutdown.toCompletableFuture().isDone());
    gate.open();
    assertEquals(new LoadOutcome.Loaded(10), get(load));
    assertEquals(StoreOutcome.Stored.class, get(stored).getClass());
    assertEquals(StoreOutcome.AlreadyStored.class, get(behind).getClass());
    StoreStatus last = get(shutdown);
    assertEquals(StoreStatus.State.CLOSED, last.state());
    assertEquals("", last.detail());
    assertEquals(last, get(second));
    assertEquals(last, get(store.facade.closed()));
    // What is asked after the end is answered too.
    assertEquals(StoreStatus.State.CLOSED, store.status().state());
    assertEquals(StoreStatus.State.CLOSED, get(store.facade.ready()).state());
    assertEquals(Rejected.Reason.CLOSED, ((Rejected) store.load("k")).reason());
    store.facade.close();
    try (TestStore next = start()) {
      assertEquals(0, next.faults.scans.get());
      next.assertHit("new", 10);
    }
  }

  @Test
  void aShutdownDoesNotWaitForAStuckDevice() {
    TestStore store = start("weft.shutdown-timeout = 100ms");
    store.stored("k", 10);
    FaultyMedium.Gate gate = store.faults.gate("load", "write");
    LoadTarget target = LoadTarget.into(ByteBuffer.allocate(10));
    CompletionStage<LoadOutcome> load = store.facade.load(key("k"), target);
    Payload payload = Payload.of(bytes("large", 3 * MIB));
    CompletionStage<StoreOutcome> stored = store.facade.store(key("large"), payload);
    soon().until(() -> gate.waiting.get() > 1);
    StoreStatus last = get(store.facade.shutdown());
    assertEquals(StoreStatus.State.CLOSED, last.state());
    assertTrue(last.detail().contains("weft.shutdown-timeout"), last::detail);
    assertEquals(Failed.Cause.CLOSED, ((Failed) get(load)).cause());
    assertEquals(Failed.Cause.CLOSED, ((Failed) get(stored)).cause());
    assertFalse(target.released().toCompletableFuture().isDone());
    assertFalse(payload.released().toCompletableFuture().isDone());
    gate.open();
    get(target.released());
    get(payload.released());
    try (TestStore next = startWhenFree()) {
      assertEquals(1, next.faults.scans.get());
      next.assertHit("k", 10);
      assertEquals("", next.present("large"));
    }
  }

  /** The directory is let go of by a thread that may still be at it. */
  private TestStore startWhenFree() {
    TestStore[] started = new TestStore[1];
    soon()
        .until(
            () -> {
              started[0] = starting(new FaultyMedium.Faults());
              if (get(started[0].facade.ready()).state() == StoreStatus.State.UP) {
                return true;
              }
              started[0].close();
              return false;
            });
    return started[0];
  }

  @Test
  void aShutdownDuringTheStartAnswersWhoeverWaits() {
    start().close();
    try (TestStore store = start()) {
      store.stored("k", 10);
      store.kill();
    }
    FaultyMedium.Faults faults = new FaultyMedium.Faults();
    FaultyMedium.Gate gate = faults.gate("scan");
    TestStore store = starting(faults);
    soon().until(() -> gate.waiting.get() == 1);
    Payload payload = Payload.of(new byte[10]);
    CompletionStage<StoreOutcome> stored = store.facade.store(key("l"), payload);
    CompletionStage<KeysOutcome> lookup = store.facade.lookup(keys("k"));
    CompletionStage<StoreStatus> ready = store.facade.ready();
    assertEquals(StoreStatus.State.STARTING, store.status().state());
    assertFalse(lookup.toCompletableFuture().isDone());
    CompletionStage<StoreStatus> shutdown = store.facade.shutdown();
    assertEquals(StoreStatus.State.DRAINING, get(ready).state());
    assertEquals(Failed.Cause.CLOSED, ((Failed) get(stored)).cause());
    assertEquals(Failed.Cause.CLOSED, ((Failed) get(lookup)).cause());
    get(payload.released());
    assertEquals(StoreStatus.State.CLOSED, get(shutdown).state());
    gate.open();
    try (TestStore next = startWhenFree()) {
      next.assertHit("k", 10);
    }
  }

  // ---------------------------------------------------------------- the actor is stopped

  @Test
  void anActorThatIsStoppedAnswersEverything() {
    TestStore store = start("weft.intake { operations = 8, waiting = 4 }");
    store.stored("k", 10);
    FaultyMedium.Gate gate = store.faults.gate("load");
    LoadTarget[] targets = new LoadTarget[12];
    CompletableFuture<?>[] answers = new CompletableFuture<?>[12];
    for (int i = 0; i < targets.length; i++) {
      LoadTarget target = LoadTarget.into(ByteBuffer.allocate(10));
      targets[i] = target;
      answers[i] =
          store.facade.load(key("k"), target, Urgency.LOAD, in(60_000)).toCompletableFuture();
    }
    soon().until(() -> gate.waiting.get() == 4);
    kit.stop(store.actor, Duration.ofSeconds(20));
    for (CompletableFuture<?> answer : answers) {
      assertEquals(Failed.Cause.CLOSED, ((Failed) get(answer)).cause());
    }
    StoreStatus last = get(store.facade.closed());
    assertEquals(StoreStatus.State.CLOSED, last.state());
    assertTrue(last.detail().contains("no clean snapshot"), last::detail);
    assertEquals(StoreStatus.State.CLOSED, store.status().state());
    assertEquals(Rejected.Reason.CLOSED, ((Rejected) store.load("k")).reason());
    int held = 0;
    for (LoadTarget target : targets) {
      held += target.released().toCompletableFuture().isDone() ? 0 : 1;
    }
    assertTrue(held >= 4, "what is with the kernel is not given back");
    gate.open();
    for (LoadTarget target : targets) {
      get(target.released());
    }
    try (TestStore next = startWhenFree()) {
      assertEquals(1, next.faults.scans.get());
      next.assertHit("k", 10);
    }
  }

  /** The scan stops with nobody to scan for, or the directory would stay locked. */
  @Test
  void aStopDuringTheScanLetsGoOfTheDirectory() {
    try (TestStore store = start()) {
      for (int i = 0; i < 40; i++) {
        store.stored("k" + i, 10);
      }
      store.kill();
    }
    FaultyMedium.Faults faults = new FaultyMedium.Faults();
    faults.oneByOne = true;
    FaultyMedium.Gate gate = faults.gate("scan");
    TestStore store = starting(faults);
    soon().until(() -> gate.waiting.get() == 1);
    kit.stop(store.actor, Duration.ofSeconds(20));
    get(store.facade.closed());
    gate.open();
    try (TestStore next = startWhenFree()) {
      assertEquals(40, get(next.facade.usage()).chunks());
    }
  }

  @Test
  void aStopWhileTheDirectoryIsOpenedLetsGoOfIt() {
    FaultyMedium.Faults faults = new FaultyMedium.Faults();
    FaultyMedium.Gate gate = faults.gate("open");
    TestStore store = starting(faults);
    soon().until(() -> gate.waiting.get() == 1);
    CompletionStage<KeysOutcome> early = store.facade.lookup(keys("k"));
    CompletionStage<StoreStatus> ready = store.facade.ready();
    soon().until(() -> store.status().operationsInFlight() == 1);
    kit.stop(store.actor, Duration.ofSeconds(20));
    assertEquals(Failed.Cause.CLOSED, ((Failed) get(early)).cause());
    assertEquals(StoreStatus.State.CLOSED, get(ready).state());
    gate.open();
    soon().until(() -> faults.closes.get() == 1);
    start().close();
  }

  // ---------------------------------------------------------------- two stores, no device

  @Test
  void aSecondStoreOnTheSameDirectorySaysWhoHasIt() {
    try (TestStore first = start()) {
      first.stored("k", 10);
      try (TestStore second = starting(new FaultyMedium.Faults())) {
        assertEquals(StoreStatus.State.FAILED, get(second.facade.ready()).state());
        // Asked for behind the failure, so that it is complete.
        StoreStatus status = second.status();
        assertTrue(
            status.detail().contains("another store has this directory open")
                && status.detail().contains("pid " + ProcessHandle.current().pid()),
            status::detail);
        Rejected refused = (Rejected) second.load("k");
        assertEquals(Rejected.Reason.CLOSED, refused.reason());
        assertEquals(StoreStatus.State.CLOSED, get(second.facade.shutdown()).state());
      }
      first.assertHit("k", 10);
      first.stored("l", 10);
    }
    try (TestStore next = start()) {
      assertEquals(0, next.faults.scans.get());
      next.assertHit("l", 10);
    }
  }

  @Test
  void withoutItsMountAStoreIsDownAndRefuses() {
    try (TestStore store =
        starting(
            new FaultyMedium.Faults(),
            "weft.mode = mount",
            "weft.link { retry-min = 1h, retry-max = 1h, when-down = reject }")) {
      StoreStatus status = get(store.facade.ready());
      assertEquals(StoreStatus.State.DOWN, status.state());
      assertTrue(status.detail().contains("nothing is mounted there"), status::detail);
      Payload payload = Payload.of(new byte[10]);
      Rejected stored = (Rejected) get(store.facade.store(key("k"), payload));
      assertEquals(Rejected.Reason.LINK_DOWN, stored.reason());
      assertEquals(status.detail(), stored.detail());
      get(payload.released());
      LoadTarget target = LoadTarget.lease();
      assertEquals(
          Rejected.Reason.LINK_DOWN,
          ((Rejected) get(store.facade.load(key("k"), target))).reason());
      get(target.released());
      assertEquals(
          Rejected.Reason.LINK_DOWN, ((Rejected) get(store.facade.lookup(keys("k")))).reason());
      store.assertNothingHeld();
      assertEquals(StoreStatus.State.CLOSED, get(store.facade.shutdown()).state());
    }
    assertEquals(0, directory.toFile().list().length, "nothing is written where no mount is");
  }

  @Test
  @Tag("root")
  void aStoreComesUpWithItsMount() {
    Assumptions.assumeTrue(System.getProperty("user.name").equals("root"), "mounting needs root");
    try (TestStore store =
        starting(new FaultyMedium.Faults(), "weft.mode = mount", "weft.link.retry-min = 10ms")) {
      soon().until(() -> store.status().state() == StoreStatus.State.DOWN);
      LoopMount.run(List.of("mount", "-t", "tmpfs", "weft", directory.toString()));
      try {
        soon().until(() -> store.status().state() == StoreStatus.State.UP);
        store.stored("k", 10);
        store.assertHit("k", 10);
        get(store.facade.shutdown());
      } finally {
        LoopMount.run(List.of("umount", directory.toString()));
      }
    }
    assertEquals(0, directory.toFile().list().length, "nothing is written where no mount is");
  }

  // ---------------------------------------------------------------- inside a host

  private static Set<Thread> storeThreads() {
    Set<Thread> threads = new HashSet<>();
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (thread.getName().startsWith("weft-")) {
        threads.add(thread);
      }
    }
    return threads;
  }

  private static void assertUntouched(ActorSystem<?> host, Set<Thread> threadsBefore) {
    soon().until(() -> threadsBefore.containsAll(storeThreads()));
    assertFalse(host.getWhenTerminated().toCompletableFuture().isDone());
    ActorTestKit alive = ActorTestKit.create(host);
    TestProbe<String> probe = alive.createTestProbe();
    ActorRef<String> echo =
        alive.spawn(
            Behaviors.receiveMessage(
                message -> {
                  probe.getRef().tell(message);
                  return Behaviors.same();
                }));
    echo.tell("still here");
    probe.expectMessage("still here");
  }

  @Test
  void aStoreInsideAHostsSystemLeavesItAsItWas() {
    Set<Thread> before = storeThreads();
    ActorSystem<?> host = kit.system();
    for (int round = 0; round < 2; round++) {
      try (ChunkStore store = ChunkStore.start(host, TestStore.config(directory))) {
        get(store.store(key("k" + round), Payload.of(bytes("k", 100))));
        KeysOutcome.Done found = (KeysOutcome.Done) get(store.lookup(keys("k0", "k1")));
        assertEquals(round + 1, found.hits().cardinality());
      }
      assertUntouched(host, before);
    }
  }

  @Test
  void aStoreThatTheHostSpawnsLeavesItsSystemAsItWas() {
    Set<Thread> before = storeThreads();
    Behavior<StoreProtocol.Command> behavior = ChunkStore.behavior(TestStore.config(directory));
    for (int round = 0; round < 2; round++) {
      ActorRef<StoreProtocol.Command> store = kit.spawn(behavior);
      TestProbe<StoreProtocol.StoreReply> stored = kit.createTestProbe();
      store.tell(
          new StoreProtocol.Store(
              key("k" + round),
              Payload.of(new byte[10]),
              StoreOptions.DEFAULT,
              in(20_000),
              stored.getRef()));
      assertTrue(stored.receiveMessage().outcome() instanceof StoreOutcome.Stored);
      CompletableFuture<StoreStatus> closed = new CompletableFuture<>();
      store.tell(new StoreProtocol.Shutdown((ReplyTo<StoreStatus>) closed::complete));
      assertEquals(StoreStatus.State.CLOSED, get(closed).state());
      kit.createTestProbe().expectTerminated(store);
      assertUntouched(kit.system(), before);
    }
  }

  /** A host that ends without a word to its store: the store ends in order all the same. */
  @Test
  void aHostThatTerminatesClosesItsStoreCleanly() {
    ActorTestKit host = TestStore.kit("host");
    ChunkStore store = ChunkStore.start(host.system(), TestStore.config(directory));
    get(store.store(key("k"), Payload.of(bytes("k", 100))));
    host.system().terminate();
    get(host.system().getWhenTerminated());
    assertEquals("", get(store.closed()).detail());
    try (TestStore next = start()) {
      assertEquals(0, next.faults.scans.get());
      next.assertHit("k", 100);
    }
  }
}
