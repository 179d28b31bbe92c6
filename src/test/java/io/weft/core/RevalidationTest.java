package io.weft.core;

import static io.weft.core.MachineRig.BLOCK;
import static io.weft.core.MachineRig.key;
import static io.weft.core.MachineRig.keys;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.base.StatOutcome;
import io.weft.base.StoreMode;
import io.weft.core.MachineRig.Loading;
import io.weft.core.MachineRig.Storing;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A machine that has served, checked against the device that it got back. */
class RevalidationTest {
  private static final Rejected AWAY = new Rejected(Rejected.Reason.LINK_DOWN, "by the test");

  private static ChunkAddress at(String name, long generation) {
    return new ChunkAddress(key(name), generation, Chunks.NEVER);
  }

  /** The device is gone; what it had been told is not answered. */
  private static Recovery lost(MachineRig rig) {
    rig.machine.close(AWAY, true);
    rig.orders.clear();
    return Recovery.revalidating(rig.machine);
  }

  private static Recovery.Report back(MachineRig rig, Recovery recovery) {
    Recovery.Report report = recovery.finish();
    rig.machine.open();
    return report;
  }

  private static void found(Recovery recovery, String name, Storing stored, int blocks) {
    recovery.found(at(name, stored.generation()), (blocks - 1) * BLOCK, false);
  }

  private static StatOutcome.Present stat(MachineRig rig, String name) {
    return (StatOutcome.Present) rig.stat(name).outcome;
  }

  private static List<String> events(MachineRig rig, String beginning) {
    return rig.events.stream().filter(event -> event.startsWith(beginning)).toList();
  }

  private static void advanceToRetries(MachineRig rig) {
    rig.ticker.advance(java.time.Duration.ofSeconds(2));
    var _ = rig.machine.step();
  }

  @ParameterizedTest
  @ValueSource(strings = {"lru", "fifo", "mru", "lfu", "s3fifo"})
  void whatIsFoundKeepsItsLocksPinsAndOrder(String policy) {
    MachineRig rig = new MachineRig(20, policy, Map.of("q", 8L));
    MachineRig twin = new MachineRig(20, policy, Map.of("q", 8L));
    Recovery recovery = null;
    for (MachineRig each : List.of(twin, rig)) {
      Storing[] stored = new Storing[16];
      for (int i = 0; i < stored.length; i++) {
        stored[i] = each.stored((i % 3 == 0 ? "q/" : "") + i, 1);
        for (int use = 0; use < i * 7 % 4; use++) {
          each.loaded((i % 3 == 0 ? "q/" : "") + i);
        }
      }
      each.machine.lookupAndLock(keys("1", "q/3"));
      each.machine.pin(keys("2", "2"));
      // Parked: a victim that was held when its turn came.
      each.stored("large", 5);
      if (each == rig) {
        recovery = lost(rig);
        for (int i = stored.length - 1; i >= 0; i--) {
          String name = (i % 3 == 0 ? "q/" : "") + i;
          if (twin.present(name)) {
            found(recovery, name, stored[i], 1);
          }
        }
        recovery.found(at("large", stored.length + 1), 4 * BLOCK, false);
      }
    }
    assertEquals(
        new Recovery.Report(twin.machine.chunks(), 0, 0, 0), back(rig, recovery), "all is there");
    assertEquals(twin.machine.usage(), rig.machine.usage());
    assertEquals(List.of(), events(rig, "VANISHED"));
    assertEquals(1, stat(rig, "1").locks());
    assertEquals(1, stat(rig, "q/3").locks());
    assertEquals(2, stat(rig, "2").pins());
    rig.events.clear();
    twin.events.clear();
    for (MachineRig each : List.of(twin, rig)) {
      for (int i = 0; i < 30; i++) {
        each.stored("new" + i, 1);
        each.stored("q/new" + i, 1);
        if (i == 10) {
          each.machine.unlock(keys("1", "q/3"));
        }
      }
    }
    assertEquals(events(twin, "EVICTED"), events(rig, "EVICTED"), "as if it had never been away");
    assertTrue(rig.present("2"));
    rig.assertAtRest();
  }

  @Test
  void aChunkWhoseFileIsGoneIsDroppedWithItsBytes() {
    MachineRig rig = new MachineRig(100);
    Storing kept = rig.stored("s/kept", 2);
    rig.stored("s/gone", 3);
    rig.stored("t/gone", 4);
    rig.machine.lookupAndLock(keys("s/gone"));
    Recovery recovery = lost(rig);
    found(recovery, "s/kept", kept, 2);
    assertEquals(new Recovery.Report(1, 2, 0, 0), back(rig, recovery));
    assertEquals(
        List.of("VANISHED " + key("s/gone"), "VANISHED " + key("t/gone")), events(rig, "VANISHED"));
    assertEquals("s/kept", rig.present("s/kept", "s/gone", "t/gone"));
    assertEquals(2, rig.usedBlocks());
    assertEquals(Map.of("s", 2 * BLOCK), rig.machine.usage().bySalt());
    rig.stored("s/gone", 1);
    assertEquals(0, stat(rig, "s/gone").locks(), "the lock went with the chunk");
    rig.assertAtRest();
  }

  /** The removal of the older file was lost with the filesystem's last moments. */
  @Test
  void anOlderValueThatCameBackIsRemoved() {
    for (boolean newerThere : new boolean[] {true, false}) {
      MachineRig rig = new MachineRig(100);
      Storing old = rig.stored("k", 2);
      Storing now = rig.stored("k", 5);
      Recovery recovery = lost(rig);
      found(recovery, "k", old, 2);
      if (newerThere) {
        found(recovery, "k", now, 5);
      }
      assertEquals(
          new Recovery.Report(newerThere ? 1 : 0, newerThere ? 0 : 1, 1, 0), back(rig, recovery));
      assertEquals(newerThere, rig.present("k"));
      assertEquals(newerThere ? 7 : 2, rig.usedBlocks(), "the older file counts until it is gone");
      assertEquals(at("k", old.generation()), rig.order(Order.Remove.class, "k").address());
      rig.doAll();
      assertEquals(newerThere ? 5 : 0, rig.usedBlocks());
      if (newerThere) {
        assertEquals(now.generation(), stat(rig, "k").generation());
      }
      rig.assertAtRest();
    }
  }

  @Test
  void aDeletedOrEvictedChunkThatCameBackIsRemoved() {
    MachineRig rig = new MachineRig(10);
    Storing deleted = rig.stored("deleted", 2);
    Storing evicted = rig.stored("evicted", 2);
    Storing kept = rig.stored("kept", 2);
    rig.machine.delete(keys("deleted"), false);
    rig.doAll();
    Storing large = rig.stored("large", 7);
    assertEquals("keptlarge", rig.present("deleted", "evicted", "kept", "large"));
    Recovery recovery = lost(rig);
    found(recovery, "deleted", deleted, 2);
    found(recovery, "large", large, 7);
    found(recovery, "evicted", evicted, 2);
    found(recovery, "kept", kept, 2);
    assertEquals(new Recovery.Report(2, 0, 2, 0), back(rig, recovery));
    assertEquals("keptlarge", rig.present("deleted", "evicted", "kept", "large"));
    assertEquals(13, rig.usedBlocks());
    rig.doAll();
    assertEquals(9, rig.usedBlocks());
    rig.assertAtRest();
  }

  /** Of a write that was never answered the client was told that it failed. */
  @Test
  void aWriteThatTheDeviceNeverAnsweredIsRemoved() {
    MachineRig rig = new MachineRig(100);
    Storing old = rig.stored("k", 2);
    Storing replacing = rig.replace("k", 3);
    Storing behind = rig.replace("k", 4);
    long generation = rig.order(Order.Write.class, "k").address().generation();
    Recovery recovery = lost(rig);
    assertEquals(Failed.Cause.DEVICE, ((Failed) replacing.outcome).cause());
    assertEquals(AWAY, behind.outcome);
    recovery.found(at("k", generation), 2 * BLOCK, false);
    found(recovery, "k", old, 2);
    assertEquals(new Recovery.Report(1, 0, 1, 0), back(rig, recovery));
    assertEquals(old.generation(), stat(rig, "k").generation());
    rig.doAll();
    assertEquals(2, rig.usedBlocks());
    assertTrue(rig.stored("k", 4).generation() > generation);
    rig.assertAtRest();
  }

  @Test
  void aReadThatTheDeviceNeverAnsweredHoldsNothing() {
    MachineRig rig = new MachineRig(4);
    Storing stored = rig.stored("k", 2);
    Storing deleted = rig.stored("deleted", 2);
    Loading load = rig.load("k");
    Loading loadOfDeleted = rig.load("deleted");
    rig.machine.delete(keys("deleted"), false);
    Recovery recovery = lost(rig);
    assertEquals(Failed.Cause.DEVICE, ((Failed) load.outcome).cause());
    assertEquals(Failed.Cause.DEVICE, ((Failed) loadOfDeleted.outcome).cause());
    found(recovery, "k", stored, 2);
    found(recovery, "deleted", deleted, 2);
    assertEquals(new Recovery.Report(1, 0, 0, 0), back(rig, recovery), "its removal is on its way");
    rig.doAll();
    assertEquals("k", rig.present("k", "deleted"));
    rig.stored("new", 4);
    assertFalse(rig.present("k"), "it could be evicted");
    rig.assertAtRest();
  }

  @Test
  void aFileWhoseRemovalIsToBeRetriedIsRemovedAndChargedOnce() {
    MachineRig rig = new MachineRig(100);
    Storing failed = rig.stored("failed", 2);
    Storing unanswered = rig.stored("unanswered", 3);
    rig.machine.delete(keys("failed", "unanswered"), false);
    rig.fail(Order.Remove.class, "failed", DeviceException.Kind.IO_ERROR);
    Recovery recovery = lost(rig);
    found(recovery, "failed", failed, 2);
    found(recovery, "unanswered", unanswered, 3);
    assertEquals(new Recovery.Report(0, 0, 0, 0), back(rig, recovery));
    assertEquals(5, rig.usedBlocks(CapacityLedger.Category.RETIRED));
    assertTrue(rig.orders.isEmpty(), "not before its time");
    advanceToRetries(rig);
    rig.done(Order.Remove.class, "failed");
    rig.done(Order.Remove.class, "unanswered");
    assertEquals(0, rig.usedBlocks());
    rig.assertAtRest();
  }

  /** The file has one of two names, and the chunk was deleted before it was known which. */
  @Test
  void aChunkDeletedDuringAnExpiryChangeStaysDeletedWhicheverNameItsFileHas() {
    long later = 5_000_000_000_000L;
    for (boolean renamed : new boolean[] {true, false}) {
      MachineRig rig = new MachineRig(100);
      Storing stored = rig.stored("k", 2);
      var changed = rig.expire("k", later);
      rig.machine.delete(keys("k"), false);
      Recovery recovery = lost(rig);
      assertEquals(Failed.Cause.DEVICE, ((Failed) changed.outcome).cause());
      ChunkAddress file = new ChunkAddress(key("k"), stored.generation(), renamed ? later : 0);
      recovery.found(file, BLOCK, false);
      back(rig, recovery);
      assertFalse(rig.present("k"));
      advanceToRetries(rig);
      assertTrue(
          rig.orders.stream()
              .anyMatch(
                  each -> each instanceof Order.Remove remove && remove.address().equals(file)),
          "the file that is there is removed");
      rig.doAll();
      assertEquals(0, rig.usedBlocks());
      rig.assertAtRest();
    }
  }

  @Test
  void theExpiryIsTheOneOnTheDevice() {
    MachineRig rig = new MachineRig(100);
    Storing stored = rig.stored("k", 2);
    long later = 5_000_000_000_000L;
    rig.expire("k", later);
    Recovery recovery = lost(rig);
    recovery.found(new ChunkAddress(key("k"), stored.generation(), later), BLOCK, true);
    assertEquals(new Recovery.Report(1, 0, 0, 0), back(rig, recovery));
    var stat = rig.stat("k");
    rig.doAll();
    assertEquals(later, ((StatOutcome.Present) stat.outcome).expiresAtMillis());
    assertFalse(((StatOutcome.Present) stat.outcome).metadata().isEmpty());
    assertEquals(2, rig.usedBlocks());
    rig.assertAtRest();
  }

  /** Another host had the device, and used it. */
  @Test
  void whatSomebodyElseStoredIsTakenIn() {
    MachineRig rig = new MachineRig(100, "lru", Map.of("q", 50L));
    Storing replaced = rig.stored("q/replaced", 2);
    Storing bothThere = rig.stored("q/both", 3);
    Storing bothTurned = rig.stored("turned", 4);
    rig.machine.lookupAndLock(keys("q/replaced"));
    long next = rig.machine.nextGeneration();
    Recovery recovery = lost(rig);
    recovery.found(at("q/replaced", next), 6 * BLOCK, true);
    found(recovery, "q/both", bothThere, 3);
    recovery.found(at("q/both", next + 1), 7 * BLOCK, false);
    recovery.found(at("turned", next + 2), 8 * BLOCK, false);
    found(recovery, "turned", bothTurned, 4);
    recovery.found(at("twice", next + 4), BLOCK, false);
    recovery.found(at("twice", next + 3), 2 * BLOCK, false);
    recovery.found(at("thrice", next + 5), 2 * BLOCK, false);
    recovery.found(at("thrice", next + 7), 3 * BLOCK, false);
    recovery.found(at("thrice", next + 6), 4 * BLOCK, false);
    assertEquals(5, back(rig, recovery).chunks());
    assertEquals(next + 8, rig.machine.nextGeneration(), "no generation is given out twice");
    rig.doAll();
    assertEquals(next + 1, stat(rig, "q/both").generation());
    assertEquals(next + 2, stat(rig, "turned").generation());
    assertEquals(next + 4, stat(rig, "twice").generation());
    assertEquals(next + 7, stat(rig, "thrice").generation());
    var stat = rig.stat("q/replaced");
    rig.doAll();
    assertEquals(next, ((StatOutcome.Present) stat.outcome).generation());
    assertEquals(1, ((StatOutcome.Present) stat.outcome).locks(), "locks are the key's");
    assertEquals(7 + 8 + 9 + 2 + 4, rig.usedBlocks());
    assertEquals(Map.of("q", 15 * BLOCK, "", 15 * BLOCK), rig.machine.usage().bySalt(), "by salt");
    assertEquals(replaced.generation(), 1, "found nowhere, removed all the same");
    rig.assertAtRest();
  }

  @Test
  void capacityAndQuotasAreEnforced() {
    MachineRig rig = new MachineRig(12, "lru", Map.of("q", 4L));
    Storing a = rig.stored("a", 4);
    Storing b = rig.stored("b", 2);
    Storing q = rig.stored("q/a", 3);
    long next = rig.machine.nextGeneration();
    rig.machine.pin(keys("a"));
    Recovery recovery = lost(rig);
    found(recovery, "a", a, 4);
    found(recovery, "b", b, 2);
    found(recovery, "q/a", q, 3);
    recovery.found(at("q/b", next), 3 * BLOCK, false);
    recovery.found(at("c", next + 1), BLOCK, false);
    rig.machine.account(CapacityLedger.Category.QUARANTINE, 2 * BLOCK);
    assertEquals(new Recovery.Report(3, 0, 0, 2), back(rig, recovery));
    assertEquals("acq/b", rig.present("a", "b", "c", "q/a", "q/b"));
    rig.doAll();
    assertEquals(12, rig.usedBlocks());
    rig.assertAtRest();
  }

  @Test
  void aCheckThatWasInterruptedIsBegunAnew() {
    MachineRig rig = new MachineRig(100);
    Storing old = rig.stored("replaced", 2);
    Storing replaced = rig.stored("replaced", 3);
    Storing first = rig.stored("first", 2);
    Storing second = rig.stored("second", 2);
    Storing deleted = rig.stored("deleted", 2);
    rig.machine.delete(keys("deleted"), false);
    rig.doAll();
    rig.machine.pin(keys("second"));
    long next = rig.machine.nextGeneration();
    Recovery interrupted = lost(rig);
    found(interrupted, "first", first, 2);
    found(interrupted, "replaced", old, 2);
    found(interrupted, "deleted", deleted, 2);
    interrupted.found(at("theirs", next), BLOCK, false);
    rig.fail(Order.Remove.class, "deleted", DeviceException.Kind.CLOSED);
    // The removal of the older value is never answered.
    Recovery recovery = lost(rig);
    found(recovery, "replaced", replaced, 3);
    found(recovery, "replaced", old, 2);
    found(recovery, "deleted", deleted, 2);
    found(recovery, "second", second, 2);
    recovery.found(at("theirs", next), BLOCK, false);
    assertEquals(new Recovery.Report(3, 1, 0, 0), back(rig, recovery));
    assertEquals(
        "replacedsecondtheirs", rig.present("replaced", "first", "second", "deleted", "theirs"));
    assertEquals(3 + 2 + 2 + 2 + 2, rig.usedBlocks(), "each file is charged once");
    advanceToRetries(rig);
    rig.doAll();
    assertEquals(3 + 2 + 2, rig.usedBlocks());
    assertEquals(1, stat(rig, "second").pins());
    rig.assertAtRest();
  }

  /** What waits for its turn to be put in quarantine is in nobody's figure of the quarantine. */
  @Test
  void whatIsOnItsWayToQuarantineStaysCharged() {
    MachineRig rig = new MachineRig(100);
    Storing[] stored = {rig.stored("a", 2), rig.stored("b", 3)};
    rig.load("a");
    rig.load("b");
    rig.fail(Order.Read.class, "a", DeviceException.Kind.CORRUPT);
    rig.fail(Order.Read.class, "b", DeviceException.Kind.CORRUPT);
    Recovery recovery = lost(rig);
    found(recovery, "a", stored[0], 2);
    found(recovery, "b", stored[1], 3);
    rig.machine.account(CapacityLedger.Category.QUARANTINE, BLOCK);
    assertEquals(new Recovery.Report(0, 0, 0, 0), back(rig, recovery));
    assertEquals(2 + 3 + 1, rig.usedBlocks());
    rig.complete(
        rig.order(Order.Quarantine.class, "b"),
        new Order.Result.Done(4 * BLOCK, io.weft.base.ChunkMetadata.EMPTY));
    advanceToRetries(rig);
    rig.doAll();
    assertEquals(4, rig.usedBlocks());
    rig.assertAtRest();
  }

  @Test
  void whileItIsAwayRequestsEndWithoutIt() {
    MachineRig rig = new MachineRig(100);
    Storing stored = rig.stored("k", 2);
    rig.machine.lookupAndLock(keys("k"));
    Recovery recovery = lost(rig);
    assertEquals(new LoadOutcome.Miss(LoadOutcome.Miss.Why.UNAVAILABLE), rig.load("k").outcome);
    assertEquals(AWAY, rig.store("k", 2, StoreMode.IF_ABSENT).outcome);
    assertFalse(rig.present("k"));
    assertEquals(AWAY, rig.machine.delete(keys("k"), true));
    assertEquals(AWAY, rig.stat("k").outcome);
    KeysOutcome.Done unlocked = (KeysOutcome.Done) rig.machine.unlock(keys("k"));
    assertTrue(unlocked.hits().get(0));
    found(recovery, "k", stored, 2);
    back(rig, recovery);
    assertEquals(0, stat(rig, "k").locks());
    rig.loaded("k");
  }
}
