package io.weft.actor;

import static io.weft.actor.TestStore.get;
import static io.weft.actor.TestStore.key;
import static io.weft.actor.TestStore.soon;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.api.StoreStatus;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.PoisonPill;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The link's actor ends, as after a bug in it: the device is closed, and attached by another one.
 */
class LinkActorLostTest {
  @TempDir Path directory;
  private ActorTestKit kit;

  @BeforeEach
  void start() {
    kit = TestStore.kit("link-actor-lost");
  }

  @AfterEach
  void stop() {
    kit.shutdownTestKit();
  }

  @Test
  void anotherOneAttachesTheDeviceAndNoAnswerIsLost() {
    try (TestStore store = TestStore.start(kit, directory, "weft.link.retry-min = 10ms")) {
      store.stored("k", 1_000);
      assertInstanceOf(
          KeysOutcome.Done.class, get(store.facade.keys(KeyOperation.PIN, List.of(key("k")))));
      FaultyMedium.Gate gate = store.faults.gate("load");
      List<CompletableFuture<LoadOutcome>> loads =
          IntStream.range(0, 4)
              .mapToObj(_ -> store.facade.load(key("k"), io.weft.api.LoadTarget.lease()))
              .map(each -> each.toCompletableFuture())
              .toList();
      soon().until(() -> gate.waiting.get() > 0);

      Adapter.toClassic(kit.system())
          .actorSelection(Adapter.toClassic(store.actor).path().child("$a"))
          .tell(PoisonPill.getInstance(), ActorRef.noSender());
      soon().until(() -> store.status().state() == StoreStatus.State.DOWN);
      gate.open();
      loads.forEach(TestStore::get);
      soon().until(() -> store.status().state() == StoreStatus.State.UP);
      store.assertHit("k", 1_000);
      assertEquals(1, store.faults.scans.get() - 1, "the index is checked against the device");
      KeysOutcome.Done held =
          assertInstanceOf(KeysOutcome.Done.class, get(store.facade.delete(List.of(key("k")))));
      assertTrue(held.held().get(0), "the pin is still there");
      store.assertNothingHeld();
    }
  }
}
