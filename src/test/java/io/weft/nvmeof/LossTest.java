package io.weft.nvmeof;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.StoreStatus;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.base.StoreOutcome;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The fabric goes away under load, and comes back. */
@Tag("nvmeof")
class LossTest {
  private static final List<String> PUBLISHED = FabricStore.names("before", 24);

  @BeforeEach
  void targetUp() {
    NvmeTarget.call("up", "--size", "2G");
  }

  @AfterEach
  void targetDown() {
    NvmeTarget.call("down");
  }

  /** With every acknowledged store on the device for good, every one of them hits again. */
  @ParameterizedTest
  @EnumSource
  void theNamespaceIsRemovedUnderLoadAndComesBack(FabricStore.Layout layout) {
    try (FabricStore store = FabricStore.up(layout.settings, "weft.durability = full")) {
      store.store(PUBLISHED);
      try (Load load = new Load(store, PUBLISHED)) {
        load.awaitAnswers(20);
        NvmeTarget.call("disable");
        FabricStore.within(15).until(() -> store.status().state() != StoreStatus.State.UP);
        assertAwayIsSaidAtOnce(store);
        NvmeTarget.call("enable");
        store.awaitState(StoreStatus.State.UP, 60);
        load.awaitAnswers(20);
        load.end();
        load.assertAllAnsweredInTimeAndRight();
        store.assertHits(load.stored());
      }
      store.assertHits(PUBLISHED);
      store.end();
    }
  }

  @Test
  void aShortCutOfTheOnlyPathIsWaitedFor() {
    try (FabricStore store = FabricStore.up("weft.nvmeof.ctrl-loss-timeout = 60s")) {
      store.store(PUBLISHED);
      try (Load load = new Load(store, PUBLISHED)) {
        load.awaitAnswers(20);
        NvmeTarget.call("cut", "1");
        FabricStore.within(15).until(() -> store.status().state() == StoreStatus.State.DEGRADED);
        load.awaitTime(Duration.ofSeconds(3));
        NvmeTarget.call("restore", "1");
        store.awaitState(StoreStatus.State.UP, 60);
        load.awaitAnswers(20);
        load.end();
        load.assertAllAnsweredInTimeAndRight();
      }
      assertEquals(PUBLISHED.size(), store.hits(PUBLISHED));
      store.assertHits(PUBLISHED);
      store.end();
    }
  }

  /** As when a cable is pulled: nobody is told. */
  @Test
  void packetsAreLostForAWhile() {
    try (FabricStore store = FabricStore.up("weft.nvmeof.ctrl-loss-timeout = 60s")) {
      store.store(PUBLISHED);
      try (Load load = new Load(store, PUBLISHED)) {
        load.awaitAnswers(20);
        NvmeTarget.call("silence", "1");
        FabricStore.within(15).until(() -> store.status().state() == StoreStatus.State.DEGRADED);
        assertAwayIsSaidAtOnce(store);
        NvmeTarget.call("restore", "1");
        store.awaitState(StoreStatus.State.UP, 60);
        load.awaitAnswers(20);
        load.end();
        load.assertAllAnsweredInTimeAndRight();
      }
      store.assertHits(PUBLISHED);
      store.end();
    }
  }

  /** Without syncs, what the filesystem has committed by then: by default, it does every 5 s. */
  @Test
  void aLongCutOfTheOnlyPathTakesTheDeviceDownAndUpAgain() {
    try (FabricStore store = FabricStore.up()) {
      store.store(PUBLISHED);
      NvmeTarget.run("sync", "--file-system", FabricStore.MOUNT_POINT.toString());
      try (Load load = new Load(store, PUBLISHED)) {
        load.awaitAnswers(20);
        NvmeTarget.call("cut", "1");
        store.awaitState(StoreStatus.State.DOWN, 60);
        FabricStore.within(30).until(() -> FabricStore.controllers().isEmpty());
        FabricStore.within(60).until(() -> !FabricStore.mounted());
        FabricStore.assertNothingUnderTheMountPoint();
        assertAwayIsSaidAtOnce(store);
        FabricStore.within(60).until(() -> store.status().detail().startsWith("REFUSED"));
        NvmeTarget.call("restore", "1");
        store.awaitState(StoreStatus.State.UP, 60);
        load.awaitAnswers(20);
        load.end();
        load.assertAllAnsweredInTimeAndRight();
      }
      store.assertHits(PUBLISHED);
      store.end();
    }
    assertEquals(List.of(), FabricStore.controllers());
  }

  @Test
  void oneOfTwoPathsIsCutAndNobodyNotices() {
    try (FabricStore store = FabricStore.up(FabricStore.TWO_PATHS)) {
      store.store(PUBLISHED);
      try (Load load = new Load(store, PUBLISHED, Duration.ofSeconds(60))) {
        load.awaitAnswers(10);
        NvmeTarget.call("cut", "1");
        FabricStore.within(30).until(() -> store.status().link().contains("1 of 2 paths"));
        // Beyond the time after which the kernel gives the path up.
        FabricStore.within(30).until(() -> FabricStore.controllers().size() == 1);
        load.awaitAnswers(20);
        NvmeTarget.call("restore", "1");
        FabricStore.within(60).until(() -> store.status().link().contains("2 of 2 paths"));
        load.awaitAnswers(10);
        load.end();
        load.assertAllAnsweredInTimeAndRight();
        assertEquals(List.of(), load.unsuccessful());
      }
      store.assertHits(PUBLISHED);
      store.end();
    }
  }

  /** While the device is away: stores are rejected, loads and lookups are misses, at once. */
  private static void assertAwayIsSaidAtOnce(FabricStore store) {
    long begun = System.nanoTime();
    StoreOutcome stored = FabricStore.get(store.storing("away", Duration.ofSeconds(60)));
    Rejected why = assertInstanceOf(Rejected.class, stored);
    assertTrue(
        why.reason() == Rejected.Reason.LINK_DOWN || why.reason() == Rejected.Reason.BREAKER_OPEN,
        why.toString());
    assertEquals(
        new LoadOutcome.Miss(LoadOutcome.Miss.Why.UNAVAILABLE),
        FabricStore.get(store.loading(PUBLISHED.getFirst(), Duration.ofSeconds(60))));
    assertEquals(0, store.hits(PUBLISHED));
    Duration took = Duration.ofNanos(System.nanoTime() - begun);
    assertTrue(took.compareTo(Duration.ofSeconds(3)) < 0, "three answers took " + took);
  }
}
