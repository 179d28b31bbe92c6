package io.weft.core;

import static io.weft.core.MachineRig.BLOCK;
import static io.weft.core.MachineRig.key;
import static io.weft.core.MachineRig.keys;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.Chunks;
import io.weft.base.DeviceException.Kind;
import io.weft.base.KeysOutcome;
import io.weft.base.Rejected;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.core.MachineRig.Loading;
import io.weft.core.MachineRig.Storing;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The machine where chunks lie in slots of segments: eight blocks for them in each. */
class StoreMachineSlotsTest {
  /** Room for two segments, and two blocks that they leave to others. */
  private MachineRig rig = MachineRig.withSlots(20, 8, 2);

  @AfterEach
  void everySlotIsAccountedFor() {
    rig.assertSlotsAddUp();
  }

  private static Rejected.Reason reason(StoreOutcome outcome) {
    return ((Rejected) outcome).reason();
  }

  private Order.Write write(String name) {
    return rig.order(Order.Write.class, name);
  }

  private long location(String name) {
    return rig.machine.catalog().index.location(rig.machine.catalog().index.find(key(name)));
  }

  private void held(KeysOutcome outcome) {
    assertFalse(((KeysOutcome.Done) outcome).hits().isEmpty());
  }

  @Nested
  class Making {
    @Test
    void theFirstIsMadeForWhoWaitsAndTheNextAfterIt() {
      Storing a = rig.store("a", 2);
      assertNull(a.outcome);
      assertEquals(0, rig.makeSegment().number());
      assertFalse(rig.ordered(Order.Write.class, "a"), "there is no slot yet");
      rig.done(rig.makeSegment());
      assertTrue(rig.ordered(Order.Write.class, "a"));
      assertEquals(1, rig.makeSegment().number());
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, a.outcome);
      assertEquals(2, rig.machine.catalog().slabs.segments(), "as many as there is room for");
      assertEquals(2, rig.usedBlocks(), "pooled bytes are not in use");
      rig.assertAtRest();
    }

    @Test
    void itIsMadeBeforeAnybodyAsksWhereTheStoreOpens() {
      rig.machine.open();
      assertNotNull(rig.makeSegment());
      rig.doAll();
    }

    @Test
    void beforeTheFirstSampleOfTheFilesystemNothingIsMade() {
      rig = MachineRig.beforeSlots(20, 8, 2, Map.of());
      assertEquals(Rejected.Reason.FULL, reason(rig.store("a", 2).outcome));
      assertNull(rig.makeSegment());
      rig.machine.spaceSampled(8 * BLOCK);
      assertFalse(rig.machine.step());
      assertNull(rig.makeSegment(), "the filesystem has no room for one");
      rig.machine.spaceSampled(1L << 40);
      assertFalse(rig.machine.step());
      rig.doAll();
      rig.stored("a", 2);
    }

    @Test
    void whereItCannotBeMadeWhoWaitsIsAnsweredAndItIsTriedAgain() {
      Storing a = rig.store("a", 2);
      rig.fail(rig.makeSegment(), Kind.NO_SPACE);
      assertEquals(Rejected.Reason.FULL, reason(a.outcome));
      assertEquals(Rejected.Reason.FULL, reason(rig.store("b", 2).outcome));
      assertNull(rig.makeSegment(), "not more than once a second");
      rig.ticker.advance(Duration.ofSeconds(1));
      assertFalse(rig.machine.step());
      assertEquals(1, rig.makeSegment().number(), "something may be left under the number before");
      rig.doAll();
      rig.stored("c", 2);
    }

    @Test
    void aClosedStoreMakesNone() {
      rig.store("a", 2);
      rig.machine.close(new Rejected(Rejected.Reason.CLOSED, "the end"), false);
      rig.done(rig.makeSegment());
      assertNull(rig.makeSegment());
      rig.assertAtRest();
    }

    @Test
    void whatOthersTookOfTheSpareBytesIsNotSparedAgain() {
      rig.machine.account(CapacityLedger.Category.SNAPSHOT, 2 * BLOCK);
      rig.stored("a", 2);
      assertEquals(2, rig.machine.catalog().slabs.segments());
    }
  }

  @Nested
  class Slots {
    @Test
    void whoWaitsForASlotOfOneSizeHoldsNobodyOfAnotherUp() {
      rig.stored("a", 4);
      rig.stored("b", 4);
      for (String small : List.of("c", "d", "e", "f")) {
        rig.stored(small, 2);
      }
      rig.machine.delete(keys("a"), false);
      rig.machine.delete(keys("c"), false);
      Storing large = rig.store("large", 4);
      Storing little = rig.store("little", 2);
      assertFalse(rig.ordered(Order.Write.class, "little"), "c is not cleared yet");
      rig.done(rig.order(Order.Remove.class, "c"));
      assertTrue(rig.ordered(Order.Write.class, "little"));
      assertFalse(rig.ordered(Order.Write.class, "large"));
      rig.done(rig.order(Order.Remove.class, "a"));
      assertTrue(rig.ordered(Order.Write.class, "large"));
      rig.doAll();
      for (Storing each : List.of(large, little)) {
        assertInstanceOf(StoreOutcome.Stored.class, each.outcome);
      }
    }

    @Test
    void aSlotIsWrittenAgainAfterItsChunkIsCleared() {
      rig = MachineRig.withSlots(11, 8, 2);
      rig.stored("a", 8);
      long where = location("a");
      Storing b = rig.store("b", 4);
      assertFalse(rig.ordered(Order.Write.class, "b"), "a is not cleared yet");
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, b.outcome);
      rig.machine.delete(keys("b"), false);
      Storing c = rig.store("c", 8);
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, c.outcome);
      assertEquals(where, location("c"));
      rig.assertAtRest();
    }

    @Test
    void aVictimOfTheSameSizeIsWrittenOver() {
      rig = MachineRig.withSlots(11, 8, 2);
      rig.stored("a", 4);
      rig.stored("b", 4);
      long where = location("a");
      rig.store("c", 4);
      assertEquals(key("a"), write("c").recycled().key());
      assertEquals(where, write("c").address().location());
      rig.doAll();
      assertEquals("bc", rig.present("a", "b", "c"));
      rig.assertAtRest();
    }

    @Test
    void ofAFailedWriteTheSlotIsClearedFirst() {
      rig.stored("warm", 2);
      Storing a = rig.store("a", 2);
      long where = write("a").address().location();
      rig.fail(Order.Write.class, "a", Kind.NO_SPACE);
      assertTrue(a.outcome != null, "slots do not depend on the filesystem's space");
      assertEquals(where, rig.order(Order.Remove.class, "a").address().location());
      rig.doAll();
      rig.assertAtRest();
    }

    @Test
    void aReplacedValueKeepsItsSlotUntilItsReaderIsGone() {
      rig.stored("a", 2);
      long where = location("a");
      Loading reading = rig.load("a");
      Storing again = rig.replace("a", 2);
      rig.done(Order.Write.class, "a");
      assertInstanceOf(StoreOutcome.Stored.class, again.outcome);
      assertTrue(where != location("a"));
      assertFalse(rig.ordered(Order.Remove.class, "a"));
      rig.done(Order.Read.class, "a");
      assertTrue(reading.outcome != null);
      assertEquals(where, rig.order(Order.Remove.class, "a").address().location());
      rig.doAll();
      rig.assertAtRest();
    }

    @Test
    void atItsQuotaASaltRecyclesItsOwnSlot() {
      rig = MachineRig.withSlots(20, 8, 2, Map.of("t", 4L));
      rig.stored("t/a", 2);
      rig.stored("t/b", 2);
      rig.store("t/c", 2);
      assertEquals(key("t/a"), write("t/c").recycled().key());
      rig.doAll();
      assertEquals("t/bt/c", rig.present("t/a", "t/b", "t/c"));
      Storing large = rig.store("t/d", 4);
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, large.outcome);
      assertEquals("t/d", rig.present("t/b", "t/c", "t/d"));
      rig.assertAtRest();
    }

    @Test
    void aCorruptChunkIsCopiedAsideAndItsSlotIsFreeThen() {
      rig.stored("a", 2);
      rig.load("a");
      rig.fail(Order.Read.class, "a", Kind.CORRUPT);
      Order.Quarantine quarantine = rig.order(Order.Quarantine.class, "a");
      assertEquals(2, rig.usedBlocks(CapacityLedger.Category.RETIRED));
      assertEquals(2, rig.usedBlocks(CapacityLedger.Category.QUARANTINE));
      rig.complete(quarantine, new Order.Result.Done(2 * BLOCK, io.weft.base.ChunkMetadata.EMPTY));
      assertEquals(2, rig.usedBlocks(CapacityLedger.Category.QUARANTINE));
      assertEquals(0, rig.usedBlocks(CapacityLedger.Category.RETIRED));
      rig.assertAtRest();
    }

    @Test
    void aCorruptChunkWithoutRoomAsideIsRemoved() {
      rig.stored("a", 3);
      rig.load("a");
      rig.fail(Order.Read.class, "a", Kind.CORRUPT);
      assertTrue(rig.ordered(Order.Remove.class, "a"), "two blocks are left to quarantine");
      rig.doAll();
      rig.assertAtRest();
    }

    @Test
    void aCopyThatOthersLeftNoRoomForMeanwhileIsNotMade() {
      rig.stored("a", 1);
      rig.stored("b", 1);
      for (String name : List.of("a", "b")) {
        rig.load(name);
        rig.fail(Order.Read.class, name, Kind.CORRUPT);
      }
      assertFalse(rig.ordered(Order.Quarantine.class, "b"), "one after the other");
      rig.machine.spaceSampled(0);
      rig.done(rig.order(Order.Quarantine.class, "a"));
      assertFalse(rig.ordered(Order.Quarantine.class, "b"));
      assertTrue(rig.ordered(Order.Remove.class, "b"));
      rig.doAll();
      rig.assertAtRest();
    }

    @Test
    void aQuarantineThatFailsLeavesTheSlotToBeCleared() {
      rig.stored("a", 2);
      rig.load("a");
      rig.fail(Order.Read.class, "a", Kind.CORRUPT);
      rig.fail(Order.Quarantine.class, "a", Kind.IO_ERROR);
      assertEquals(0, rig.usedBlocks(CapacityLedger.Category.QUARANTINE));
      rig.ticker.advance(Duration.ofSeconds(1));
      assertFalse(rig.machine.step());
      rig.done(Order.Remove.class, "a");
      rig.assertAtRest();
    }

    @Test
    void theSnapshotHasTheSpareBytesAndNoMore() {
      rig.stored("a", 2);
      assertTrue(rig.machine.snapshotMayFit(2 * BLOCK));
      assertFalse(rig.machine.snapshotMayFit(3 * BLOCK));
      assertFalse(rig.machine.reserveSnapshot(3 * BLOCK));
      assertTrue(rig.present("a"), "nothing is given up for it");
      assertTrue(rig.machine.reserveSnapshot(2 * BLOCK));
    }

    /** Waiting for a slot is no waiting for bytes. */
    @Test
    void theSnapshotDoesNotWaitForWhoWaitsForASlot() {
      rig = MachineRig.withSlots(11, 8, 2);
      rig.stored("a", 8);
      rig.store("b", 4);
      assertTrue(rig.machine.reserveSnapshot(BLOCK));
      rig.doAll();
    }
  }

  @Nested
  class Sizes {
    @Test
    void aSegmentOfAnotherSizeIsEmptiedForTheNew() {
      rig = MachineRig.withSlots(20, 8, 2);
      for (String name : List.of("a", "b", "c", "d")) {
        rig.stored(name, 4);
      }
      Storing large = rig.store("large", 8);
      assertNull(large.outcome);
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, large.outcome);
      assertTrue(rig.machine.chunks() >= 2, "the other segment stays");
      rig.assertAtRest();
    }

    /** Nothing more is given up for a slot than the segment that it gets. */
    @Test
    void aSegmentThatAVictimLeavesEmptyIsEnough() {
      rig.stored("small", 2);
      rig.stored("middle", 4);
      Storing large = rig.store("large", 8);
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, large.outcome);
      assertEquals("middle", rig.present("small", "middle"));
      rig.assertAtRest();
    }

    @Test
    void aSegmentWithAHeldChunkStays() {
      rig = MachineRig.withSlots(20, 8, 2);
      for (String name : List.of("a", "b", "c", "d")) {
        rig.stored(name, 4);
      }
      int segment = ChunkAddress.segmentOf(location("a"));
      held(rig.machine.pin(keys("a")));
      Storing large = rig.store("large", 8);
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, large.outcome);
      assertTrue(rig.present("a"));
      assertTrue(segment != ChunkAddress.segmentOf(location("large")));
      rig.assertAtRest();
    }

    /** One store of an odd size does not cost the whole cache. */
    @Test
    void whereNoSegmentCanBeEmptiedNothingIsGivenUpInVain() {
      for (String name : List.of("a", "b", "c", "d")) {
        rig.stored(name, 4);
      }
      Set<Integer> segments = new java.util.HashSet<>();
      List<String> one = new ArrayList<>();
      for (String name : List.of("a", "b", "c", "d")) {
        if (segments.add(ChunkAddress.segmentOf(location(name)))) {
          one.add(name);
          held(rig.machine.lookupAndLock(keys(name)));
        }
      }
      assertEquals(2, one.size());
      assertEquals(Rejected.Reason.FULL, reason(rig.store("odd", 2).outcome));
      assertEquals("abcd", rig.present("a", "b", "c", "d"));
      Storing e = rig.store("e", 4);
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, e.outcome, "the unlocked ones are victims yet");
      rig.assertAtRest();
    }

    /** Out of its turn: the oldest are of another size, and their segments cannot be emptied. */
    @Test
    void whereNoSegmentCanBeEmptiedAChunkOfTheSameSizeGoes() {
      rig.stored("a", 4);
      rig.stored("b", 4);
      rig.stored("c", 2);
      rig.stored("d", 2);
      rig.stored("e", 2);
      rig.stored("f", 2);
      held(rig.machine.pin(keys("b")));
      Storing g = rig.store("g", 2);
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, g.outcome);
      assertEquals("abg", rig.present("a", "b", "g"));
      assertEquals(6, rig.machine.chunks());
      rig.assertAtRest();
    }

    @Test
    void aChunkBeingReadKeepsItsSegment() {
      rig = MachineRig.withSlots(11, 8, 2);
      rig.stored("a", 4);
      Loading reading = rig.load("a");
      assertEquals(Rejected.Reason.FULL, reason(rig.store("large", 8).outcome));
      rig.done(Order.Read.class, "a");
      assertTrue(reading.outcome != null);
      rig.stored("large", 8);
      rig.assertAtRest();
    }

    @Test
    void aWriteUnderWayKeepsItsSegment() {
      rig = MachineRig.withSlots(11, 8, 2);
      rig.stored("a", 4);
      Storing b = rig.store("b", 4);
      assertEquals(Rejected.Reason.FULL, reason(rig.store("large", 8).outcome));
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, b.outcome);
      assertEquals("ab", rig.present("a", "b"));
    }

    @Test
    void severalWaitForTheSameSegment() {
      rig = MachineRig.withSlots(11, 8, 2);
      rig.stored("a", 4);
      rig.stored("b", 4);
      Storing large = rig.store("large", 8);
      Storing small = rig.store("small", 2);
      rig.doAll();
      assertTrue(large.outcome != null && small.outcome != null, "nobody waits for ever");
      rig.assertAtRest();
    }
  }

  @Nested
  class Rebuilding {
    private List<Object[]> snapshot() {
      List<Object[]> lines = new ArrayList<>();
      long end =
          Recovery.snapshotStep(
              rig.machine,
              0,
              1000,
              (address, length, metadata, stamp, state) ->
                  lines.add(new Object[] {address, length, stamp, state}));
      assertEquals(io.weft.base.KeysPage.END, end);
      return lines;
    }

    private Recovery again(long capacityBlocks, List<Object[]> lines, Integer... segments) {
      rig = MachineRig.withSlots(capacityBlocks, 8, 2);
      rig.machine.segmentsFound(List.of(segments));
      Recovery recovery = new Recovery(rig.machine);
      for (Object[] line : lines) {
        recovery.snapshotEntry(
            (ChunkAddress) line[0], (long) line[1], false, (long) line[2], (int) line[3]);
      }
      return recovery;
    }

    private ChunkAddress at(String name, long generation, int segment, int place) {
      return new ChunkAddress(
          key(name), generation, Chunks.NEVER, ChunkAddress.slot(segment, place));
    }

    private void fill() {
      for (String name : List.of("a", "b", "c", "d")) {
        rig.stored(name, 4);
      }
    }

    @Test
    void aCleanSnapshotSaysWhereTheChunksAre() {
      fill();
      long where = location("c");
      Recovery recovery = again(20, snapshot(), 0, 1);
      recovery.trustSnapshot();
      assertEquals(new Recovery.Report(4, 0, 0, 0), recovery.finish());
      assertEquals(where, location("c"));
      rig.store("e", 4);
      assertEquals(key("a"), write("e").recycled().key(), "its order, too");
      rig.doAll();
      rig.assertAtRest();
    }

    @Test
    void whatLiesInASegmentThatIsNotThereIsForgotten() {
      fill();
      Recovery recovery = again(20, snapshot(), 1);
      recovery.trustSnapshot();
      assertEquals(new Recovery.Report(2, 2, 0, 0), recovery.finish());
      rig.assertAtRest();
    }

    @Test
    void aScanDecidesAgainstAStaleSnapshot() {
      fill();
      List<Object[]> lines = snapshot();
      Recovery recovery = again(20, lines, 0, 1);
      // b lies where the snapshot has a, and a where nothing was; c and d are gone.
      recovery.found(at("b", 20, 0, 0), 3 * BLOCK, false);
      recovery.found(at("a", 21, 1, 0), 3 * BLOCK, false);
      assertEquals(new Recovery.Report(2, 2, 0, 0), recovery.finish());
      assertEquals(ChunkAddress.slot(0, 0), location("b"));
      assertEquals(ChunkAddress.slot(1, 0), location("a"));
      rig.stored("x", 4);
      assertTrue(location("x") != location("a") && location("x") != location("b"));
      rig.assertAtRest();
    }

    @Test
    void ofTwoGenerationsTheOlderIsCleared() {
      for (boolean olderFirst : new boolean[] {true, false}) {
        Recovery recovery = again(20, List.of(), 0, 1);
        recovery.found(at("a", olderFirst ? 5 : 6, 0, 1), 3 * BLOCK, false);
        recovery.found(at("a", olderFirst ? 6 : 5, 1, 1), 3 * BLOCK, false);
        assertEquals(new Recovery.Report(1, 0, 1, 0), recovery.finish());
        Order.Remove remove = rig.order(Order.Remove.class, "a");
        assertEquals(5, remove.address().generation());
        assertEquals(4, rig.usedBlocks(CapacityLedger.Category.RETIRED));
        rig.assertSlotsAddUp();
        rig.doAll();
        rig.assertAtRest();
      }
    }

    @Test
    void twoChunksCannotHaveOneSlot() {
      Recovery recovery = again(20, List.of(), 0);
      recovery.found(at("a", 5, 0, 1), 3 * BLOCK, false);
      recovery.found(at("b", 6, 0, 1), 3 * BLOCK, false);
      recovery.found(at("c", 7, 0, 1), BLOCK, false);
      recovery.found(at("d", 8, 1, 1), BLOCK, false);
      assertEquals(new Recovery.Report(1, 0, 0, 0), recovery.finish());
      assertEquals("a", rig.present("a", "b", "c", "d"));
      rig.doAll();
      assertTrue(rig.stored("e", 4).generation() > 8, "no generation is given out again");
    }

    @Test
    void aLowerCapacityGivesSegmentsUp() {
      fill();
      Recovery recovery = again(11, snapshot(), 0, 1);
      recovery.trustSnapshot();
      Recovery.Report report = recovery.finish();
      assertEquals(2, report.evicted());
      assertEquals(2, report.chunks());
      rig.doAll();
      assertEquals(1, rig.machine.catalog().slabs.segments());
      rig.assertAtRest();
    }

    @Test
    void anEmptySegmentGoesFirstAndIsTriedAgain() {
      fill();
      List<Object[]> lines = snapshot();
      Recovery recovery = again(20, lines, 0, 1, 2);
      recovery.trustSnapshot();
      assertEquals(0, recovery.finish().evicted());
      Order.RemoveSegment remove = (Order.RemoveSegment) rig.orders.getFirst();
      assertEquals(2, remove.number());
      rig.fail(remove, Kind.IO_ERROR);
      assertFalse(rig.machine.quiet());
      rig.ticker.advance(Duration.ofSeconds(1));
      assertFalse(rig.machine.step());
      assertEquals(List.of(remove), rig.orders);
      rig.doAll();
      assertEquals(2, rig.machine.catalog().slabs.segments());
      rig.assertAtRest();
    }
  }

  @Nested
  class Revalidation {
    private Recovery lost(Integer... segments) {
      rig.machine.close(new Rejected(Rejected.Reason.LINK_DOWN, "away"), false);
      Recovery recovery = Recovery.revalidating(rig.machine);
      rig.orders.clear();
      rig.machine.segmentsFound(List.of(segments));
      return recovery;
    }

    private void found(Recovery recovery, ChunkAddress address) {
      recovery.found(address, 3 * BLOCK, false);
    }

    private ChunkAddress address(String name) {
      return rig.machine.catalog().address(rig.machine.catalog().index.find(key(name)));
    }

    @Test
    void whatIsFoundInItsSlotStays() {
      rig.stored("a", 4);
      rig.stored("b", 4);
      ChunkAddress a = address("a");
      ChunkAddress b = address("b");
      Recovery recovery = lost(0, 1);
      found(recovery, a);
      found(
          recovery,
          new ChunkAddress(b.key(), b.generation(), b.expiresAtMillis(), ChunkAddress.slot(1, 1)));
      assertEquals(1, recovery.finish().forgotten(), "the other is not where it was written");
      rig.machine.open();
      assertEquals("a", rig.present("a", "b"));
      rig.doAll();
      rig.assertAtRest();
    }

    @Test
    void whatWasUnderWayEndsAndItsSlotIsClearedLater() {
      rig.stored("a", 4);
      Storing b = rig.store("b", 4);
      ChunkAddress written = write("b").address();
      Recovery recovery = lost(0, 1);
      assertTrue(b.outcome != null);
      found(recovery, rig.machine.catalog().address(0));
      found(recovery, written);
      var _ = recovery.finish();
      rig.machine.open();
      assertEquals("a", rig.present("a", "b"));
      assertEquals(4, rig.usedBlocks(CapacityLedger.Category.RETIRED));
    }

    /** The journal gave an old chunk back where ours had been written. */
    @Test
    void aSlotWithAnOlderChunkIsNotOurs() {
      rig.stored("beside", 4);
      rig.stored("old", 4);
      ChunkAddress beside = address("beside");
      ChunkAddress old = address("old");
      rig.machine.delete(keys("old"), false);
      rig.doAll();
      rig.stored("new", 4);
      assertEquals(old.location(), location("new"));
      Recovery recovery = lost(0, 1);
      found(recovery, beside);
      found(recovery, old);
      assertEquals(new Recovery.Report(1, 1, 1, 0), recovery.finish());
      rig.machine.open();
      assertEquals(old, rig.order(Order.Remove.class, "old").address());
      rig.doAll();
      rig.assertAtRest();
    }

    @Test
    void aSegmentThatIsGoneIsNotWrittenTo() {
      rig.stored("a", 4);
      int segment = ChunkAddress.segmentOf(location("a"));
      Recovery recovery = lost(1 - segment);
      assertEquals(1, recovery.finish().forgotten());
      rig.machine.open();
      assertEquals(2, rig.machine.catalog().slabs.segments());
      Storing b = rig.store("b", 4);
      assertEquals(1 - segment, ChunkAddress.segmentOf(write("b").address().location()));
      rig.doAll();
      assertInstanceOf(StoreOutcome.Stored.class, b.outcome);
      assertFalse(rig.machine.step());
      rig.doAll();
      assertEquals(2, rig.machine.catalog().slabs.segments(), "another one was made");
      rig.assertAtRest();
    }

    @Test
    void aSegmentThatWasBeingMadeIsThereOrNot() {
      rig.store("a", 4);
      assertNotNull(rig.makeSegment());
      Recovery recovery = lost(0);
      assertEquals(0, recovery.finish().chunks());
      rig.machine.open();
      assertEquals(1, rig.machine.catalog().slabs.segments());
      rig.assertSlotsAddUp();
      rig.stored("a", 4);
    }

    @Test
    void aSegmentThatWasBeingRemovedIsRemovedAgain() {
      rig.stored("a", 4);
      rig.machine.account(CapacityLedger.Category.LATER_VERSION, 3 * BLOCK);
      assertFalse(rig.machine.step());
      Order.RemoveSegment remove = (Order.RemoveSegment) rig.orders.getFirst();
      Recovery recovery = lost(0, 1);
      found(recovery, address("a"));
      var _ = recovery.finish();
      rig.machine.open();
      rig.ticker.advance(Duration.ofSeconds(1));
      assertFalse(rig.machine.step());
      assertEquals(List.of(remove), rig.orders);
      rig.doAll();
      assertEquals(1, rig.machine.catalog().slabs.segments());
      rig.assertAtRest();
    }

    /** A held chunk kept the segment when the capacity was checked. */
    @Test
    void overTheCapacityASegmentGoesWhenItCan() {
      rig.stored("a", 8);
      rig.stored("b", 8);
      held(rig.machine.pin(keys("a", "b")));
      rig.machine.account(CapacityLedger.Category.LATER_VERSION, 3 * BLOCK);
      assertFalse(rig.machine.step());
      assertTrue(rig.orders.isEmpty());
      assertEquals(Rejected.Reason.FULL, reason(rig.store("c", 8).outcome));
      held(rig.machine.unpin(keys("b")));
      assertFalse(rig.machine.step());
      rig.doAll();
      assertEquals("a", rig.present("a", "b"));
      assertEquals(1, rig.machine.catalog().slabs.segments());
      rig.assertAtRest();
    }
  }

  @Test
  void aReplaceInFlightKeepsTheOldValuesSegment() {
    rig = MachineRig.withSlots(20, 8, 2);
    rig.stored("a", 4);
    rig.stored("b", 8);
    rig.store("a", 8, StoreMode.REPLACE);
    rig.doAll();
    assertTrue(rig.present("a"));
    rig.assertAtRest();
  }
}
