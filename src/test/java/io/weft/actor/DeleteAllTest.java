package io.weft.actor;

import static io.weft.actor.TestStore.get;
import static io.weft.actor.TestStore.in;
import static io.weft.actor.TestStore.key;
import static io.weft.actor.TestStore.keys;
import static io.weft.actor.TestStore.soon;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.base.StoreOutcome;
import io.weft.base.Usage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Removing more chunks than may be on their way to the device at once. */
class DeleteAllTest {
  private static final int CHUNKS = 3_000;
  private static ActorTestKit kit;

  @TempDir Path directory;

  @BeforeAll
  static void startSystem() {
    kit = TestStore.kit("delete-all");
  }

  @AfterAll
  static void stopSystem() {
    kit.shutdownTestKit();
  }

  private static void fill(TestStore store) {
    List<StoreProtocol.StoreItem> items =
        IntStream.range(0, CHUNKS)
            .mapToObj(
                i ->
                    new StoreProtocol.StoreItem(
                        key("k" + i), Payload.of(new byte[] {1, 2, 3}), StoreOptions.DEFAULT))
            .toList();
    get(store.facade.storeAll(items, in(29_000)))
        .forEach(outcome -> assertInstanceOf(StoreOutcome.Stored.class, outcome));
    assertEquals(CHUNKS, get(store.facade.usage()).chunks());
  }

  private static StoreProtocol.DeleteAllReply deleteAll(TestStore store) {
    return get(store.facade.deleteAll(in(20_000)));
  }

  private static void assertEmpty(TestStore store) {
    soon().until(() -> get(store.facade.usage()).usedBytes() == 0);
    assertEquals(0, get(store.facade.usage()).chunks());
  }

  private long files() throws IOException {
    try (Stream<Path> files = Files.walk(directory.resolve("chunks"))) {
      return files.filter(Files::isRegularFile).count();
    }
  }

  @Test
  void thousandsOfChunksGoAndNothingComesBack() throws IOException {
    try (TestStore store = TestStore.start(kit, directory)) {
      fill(store);
      get(store.facade.keys(StoreProtocol.KeyOperation.PIN, keys("k7")));
      get(store.facade.keys(StoreProtocol.KeyOperation.LOOKUP_AND_LOCK, keys("k8")));
      assertEquals(new StoreProtocol.DeleteAllReply(CHUNKS, true), deleteAll(store));
      assertEmpty(store);
      assertEquals(0, files());
    }
    try (TestStore again = TestStore.start(kit, directory)) {
      assertTrue(again.status().recovery().contains("clean"), again.status()::recovery);
      // What is used now is the snapshot.
      Usage usage = get(again.facade.usage());
      assertEquals(0, usage.chunks());
      assertEquals(0, usage.chunkBytes());
      assertEquals("", again.present("k0", "k7", "k8", "k" + (CHUNKS - 1)));
      again.stored("k0", 100);
      again.assertHit("k0", 100);
    }
  }

  /** The index forgets at once; bytes count until the device has let go of them. */
  @Test
  void aDeviceThatHangsHoldsUpTheBytesAndNotTheAnswer() throws IOException {
    try (TestStore store = TestStore.start(kit, directory, "weft.io.stuck-after = 60s")) {
      fill(store);
      FaultyMedium.Gate gate = store.faults.gate("delete");
      StoreProtocol.DeleteAllReply reply = deleteAll(store);
      assertEquals(new StoreProtocol.DeleteAllReply(CHUNKS, true), reply);
      soon().until(() -> gate.waiting.get() > 0);
      Usage usage = get(store.facade.usage());
      assertEquals(0, usage.chunks());
      assertEquals(CHUNKS * 8192L, usage.usedBytes());
      assertEquals(CHUNKS, files());
      gate.open();
      assertEmpty(store);
      assertEquals(0, files());
    }
  }
}
