package io.weft.actor;

import static io.weft.actor.TestStore.bytes;
import static io.weft.actor.TestStore.get;
import static io.weft.actor.TestStore.in;
import static io.weft.actor.TestStore.key;
import static io.weft.actor.TestStore.keys;
import static io.weft.actor.TestStore.soon;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreEvent;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.api.StoreProtocol.Urgency;
import io.weft.api.StoreStatus;
import io.weft.api.StreamRequest;
import io.weft.api.StreamResult;
import io.weft.base.BufferLease;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.ExpireOutcome;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.KeysPage;
import io.weft.base.ListOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.Rejected;
import io.weft.base.RemovalCause;
import io.weft.base.StatOutcome;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.base.Usage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.SinkQueueWithCancel;
import org.apache.pekko.stream.javadsl.Source;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What hosts say to a store and hear from it, by messages and by the facade. */
class StoreProtocolTest {
  private static final int MIB = 1 << 20;
  private static ActorTestKit kit;

  @TempDir Path directory;

  @BeforeAll
  static void startSystem() {
    kit = TestStore.kit("protocol");
  }

  @AfterAll
  static void stopSystem() {
    kit.shutdownTestKit();
  }

  private TestStore start(String... overrides) {
    return TestStore.start(kit, directory, overrides);
  }

  private static Materializer materializer() {
    return Materializer.createMaterializer(kit.system());
  }

  @Test
  void everyCommandByMessage() {
    try (TestStore store = start()) {
      byte[] bytes = bytes("k", 5_000);
      ChunkMetadata metadata = ChunkMetadata.of(new byte[] {1, 2, 3});
      StoreProtocol.StoreReply stored =
          get(
              store.<StoreProtocol.StoreReply>ask(
                  to ->
                      new StoreProtocol.Store(
                          key("k"),
                          Payload.of(bytes),
                          StoreOptions.DEFAULT.withMetadata(metadata),
                          in(10_000),
                          to)));
      assertEquals(key("k"), stored.key());
      assertEquals(12 * 1024, ((StoreOutcome.Stored) stored.outcome()).physicalBytes());

      ByteBuffer target = ByteBuffer.allocateDirect(6_000);
      StoreProtocol.LoadReply loaded =
          get(
              store.<StoreProtocol.LoadReply>ask(
                  to ->
                      new StoreProtocol.Load(
                          key("k"), LoadTarget.into(target), Urgency.LOAD, in(10_000), to)));
      assertEquals(new LoadOutcome.Loaded(5_000), loaded.outcome());
      assertEquals(0, target.position(), "the buffer itself is not moved");
      byte[] read = new byte[5_000];
      target.get(read);
      assertArrayEquals(bytes, read);

      StatOutcome.Present stat =
          (StatOutcome.Present)
              get(store.<StoreProtocol.StatReply>ask(
                      to -> new StoreProtocol.Stat(keys("k", "x"), in(10_000), to)))
                  .outcomes()
                  .getFirst();
      assertEquals(metadata, stat.metadata());
      assertEquals(5_000, stat.length());

      assertEquals("{0}", operate(store, KeyOperation.LOOKUP, "k", "x"));
      assertEquals("{0}", operate(store, KeyOperation.LOOKUP_AND_LOCK, "k", "x"));
      assertEquals("{0}", operate(store, KeyOperation.PIN, "k"));
      assertEquals("{}", operate(store, KeyOperation.DELETE, "k"));
      assertEquals("{0}", operate(store, KeyOperation.UNLOCK, "k"));
      assertEquals("{0}", operate(store, KeyOperation.UNPIN, "k"));
      assertEquals("{0}", operate(store, KeyOperation.TOUCH, "k"));

      long tomorrow = System.currentTimeMillis() + 86_400_000;
      assertEquals(
          List.of(new ExpireOutcome.Changed(), new ExpireOutcome.Absent()),
          get(store.<StoreProtocol.ExpireReply>ask(
                  to -> new StoreProtocol.Expire(keys("k", "x"), tomorrow, in(10_000), to)))
              .outcomes());
      KeysPage page =
          (KeysPage)
              get(
                  store.<ListOutcome>ask(
                      to -> new StoreProtocol.ListKeys("k", KeysPage.START, 10, in(10_000), to)));
      assertEquals(List.of(new KeysPage.ListedKey(key("k"), 5_000)), page.keys());
      assertTrue(page.last());

      Usage usage = get(store.<Usage>ask(StoreProtocol.GetUsage::new));
      assertEquals(1, usage.chunks());
      assertEquals(12 * 1024, usage.chunkBytes());
      assertEquals(Map.of("", 12 * 1024L), usage.bySalt());
      StoreStatus status = get(store.<StoreStatus>ask(StoreProtocol.GetStatus::new));
      assertEquals(StoreStatus.State.UP, status.state());
      assertEquals(1, status.counters().get(Metric.STORES));
      assertEquals(
          StoreStatus.State.UP, get(store.<StoreStatus>ask(StoreProtocol.AwaitReady::new)).state());

      assertEquals("{0}", operate(store, KeyOperation.DELETE_FORCED, "k"));
      store.stored("l", 10);
      store.stored("m", 10);
      assertEquals(
          new StoreProtocol.DeleteAllReply(2, true),
          get(
              store.<StoreProtocol.DeleteAllReply>ask(
                  to -> new StoreProtocol.DeleteAll(in(10_000), to))));
      soon().until(() -> get(store.facade.usage()).usedBytes() == 0);
      store.assertNothingHeld();
    }
  }

  private static String operate(TestStore store, KeyOperation operation, String... names) {
    KeysOutcome outcome =
        get(
            store.<KeysOutcome>ask(
                to -> new StoreProtocol.Keys(operation, keys(names), in(10_000), to)));
    return ((KeysOutcome.Done) outcome).hits().toString();
  }

  @Test
  void answersGoToActorsAsMessages() {
    try (TestStore store = start()) {
      TestProbe<StoreProtocol.StoreReply> stores = kit.createTestProbe();
      TestProbe<StoreProtocol.LoadReply> loads = kit.createTestProbe();
      store.actor.tell(
          new StoreProtocol.Store(
              key("k"),
              Payload.of(bytes("k", 100)),
              StoreOptions.DEFAULT,
              in(10_000),
              stores.getRef()));
      assertTrue(stores.receiveMessage().outcome() instanceof StoreOutcome.Stored);
      store.actor.tell(
          new StoreProtocol.Load(
              key("x"), LoadTarget.lease(), Urgency.PREFETCH, in(10_000), loads.getRef()));
      assertEquals(
          new LoadOutcome.Miss(LoadOutcome.Miss.Why.ABSENT), loads.receiveMessage().outcome());
    }
  }

  /** Whatever memory a chunk comes from and goes to, its bytes are the same. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 4_095, 4_096, 4_097, MIB - 1, MIB, MIB + 1, 5 * MIB + 3})
  void everyKindOfMemory(int length) {
    try (TestStore store = start();
        Arena arena = Arena.ofShared()) {
      byte[] bytes = bytes("chunk" + length, length);
      MemorySegment source = MemorySegment.ofArray(bytes);
      List<Payload> payloads = new ArrayList<>();
      payloads.add(Payload.of(bytes));
      byte[] shifted = new byte[length + 7];
      System.arraycopy(bytes, 0, shifted, 3, length);
      payloads.add(Payload.of(ByteBuffer.wrap(shifted).position(3).limit(3 + length)));
      payloads.add(Payload.of(ByteBuffer.wrap(bytes).asReadOnlyBuffer()));
      payloads.add(Payload.of(MemorySegment.ofArray(shifted).asSlice(3, length)));
      MemorySegment aligned = arena.allocate(Math.max(1, length), 4_096);
      aligned.asSlice(0, length).copyFrom(source);
      payloads.add(Payload.of(aligned.asSlice(0, length)));
      payloads.add(Payload.of(aligned.asSlice(0, length).asByteBuffer()));
      MemorySegment unaligned = arena.allocate(length + 512, 4_096).asSlice(13, length);
      unaligned.copyFrom(source);
      payloads.add(Payload.of(unaligned));
      payloads.add(Payload.of(unaligned.asByteBuffer()));
      BufferLease lease = store.facade.lease(length);
      lease.memory().copyFrom(source);
      payloads.add(Payload.of(lease));
      int number = 0;
      for (Payload payload : payloads) {
        String name = "k" + number++;
        StoreOutcome outcome = get(store.facade.store(key(name), payload));
        assertTrue(outcome instanceof StoreOutcome.Stored, outcome::toString);
        get(payload.released());
        LoadOutcome loaded = store.load(name);
        try (BufferLease out = ((LoadOutcome.Leased) loaded).lease()) {
          assertArrayEquals(bytes, bytes(out.memory()), name);
        }
      }
      assertTrue(lease.isReleased(), "a lease that was handed over is the store's to release");

      List<MemorySegment> targets = new ArrayList<>();
      targets.add(MemorySegment.ofArray(new byte[length]));
      targets.add(MemorySegment.ofArray(new byte[length + 9]));
      targets.add(arena.allocate(Math.max(1, length), 4_096).asSlice(0, length));
      targets.add(arena.allocate(length + 8_192, 4_096));
      targets.add(arena.allocate(length + 512, 4_096).asSlice(13, length));
      for (MemorySegment target : targets) {
        LoadTarget into = LoadTarget.into(target);
        assertEquals(new LoadOutcome.Loaded(length), get(store.facade.load(key("k0"), into)));
        get(into.released());
        assertArrayEquals(bytes, bytes(target.asSlice(0, length)));
      }
      byte[] guarded = new byte[length + 20];
      ByteBuffer within = ByteBuffer.wrap(guarded).position(10).limit(10 + length);
      assertEquals(
          new LoadOutcome.Loaded(length),
          get(store.facade.load(key("k0"), LoadTarget.into(within))));
      assertEquals(10, within.position());
      byte[] expected = new byte[length + 20];
      System.arraycopy(bytes, 0, expected, 10, length);
      assertArrayEquals(expected, guarded, "nothing outside of the target");
      MemorySegment whole = arena.allocate(length + 12_288, 4_096);
      MemorySegment exact = whole.asSlice(4_096, length);
      assertEquals(
          new LoadOutcome.Loaded(length),
          get(store.facade.load(key("k0"), LoadTarget.into(exact))));
      assertArrayEquals(bytes, bytes(exact));
      assertArrayEquals(new byte[4_096], bytes(whole.asSlice(0, 4_096)));
      MemorySegment behind = whole.asSlice(4_096 + length);
      assertArrayEquals(
          new byte[(int) behind.byteSize()], bytes(behind), "nothing behind the target");
      store.assertNothingHeld();
    }
  }

  @Test
  void memoryServesOneRequest() {
    try (TestStore store = start()) {
      Payload payload = Payload.of(new byte[100]);
      assertTrue(get(store.facade.store(key("a"), payload)) instanceof StoreOutcome.Stored);
      assertEquals(
          Rejected.Reason.INVALID,
          ((Rejected) get(store.facade.store(key("b"), payload))).reason());
      LoadTarget target = LoadTarget.into(ByteBuffer.allocate(100));
      assertTrue(get(store.facade.load(key("a"), target)) instanceof LoadOutcome.Loaded);
      assertEquals(
          Rejected.Reason.INVALID, ((Rejected) get(store.facade.load(key("a"), target))).reason());
      assertThrows(IllegalStateException.class, payload::release);
      assertFalse(payload.tryTake());
      StoreProtocol.StoreReply raw =
          get(
              store.<StoreProtocol.StoreReply>ask(
                  to ->
                      new StoreProtocol.Store(
                          key("c"), payload, StoreOptions.DEFAULT, in(10_000), to)));
      assertEquals(Rejected.Reason.INVALID, ((Rejected) raw.outcome()).reason());
      assertEquals("a", store.present("a", "b", "c"), "the store goes on");
      assertThrows(
          IllegalArgumentException.class,
          () -> LoadTarget.into(ByteBuffer.allocate(1).asReadOnlyBuffer()));
      assertThrows(
          IllegalArgumentException.class,
          () -> LoadTarget.into(MemorySegment.ofArray(new byte[1]).asReadOnly()));
      store.assertNothingHeld();
    }
  }

  /** Memory of one thread cannot be used by another: said as a failure, and nothing is lost. */
  @Test
  void memoryThatTheStoreCannotTouchIsAFailure() {
    try (TestStore store = start();
        Arena confined = Arena.ofConfined()) {
      StoreOutcome outcome =
          get(store.facade.store(key("k"), Payload.of(confined.allocate(10_000, 1))));
      assertEquals(Failed.Cause.INTERNAL, ((Failed) outcome).cause());
      store.stored("k", 10);
      LoadOutcome loaded =
          get(store.facade.load(key("k"), LoadTarget.into(confined.allocate(10_000, 1))));
      assertEquals(Failed.Cause.INTERNAL, ((Failed) loaded).cause());
      store.assertHit("k", 10);
      store.assertNothingHeld();
      assertEquals(12 * 1024 - 4096, get(store.facade.usage()).usedBytes());
    }
  }

  @Test
  void aTargetThatIsTooSmallIsToldWhatItNeeds() {
    try (TestStore store = start()) {
      store.stored("k", 100);
      byte[] small = new byte[99];
      assertEquals(
          new LoadOutcome.TooSmall(100),
          get(store.facade.load(key("k"), LoadTarget.into(MemorySegment.ofArray(small)))));
      assertArrayEquals(new byte[99], small);
    }
  }

  @Test
  void chunksBeyondTheLimitAreRejected() {
    try (TestStore store = start("weft.max-chunk = 1MiB", "weft.capacity = 1MiB")) {
      assertEquals(
          Rejected.Reason.TOO_LARGE,
          ((Rejected) get(store.storing("k", new byte[MIB + 1], StoreMode.REPLACE))).reason());
      assertEquals(
          Rejected.Reason.TOO_LARGE,
          ((Rejected) get(store.storing("k", new byte[MIB], StoreMode.REPLACE))).reason(),
          "with its block it is larger than the capacity");
      store.stored("k", MIB - 4_096);
      store.assertHit("k", MIB - 4_096);
      store.stored("l", MIB - 4_096);
      assertEquals("l", store.present("k", "l"));
      store.assertNothingHeld();
    }
  }

  @Test
  void batchesAnswerInTheOrderOfTheRequest() {
    try (TestStore store = start()) {
      List<StoreProtocol.StoreItem> items = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        items.add(
            new StoreProtocol.StoreItem(
                key("k" + i % 15),
                Payload.of(bytes("k" + i % 15, 1_000 + i % 15)),
                StoreOptions.DEFAULT));
      }
      List<StoreOutcome> stored = get(store.facade.storeAll(items, in(20_000)));
      assertEquals(20, stored.size());
      for (int i = 0; i < 20; i++) {
        assertEquals(
            i < 15 ? StoreOutcome.Stored.class : StoreOutcome.AlreadyStored.class,
            stored.get(i).getClass(),
            "k" + i);
      }
      List<StoreProtocol.LoadItem> loads = new ArrayList<>();
      for (int i = 0; i < 18; i++) {
        loads.add(new StoreProtocol.LoadItem(key("k" + i), LoadTarget.lease()));
      }
      List<LoadOutcome> loaded =
          get(store.<StoreProtocol.LoadBatchReply>ask(
                  to -> new StoreProtocol.LoadBatch(loads, Urgency.LOAD, in(20_000), to)))
              .outcomes();
      for (int i = 0; i < 18; i++) {
        if (loaded.get(i) instanceof LoadOutcome.Leased(BufferLease lease)) {
          assertArrayEquals(bytes("k" + i, 1_000 + i), bytes(lease.memory()));
          lease.release();
        } else {
          assertTrue(i >= 15, "k" + i);
          assertEquals(new LoadOutcome.Miss(LoadOutcome.Miss.Why.ABSENT), loaded.get(i));
        }
      }
      assertEquals(List.of(), get(store.facade.storeAll(List.of(), in(1_000))));
      assertEquals(List.of(), get(store.facade.loadAll(List.of(), Urgency.LOAD, in(1_000))));
      assertEquals(List.of(), get(store.facade.stat(List.of(), in(1_000))));
      assertEquals(
          new KeysOutcome.Done(0, new BitSet(), new BitSet()), get(store.facade.lookup(List.of())));
      store.assertNothingHeld();
    }
  }

  /** The hits of a batch count as used last to first. */
  @Test
  void theHeadOfALoadedBatchOutlivesItsTail() {
    try (TestStore store = start("weft.capacity = 32KiB", "weft.io.reserved-for-loads = 0")) {
      for (String name : List.of("a", "b", "c", "d")) {
        store.stored(name, 100);
      }
      List<StoreProtocol.LoadItem> loads = new ArrayList<>();
      for (String name : List.of("a", "b", "c", "d")) {
        loads.add(new StoreProtocol.LoadItem(key(name), LoadTarget.into(ByteBuffer.allocate(100))));
      }
      get(store.facade.loadAll(loads, Urgency.LOAD, in(10_000)));
      store.stored("e", 100);
      store.stored("f", 100);
      assertEquals("abef", store.present("a", "b", "c", "d", "e", "f"));
    }
  }

  @Test
  void aSenderBeyondThePermitsIsAnsweredBusyAndTheFacadeWaits() {
    try (TestStore store = start("weft.intake { operations = 2, waiting = 2 }")) {
      store.stored("k", 10);
      FaultyMedium.Gate gate = store.faults.gate("load");
      List<CompletableFuture<StoreProtocol.LoadReply>> raw = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        raw.add(loading(store));
      }
      soon().until(() -> gate.waiting.get() == 2);
      assertEquals(Rejected.Reason.BUSY, ((Rejected) get(loading(store)).outcome()).reason());
      List<CompletionStage<LoadOutcome>> waiting = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        waiting.add(store.facade.load(key("k"), LoadTarget.into(ByteBuffer.allocate(10))));
      }
      assertEquals(
          Rejected.Reason.BUSY,
          ((Rejected) get(store.facade.load(key("k"), LoadTarget.lease()))).reason(),
          "the line is full");
      waiting.forEach(each -> assertFalse(each.toCompletableFuture().isDone()));
      gate.open();
      raw.forEach(each -> release(get(each).outcome()));
      waiting.forEach(each -> assertEquals(new LoadOutcome.Loaded(10), get(each)));
      store.assertNothingHeld();
    }
  }

  private static CompletableFuture<StoreProtocol.LoadReply> loading(TestStore store) {
    return store.ask(
        to -> new StoreProtocol.Load(key("k"), LoadTarget.lease(), Urgency.LOAD, in(20_000), to));
  }

  private static void release(LoadOutcome outcome) {
    ((LoadOutcome.Leased) outcome).lease().release();
  }

  @Test
  void theMemoryOfStoresInFlightIsBounded() {
    try (TestStore store = start("weft.intake.bytes = 1MiB")) {
      FaultyMedium.Gate gate = store.faults.gate("store", "begin store");
      CompletableFuture<StoreOutcome> first =
          store.storing("a", bytes("a", MIB), StoreMode.REPLACE);
      CompletableFuture<StoreOutcome> second =
          store.storing("b", bytes("b", 10), StoreMode.REPLACE);
      soon().until(() -> gate.waiting.get() == 1);
      assertEquals(MIB, store.status().bytesInFlight());
      StoreProtocol.StoreReply raw =
          get(
              store.<StoreProtocol.StoreReply>ask(
                  to ->
                      new StoreProtocol.Store(
                          key("c"),
                          Payload.of(new byte[1]),
                          StoreOptions.DEFAULT,
                          in(10_000),
                          to)));
      assertEquals(Rejected.Reason.BUSY, ((Rejected) raw.outcome()).reason());
      gate.open();
      assertTrue(get(first) instanceof StoreOutcome.Stored);
      assertTrue(get(second) instanceof StoreOutcome.Stored);
      store.assertNothingHeld();
    }
  }

  @Test
  void leasesAreReleasedOnceAndThePoolIsBounded() {
    try (TestStore store = start("weft.io.lease-pool = 2MiB")) {
      BufferLease lease = store.facade.lease(MIB);
      lease.memory().copyFrom(MemorySegment.ofArray(bytes("k", MIB)));
      Payload payload = Payload.of(lease);
      assertTrue(get(store.facade.store(key("k"), payload)) instanceof StoreOutcome.Stored);
      get(payload.released());
      assertThrows(IllegalStateException.class, lease::release);
      assertThrows(IllegalStateException.class, lease::memory);

      BufferLease first = ((LoadOutcome.Leased) store.load("k")).lease();
      BufferLease second = ((LoadOutcome.Leased) store.load("k")).lease();
      assertEquals(Rejected.Reason.BUSY, ((Rejected) store.load("k")).reason());
      assertNull(store.facade.lease(1));
      assertArrayEquals(bytes("k", MIB), bytes(first.memory()));
      first.release();
      assertThrows(IllegalStateException.class, first::release);
      store.assertHit("k", MIB);
      second.close();
      assertNotNull(store.facade.lease(MIB)).release();
      store.assertNothingHeld();
    }
  }

  private static BufferLease assertNotNull(BufferLease lease) {
    org.junit.jupiter.api.Assertions.assertNotNull(lease);
    return lease;
  }

  @Test
  void subscribersHearWhatHappensInOrder() {
    try (TestStore store = start("weft.capacity = 16KiB")) {
      TestProbe<StoreEvent> probe = kit.createTestProbe();
      store.actor.tell(new StoreProtocol.Subscribe(probe.getRef()));
      store.actor.tell(new StoreProtocol.Subscribe(probe.getRef()));
      get(store.<StoreStatus>ask(StoreProtocol.GetStatus::new));
      store.stored("a", 1);
      store.stored("b", 1);
      store.assertHit("b", 1);
      store.stored("c", 1);
      store.stored("c", 1);
      get(store.facade.delete(keys("c")));
      long soonOver = System.currentTimeMillis() + 1;
      get(
          store.facade.store(
              key("e"),
              Payload.of(new byte[1]),
              StoreOptions.DEFAULT.withExpiryAt(soonOver),
              in(10_000)));
      List<String> heard = new ArrayList<>();
      for (StoreEvent event : probe.receiveSeveralMessages(10)) {
        heard.add(
            switch (event) {
              case StoreEvent.Stored stored -> "stored " + stored.key();
              case StoreEvent.Accessed accessed -> "accessed " + accessed.key();
              case StoreEvent.Removed removed -> removed.cause() + " " + removed.key();
              default -> event.toString();
            });
      }
      assertEquals(
          List.of(
              "stored a",
              "stored b",
              "accessed b",
              RemovalCause.EVICTED + " a",
              "stored c",
              RemovalCause.EVICTED + " b",
              RemovalCause.REPLACED + " c",
              "stored c",
              RemovalCause.DELETED + " c",
              "stored e"),
          heard);
      assertEquals(RemovalCause.EXPIRED, ((StoreEvent.Removed) probe.receiveMessage()).cause());
      store.actor.tell(new StoreProtocol.Unsubscribe(probe.getRef()));
      get(store.<StoreStatus>ask(StoreProtocol.GetStatus::new));
      store.stored("z", 1);
      probe.expectNoMessage(Duration.ofMillis(50));
    }
  }

  @Test
  void aSlowConsumerIsToldHowManyEventsItLost() {
    try (TestStore store = start()) {
      SinkQueueWithCancel<StoreEvent> queue =
          store
              .facade
              .events(4)
              .toMat(
                  Sink.<StoreEvent>queue()
                      .withAttributes(org.apache.pekko.stream.Attributes.inputBuffer(1, 1)),
                  Keep.right())
              .run(materializer());
      int events = 40;
      for (int i = 0; i < events; i++) {
        store.stored("k" + i, 1);
      }
      long heard = 0;
      long lost = 0;
      // What it holds is four, and one or two on their way.
      for (; heard < 4; heard++) {
        assertEquals(StoreEvent.Stored.class, get(queue.pull()).orElseThrow().getClass());
      }
      // What was lost is said with the next event.
      store.stored("one more", 1);
      while (heard + lost < events + 1) {
        if (get(queue.pull()).orElseThrow() instanceof StoreEvent.Dropped(long dropped)) {
          lost += dropped;
        } else {
          heard++;
        }
      }
      assertTrue(lost > 0, "a consumer that did not ask lost nothing?");
      queue.cancel();
    }
  }

  @Test
  void theStreamOfEventsEndsWithTheStore() {
    CompletionStage<List<StoreEvent>> all;
    try (TestStore store = start()) {
      all = store.facade.events(100).runWith(Sink.seq(), materializer());
      store.stored("k", 1);
      soon().until(() -> store.present("k").equals("k"));
    }
    assertEquals(1, get(all).stream().filter(StoreEvent.Stored.class::isInstance).count());
  }

  @Test
  void theFlowCarriesCorrelationsAndTheDevicesPace() {
    try (TestStore store = start()) {
      List<StreamRequest<Integer>> requests = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        requests.add(
            new StreamRequest.Store<>(
                i, key("k" + i), Payload.of(bytes("k" + i, 2_000)), StoreOptions.DEFAULT));
      }
      List<StreamResult<Integer>> stored =
          get(
              Source.from(requests)
                  .via(store.facade.<Integer>flow(Duration.ofSeconds(20)))
                  .runWith(Sink.seq(), materializer()));
      Set<Integer> correlations = new HashSet<>();
      for (StreamResult<Integer> result : stored) {
        assertTrue(
            ((StreamResult.Stored<Integer>) result).outcome() instanceof StoreOutcome.Stored);
        correlations.add(result.correlation());
      }
      assertEquals(200, correlations.size());

      FaultyMedium.Gate gate = store.faults.gate("load");
      AtomicInteger asked = new AtomicInteger();
      CompletionStage<List<StreamResult<Integer>>> loads =
          Source.range(0, 199)
              .map(
                  i -> {
                    asked.incrementAndGet();
                    return (StreamRequest<Integer>)
                        new StreamRequest.Load<>(
                            i,
                            key("k" + i),
                            LoadTarget.into(ByteBuffer.allocate(2_000)),
                            Urgency.LOAD);
                  })
              .via(store.facade.<Integer>flow(Duration.ofSeconds(20)))
              .runWith(Sink.seq(), materializer());
      // Four workers with two pieces each, four times over.
      soon().until(() -> asked.get() >= 32 && gate.waiting.get() == 4);
      assertTrue(asked.get() <= 33, () -> asked + " asked ahead of the device");
      gate.open();
      for (StreamResult<Integer> result : get(loads)) {
        assertEquals(
            new LoadOutcome.Loaded(2_000), ((StreamResult.Loaded<Integer>) result).outcome());
      }
      store.assertNothingHeld();
    }
  }

  /** What a host's receiver throws is the host's. */
  @Test
  void aReceiverThatThrowsHarmsNobody() {
    try (TestStore store = start()) {
      store.actor.tell(
          new StoreProtocol.GetStatus(
              (StoreStatus _) -> {
                throw new IllegalStateException("the host's bug");
              }));
      store.actor.tell(
          new StoreProtocol.Keys(
              KeyOperation.LOOKUP,
              keys("k"),
              in(10_000),
              (KeysOutcome _) -> {
                throw new IllegalStateException("the host's bug");
              }));
      store.actor.tell(
          new StoreProtocol.StoreBatch(
              List.of(
                  new StoreProtocol.StoreItem(
                      key("k"), Payload.of(new byte[10]), StoreOptions.DEFAULT)),
              in(10_000),
              (StoreProtocol.StoreBatchReply _) -> {
                throw new IllegalStateException("the host's bug");
              }));
      soon().until(() -> store.present("k").equals("k"));
      assertEquals(0, store.status().counters().get(Metric.INDEX_REBUILDS));
      assertEquals(StoreStatus.State.UP, store.status().state());
      store.assertNothingHeld();
    }
  }

  @Test
  void aListingGoesPageByPage() {
    try (TestStore store = start()) {
      for (int i = 0; i < 25; i++) {
        store.stored((i % 2 == 0 ? "even-" : "odd-") + i, 10 + i);
      }
      Set<String> listed = new HashSet<>();
      long cursor = KeysPage.START;
      do {
        KeysPage page = (KeysPage) get(store.facade.list("odd-", cursor, 5, in(10_000)));
        assertTrue(page.keys().size() <= 5);
        page.keys().forEach(each -> assertTrue(listed.add(each.key().toString())));
        cursor = page.nextCursor();
      } while (cursor != KeysPage.END);
      assertEquals(12, listed.size());
    }
  }

  @Test
  void anExpiredChunkIsAMissAlsoAfterARestart() {
    long later = System.currentTimeMillis() + 3_600_000;
    try (TestStore store = start()) {
      get(
          store.facade.store(
              key("past"),
              Payload.of(new byte[10]),
              StoreOptions.DEFAULT.withExpiryAt(1),
              in(10_000)));
      store.stored("k", 10);
      get(store.facade.expire(keys("k"), later, in(10_000)));
      assertEquals("k", store.present("past", "k"));
    }
    try (TestStore store = start()) {
      assertEquals("k", store.present("past", "k"));
      StatOutcome.Present stat =
          (StatOutcome.Present) get(store.facade.stat(keys("k"), in(10_000))).getFirst();
      assertEquals(later, stat.expiresAtMillis());
      get(store.facade.expire(keys("k"), Chunks.NEVER, in(10_000)));
      store.assertHit("k", 10);
    }
  }
}
