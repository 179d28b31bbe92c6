package io.weft.resp;

import static io.weft.resp.RespWorld.value;
import static io.weft.testing.RespClient.bytes;
import static io.weft.testing.RespClient.command;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.StoreProtocol;
import io.weft.base.ChunkKey;
import io.weft.base.KeysOutcome;
import io.weft.testing.LmcacheClient;
import io.weft.testing.RespClient;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * LMCache's C++ client reads a fixed number of bytes behind each command: any other reply puts it
 * out of step for good. So each test ends with a command that must be in step.
 */
class LmcacheClientTest {
  private static final int CONNECTIONS = 8;

  @TempDir Path directory;

  private static String key(int worker, int chunk) {
    return "meta-llama/Llama-3.1-8B@%08x@0@%064x@tenant".formatted(worker, chunk);
  }

  @Test
  void eightConnectionsStoreFindLoadAndDelete() throws Exception {
    try (RespWorld world = RespWorld.start(directory, RespWorld.user("default", "secret"));
        ExecutorService workers = Executors.newFixedThreadPool(CONNECTIONS)) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < CONNECTIONS; i++) {
        int worker = i;
        all.add(
            workers.submit(
                () -> {
                  work(world, worker);
                  return null;
                }));
      }
      for (Future<?> each : all) {
        each.get(60, TimeUnit.SECONDS);
      }
      world.assertNothingHeld();
      assertEquals(0, world.stats().storesDropped());
    }
  }

  private static void work(RespWorld world, int worker) throws Exception {
    try (LmcacheClient client = new LmcacheClient(world.address())) {
      client.auth("secret");
      for (int chunk = 0; chunk < 5; chunk++) {
        String key = key(worker, chunk);
        byte[] value = value(key, 256 << 10);
        assertEquals(0, client.exists(key));
        assertEquals(false, client.get(key, value.length).isPresent());
        client.set(key, value);
        assertEquals(1, client.exists(key));
        assertArrayEquals(value, client.get(key, value.length).orElseThrow());
        byte[] other = value(key + "'", 128 << 10);
        client.set(key, other);
        assertArrayEquals(other, client.get(key, other.length).orElseThrow());
        assertEquals(1, client.del(key));
        assertEquals(0, client.del(key));
        assertEquals(0, client.exists(key));
      }
    }
  }

  @Test
  void aNamedUserComesInToo() throws Exception {
    try (RespWorld world = RespWorld.start(directory, RespWorld.user("ada", "secret"));
        LmcacheClient client = new LmcacheClient(world.address())) {
      client.auth("ada", "secret");
      client.set("k", value("k", 5_000));
      assertEquals(1, client.exists("k"));
    }
  }

  @Test
  void whoHasNotSaidWhoHeIsGetsAnError() throws Exception {
    try (RespWorld world =
            RespWorld.start(
                directory, RespWorld.user("default", "secret"), "weft.resp.profile = lmcache");
        RespClient client = world.connect()) {
      for (String[] each :
          new String[][] {{"GET", "k"}, {"SET", "k", "v"}, {"EXISTS", "k"}, {"DEL", "k"}, {"X"}}) {
        assertEquals("-NOAUTH Authentication required.", client.ask(each));
      }
      assertEquals(
          "-WRONGPASS invalid username-password pair or user is disabled.",
          client.ask("AUTH", "wrong"));
      assertEquals("-NOAUTH Authentication required.", client.ask("GET", "k"));
      assertEquals("+OK", client.ask("AUTH", "secret"));
      assertEquals("nil", client.ask("GET", "k"));
      assertEquals(0, world.stats().storesDropped());
    }
  }

  /** A command sent behind AUTH, before its answer, is taken for a command of whoever comes in. */
  @Test
  void commandsBehindAuthWaitForIt() throws Exception {
    try (RespWorld world = RespWorld.start(directory, RespWorld.user("default", "secret"));
        RespClient client = world.connect()) {
      client.raw(command("AUTH", "secret"));
      client.raw(command("SET", "k", "v"));
      client.raw(command("DEL", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"));
      client.raw(command(bytes("SET"), bytes("l"), new byte[100_000]));
      client.raw(command("GET", "k"));
      assertEquals("+OK", client.reply());
      assertEquals("+OK", client.reply());
      assertEquals(":0", client.reply());
      assertEquals("+OK", client.reply());
      assertEquals("$v", client.reply());
    }
  }

  @Test
  void aValueThatIsTooLongIsDroppedAndAcknowledged() throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.max-chunk = 1MiB");
        LmcacheClient client = new LmcacheClient(world.address())) {
      client.set("k", value("old", 1 << 20));
      client.set("k", value("new", (1 << 20) + 1));
      assertEquals(1, world.stats().storesDropped());
      assertArrayEquals(value("old", 1 << 20), client.get("k", 1 << 20).orElseThrow());
      client.set("x", value("x", 40 << 20));
      assertEquals(2, world.stats().storesDropped());
      assertEquals(0, client.exists("x"));
      world.assertNoMemoryHeld();
    }
  }

  @Test
  void aKeyThatIsNoneIsAMissEverywhere() throws Exception {
    try (RespWorld world = RespWorld.start(directory);
        LmcacheClient client = new LmcacheClient(world.address())) {
      for (String key : List.of("", "k".repeat(2049), "k".repeat(2 << 20))) {
        client.set(key, value("k", 100));
        assertEquals(0, client.exists(key));
        assertEquals(false, client.get(key, 100).isPresent());
        assertEquals(0, client.del(key));
      }
      assertEquals(3, world.stats().storesDropped());
      client.set("k", value("k", 100));
      assertEquals(1, client.exists("k"));
    }
  }

  @Test
  void whatAFullStoreCannotTakeIsDroppedAndAcknowledged() throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.capacity = 8MiB");
        LmcacheClient client = new LmcacheClient(world.address())) {
      client.set("large", value("large", 9 << 20));
      assertEquals(1, world.stats().storesDropped(), "the capacity is too small");
      for (int i = 0; i < 7; i++) {
        client.set("held" + i, value("held" + i, 1 << 20));
        StoreProtocol.KeyOperation how =
            i % 2 == 0
                ? StoreProtocol.KeyOperation.LOOKUP_AND_LOCK
                : StoreProtocol.KeyOperation.PIN;
        assertEquals(
            1,
            ((KeysOutcome.Done)
                    world
                        .store()
                        .keys(how, List.of(ChunkKey.of("held" + i)))
                        .toCompletableFuture()
                        .get(30, TimeUnit.SECONDS))
                .hits()
                .cardinality());
      }
      client.set("more", value("more", 1 << 20));
      assertEquals(2, world.stats().storesDropped(), "all is locked or pinned");
      assertEquals(0, client.exists("more"));
      assertEquals(false, client.get("more", 1 << 20).isPresent());
      assertEquals(0, client.del("held0"), "a locked chunk stays");
      assertArrayEquals(value("held0", 1 << 20), client.get("held0", 1 << 20).orElseThrow());
      world.assertNoMemoryHeld();
    }
  }

  @Test
  void anotherCommandEndsTheProfile() throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.capacity = 4MiB");
        RespClient client = world.connect()) {
      byte[] tooLarge = new byte[5 << 20];
      assertEquals("+OK", client.set("k", tooLarge));
      assertEquals(1, world.stats().storesDropped());
      assertEquals("+PONG", client.ask("PING"));
      String error = client.set("k", tooLarge);
      assertTrue(error.startsWith("-ERR ") || error.startsWith("-OOM "), error);
      assertEquals(1, world.stats().storesDropped());
      assertEquals("nil", client.ask("GET", "k"));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "DEL a b",
        "EXISTS a b",
        "SET k v EX 10",
        "MGET a",
        "PING",
        "SELECT 0",
        "HELLO 2",
        "FOO",
        "GET"
      })
  void anyOtherCommandDoes(String other) throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.max-chunk = 4KiB");
        RespClient client = world.connect()) {
      assertEquals("+OK", client.set("k", new byte[5_000]));
      assertEquals("nil", client.ask("GET", "k"));
      assertEquals(":0", client.ask("EXISTS", "k"));
      assertEquals(":0", client.ask("DEL", "k"));
      assertEquals("+OK", client.set("k", new byte[5_000]));
      var _ = client.ask(other.split(" "));
      String error = client.set("k", new byte[5_000]);
      assertTrue(error.startsWith("-ERR "), error);
      assertEquals(2, world.stats().storesDropped());
    }
  }

  @Test
  void aListenerHasAProfileOfItsOwnAndAUserToo() throws Exception {
    try (RespWorld world =
        RespWorld.start(
            directory,
            """
            weft.max-chunk = 4KiB
            weft.resp {
              listeners = [
                { host = 127.0.0.1, port = 0, profile = redis }
                { host = 127.0.0.1, port = 0, profile = lmcache }
              ]
              users = [
                { name = default, password-hash = "%1$s" }
                { name = strict, password-hash = "%1$s", profile = redis }
                { name = lenient, password-hash = "%1$s", profile = lmcache }
              ]
            }
            """
                .formatted(RespWorld.quickHash("pw")))) {
      byte[] tooLong = new byte[5_000];
      for (int listener = 0; listener < 2; listener++) {
        for (String user : List.of("default", "strict", "lenient")) {
          boolean lenient = user.equals("lenient") || (listener == 1 && user.equals("default"));
          try (RespClient client = new RespClient(world.address(listener))) {
            assertEquals("+OK", client.ask("AUTH", user, "pw"));
            assertEquals(lenient, client.set("k", tooLong).equals("+OK"), user + listener);
            assertEquals("+PONG", client.ask("PING"));
            assertEquals(lenient, client.set("k", tooLong).equals("+OK"), user + listener);
            assertEquals("nil", client.ask("GET", "k"));
          }
        }
      }
    }
  }
}
