package io.weft.core;

import static io.weft.core.MachineRig.BLOCK;
import static io.weft.core.MachineRig.key;
import static io.weft.core.MachineRig.keys;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.DeviceException.Kind;
import io.weft.base.ExpireOutcome;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.KeysPage;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.Rejected;
import io.weft.base.StatOutcome;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.core.MachineRig.Answer;
import io.weft.core.MachineRig.Loading;
import io.weft.core.MachineRig.Storing;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the machine decides, one decision a test, the device's part done by hand. */
class StoreMachineTest {

  private static Rejected.Reason reason(StoreOutcome outcome) {
    return ((Rejected) outcome).reason();
  }

  private static LoadOutcome.Miss.Why miss(Loading load) {
    return ((LoadOutcome.Miss) load.outcome).why();
  }

  private static Failed.Cause failure(Object outcome) {
    return ((Failed) outcome).cause();
  }

  @Nested
  class OneWriteAKey {
    private final MachineRig rig = new MachineRig(100);

    @Test
    void anotherIfAbsentJoinsTheWrite() {
      Storing first = rig.store("k", 2);
      Storing second = rig.store("k", 3);
      assertEquals(1, rig.orders.size(), "one write");
      rig.done(Order.Write.class, "k");
      assertTrue(first.outcome instanceof StoreOutcome.Stored);
      assertTrue(second.outcome instanceof StoreOutcome.AlreadyStored);
      assertEquals(1, rig.metrics.get(Metric.STORES_DUPLICATE));
      rig.assertAtRest();
    }

    @Test
    void whereTheWriteFailedTheNextBecomesTheWrite() {
      Storing first = rig.store("k", 2);
      Storing second = rig.store("k", 3);
      rig.fail(Order.Write.class, "k", Kind.IO_ERROR);
      assertEquals(Failed.Cause.DEVICE, failure(first.outcome));
      assertNull(second.outcome);
      rig.done(Order.Write.class, "k");
      assertTrue(second.outcome instanceof StoreOutcome.Stored);
      assertEquals(3, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void replacementsQueueAndEachRetiresTheOneBefore() {
      Storing first = rig.replace("k", 2);
      Storing second = rig.replace("k", 3);
      Storing third = rig.replace("k", 4);
      rig.done(Order.Write.class, "k");
      assertEquals(2, rig.usedBlocks(CapacityLedger.Category.CHUNKS));
      rig.done(Order.Write.class, "k");
      assertEquals(first.generation(), rig.order(Order.Remove.class, "k").address().generation());
      rig.doAll();
      assertTrue(first.generation() < second.generation());
      assertTrue(second.generation() < third.generation());
      assertEquals(4, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void nothingIsSeenBeforeItIsPublished() {
      rig.store("k", 2);
      assertFalse(rig.present("k"));
      assertEquals(LoadOutcome.Miss.Why.ABSENT, miss(rig.load("k")));
      assertTrue(rig.stat("k").outcome instanceof StatOutcome.Absent);
      rig.doAll();
      assertTrue(rig.present("k"));
    }

    @Test
    void aWriteThatIsGivenUpLeavesNothing() {
      Storing late = rig.store("late", 2);
      Storing broken = rig.store("broken", 2);
      rig.complete(
          rig.order(Order.Write.class, "late"),
          new Order.Result.Cancelled(Transfer.Cancelled.DEADLINE));
      rig.complete(
          rig.order(Order.Write.class, "broken"),
          new Order.Result.Broken(new IllegalStateException("x")));
      assertEquals(Failed.Cause.DEADLINE, failure(late.outcome));
      assertEquals(Failed.Cause.INTERNAL, failure(broken.outcome));
      assertEquals(0, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void whatIsAbandonedBeforeItsTurnDoesNotReachTheDevice() {
      rig.store("k", 2);
      Storing waiting = rig.replace("k", 2);
      waiting.abandoned = true;
      rig.done(Order.Write.class, "k");
      assertEquals(Failed.Cause.DEADLINE, failure(waiting.outcome));
      assertTrue(rig.orders.isEmpty());
      Storing late = new Storing(key("l"), 1, StoreMode.IF_ABSENT, Chunks.NEVER, false);
      late.abandoned = true;
      rig.machine.store(late);
      Loading lateLoad = new Loading(key("k"), 1 << 20);
      lateLoad.abandoned = true;
      rig.machine.load(lateLoad);
      assertEquals(Failed.Cause.DEADLINE, failure(late.outcome));
      assertEquals(Failed.Cause.DEADLINE, failure(lateLoad.outcome));
      rig.assertAtRest();
    }

    /** An abandoned store may still publish, but never over a later acknowledged one. */
    @Test
    void anAbandonedStoreDoesNotOverwriteALaterOne() {
      Storing abandoned = rig.replace("k", 2);
      abandoned.abandoned = true;
      Storing later = rig.replace("k", 3);
      rig.doAll();
      assertTrue(later.outcome instanceof StoreOutcome.Stored);
      assertEquals(later.generation(), ((StatOutcome.Present) rig.stat("k").outcome).generation());
    }
  }

  @Nested
  class Modes {
    private final MachineRig rig = new MachineRig(100);

    @Test
    void ifPresentStoresOnlyOverWhatIsThere() {
      assertTrue(
          rig.store("k", 2, StoreMode.IF_PRESENT).outcome instanceof StoreOutcome.NotPresent);
      rig.stored("k", 2);
      Storing over = rig.store("k", 3, StoreMode.IF_PRESENT);
      rig.doAll();
      assertTrue(over.outcome instanceof StoreOutcome.Stored);
      assertEquals(3, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void ifPresentWaitsForTheWriteBeforeIt() {
      rig.store("k", 2);
      Storing over = rig.store("k", 3, StoreMode.IF_PRESENT);
      assertNull(over.outcome);
      rig.doAll();
      assertTrue(over.outcome instanceof StoreOutcome.Stored);
    }

    @Test
    void tooLargeIsRejected() {
      MachineRig small = new MachineRig(4);
      assertEquals(Rejected.Reason.TOO_LARGE, reason(small.store("k", 5).outcome));
      assertEquals(
          Rejected.Reason.TOO_LARGE,
          reason(rig.store("k", (1 << 20) / (int) BLOCK + 2).outcome),
          "beyond max-chunk");
      assertTrue(small.orders.isEmpty());
      small.stored("whole", 4);
    }

    @Test
    void aReplacementNeedsItsRoomBesideTheOldValue() {
      MachineRig small = new MachineRig(4);
      small.stored("k", 3);
      assertTrue(small.machine.pin(keys("k")) instanceof KeysOutcome.Done);
      assertEquals(Rejected.Reason.FULL, reason(small.replace("k", 2).outcome));
      assertTrue(small.present("k"));
      Storing fits = small.replace("k", 1);
      small.doAll();
      assertTrue(fits.outcome instanceof StoreOutcome.Stored);
      assertEquals(1, ((StatOutcome.Present) small.stat("k").outcome).pins(), "pins are the key's");
    }
  }

  @Nested
  class Room {
    private final MachineRig rig = new MachineRig(4);

    @Test
    void aStoreWaitsUntilItsVictimIsUnlinked() {
      rig.stored("a", 3);
      rig.stored("b", 1);
      Storing c = rig.store("c", 2);
      assertFalse(rig.present("a"), "the victim is gone from the index at once");
      assertFalse(rig.ordered(Order.Write.class, "c"), "its bytes are not free yet");
      assertEquals(4, rig.usedBlocks());
      rig.done(Order.Remove.class, "a");
      rig.done(Order.Write.class, "c");
      assertTrue(c.outcome instanceof StoreOutcome.Stored);
      assertEquals(1, rig.metrics.get(Metric.EVICTIONS));
      assertEquals(3 * BLOCK, rig.metrics.get(Metric.EVICTED_BYTES));
      rig.assertAtRest();
    }

    @Test
    void whoWaitsForRoomIsServedInOrder() {
      rig.stored("a", 2);
      rig.stored("b", 2);
      Storing large = rig.store("large", 4);
      Storing small = rig.store("small", 1);
      rig.done(Order.Remove.class, "a");
      assertFalse(rig.ordered(Order.Write.class, "small"), "not past the one before it");
      assertEquals(Rejected.Reason.FULL, reason(small.outcome), "nothing more can be given up");
      rig.done(Order.Remove.class, "b");
      assertTrue(rig.ordered(Order.Write.class, "large"));
      rig.doAll();
      assertTrue(large.outcome instanceof StoreOutcome.Stored);
      rig.assertAtRest();
    }

    @Test
    void aWaiterWhoseDeadlinePassedLetsTheNextIn() {
      rig.stored("a", 3);
      rig.stored("b", 1);
      Storing first = rig.store("first", 2);
      Storing second = rig.store("second", 2);
      first.abandoned = true;
      rig.done(Order.Remove.class, "a");
      assertEquals(Failed.Cause.DEADLINE, failure(first.outcome));
      rig.doAll();
      assertTrue(second.outcome instanceof StoreOutcome.Stored);
      rig.assertAtRest();
    }

    @Test
    void heldChunksAreNoVictims() {
      rig.stored("locked", 1);
      rig.stored("pinned", 1);
      rig.stored("read", 1);
      rig.stored("free", 1);
      assertTrue(rig.machine.lookupAndLock(keys("locked")) instanceof KeysOutcome.Done);
      assertTrue(rig.machine.pin(keys("pinned")) instanceof KeysOutcome.Done);
      Loading reading = rig.load("read");
      rig.store("x", 1);
      assertEquals("lockedpinnedread", rig.present("locked", "pinned", "read", "free"));
      assertEquals(Rejected.Reason.FULL, reason(rig.store("y", 1).outcome));
      rig.done(Order.Read.class, "read");
      assertTrue(reading.outcome instanceof LoadOutcome.Loaded);
      rig.doAll();
      rig.stored("z", 1);
      assertEquals("lockedpinned", rig.present("locked", "pinned", "read"));
    }

    @Test
    void aChunkThatIsBeingRenamedIsNoVictim() {
      rig.stored("k", 4);
      rig.expire("k", 5_000_000_000_000L);
      assertEquals(Rejected.Reason.FULL, reason(rig.store("x", 1).outcome));
      rig.doAll();
      rig.stored("x", 1);
      assertFalse(rig.present("k"));
    }

    /** What was parked goes back to its place when its last hold goes. */
    @Test
    void aParkedVictimIsTheNextOne() {
      rig.stored("a", 1);
      rig.stored("b", 1);
      rig.stored("c", 1);
      rig.stored("d", 1);
      assertTrue(rig.machine.lookupAndLock(keys("a")) instanceof KeysOutcome.Done);
      assertTrue(rig.machine.lookupAndLock(keys("a")) instanceof KeysOutcome.Done);
      rig.stored("e", 1);
      assertEquals("acde", rig.present("a", "b", "c", "d", "e"));
      assertTrue(rig.machine.unlock(keys("a")) instanceof KeysOutcome.Done);
      rig.stored("f", 1);
      assertEquals("ade", rig.present("a", "c", "d", "e"), "one lock is left");
      assertTrue(rig.machine.unlock(keys("a")) instanceof KeysOutcome.Done);
      rig.stored("g", 1);
      assertEquals("defg", rig.present("a", "d", "e", "f", "g"));
    }

    @Test
    void useWhileParkedCounts() {
      rig.stored("a", 1);
      rig.stored("b", 1);
      rig.stored("c", 2);
      assertTrue(rig.machine.pin(keys("a")) instanceof KeysOutcome.Done);
      rig.stored("d", 1);
      rig.loaded("a");
      assertTrue(rig.machine.unpin(keys("a")) instanceof KeysOutcome.Done);
      rig.stored("e", 2);
      assertEquals("ade", rig.present("a", "c", "d", "e"), "c is older than the use of a");
    }

    @Test
    void aDeletedChunksBytesAreFreeWhenItsReaderIsGone() {
      rig.stored("a", 4);
      Loading reading = rig.load("a");
      assertTrue(
          ((KeysOutcome.Done) rig.machine.delete(keys("a"), false)).hits().get(0), "deleted");
      assertFalse(rig.ordered(Order.Remove.class, "a"), "a reader has it open");
      Storing next = rig.store("b", 4);
      assertNull(next.outcome, "it waits");
      rig.done(Order.Read.class, "a");
      assertTrue(reading.outcome instanceof LoadOutcome.Loaded, "the bytes of before the delete");
      assertFalse(rig.ordered(Order.Write.class, "b"));
      rig.done(Order.Remove.class, "a");
      rig.doAll();
      assertTrue(next.outcome instanceof StoreOutcome.Stored);
      rig.assertAtRest();
    }

    @Test
    void aRemoveThatFailsIsTriedAgainAndItsBytesCountMeanwhile() {
      rig.stored("a", 4);
      Storing next = rig.store("b", 3);
      rig.fail(Order.Remove.class, "a", Kind.IO_ERROR);
      assertEquals(4, rig.usedBlocks());
      assertFalse(rig.machine.step());
      rig.done(Order.Remove.class, "a");
      rig.doAll();
      assertTrue(next.outcome instanceof StoreOutcome.Stored);

      assertTrue(rig.machine.delete(keys("b"), false) instanceof KeysOutcome.Done);
      rig.fail(Order.Remove.class, "b", Kind.IO_ERROR);
      assertFalse(rig.machine.step());
      assertTrue(rig.orders.isEmpty(), "not more than once a second");
      rig.ticker.advance(Duration.ofSeconds(1));
      assertFalse(rig.machine.step());
      rig.done(Order.Remove.class, "b");
      assertEquals(0, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void theSnapshotHasRoomOfItsOwn() {
      rig.stored("a", 2);
      rig.stored("b", 2);
      assertFalse(rig.machine.reserveSnapshot(BLOCK));
      assertTrue(rig.machine.snapshotMayFit(BLOCK));
      assertFalse(rig.machine.snapshotMayFit(3 * BLOCK));
      rig.doAll();
      assertTrue(rig.machine.reserveSnapshot(BLOCK));
      assertEquals(3, rig.usedBlocks());
      rig.machine.snapshotWritten(0);
      assertEquals(2, rig.usedBlocks());
      assertEquals("b", rig.present("a", "b"));
    }

    /** A store that tries again after ENOSPC takes room that another waits for. */
    @Test
    void whoWaitsForRoomDoesNotStarveBehindALastTry() {
      MachineRig tight = new MachineRig(6);
      tight.stored("a", 3);
      Storing full = tight.store("full", 1);
      tight.stored("b", 2);
      assertTrue(full.outcome instanceof StoreOutcome.Stored);

      Storing retried = tight.replace("retried", 2);
      tight.done(Order.Remove.class, "a");
      Storing waiting = tight.store("waiting", 4);
      tight.fail(Order.Write.class, "retried", Kind.NO_SPACE);
      tight.doAll();
      assertTrue(retried.outcome instanceof StoreOutcome.Stored, () -> "" + retried.outcome);
      assertTrue(waiting.outcome != null, "answered without a further request");
      tight.assertAtRest();
    }
  }

  /** At capacity a chunk of the same size gives its room to the next one. */
  @Nested
  class Recycling {
    private final MachineRig rig = new MachineRig(4);

    private Order.Write write(String name) {
      return rig.order(Order.Write.class, name);
    }

    private void full() {
      rig.stored("a", 2);
      rig.stored("b", 2);
    }

    @Test
    void aVictimOfTheSameSizeIsWrittenOver() {
      full();
      Storing c = rig.store("c", 2);
      assertEquals(key("a"), write("c").recycled().key());
      assertEquals(0, write("c").claimedBytes, "the filesystem allocates nothing");
      assertFalse(rig.ordered(Order.Remove.class, "a"));
      assertFalse(rig.present("a"), "gone from the index at once");
      assertEquals(4, rig.usedBlocks());
      assertEquals(2, rig.usedBlocks(CapacityLedger.Category.STAGING));
      rig.done(Order.Write.class, "c");
      assertInstanceOf(StoreOutcome.Stored.class, c.outcome);
      assertEquals("bc", rig.present("a", "b", "c"));
      assertEquals(1, rig.metrics.get(Metric.EVICTIONS));
      assertEquals(2 * BLOCK, rig.metrics.get(Metric.EVICTED_BYTES));
      rig.assertAtRest();
    }

    @Test
    void ofAFailedWriteBothAreRemovedBeforeTheRoomIsFree() {
      full();
      Storing c = rig.store("c", 2);
      ChunkAddress recycled = write("c").recycled();
      rig.fail(Order.Write.class, "c", Kind.IO_ERROR);
      assertEquals(Failed.Cause.DEVICE, failure(c.outcome));
      Order.Remove remove = rig.order(Order.Remove.class, "c");
      assertEquals(recycled, remove.before());
      assertEquals(2, rig.usedBlocks(CapacityLedger.Category.RETIRED));
      rig.fail(remove, Kind.IO_ERROR);
      rig.ticker.advance(Duration.ofSeconds(1));
      assertFalse(rig.machine.step());
      assertEquals(recycled, rig.order(Order.Remove.class, "c").before(), "again, both");
      rig.doAll();
      assertEquals(2, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void cancelledBeforeItBeganItLeavesTheVictimToBeRemoved() {
      full();
      Storing c = rig.store("c", 2);
      rig.complete(write("c"), new Order.Result.Cancelled(Transfer.Cancelled.DEADLINE));
      assertEquals(Failed.Cause.DEADLINE, failure(c.outcome));
      assertEquals(key("a"), rig.order(Order.Remove.class, "c").before().key());
      rig.doAll();
      assertEquals("b", rig.present("a", "b", "c"));
      assertEquals(2, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void withoutSpaceItTriesAgainWithRoomOfItsOwn() {
      full();
      Storing c = rig.store("c", 2);
      rig.fail(Order.Write.class, "c", Kind.NO_SPACE);
      assertNull(c.outcome);
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, c.outcome);
      rig.assertAtRest();
    }

    @Test
    void aVictimOfAnotherSizeGoesTheUsualWay() {
      rig.stored("a", 3);
      rig.stored("b", 1);
      Storing c = rig.store("c", 2);
      assertTrue(rig.ordered(Order.Remove.class, "a"));
      rig.done(Order.Remove.class, "a");
      assertNull(write("c").recycled());
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, c.outcome);
      assertEquals("bc", rig.present("a", "b", "c"));
      rig.assertAtRest();
    }

    @Test
    void atItsQuotaASaltRecyclesItsOwn() {
      MachineRig salts = new MachineRig(100, "lru", Map.of("t", 4L));
      salts.stored("u/x", 2);
      salts.stored("t/a", 2);
      salts.stored("t/b", 2);
      Storing c = salts.store("t/c", 2);
      assertEquals(key("t/a"), salts.order(Order.Write.class, "t/c").recycled().key());
      assertEquals(4 * BLOCK, salts.machine.usage().bySalt().get("t"));
      salts.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, c.outcome);
      assertEquals("u/xt/bt/c", salts.present("u/x", "t/a", "t/b", "t/c"));
      salts.assertAtRest();
    }

    /** The victim of the same size is gone already when the quota turns out to be too small. */
    @Test
    void whatWasToBeRecycledForNothingIsRemoved() {
      MachineRig salts = new MachineRig(100, "lru", Map.of("t", 4L));
      salts.stored("t/locked", 1);
      salts.stored("t/writing", 1);
      salts.stored("t/a", 2);
      assertTrue(salts.machine.pin(keys("t/locked", "t/writing")) instanceof KeysOutcome.Done);
      salts.replace("t/writing", 1);
      assertEquals(Rejected.Reason.QUOTA, reason(salts.store("t/c", 3).outcome));
      salts.doAll();
      salts.assertAtRest();
    }

    @Test
    void whoWaitsInLineIsNotPassed() {
      MachineRig six = new MachineRig(6);
      six.stored("a", 2);
      six.stored("b", 2);
      six.stored("c", 2);
      Storing large = six.store("large", 4);
      Storing small = six.store("small", 2);
      assertEquals(key("c"), six.order(Order.Write.class, "small").recycled().key());
      six.done(Order.Remove.class, "a");
      six.done(Order.Remove.class, "b");
      assertTrue(six.ordered(Order.Write.class, "large"), "its victims' room is its own");
      six.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, large.outcome);
      assertInstanceOf(StoreOutcome.Stored.class, small.outcome);
      six.assertAtRest();
    }

    /** Else a capacity that was lowered while chunks were held would never be kept. */
    @Test
    void overCapacityNothingIsRecycled() {
      full();
      rig.machine.account(CapacityLedger.Category.LATER_VERSION, 2 * BLOCK);
      Storing c = rig.store("c", 2);
      assertTrue(rig.ordered(Order.Remove.class, "a"));
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, c.outcome);
      assertEquals("c", rig.present("a", "b", "c"));
      assertEquals(4, rig.usedBlocks());
    }
  }

  @Nested
  class FullFilesystem {

    @Test
    void afterEnospcAsMuchIsGivenUpAndTriedOnceMore() {
      MachineRig rig = new MachineRig(100);
      rig.stored("a", 2);
      rig.stored("b", 2);
      rig.stored("c", 2);
      Storing store = rig.store("k", 3);
      rig.fail(Order.Write.class, "k", Kind.NO_SPACE);
      assertEquals("c", rig.present("a", "b", "c"), "two chunks make room for one of three blocks");
      assertFalse(rig.ordered(Order.Write.class, "k"), "not before the victims are unlinked");
      rig.done(Order.Remove.class, "a");
      assertFalse(rig.ordered(Order.Write.class, "k"));
      rig.done(Order.Remove.class, "b");
      rig.done(Order.Write.class, "k");
      assertTrue(store.outcome instanceof StoreOutcome.Stored);
      assertEquals(1, rig.metrics.get(Metric.NO_SPACE));
      rig.assertAtRest();
    }

    @Test
    void aSecondEnospcIsTheAnswer() {
      MachineRig rig = new MachineRig(100);
      rig.stored("a", 2);
      Storing store = rig.store("k", 2);
      rig.fail(Order.Write.class, "k", Kind.NO_SPACE);
      rig.done(Order.Remove.class, "a");
      rig.fail(Order.Write.class, "k", Kind.NO_SPACE);
      assertEquals(Failed.Cause.NO_SPACE, failure(store.outcome));
      assertEquals(0, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void withNothingToGiveUpEnospcIsTheAnswerAtOnce() {
      MachineRig rig = new MachineRig(100);
      Storing store = rig.store("k", 2);
      rig.fail(Order.Write.class, "k", Kind.NO_SPACE);
      assertEquals(Failed.Cause.NO_SPACE, failure(store.outcome));
      rig.assertAtRest();
    }

    @Test
    void theRoomOfAWriteThatGotEnospcGoesToWhoWaits() {
      MachineRig rig = new MachineRig(4);
      Storing first = rig.store("first", 4);
      assertEquals(Rejected.Reason.FULL, reason(rig.store("second", 2).outcome));
      rig.fail(Order.Write.class, "first", Kind.NO_SPACE);
      assertEquals(Failed.Cause.NO_SPACE, failure(first.outcome));
      rig.stored("second", 2);
    }

    @Test
    void nothingIsWrittenBeforeTheFirstSample() {
      MachineRig rig = new MachineRig(100, 4, "lru", Map.of());
      assertEquals(Rejected.Reason.RESERVE, reason(rig.store("k", 2).outcome));
      rig.machine.spaceSampled(6 * BLOCK);
      rig.stored("k", 2);
      Storing larger = rig.store("l", 3);
      rig.doAll();
      assertEquals(Rejected.Reason.RESERVE, reason(larger.outcome), "even in place of k");
    }

    @Test
    void writesInFlightCountAgainstTheReserve() {
      MachineRig rig = new MachineRig(100, 4, "lru", Map.of());
      rig.machine.spaceSampled(8 * BLOCK);
      rig.store("a", 3);
      assertEquals(Rejected.Reason.RESERVE, reason(rig.store("b", 2).outcome));
      rig.doAll();
      assertEquals("a", rig.present("a", "b"));
      rig.machine.spaceSampled(8 * BLOCK);
      rig.stored("b", 2);
    }

    @Test
    void atTheReserveChunksAreGivenUp() {
      MachineRig rig = new MachineRig(100, 4, "lru", Map.of());
      rig.machine.spaceSampled(8 * BLOCK);
      rig.stored("a", 2);
      rig.stored("b", 2);
      Storing store = rig.store("k", 2);
      assertFalse(rig.present("a"));
      rig.done(Order.Remove.class, "a");
      rig.done(Order.Write.class, "k");
      assertTrue(store.outcome instanceof StoreOutcome.Stored);
      rig.assertAtRest();
    }

    /** The last try after ENOSPC keeps the reserve, too. */
    @Test
    void theLastTryKeepsTheReserve() {
      MachineRig rig = new MachineRig(100, 4, "lru", Map.of());
      rig.machine.spaceSampled(100 * BLOCK);
      rig.stored("a", 2);
      Storing store = rig.store("k", 2);
      rig.fail(Order.Write.class, "k", Kind.NO_SPACE);
      rig.machine.spaceSampled(0);
      rig.done(Order.Remove.class, "a");
      rig.machine.spaceSampled(3 * BLOCK);
      assertFalse(rig.ordered(Order.Write.class, "k"));
      assertEquals(Failed.Cause.NO_SPACE, failure(store.outcome));
      rig.assertAtRest();
    }

    /** What was removed while a sample was under way may be in it or not: the next one decides. */
    @Test
    void theLastTryWaitsForASampleThatKnowsOfItsRemoves() {
      MachineRig rig = new MachineRig(100, 4, "lru", Map.of());
      rig.machine.spaceSampled(100 * BLOCK);
      rig.stored("a", 2);
      Storing store = rig.store("k", 2);
      rig.fail(Order.Write.class, "k", Kind.NO_SPACE);
      rig.machine.spaceSamplingStarts();
      rig.machine.spaceSampled(4 * BLOCK);
      rig.done(Order.Remove.class, "a");
      assertNull(store.outcome);
      assertTrue(rig.machine.wantsSample());
      rig.machine.spaceSampled(6 * BLOCK);
      assertFalse(rig.machine.wantsSample());
      rig.done(Order.Write.class, "k");
      assertInstanceOf(StoreOutcome.Stored.class, store.outcome);
      rig.assertAtRest();
    }

    /** The sample may have seen the room of a file whose unlinking is heard of later. */
    @Test
    void roomThatTheSampleMayHaveSeenIsNotCountedTwice() {
      MachineRig rig = new MachineRig(100, 4, "lru", Map.of());
      rig.machine.spaceSampled(100 * BLOCK);
      rig.stored("a", 4);
      assertTrue(rig.machine.delete(keys("a"), false) instanceof KeysOutcome.Done);
      rig.machine.spaceSampled(6 * BLOCK); // with the four blocks of a, which is unlinked already
      rig.done(Order.Remove.class, "a");
      assertEquals(Rejected.Reason.RESERVE, reason(rig.store("k", 3).outcome));
      rig.stored("l", 2);
    }

    @Test
    void closingEndsTheLastTries() {
      MachineRig rig = new MachineRig(100);
      rig.stored("a", 2);
      Storing store = rig.store("k", 2);
      rig.fail(Order.Write.class, "k", Kind.NO_SPACE);
      assertNull(store.outcome);
      rig.machine.close(new Rejected(Rejected.Reason.CLOSED, "the end"), false);
      assertEquals(Failed.Cause.NO_SPACE, failure(store.outcome));
      rig.doAll();
      rig.assertAtRest();
    }
  }

  @Nested
  class Quotas {
    private final MachineRig rig = new MachineRig(10, "lru", Map.of("q", 4L));

    @Test
    void aFullQuotaGivesItsOwnChunksUp() {
      rig.stored("other/a", 2);
      rig.stored("q/a", 2);
      rig.stored("q/b", 2);
      rig.stored("q/c", 2);
      assertEquals("other/aq/bq/c", rig.present("other/a", "q/a", "q/b", "q/c"));
    }

    @Test
    void aChunkLargerThanItsQuotaIsRejectedAndNothingIsGivenUp() {
      rig.stored("q/a", 2);
      assertEquals(Rejected.Reason.QUOTA, reason(rig.store("q/large", 5).outcome));
      assertTrue(rig.present("q/a"));
      assertEquals(Map.of("q", 2 * BLOCK), rig.machine.usage().bySalt());
    }

    @Test
    void writesInFlightCount() {
      rig.store("q/a", 3);
      assertEquals(Rejected.Reason.QUOTA, reason(rig.store("q/b", 2).outcome));
      rig.fail(Order.Write.class, "q/a", Kind.IO_ERROR);
      rig.stored("q/b", 4);
    }

    @Test
    void heldChunksOfTheQuotaAreNotGivenUp() {
      rig.stored("q/a", 4);
      assertTrue(rig.machine.pin(keys("q/a")) instanceof KeysOutcome.Done);
      assertEquals(Rejected.Reason.QUOTA, reason(rig.store("q/b", 1).outcome));
      assertTrue(rig.machine.unpin(keys("q/a")) instanceof KeysOutcome.Done);
      rig.stored("q/b", 1);
    }

    @Test
    void theRestGivesItsOwnChunksUpFirst() {
      rig.stored("q/a", 4);
      rig.stored("a", 3);
      rig.stored("b", 3);
      rig.stored("c", 3);
      assertEquals("q/abc", rig.present("q/a", "a", "b", "c"));
      rig.stored("large", 8);
      assertEquals(
          "large", rig.present("q/a", "b", "c", "large"), "and where it must, the quota's");
    }

    @Test
    void aSaltWithoutChunksIsForgotten() {
      rig.stored("s/a", 1);
      assertEquals(Map.of("s", BLOCK), rig.machine.usage().bySalt());
      assertTrue(rig.machine.delete(keys("s/a"), false) instanceof KeysOutcome.Done);
      rig.doAll();
      assertEquals(Map.of(), rig.machine.usage().bySalt());
      assertEquals(1, rig.machine.catalog().salts.size(), "the quota's salt alone");
      assertEquals(Rejected.Reason.TOO_LARGE, reason(rig.store("t/a", 11).outcome));
      assertEquals(1, rig.machine.catalog().salts.size());
    }
  }

  @Nested
  class Expiry {
    private final MachineRig rig = new MachineRig(100);
    private final long now = rig.ticker.epochMillis();

    private void storedUntil(String name, long expiry) {
      rig.store(name, 2, StoreMode.REPLACE, expiry, false);
      rig.doAll();
    }

    @Test
    void fromItsTimeOnAChunkIsAMiss() {
      storedUntil("k", now + 10);
      assertTrue(rig.present("k"));
      rig.loaded("k");
      rig.ticker.advance(Duration.ofMillis(10));
      assertFalse(rig.present("k"));
      assertEquals(LoadOutcome.Miss.Why.EXPIRED, miss(rig.load("k")));
      assertEquals(LoadOutcome.Miss.Why.ABSENT, miss(rig.load("k")), "it was removed on the way");
      rig.doAll();
      assertEquals(0, rig.usedBlocks());
      assertEquals(1, rig.metrics.get(Metric.EXPIRED));
      assertTrue(rig.events.contains("EXPIRED k"));
      rig.assertAtRest();
    }

    @Test
    void theSweepRemovesWhatNobodyAsksFor() {
      storedUntil("k", now + 10);
      storedUntil("held", now + 10);
      storedUntil("later", now + 1_000);
      assertTrue(rig.machine.pin(keys("held")) instanceof KeysOutcome.Done);
      rig.ticker.advance(Duration.ofMillis(10));
      assertFalse(rig.machine.step());
      rig.doAll();
      assertEquals(4, rig.usedBlocks(), "held chunks go when they are let go");
      assertTrue(rig.machine.unpin(keys("held")) instanceof KeysOutcome.Done);
      assertFalse(rig.machine.step());
      rig.doAll();
      assertEquals(2, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void anExpiredChunkIsAbsentToAStore() {
      storedUntil("k", now + 10);
      rig.ticker.advance(Duration.ofMillis(10));
      assertTrue(
          rig.store("k", 2, StoreMode.IF_PRESENT).outcome instanceof StoreOutcome.NotPresent);
      Storing anew = rig.store("k", 2);
      rig.doAll();
      assertTrue(anew.outcome instanceof StoreOutcome.Stored);
      assertTrue(rig.present("k"));
    }

    @Test
    void anotherExpiryGoesToTheDeviceFirst() {
      storedUntil("k", Chunks.NEVER);
      Answer<ExpireOutcome> changed = rig.expire("k", now + 10);
      assertNull(changed.outcome);
      Order.ChangeExpiry order = rig.order(Order.ChangeExpiry.class, "k");
      assertEquals(Chunks.NEVER, order.address().expiresAtMillis());
      assertEquals(now + 10, order.expiresAtMillis());
      rig.ticker.advance(Duration.ofMillis(20));
      assertTrue(rig.present("k"), "not before it is on the device");
      rig.done(order);
      assertTrue(changed.outcome instanceof ExpireOutcome.Changed);
      assertFalse(rig.present("k"));
      assertTrue(rig.expire("k", now + 99).outcome instanceof ExpireOutcome.Absent);
    }

    @Test
    void theSameExpiryAndAnUnknownKeyNeedNoDevice() {
      storedUntil("k", now + 10);
      assertTrue(rig.expire("k", now + 10).outcome instanceof ExpireOutcome.Changed);
      assertTrue(rig.expire("unknown", now + 10).outcome instanceof ExpireOutcome.Absent);
      assertTrue(rig.orders.isEmpty());
    }

    @Test
    void whatFailsLeavesTheExpiryAsItWas() {
      storedUntil("k", now + 10);
      Answer<ExpireOutcome> changed = rig.expire("k", Chunks.NEVER);
      rig.fail(Order.ChangeExpiry.class, "k", Kind.IO_ERROR);
      assertEquals(Failed.Cause.DEVICE, failure(changed.outcome));
      rig.ticker.advance(Duration.ofMillis(10));
      assertFalse(rig.present("k"));
    }

    @Test
    void requestsOfTheKeyWaitForTheRename() {
      storedUntil("k", Chunks.NEVER);
      rig.expire("k", now + 5_000);
      Loading load = rig.load("k");
      Storing store = rig.replace("k", 3);
      Answer<ExpireOutcome> again = rig.expire("k", now + 7_000);
      assertEquals(1, rig.orders.size());
      rig.done(Order.ChangeExpiry.class, "k");
      assertEquals(
          now + 5_000,
          rig.order(Order.Read.class, "k").address().expiresAtMillis(),
          "under the new name");
      rig.doAll();
      assertTrue(load.outcome instanceof LoadOutcome.Loaded);
      assertTrue(store.outcome instanceof StoreOutcome.Stored);
      assertTrue(again.outcome instanceof ExpireOutcome.Changed);
      rig.assertAtRest();
    }

    /** The file has been renamed, the machine has not heard of it: its absence means nothing. */
    @Test
    void aLoadThatMissedTheFileDuringARenameIsLookedUpAgain() {
      storedUntil("k", Chunks.NEVER);
      Loading load = rig.load("k");
      rig.expire("k", now + 5_000);
      rig.fail(Order.Read.class, "k", Kind.NOT_FOUND);
      assertNull(load.outcome);
      assertEquals(0, rig.metrics.get(Metric.VANISHED));
      rig.done(Order.ChangeExpiry.class, "k");
      rig.done(Order.Read.class, "k");
      assertTrue(load.outcome instanceof LoadOutcome.Loaded);
      assertEquals(1, rig.metrics.get(Metric.LOST_RACES));
      rig.assertAtRest();
    }

    @Test
    void aCorruptChunkIsNotQuarantinedDuringARename() {
      storedUntil("k", Chunks.NEVER);
      Loading load = rig.load("k");
      Answer<ExpireOutcome> changed = rig.expire("k", now + 5_000);
      rig.fail(Order.Read.class, "k", Kind.CORRUPT);
      rig.done(Order.ChangeExpiry.class, "k");
      assertTrue(changed.outcome instanceof ExpireOutcome.Changed);
      rig.fail(Order.Read.class, "k", Kind.CORRUPT);
      assertEquals(LoadOutcome.Miss.Why.CORRUPT, miss(load));
      assertEquals(now + 5_000, rig.order(Order.Quarantine.class, "k").address().expiresAtMillis());
    }

    /** To another name and back again while a load is on its way: its file was gone in between. */
    @Test
    void twoRenamesDuringALoadAreNoticed() {
      storedUntil("k", Chunks.NEVER);
      Loading load = rig.load("k");
      rig.expire("k", now + 5_000);
      rig.done(Order.ChangeExpiry.class, "k");
      rig.expire("k", Chunks.NEVER);
      rig.done(Order.ChangeExpiry.class, "k");
      rig.fail(Order.Read.class, "k", Kind.NOT_FOUND);
      rig.done(Order.Read.class, "k");
      assertTrue(load.outcome instanceof LoadOutcome.Loaded);
      rig.assertAtRest();
    }

    @Test
    void aDeleteDuringTheRenameHidesAtOnceAndRemovesAfterwards() {
      storedUntil("k", Chunks.NEVER);
      rig.expire("k", now + 5_000);
      assertTrue(((KeysOutcome.Done) rig.machine.delete(keys("k"), false)).hits().get(0));
      assertFalse(rig.present("k"));
      assertEquals(LoadOutcome.Miss.Why.EXPIRED, miss(rig.load("k")));
      assertFalse(((KeysOutcome.Done) rig.machine.delete(keys("k"), true)).hits().get(0));
      rig.done(Order.ChangeExpiry.class, "k");
      assertEquals(now + 5_000, rig.order(Order.Remove.class, "k").address().expiresAtMillis());
      rig.doAll();
      assertEquals(0, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void aDeleteDuringARenameThatFailsRemovesTheOldName() {
      storedUntil("k", now + 9_000);
      rig.expire("k", now + 5_000);
      assertTrue(rig.machine.delete(keys("k"), false) instanceof KeysOutcome.Done);
      rig.fail(Order.ChangeExpiry.class, "k", Kind.IO_ERROR);
      assertEquals(now + 9_000, rig.order(Order.Remove.class, "k").address().expiresAtMillis());
      rig.doAll();
      rig.assertAtRest();
    }

    @Test
    void aFileThatIsGoneIsNoticedByTheRename() {
      storedUntil("k", Chunks.NEVER);
      Answer<ExpireOutcome> changed = rig.expire("k", now + 5_000);
      rig.fail(Order.ChangeExpiry.class, "k", Kind.NOT_FOUND);
      assertTrue(changed.outcome instanceof ExpireOutcome.Absent);
      assertEquals(0, rig.usedBlocks());
      assertTrue(rig.events.contains("VANISHED k"));
      rig.assertAtRest();
    }
  }

  @Nested
  class WhatIsNotRight {
    private final MachineRig rig = new MachineRig(100);

    private void quarantined(String name, long allBlocks) {
      rig.complete(
          rig.order(Order.Quarantine.class, name),
          new Order.Result.Done(allBlocks * BLOCK, ChunkMetadata.EMPTY));
    }

    @Test
    void aCorruptChunkIsAMissAndGoesToQuarantine() {
      rig.stored("k", 3);
      Loading load = rig.load("k");
      rig.fail(Order.Read.class, "k", Kind.CORRUPT);
      assertEquals(LoadOutcome.Miss.Why.CORRUPT, miss(load));
      assertFalse(rig.present("k"));
      assertEquals(1, rig.metrics.get(Metric.CORRUPT));
      assertTrue(rig.events.contains("quarantined k"));
      quarantined("k", 3);
      assertEquals(3, rig.usedBlocks(CapacityLedger.Category.QUARANTINE));
      assertEquals(Map.of(), rig.machine.usage().bySalt());
      rig.assertAtRest();
    }

    @Test
    void theQuarantineCountsWhatIsInIt() {
      for (String name : List.of("a", "b", "c")) {
        rig.stored(name, 3);
      }
      for (String name : List.of("a", "b", "c")) {
        rig.load(name);
        rig.fail(Order.Read.class, name, Kind.CORRUPT);
      }
      assertEquals(1, rig.orders.size(), "one at a time, so that each knows of those before it");
      quarantined("a", 3);
      assertEquals(9, rig.usedBlocks(CapacityLedger.Category.QUARANTINE), "two are on their way");
      quarantined("b", 6);
      assertEquals(9, rig.usedBlocks(CapacityLedger.Category.QUARANTINE));
      quarantined("c", 6);
      assertEquals(6, rig.usedBlocks(), "the oldest was pruned");
      rig.assertAtRest();
    }

    @Test
    void whatCannotBeQuarantinedIsRemoved() {
      rig.stored("k", 3);
      rig.stored("l", 2);
      rig.load("k");
      rig.load("l");
      rig.fail(Order.Read.class, "k", Kind.CORRUPT);
      rig.fail(Order.Read.class, "l", Kind.CORRUPT);
      rig.fail(Order.Quarantine.class, "k", Kind.IO_ERROR);
      assertEquals(5, rig.usedBlocks());
      quarantined("l", 2);
      assertFalse(rig.machine.step());
      rig.done(Order.Remove.class, "k");
      assertEquals(2, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void onlyTheGenerationThatWasReadIsQuarantined() {
      rig.stored("k", 3);
      Loading load = rig.load("k");
      Order read = rig.order(Order.Read.class, "k");
      Storing newer = rig.replace("k", 2);
      rig.done(Order.Write.class, "k");
      rig.fail(read, Kind.CORRUPT);
      assertFalse(rig.ordered(Order.Quarantine.class, "k"));
      assertEquals(1, rig.metrics.get(Metric.LOST_RACES));
      Order.Read again = rig.order(Order.Read.class, "k");
      assertEquals(newer.generation(), again.address().generation());
      rig.doAll();
      assertTrue(load.outcome instanceof LoadOutcome.Loaded);
      assertEquals(2, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void aLoadThatLostItsRaceToADeleteIsAMiss() {
      rig.stored("k", 3);
      Loading load = rig.load("k");
      assertTrue(rig.machine.delete(keys("k"), false) instanceof KeysOutcome.Done);
      rig.fail(Order.Read.class, "k", Kind.NOT_FOUND);
      assertEquals(LoadOutcome.Miss.Why.ABSENT, miss(load));
      assertEquals(0, rig.metrics.get(Metric.VANISHED));
      rig.doAll();
      rig.assertAtRest();
    }

    @Test
    void otherReadersOfACorruptChunkKeepItsFile() {
      rig.stored("k", 3);
      Loading first = rig.load("k");
      Order firstRead = rig.order(Order.Read.class, "k");
      Loading second = rig.load("k");
      rig.fail(firstRead, Kind.CORRUPT);
      assertEquals(LoadOutcome.Miss.Why.CORRUPT, miss(first));
      assertEquals(1, rig.orders.size(), "the other read alone");
      rig.fail(Order.Read.class, "k", Kind.CORRUPT);
      assertEquals(LoadOutcome.Miss.Why.ABSENT, miss(second));
      rig.done(Order.Remove.class, "k");
      assertEquals(0, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void aVanishedFileIsAMiss() {
      rig.stored("k", 3);
      Loading first = rig.load("k");
      Order firstRead = rig.order(Order.Read.class, "k");
      Loading second = rig.load("k");
      rig.fail(firstRead, Kind.NOT_FOUND);
      assertEquals(LoadOutcome.Miss.Why.ABSENT, miss(first));
      assertTrue(rig.events.contains("VANISHED k"));
      rig.fail(Order.Read.class, "k", Kind.NOT_FOUND);
      assertEquals(LoadOutcome.Miss.Why.ABSENT, miss(second));
      assertEquals(1, rig.metrics.get(Metric.VANISHED));
      rig.doAll();
      assertEquals(0, rig.usedBlocks());
      rig.assertAtRest();
    }

    @ParameterizedTest
    @ValueSource(strings = {"IO_ERROR", "SHORT_TRANSFER", "EXHAUSTED", "CLOSED", "OTHER"})
    void aDeviceErrorIsAFailureAndTheChunkStays(String kind) {
      rig.stored("k", 3);
      Loading load = rig.load("k");
      rig.fail(Order.Read.class, "k", Kind.valueOf(kind));
      assertEquals(Failed.Cause.DEVICE, failure(load.outcome));
      assertTrue(rig.present("k"));
      rig.loaded("k");
    }

    @Test
    void aLoadThatWasGivenUpIsSaidSo() {
      rig.stored("k", 3);
      Loading load = rig.load("k");
      rig.complete(
          rig.order(Order.Read.class, "k"),
          new Order.Result.Cancelled(Transfer.Cancelled.RESTARTED));
      assertEquals(Failed.Cause.RESTARTED, failure(load.outcome));
      Loading broken = rig.load("k");
      rig.complete(rig.order(Order.Read.class, "k"), new Order.Result.Broken(new Error("x")));
      assertEquals(Failed.Cause.INTERNAL, failure(broken.outcome));
      rig.assertAtRest();
    }

    @Test
    void aTargetThatIsTooSmallIsToldWhatItNeeds() {
      rig.stored("k", 3);
      Loading load = new Loading(key("k"), 2 * BLOCK - 1);
      rig.machine.load(load);
      assertEquals(new LoadOutcome.TooSmall(2 * BLOCK), load.outcome);
      Loading enough = new Loading(key("k"), 2 * BLOCK);
      rig.machine.load(enough);
      rig.doAll();
      assertEquals(new LoadOutcome.Loaded(2 * BLOCK), enough.outcome);
    }
  }

  @Nested
  class Stat {
    private final MachineRig rig = new MachineRig(100);

    private void storedWithMetadata(String name) {
      rig.store(name, 2, StoreMode.REPLACE, Chunks.NEVER, true);
      rig.done(Order.Write.class, name);
    }

    @Test
    void saysWhatTheIndexKnows() {
      Storing stored = rig.stored("k", 3);
      assertTrue(rig.machine.lookupAndLock(keys("k")) instanceof KeysOutcome.Done);
      assertEquals(
          new StatOutcome.Present(
              2 * BLOCK, 3 * BLOCK, stored.generation(), 0, ChunkMetadata.EMPTY, 1, 0),
          rig.stat("k").outcome);
      assertTrue(rig.stat("l").outcome instanceof StatOutcome.Absent);
      assertTrue(rig.orders.isEmpty());
    }

    @Test
    void readsMetadataFromTheDevice() {
      storedWithMetadata("k");
      Answer<StatOutcome> stat = rig.stat("k");
      rig.done(Order.ReadBlock.class, "k");
      assertEquals(
          ChunkMetadata.of(new byte[] {7}), ((StatOutcome.Present) stat.outcome).metadata());
      rig.assertAtRest();
    }

    @Test
    void ofAChunkThatIsReplacedMeanwhileDescribesTheNewValue() {
      storedWithMetadata("k");
      Answer<StatOutcome> stat = rig.stat("k");
      Order read = rig.order(Order.ReadBlock.class, "k");
      rig.replace("k", 5);
      rig.done(Order.Write.class, "k");
      rig.done(read);
      assertEquals(4 * BLOCK, ((StatOutcome.Present) stat.outcome).length());
      rig.doAll();
      rig.assertAtRest();
    }

    @Test
    void ofAChunkThatIsRenamedMeanwhileIsAskedAgain() {
      storedWithMetadata("k");
      Answer<StatOutcome> stat = rig.stat("k");
      rig.expire("k", 5_000_000_000_000L);
      rig.fail(Order.ReadBlock.class, "k", Kind.NOT_FOUND);
      assertNull(stat.outcome);
      rig.doAll();
      assertEquals(5_000_000_000_000L, ((StatOutcome.Present) stat.outcome).expiresAtMillis());
      rig.assertAtRest();
    }

    @Test
    void noticesThatTheChunkIsGoneOrCorrupt() {
      storedWithMetadata("gone");
      storedWithMetadata("corrupt");
      storedWithMetadata("error");
      Answer<StatOutcome> gone = rig.stat("gone");
      Answer<StatOutcome> corrupt = rig.stat("corrupt");
      Answer<StatOutcome> error = rig.stat("error");
      rig.fail(Order.ReadBlock.class, "gone", Kind.NOT_FOUND);
      rig.fail(Order.ReadBlock.class, "corrupt", Kind.CORRUPT);
      rig.fail(Order.ReadBlock.class, "error", Kind.IO_ERROR);
      assertTrue(gone.outcome instanceof StatOutcome.Absent);
      assertTrue(corrupt.outcome instanceof StatOutcome.Absent);
      assertEquals(Failed.Cause.DEVICE, failure(error.outcome));
      assertEquals("error", rig.present("gone", "corrupt", "error"));
      assertTrue(rig.ordered(Order.Quarantine.class, "corrupt"));
    }
  }

  @Nested
  class Keys {
    private final MachineRig rig = new MachineRig(100);

    @Test
    void lookupTellsThePrefix() {
      rig.stored("a", 1);
      rig.stored("b", 1);
      rig.stored("d", 1);
      KeysOutcome.Done done = (KeysOutcome.Done) rig.machine.lookup(keys("a", "b", "c", "d"));
      assertEquals(2, done.leadingHits());
      assertEquals(3, done.hits().cardinality());
      assertEquals(4, rig.metrics.get(Metric.LOOKUP_KEYS));
      assertEquals(3, rig.metrics.get(Metric.LOOKUP_HITS));
    }

    @Test
    void locksAreCountedAndUnknownKeysTolerated() {
      rig.stored("a", 1);
      assertEquals(
          "{0}", ((KeysOutcome.Done) rig.machine.lookupAndLock(keys("a", "x"))).hits().toString());
      assertEquals(
          "{0}", ((KeysOutcome.Done) rig.machine.lookupAndLock(keys("a"))).hits().toString());
      assertEquals(2, ((StatOutcome.Present) rig.stat("a").outcome).locks());
      assertEquals(
          "{0}", ((KeysOutcome.Done) rig.machine.unlock(keys("a", "x"))).hits().toString());
      assertEquals("{0}", ((KeysOutcome.Done) rig.machine.unlock(keys("a"))).hits().toString());
      assertEquals("{}", ((KeysOutcome.Done) rig.machine.unlock(keys("a"))).hits().toString());
      assertEquals("{}", ((KeysOutcome.Done) rig.machine.unpin(keys("a"))).hits().toString());
    }

    @Test
    void deleteLeavesWhatIsHeldAndSaysSo() {
      rig.stored("free", 1);
      rig.stored("locked", 1);
      rig.stored("pinned", 1);
      assertTrue(rig.machine.lookupAndLock(keys("locked")) instanceof KeysOutcome.Done);
      assertTrue(rig.machine.pin(keys("pinned")) instanceof KeysOutcome.Done);
      KeysOutcome.Done done =
          (KeysOutcome.Done) rig.machine.delete(keys("free", "locked", "pinned", "x"), false);
      assertEquals("{0}", done.hits().toString());
      assertEquals("{1, 2}", done.held().toString());
      assertEquals("lockedpinned", rig.present("free", "locked", "pinned"));
      done = (KeysOutcome.Done) rig.machine.delete(keys("free", "locked", "pinned"), true);
      assertEquals("{1, 2}", done.hits().toString());
      rig.doAll();
      assertEquals(0, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void aBatchIsTouchedLastToFirst() {
      MachineRig small = new MachineRig(4);
      for (String name : List.of("d", "c", "b", "a")) {
        small.stored(name, 1);
      }
      assertEquals(
          "{0, 1, 3, 4}",
          ((KeysOutcome.Done) small.machine.touch(keys("a", "b", "x", "c", "d")))
              .hits()
              .toString());
      small.stored("e", 1);
      assertEquals("abc", small.present("a", "b", "c", "d"), "the tail goes before the head");
      small.stored("f", 1);
      assertEquals("ab", small.present("a", "b", "c", "d"));
    }

    @Test
    void lookupIsNoUse() {
      MachineRig small = new MachineRig(2);
      small.stored("a", 1);
      small.stored("b", 1);
      assertTrue(small.present("a"));
      small.stored("c", 1);
      assertEquals("bc", small.present("a", "b", "c"));
    }

    @Test
    void aDuplicateStoreRefreshes() {
      MachineRig small = new MachineRig(2);
      small.stored("a", 1);
      small.stored("b", 1);
      assertTrue(small.store("a", 1).outcome instanceof StoreOutcome.AlreadyStored);
      small.stored("c", 1);
      assertEquals("ac", small.present("a", "b", "c"));
    }

    @Test
    void whatIsClosedRejectsEverything() {
      rig.stored("a", 1);
      rig.store("writing", 1);
      Storing waiting = rig.replace("writing", 1);
      rig.machine.close(new Rejected(Rejected.Reason.BREAKER_OPEN, "why"), false);
      assertEquals(Rejected.Reason.BREAKER_OPEN, reason(rig.store("x", 1).outcome));
      Rejected expected = new Rejected(Rejected.Reason.BREAKER_OPEN, "why");
      assertEquals(expected, rig.load("a").outcome);
      assertEquals(expected, rig.machine.lookup(keys("a")));
      assertEquals(expected, rig.machine.lookupAndLock(keys("a")));
      assertEquals(expected, rig.machine.pin(keys("a")));
      assertEquals(expected, rig.machine.delete(keys("a"), true));
      assertEquals(expected, rig.stat("a").outcome);
      assertEquals(expected, rig.expire("a", 1).outcome);
      rig.done(Order.Write.class, "writing");
      assertEquals(expected, waiting.outcome, "what waited for the write is not begun any more");
      rig.machine.open();
      assertEquals("awriting", rig.present("a", "writing"), "what was with the device went on");
      rig.assertAtRest();
    }

    @Test
    void closingAnswersWhoWaitsForRoom() {
      MachineRig small = new MachineRig(2);
      small.stored("a", 2);
      Storing waiting = small.store("b", 1);
      assertNull(waiting.outcome, "it waits");
      small.machine.close(new Rejected(Rejected.Reason.CLOSED, "the end"), false);
      assertEquals(Rejected.Reason.CLOSED, reason(waiting.outcome));
      small.doAll();
      small.assertAtRest();
    }
  }

  @Nested
  class Walks {
    private final MachineRig rig = new MachineRig(20_000);

    private void storeMany(String prefix, int count) {
      for (int i = 0; i < count; i++) {
        rig.replace(prefix + i, 1);
      }
      rig.doAll();
    }

    @Test
    void allAreDeletedInBoundedSteps() {
      storeMany("old/", 5_000);
      rig.machine.pin(keys("old/17"));
      Answer<Long> deleted = new Answer<>();
      rig.machine.deleteAll(deleted);
      assertTrue(rig.machine.step(), "there is more to do");
      int first = rig.orders.size();
      assertTrue(first > 0 && first <= 2_000, () -> first + " in one step");
      rig.replace("new", 1);
      while (rig.machine.step()) {
        assertNull(deleted.outcome);
      }
      assertEquals(5_000L, deleted.outcome);
      rig.doAll();
      assertEquals(1, rig.machine.chunks(), "what came later stays");
      assertEquals(1, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void aSecondDeleteAllIncludesWhatCameBetween() {
      storeMany("a/", 10);
      Answer<Long> first = new Answer<>();
      rig.machine.deleteAll(first);
      storeMany("b/", 10);
      Answer<Long> second = new Answer<>();
      rig.machine.deleteAll(second);
      assertFalse(rig.machine.step());
      assertEquals(20L, first.outcome);
      assertEquals(20L, second.outcome);
      assertEquals(0, rig.machine.chunks());
    }

    @Test
    void aListingSeesWhatIsThereThroughoutExactlyOnce() {
      storeMany("stays/", 300);
      storeMany("goes/", 300);
      Map<ChunkKey, Integer> seen = new HashMap<>();
      long cursor = KeysPage.START;
      int page = 0;
      do {
        KeysPage some = rig.machine.list(new byte[0], cursor, 7);
        assertTrue(some.keys().size() <= 7);
        some.keys().forEach(each -> seen.merge(each.key(), 1, Integer::sum));
        cursor = some.nextCursor();
        // Removed numbers are taken again by what is stored now; replaced chunks keep theirs.
        if (page < 300) {
          assertTrue(rig.machine.delete(keys("goes/" + page), true) instanceof KeysOutcome.Done);
          rig.replace("comes/" + page, 1);
          rig.replace("stays/" + page, 2);
          rig.doAll();
        }
        page++;
      } while (cursor != KeysPage.END);
      for (int i = 0; i < 300; i++) {
        assertEquals(1, seen.get(key("stays/" + i)), "stays/" + i);
      }
    }

    @Test
    void aListingOfAPrefixLooksAtABoundedNumberOfEntries() {
      storeMany("many/", 9_000);
      storeMany("few/", 3);
      List<KeysPage> pages = new ArrayList<>();
      long cursor = KeysPage.START;
      do {
        pages.add(
            rig.machine.list(
                "few/".getBytes(java.nio.charset.StandardCharsets.UTF_8), cursor, 100));
        cursor = pages.getLast().nextCursor();
      } while (cursor != KeysPage.END);
      assertTrue(pages.size() > 2, "pages may be empty before the end");
      assertEquals(3, pages.stream().mapToInt(each -> each.keys().size()).sum());
      assertTrue(rig.machine.list(new byte[0], KeysPage.END, 10).last());
      assertTrue(rig.machine.list(new byte[0], Long.MAX_VALUE, 10).last());
    }
  }

  @Nested
  class PolicyOrder {

    /** a, b, c, d are stored; a is loaded twice, b once; then three more come, one by one. */
    @ParameterizedTest
    @CsvSource({"lru, cda", "fifo, abc", "mru, bxy", "lfu, cdx"})
    void victimsGoInThePolicysOrder(String policy, String victims) {
      MachineRig rig = new MachineRig(4, policy, Map.of());
      for (String name : List.of("a", "b", "c", "d")) {
        rig.stored(name, 1);
      }
      rig.loaded("a");
      rig.loaded("a");
      rig.loaded("b");
      if (policy.equals("lru")) {
        rig.loaded("a");
        rig.loaded("b");
      }
      for (String name : List.of("x", "y", "z")) {
        rig.stored(name, 1);
      }
      assertEquals(
          victims,
          String.join(
              "",
              rig.events.stream()
                  .filter(event -> event.startsWith("EVICTED"))
                  .map(event -> event.substring("EVICTED ".length()))
                  .toList()));
    }

    @Test
    void s3FifoKeepsWhatIsUsedAgain() {
      MachineRig rig = new MachineRig(100, "s3fifo", Map.of());
      for (int i = 0; i < 50; i++) {
        rig.stored("hot" + i, 1);
        rig.loaded("hot" + i);
        rig.loaded("hot" + i);
      }
      for (int i = 0; i < 500; i++) {
        rig.stored("once" + i, 1);
      }
      int hot = 0;
      for (int i = 0; i < 50; i++) {
        hot += rig.present("hot" + i) ? 1 : 0;
      }
      assertEquals(50, hot, "a scan does not wash out what is used");
    }
  }

  @Nested
  class Rebuilding {

    private record Line(
        ChunkAddress address, long length, boolean hasMetadata, long stamp, int state) {}

    private static List<Line> snapshot(MachineRig rig) {
      List<Line> lines = new ArrayList<>();
      long cursor = KeysPage.START;
      do {
        cursor =
            Recovery.snapshotStep(
                rig.machine,
                cursor,
                3,
                (address, length, metadata, stamp, state) ->
                    lines.add(new Line(address, length, metadata, stamp, state)));
      } while (cursor != KeysPage.END);
      return lines;
    }

    private static void give(Recovery recovery, List<Line> lines) {
      for (Line line : lines) {
        recovery.snapshotEntry(
            line.address(), line.length(), line.hasMetadata(), line.stamp(), line.state());
      }
    }

    private static ChunkAddress at(String name, long generation) {
      return new ChunkAddress(key(name), generation, Chunks.NEVER);
    }

    @ParameterizedTest
    @ValueSource(strings = {"lru", "fifo", "mru", "lfu", "s3fifo"})
    void theOrderIsRestored(String policy) {
      MachineRig before = new MachineRig(40, policy, Map.of("q", 10L));
      for (int i = 0; i < 30; i++) {
        before.stored((i % 3 == 0 ? "q/" : "") + i, 1);
        for (int use = 0; use < i * 7 % 4; use++) {
          before.loaded((i % 3 == 0 ? "q/" : "") + i);
        }
      }
      for (boolean clean : new boolean[] {true, false}) {
        MachineRig after = new MachineRig(40, policy, Map.of("q", 10L));
        Recovery recovery = new Recovery(after.machine);
        List<Line> lines = snapshot(before);
        give(recovery, lines);
        if (clean) {
          recovery.trustSnapshot();
        } else {
          for (Line line : lines.reversed()) {
            recovery.found(line.address(), line.length(), line.hasMetadata());
          }
        }
        assertEquals(new Recovery.Report(30, 0, 0, 0), recovery.finish());
        MachineRig twin = new MachineRig(40, policy, Map.of("q", 10L));
        Recovery again = new Recovery(twin.machine);
        give(again, lines);
        again.trustSnapshot();
        assertEquals(30, again.finish().chunks());
        after.events.clear();
        for (int i = 0; i < 40; i++) {
          after.stored("new" + i, 1);
          after.stored("q/new" + i, 1);
          twin.stored("new" + i, 1);
          twin.stored("q/new" + i, 1);
        }
        assertEquals(
            twin.events.stream().filter(e -> e.startsWith("EVICTED")).toList(),
            after.events.stream().filter(e -> e.startsWith("EVICTED")).toList());
        if (clean) {
          continue;
        }
        before.events.clear();
        for (int i = 0; i < 40; i++) {
          before.stored("new" + i, 1);
          before.stored("q/new" + i, 1);
        }
        assertEquals(
            before.events.stream().filter(event -> event.startsWith("EVICTED")).toList(),
            after.events.stream().filter(event -> event.startsWith("EVICTED")).toList(),
            "the same victims as without the restart");
      }
    }

    @Test
    void theHighestGenerationWinsAndTheOthersGo() {
      MachineRig rig = new MachineRig(100);
      Recovery recovery = new Recovery(rig.machine);
      recovery.found(at("k", 5), 2 * BLOCK, false);
      recovery.found(at("k", 9), BLOCK, false);
      recovery.found(at("k", 7), 3 * BLOCK, false);
      assertEquals(new Recovery.Report(1, 0, 2, 0), recovery.finish());
      assertEquals(2 + 3 + 4, rig.usedBlocks(), "the older files count until they are gone");
      assertEquals(
          List.of(5L, 7L),
          rig.orders.stream().map(each -> ((Order.OnChunk) each).address().generation()).toList());
      rig.doAll();
      assertEquals(2, rig.usedBlocks());
      assertEquals(9, ((StatOutcome.Present) rig.stat("k").outcome).generation());
      assertEquals(10, rig.machine.nextGeneration(), "no generation is given out twice");
      rig.assertAtRest();
    }

    /** A salt with one chunk, known to the snapshot, confirmed by the scan. */
    @Test
    void aSaltsOnlyChunkIsConfirmed() {
      MachineRig rig = new MachineRig(100);
      Recovery recovery = new Recovery(rig.machine);
      recovery.snapshotEntry(at("s/k", 3), BLOCK, false, 1, 0);
      recovery.found(at("s/k", 4), 2 * BLOCK, true);
      assertEquals(new Recovery.Report(1, 0, 0, 0), recovery.finish());
      assertEquals(Map.of("s", 3 * BLOCK), rig.machine.usage().bySalt());
      rig.stored("t/k", 1);
      assertEquals(Map.of("s", 3 * BLOCK, "t", BLOCK), rig.machine.usage().bySalt());
    }

    @Test
    void afterACrashTheScanDecides() {
      MachineRig rig = new MachineRig(100);
      Recovery recovery = new Recovery(rig.machine);
      recovery.snapshotEntry(at("both", 1), BLOCK, false, 10, 0);
      recovery.snapshotEntry(at("gone", 2), BLOCK, false, 11, 0);
      recovery.snapshotEntry(at("old", 3), BLOCK, false, 12, 0);
      recovery.snapshotEntry(at("renamed", 4), BLOCK, false, 13, 0);
      recovery.found(new ChunkAddress(key("renamed"), 4, 5_000_000_000_000L), BLOCK, false);
      recovery.found(at("young", 8), BLOCK, false);
      recovery.found(at("old", 7), BLOCK, false);
      recovery.found(at("both", 1), BLOCK, false);
      assertEquals(new Recovery.Report(4, 1, 0, 0), recovery.finish());
      assertEquals("bothrenamedoldyoung", rig.present("both", "renamed", "old", "young", "gone"));
      assertEquals(
          5_000_000_000_000L,
          ((StatOutcome.Present) rig.stat("renamed").outcome).expiresAtMillis());
      rig.machine.spaceSampled(1L << 40);
      rig.events.clear();
      rig.stored("large", 98);
      assertEquals(
          List.of("EVICTED both", "EVICTED renamed", "EVICTED old"),
          rig.events.stream().filter(event -> event.startsWith("EVICTED")).toList(),
          "the snapshot's order, then by generation");
    }

    @Test
    void aLoweredCapacityIsEnforced() {
      MachineRig rig = new MachineRig(4);
      Recovery recovery = new Recovery(rig.machine);
      for (int i = 1; i <= 5; i++) {
        recovery.found(at("k" + i, i), BLOCK, false);
      }
      assertEquals(new Recovery.Report(2, 0, 0, 3), recovery.finish());
      assertEquals("k4k5", rig.present("k1", "k2", "k3", "k4", "k5"));
      assertEquals(10, rig.usedBlocks());
      Storing waiting = rig.store("new", 2);
      rig.done(Order.Remove.class, "k1");
      rig.done(Order.Remove.class, "k2");
      assertFalse(rig.ordered(Order.Write.class, "new"), "still more on the device than allowed");
      rig.doAll();
      assertTrue(waiting.outcome instanceof StoreOutcome.Stored);
      assertEquals(4, rig.usedBlocks());
      rig.assertAtRest();
    }

    @Test
    void otherFilesCountAgainstTheCapacity() {
      MachineRig rig = new MachineRig(6);
      Recovery recovery = new Recovery(rig.machine);
      recovery.found(at("a", 1), BLOCK, false);
      recovery.found(at("b", 2), BLOCK, false);
      rig.machine.account(CapacityLedger.Category.LATER_VERSION, 2 * BLOCK);
      rig.machine.account(CapacityLedger.Category.QUARANTINE, 2 * BLOCK);
      assertEquals(1, recovery.finish().evicted());
      assertEquals("b", rig.present("a", "b"));
    }

    @Test
    void aLoweredQuotaIsEnforced() {
      MachineRig rig = new MachineRig(100, "lru", Map.of("q", 4L));
      Recovery recovery = new Recovery(rig.machine);
      for (int i = 1; i <= 4; i++) {
        recovery.found(at("q/" + i, i), BLOCK, false);
        recovery.found(at("r/" + i, 10 + i), BLOCK, false);
      }
      assertEquals(2, recovery.finish().evicted());
      assertEquals(
          "q/3q/4r/1r/2r/3r/4",
          rig.present("q/1", "q/2", "q/3", "q/4", "r/1", "r/2", "r/3", "r/4"));
    }
  }
}
