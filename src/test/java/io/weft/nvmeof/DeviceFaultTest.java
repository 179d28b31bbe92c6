package io.weft.nvmeof;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.StoreStatus;
import io.weft.base.Metric;
import io.weft.base.StoreOutcome;
import io.weft.nvmeof.FabricStore.Layout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The disk behind the target fails, lies or stalls under load (device mapper's flakey and delay),
 * and is well again. The connection stays up all the time.
 */
@Tag("nvmeof")
class DeviceFaultTest {
  private static final List<String> PUBLISHED = FabricStore.names("before", 8);
  private static final String FULL = "weft.durability = full";

  @BeforeEach
  void targetUp() {
    NvmeTarget.call("up", "--size", "384M", "--dm");
  }

  @AfterEach
  void targetDown() {
    NvmeTarget.call("down");
  }

  /** First everything fails, then, once it is up again, writes alone. */
  @ParameterizedTest
  @EnumSource
  void operationsFail(Layout layout) {
    try (FabricStore store = FabricStore.up(layout.settings, FULL)) {
      store.store(PUBLISHED);
      try (Load load = new Load(store, PUBLISHED)) {
        load.awaitAnswers(6);
        for (String fault : List.of("errors", "write-errors")) {
          NvmeTarget.call("fault", fault);
          FabricStore.within(20).until(() -> store.status().state() != StoreStatus.State.UP);
          NvmeTarget.call("fault", "none");
          awaitStoring(store, fault);
          load.awaitAnswers(6);
        }
        load.end();
        load.assertAllAnsweredInTimeAndRight();
        assertTrue(store.status().counters().get(Metric.DEVICE_ERRORS) > 0);
        store.assertHits(load.stored());
      }
      store.assertHits(PUBLISHED);
      store.end();
    }
  }

  /** Slower than usual, slower than every deadline, and silent. */
  @ParameterizedTest
  @EnumSource
  void operationsStall(Layout layout) {
    try (Neighbour neighbour = new Neighbour();
        FabricStore store = FabricStore.upIn(neighbour.system(), layout.settings)) {
      store.store(PUBLISHED);
      try (Load load = new Load(store, PUBLISHED)) {
        load.awaitAnswers(6);
        NvmeTarget.call("fault", "delay", "200");
        load.awaitAnswers(6);
        for (String[] fault : new String[][] {{"fault", "delay", "8000"}, {"fault", "hang"}}) {
          long stuckBefore = store.status().counters().get(Metric.STUCK_THREADS);
          NvmeTarget.call(fault);
          FabricStore.within(20).until(() -> store.status().state() == StoreStatus.State.DEGRADED);
          FabricStore.within(20)
              .until(() -> store.status().counters().get(Metric.STUCK_THREADS) > stuckBefore);
          NvmeTarget.call("fault", "none");
          FabricStore.within(30).until(() -> store.status().stuckThreads() == 0);
          awaitStoring(store, String.join(" ", fault));
          load.awaitAnswers(6);
        }
        load.end();
        load.assertAllAnsweredInTimeAndRight();
        assertTrue(store.status().counters().get(Metric.DEADLINES) > 0, "nothing was cut short");
        neighbour.assertUndisturbed();
        store.assertHits(load.stored());
      }
      store.assertHits(PUBLISHED);
      store.end();
    }
  }

  /**
   * The disk says yes to writes that it loses or alters. What was stored meanwhile is found out
   * when it is loaded. The filesystem is not told, and mounted again as it is; whatever became of
   * it, nothing wrong is served from it.
   */
  @ParameterizedTest
  @EnumSource
  void writesAreLostOrAltered(Layout layout) {
    // Nothing but loads is to find out.
    String unsuspecting = "weft { link.probe-interval = 10m, io.stuck-after = 60s }";
    List<String> stored = new ArrayList<>();
    try (FabricStore store = FabricStore.up(layout.settings, FULL, unsuspecting)) {
      store.store(PUBLISHED);
      try (Load load = new Load(store, PUBLISHED)) {
        load.awaitAnswers(4);
        for (String fault : List.of("drop-writes", "corrupt-writes")) {
          NvmeTarget.call("fault", fault);
          List<String> victims = acknowledged(store, FabricStore.names(fault, 6));
          long before = foundOut(store);
          assertEquals(0, store.right(victims), fault);
          assertTrue(foundOut(store) >= before + victims.size(), "counted");
          NvmeTarget.call("fault", "none");
          load.awaitAnswers(4);
        }
        load.end();
        load.assertAllAnsweredInTimeAndRight();
        stored.addAll(load.stored());
      }
      assertNothingWrong(store, stored);
    }
    try (FabricStore store = upAgain(layout)) {
      assertNothingWrong(store, stored);
      awaitStoring(store, "mounting again");
      // The probe reads what it wrote, and so finds out about the disk before a load does.
      NvmeTarget.call("fault", "corrupt-writes");
      FabricStore.within(20).until(() -> store.status().state() != StoreStatus.State.UP);
      NvmeTarget.call("fault", "none");
    }
  }

  private static void assertNothingWrong(FabricStore store, List<String> stored) {
    System.out.printf(
        "right: %d of %d from before, %d of %d from meanwhile%n",
        store.right(PUBLISHED), PUBLISHED.size(), store.right(stored), stored.size());
  }

  /** Loads that found other bytes than they should have, or none. */
  private static long foundOut(FabricStore store) {
    Map<Metric, Long> counters = store.status().counters();
    return counters.get(Metric.CORRUPT) + counters.get(Metric.VANISHED);
  }

  /** On the filesystem as it is; where fsck -p leaves something to a person, as one has left it. */
  private static FabricStore upAgain(Layout layout) {
    FabricStore store = FabricStore.start(layout.settings, FULL);
    FabricStore.within(60).until(() -> isUp(store) || isDamaged(store));
    if (isUp(store)) {
      return store;
    }
    System.out.println(store.status().detail());
    store.close();
    NvmeTarget.run("sh", "-c", "fsck.ext4 -f -y " + NvmeTarget.call("device") + "; test $? -le 2");
    return FabricStore.up(layout.settings, FULL);
  }

  /** Stores them, and returns the names of those that were acknowledged. */
  private static List<String> acknowledged(FabricStore store, List<String> names) {
    List<CompletionStage<StoreOutcome>> outcomes =
        names.stream().map(name -> store.storing(name, Duration.ofSeconds(60))).toList();
    List<String> taken =
        IntStream.range(0, names.size())
            .filter(i -> FabricStore.get(outcomes.get(i)) instanceof StoreOutcome.Stored)
            .mapToObj(names::get)
            .toList();
    assertTrue(!taken.isEmpty(), outcomes.toString());
    return taken;
  }

  private static boolean isUp(FabricStore store) {
    return store.status().state() == StoreStatus.State.UP;
  }

  private static boolean isDamaged(FabricStore store) {
    return store.status().detail().startsWith("DAMAGED");
  }

  /** A filesystem that saw an error may be up for a moment before it is found out. */
  private static void awaitStoring(FabricStore store, String name) {
    int[] attempt = {0};
    FabricStore.within(60)
        .until(
            () ->
                FabricStore.get(
                        store.storing("after " + name + attempt[0]++, Duration.ofSeconds(10)))
                    instanceof StoreOutcome.Stored);
  }
}
