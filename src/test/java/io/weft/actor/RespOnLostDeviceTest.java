package io.weft.actor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.StoreStatus;
import io.weft.base.DeviceException;
import io.weft.base.RespSettings;
import io.weft.base.StoreSettings;
import io.weft.resp.RespServer;
import io.weft.testing.LmcacheClient;
import io.weft.testing.RespClient;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.Set;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The device goes away under LMCache's clients: stores are dropped, loads are misses, nobody is put
 * out of step, and all is well again when the device is back.
 */
class RespOnLostDeviceTest {
  private static final String[] OPERATIONS = {
    "store",
    "begin store",
    "write",
    "publish",
    "load",
    "begin load",
    "read",
    "delete",
    "probe",
    "space",
    "open",
    "scan"
  };

  @TempDir Path directory;
  private final ActorTestKit kit = TestStore.kit("resp-on-lost-device");

  @AfterEach
  void stop() {
    kit.shutdownTestKit();
  }

  private record World(TestStore store, RespServer resp) implements AutoCloseable {
    InetSocketAddress address() {
      return resp.addresses().getFirst();
    }

    void assertNothingHeld() {
      store.assertNothingHeld();
      TestStore.soon().until(resp::valueBytesHeld, held -> held == 0);
    }

    @Override
    public void close() {
      store.faults.none();
      TestStore.get(resp.stop());
      store.close();
    }
  }

  private World start(String... overrides) {
    TestStore store = TestStore.start(kit, directory, overrides);
    var config =
        TestStore.config(
            directory,
            "weft.resp.listeners = [ { host = 127.0.0.1, port = 0 } ]",
            String.join("\n", overrides));
    return new World(
        store,
        TestStore.get(
            RespServer.start(
                kit.system(),
                store.facade,
                StoreSettings.from(config),
                RespSettings.from(config))));
  }

  @Test
  void aLostDeviceIsAMissAndADroppedStore() throws Exception {
    try (World world =
            start(
                "weft.link { probe-interval = 50ms, retry-min = 50ms, retry-max = 100ms }",
                "weft.io.errors-before-probe = 2");
        LmcacheClient client = new LmcacheClient(world.address());
        RespClient redis = new RespClient(world.address())) {
      client.set("k", TestStore.bytes("k", 100_000));
      assertEquals("+PONG", redis.ask("PING"));
      world.store.faults.fail(DeviceException.Kind.IO_ERROR, OPERATIONS);
      for (int i = 0; i < 10; i++) {
        client.set("lost" + i, TestStore.bytes("lost", 100_000));
        assertTrue(client.get("k", 100_000).isEmpty());
        assertEquals(0, client.exists("lost" + i));
      }
      TestStore.soon()
          .until(() -> world.store.status().state(), state -> state != StoreStatus.State.UP);
      long dropped = world.resp.stats().storesDropped();
      assertEquals(10, dropped);
      assertTrue(client.get("k", 100_000).isEmpty());
      client.set("more", TestStore.bytes("more", 100_000));
      assertEquals(0, client.del("more"));
      assertEquals(11, world.resp.stats().storesDropped());
      String error = redis.set("l", new byte[10]);
      assertTrue(error.startsWith("-TRYAGAIN ") || error.startsWith("-ERR "), error);

      world.store.faults.none();
      TestStore.soon()
          .until(() -> world.store.status().state(), state -> state == StoreStatus.State.UP);
      client.set("k", TestStore.bytes("k'", 100_000));
      assertArrayEquals(TestStore.bytes("k'", 100_000), client.get("k", 100_000).orElseThrow());
      assertEquals("+OK", redis.set("l", new byte[10]));
      assertEquals(11, world.resp.stats().storesDropped());
      world.assertNothingHeld();
    }
  }

  /**
   * The kernel does not return: each is answered at its deadline, memory goes back when it does.
   */
  @Test
  void aStuckDeviceIsAMissAndADroppedStoreAtTheDeadline() throws Exception {
    try (World world = start("weft.request-timeout = 500ms");
        LmcacheClient client = new LmcacheClient(world.address())) {
      client.set("k", TestStore.bytes("k", 100_000));
      var gate =
          world.store.faults.gateOn(Set.of("k", "l"), "store", "begin store", "load", "begin load");
      assertTrue(client.get("k", 100_000).isEmpty());
      client.set("l", TestStore.bytes("l", 100_000));
      assertEquals(1, world.resp.stats().storesDropped());
      assertEquals(1, client.exists("k"));
      assertTrue(gate.waiting.get() > 0);
      assertTrue(world.resp.valueBytesHeld() > 0, "the kernel may still read or write it");
      gate.open();
      world.assertNothingHeld();
      assertArrayEquals(TestStore.bytes("k", 100_000), client.get("k", 100_000).orElseThrow());
    }
  }

  /** Who is gone when the kernel returns leaves nothing behind. */
  @Test
  void aClientThatGoesWhileTheDeviceIsStuckLeavesNothingBehind() throws Exception {
    try (World world = start()) {
      try (LmcacheClient client = new LmcacheClient(world.address())) {
        client.set("k", TestStore.bytes("k", 100_000));
      }
      var gate =
          world.store.faults.gateOn(Set.of("k", "l"), "store", "begin store", "load", "begin load");
      try (RespClient client = new RespClient(world.address())) {
        client.send("GET", "k");
        client.send("SET", "l", "x".repeat(100_000));
        client.send("GET", "k");
        TestStore.soon().until(() -> gate.waiting.get() >= 2);
        client.socket.setSoLinger(true, 0);
      }
      TestStore.soon().until(() -> world.resp.connections() == 0);
      assertTrue(world.resp.valueBytesHeld() > 0);
      gate.open();
      world.assertNothingHeld();
    }
  }
}
