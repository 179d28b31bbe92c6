package io.weft.resp;

import static io.weft.resp.RespWorld.soon;
import static io.weft.resp.RespWorld.value;
import static io.weft.testing.RespClient.bytes;
import static io.weft.testing.RespClient.command;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.testing.RespClient;
import io.weft.testing.Seeds;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is very small, very large, very much, or half of something. */
class RespLimitsTest {
  @TempDir Path directory;

  @Test
  void valuesOfAnyLengthComeBackByteForByte() throws Exception {
    try (RespWorld world = RespWorld.start(directory)) {
      try (RespClient client = world.connect()) {
        for (int length : new int[] {0, 1, 4095, 4096, 4097, 1 << 20, 32 << 20}) {
          byte[] value = value("v" + length, length);
          assertEquals("+OK", client.set("k", value));
          assertArrayEquals(value, client.get("k"));
          assertEquals(":" + length, client.ask("STRLEN", "k"));
        }
        byte[] value = value("resp3", 5_000);
        assertTrue(client.ask("HELLO", "3").contains("$proto, :3"));
        assertEquals("+OK", client.set("k", value));
        assertArrayEquals(value, client.get("k"));
      }
      world.assertNothingHeld();
    }
  }

  /** Larger than what all connections may hold together: it goes alone, and not on the heap. */
  @Test
  void aValueOfHalfAGibibyteComesBackByteForByte() throws Exception {
    int pieces = 512;
    byte[] piece = value("piece", 1 << 20);
    try (RespWorld world =
        RespWorld.start(
            directory,
            "weft.capacity = 1100MiB",
            "weft.io.lease-pool = 512MiB",
            "weft.max-chunk = 512MiB")) {
      try (RespClient client = world.connect()) {
        CRC32C sent = new CRC32C();
        client.raw("*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$" + ((long) pieces << 20) + "\r\n");
        for (int i = 0; i < pieces; i++) {
          piece[0] = (byte) i;
          piece[1 << 19] = (byte) (i >> 8);
          sent.update(piece);
          client.raw(piece);
        }
        client.raw("\r\n");
        assertEquals("+OK", client.reply());
        client.send("GET", "large");
        CRC32C received = new CRC32C();
        InputStream value = client.streamed((long) pieces << 20);
        for (int i = 0; i < pieces; i++) {
          assertEquals(piece.length, value.readNBytes(piece, 0, piece.length));
          received.update(piece);
        }
        assertEquals(sent.getValue(), received.getValue());
        assertEquals("\r\n", client.readText(2));
        assertEquals("+PONG", client.ask("PING"));
      }
      world.assertNothingHeld();
    }
  }

  @Test
  void aValueThatIsTooLongIsReadToItsEndAndRefused() throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.max-chunk = 1MiB");
        RespClient client = world.connect()) {
      assertEquals("+PONG", client.ask("PING"));
      client.raw(command(bytes("SET"), bytes("k"), new byte[(1 << 20) + 1]));
      client.raw(command("PING"));
      assertTrue(client.reply().startsWith("-ERR a value has at most 1 MiB"));
      assertEquals("+PONG", client.reply());
      assertEquals("nil", client.ask("GET", "k"));
    }
  }

  @Test
  void keysOfEveryByteAndOfAnyLength() throws Exception {
    try (RespWorld world = RespWorld.start(directory)) {
      try (RespClient client = world.connect()) {
        List<String> keys = new ArrayList<>();
        StringBuilder every = new StringBuilder();
        for (char c = 0; c < 256; c++) {
          keys.add(String.valueOf(c));
          every.append(c);
        }
        keys.add(every.toString());
        keys.add(every.toString().repeat(8));
        for (String key : keys) {
          assertEquals("+OK", client.set(key, bytes("v" + key)));
        }
        for (String key : keys) {
          assertArrayEquals(bytes("v" + key), client.get(key));
        }
        assertEquals(":" + keys.size(), client.ask("DBSIZE"));
        client.send("KEYS", "*");
        String listed = client.reply();
        for (String key : keys) {
          assertTrue(listed.contains("$" + key));
        }
        for (String key : keys) {
          assertEquals(":1", client.ask("DEL", key));
        }
        String tooLong = "k".repeat(2049);
        assertEquals("-ERR a key has from 1 to 2048 bytes", client.set(tooLong, new byte[1]));
        assertEquals("-ERR a key has from 1 to 2048 bytes", client.set("", new byte[1]));
        assertEquals("nil", client.ask("GET", tooLong));
        assertEquals(":0", client.ask("EXISTS", tooLong));
        assertEquals(":0", client.ask("DEL", tooLong, ""));
        assertEquals(":-2", client.ask("TTL", tooLong));
        assertEquals("[nil]", client.ask("MGET", tooLong));
        assertEquals(
            "-ERR an argument is longer than this server takes",
            client.ask("GET", "k".repeat((1 << 20) + 1)));
      }
      world.assertNothingHeld();
    }
  }

  @Test
  void tenThousandCommandsInOneWriteAreAnsweredInOrder() throws Exception {
    int count = 10_000;
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (int i = 0; i < count; i++) {
      switch (i % 5) {
        case 0 -> all.writeBytes(command("SET", "k" + i, "v" + i));
        case 1 -> all.writeBytes(command("GET", "k" + (i - 1)));
        case 2 -> all.writeBytes(command("ECHO", "e" + i));
        case 3 -> all.writeBytes(command("DEL", "k" + (i - 3)));
        default -> all.writeBytes(command("GET", "k" + (i - 4)));
      }
    }
    try (RespWorld world = RespWorld.start(directory)) {
      try (RespClient client = world.connect()) {
        CompletableFuture<Void> sent =
            CompletableFuture.runAsync(
                () -> {
                  try {
                    client.raw(all.toByteArray());
                  } catch (IOException failed) {
                    throw new AssertionError(failed);
                  }
                });
        for (int i = 0; i < count; i++) {
          String expected =
              switch (i % 5) {
                case 0 -> "+OK";
                case 1 -> "$v" + (i - 1);
                case 2 -> "$e" + i;
                case 3 -> ":1";
                default -> "nil";
              };
          assertEquals(expected, client.reply(), "reply " + i);
        }
        sent.get(30, TimeUnit.SECONDS);
      }
      world.assertNothingHeld();
    }
  }

  /** A client that sends ahead finds what it would have found, had it waited for each reply. */
  @Test
  void whoSendsAheadReadsWhatHeHasWritten() throws Exception {
    try (RespWorld world = RespWorld.start(directory)) {
      Seeds.forEach(
          5,
          seed -> {
            Random random = new Random(seed);
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            List<String> expected = new ArrayList<>();
            try (RespClient client = world.connect()) {
              assertEquals("+OK", client.ask("FLUSHALL"));
              java.util.Map<String, String> model = new java.util.TreeMap<>();
              for (int i = 0; i < 500; i++) {
                String key = "k" + random.nextInt(4);
                String other = "k" + random.nextInt(4);
                String value = "v" + i + "x".repeat(random.nextInt(10_000));
                switch (random.nextInt(12)) {
                  case 0, 1, 2 -> {
                    all.writeBytes(command("SET", key, value));
                    expected.add("+OK");
                    model.put(key, value);
                  }
                  case 3, 4, 5 -> {
                    all.writeBytes(command("GET", key));
                    expected.add(model.containsKey(key) ? "$" + model.get(key) : "nil");
                  }
                  case 6 -> {
                    all.writeBytes(command("DEL", key));
                    expected.add(model.remove(key) == null ? ":0" : ":1");
                  }
                  case 7 -> {
                    all.writeBytes(command("MSET", key, "1", other, value));
                    expected.add("+OK");
                    model.put(key, "1");
                    model.put(other, value);
                  }
                  case 8 -> {
                    all.writeBytes(command("MGET", key, other));
                    expected.add(
                        List.of(
                                model.containsKey(key) ? "$" + model.get(key) : "nil",
                                model.containsKey(other) ? "$" + model.get(other) : "nil")
                            .toString());
                  }
                  case 9 -> {
                    all.writeBytes(command("SET", key, value, "NX"));
                    expected.add(model.putIfAbsent(key, value) == null ? "+OK" : "nil");
                  }
                  case 10 -> {
                    all.writeBytes(command("DBSIZE"));
                    expected.add(":" + model.size());
                  }
                  default -> {
                    all.writeBytes(command("STRLEN", key));
                    expected.add(":" + model.getOrDefault(key, "").length());
                  }
                }
              }
              CompletableFuture<Void> sent =
                  CompletableFuture.runAsync(
                      () -> {
                        try {
                          client.raw(all.toByteArray());
                        } catch (IOException failed) {
                          throw new AssertionError(failed);
                        }
                      });
              for (int i = 0; i < expected.size(); i++) {
                assertEquals(expected.get(i), client.reply(), "reply " + i);
              }
              sent.get(30, TimeUnit.SECONDS);
            }
          });
      world.assertNothingHeld();
    }
  }

  /** What a page of keys shows is not changed by what is sent behind it. */
  @Test
  void keysListsAllThoughTheyAreFlushedRightBehind() throws Exception {
    try (RespWorld world = RespWorld.start(directory);
        RespClient client = world.connect()) {
      int count = 2_500;
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      for (int i = 0; i < count; i++) {
        all.writeBytes(command("SET", "k" + i, ""));
      }
      all.writeBytes(command("KEYS", "*"));
      all.writeBytes(command("FLUSHALL"));
      all.writeBytes(command("DBSIZE"));
      client.raw(all.toByteArray());
      for (int i = 0; i < count; i++) {
        assertEquals("+OK", client.reply());
      }
      assertEquals(count, client.reply().split(",", -1).length);
      assertEquals("+OK", client.reply());
      assertEquals(":0", client.reply());
    }
  }

  /** What waits for a client that does not read is bounded in bytes, too. */
  @Test
  void aPipelineOfLongRepliesIsReadOnlyAsFarAsTheClientReads() throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.resp.write-timeout = 1s")) {
      try (Socket small = new Socket()) {
        small.setReceiveBufferSize(4096);
        RespClient deaf = new RespClient(small, world.address());
        byte[] long1 = command(bytes("ECHO"), new byte[1_000_000]);
        CompletableFuture<Void> sent =
            CompletableFuture.runAsync(
                () -> {
                  try {
                    for (int i = 0; i < 100; i++) {
                      deaf.raw(long1);
                    }
                  } catch (IOException cut) {
                    // The server did not read it all.
                  }
                });
        soon().until(() -> world.stats().connectionsCut() == 1);
        sent.get(60, TimeUnit.SECONDS);
        assertTrue(world.stats().commands() < 20, () -> world.stats().commands() + " were read");
      }
      world.assertNothingHeld();
      try (RespClient client = world.connect()) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (int i = 0; i < 20; i++) {
          all.writeBytes(command(bytes("ECHO"), value("e" + i, 700_000)));
        }
        CompletableFuture<Void> sent =
            CompletableFuture.runAsync(
                () -> {
                  try {
                    client.raw(all.toByteArray());
                  } catch (IOException failed) {
                    throw new AssertionError(failed);
                  }
                });
        for (int i = 0; i < 20; i++) {
          assertArrayEquals(value("e" + i, 700_000), client.bulk());
        }
        sent.get(60, TimeUnit.SECONDS);
      }
    }
  }

  @Test
  void aClientThatStopsReadingIsCutAndOthersGoOn() throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.resp.write-timeout = 1s")) {
      byte[] value = value("k", 4 << 20);
      try (Socket small = new Socket();
          RespClient other = world.connect()) {
        small.setReceiveBufferSize(4096);
        assertEquals("+OK", other.set("k", value));
        RespClient deaf = new RespClient(small, world.address());
        ByteArrayOutputStream gets = new ByteArrayOutputStream();
        for (int i = 0; i < 100; i++) {
          gets.writeBytes(command("GET", "k"));
        }
        deaf.raw(gets.toByteArray());
        soon().until(() -> world.server.resp().valueBytesHeld() > 0);
        while (world.stats().connectionsCut() == 0) {
          assertArrayEquals(value, other.get("k"));
          assertTrue(world.server.resp().valueBytesHeld() <= 32 << 20);
        }
        soon().until(() -> world.server.resp().connections() == 1);
        world.assertNoMemoryHeld();
        assertEquals("+PONG", other.ask("PING"));
      }
      world.assertNothingHeld();
    }
  }

  /**
   * Together they would hold all the memory that there is for values, until the time in which a
   * client has to read is over. Others do not wait for that.
   */
  @Test
  void clientsThatNeverReadAreCutWhenOthersNeedTheirMemory() throws Exception {
    int deafClients = 3;
    int length = 4 << 20;
    byte[] large = value("large", length);
    List<RespClient> deaf = new ArrayList<>();
    try (RespWorld world = RespWorld.start(directory, "weft.resp.write-timeout = 30s");
        ExecutorService clients = Executors.newFixedThreadPool(3)) {
      try (RespClient first = world.connect()) {
        assertEquals("+OK", first.set("large", large));
      }
      for (int i = 0; i < deafClients; i++) {
        Socket small = new Socket();
        small.setReceiveBufferSize(4096);
        RespClient client = new RespClient(small, world.address());
        deaf.add(client);
        for (int j = 0; j < 50; j++) {
          client.send("GET", "large");
        }
      }
      soon().until(() -> world.server.resp().valueBytesHeld() == 32 << 20);
      List<Future<?>> behaving = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        String key = "key-" + i;
        behaving.add(
            clients.submit(
                () -> {
                  byte[] own = value(key, length);
                  try (RespClient client = world.connect()) {
                    for (int round = 0; round < 20; round++) {
                      // Had none been cut, nobody would have memory before the deadline.
                      assertEquals("+OK", client.set(key, own));
                      assertArrayEquals(own, client.get(key));
                      assertArrayEquals(large, client.get("large"));
                    }
                  }
                  return null;
                }));
      }
      for (Future<?> each : behaving) {
        each.get(120, TimeUnit.SECONDS);
      }
      long cut = world.stats().connectionsCut();
      assertTrue(cut > 0 && cut <= deafClients, () -> cut + " were cut");
      for (RespClient client : deaf) {
        client.close();
      }
      world.assertNothingHeld();
    }
  }

  /** As those that never read: half a value each, and nothing more. */
  @Test
  void clientsThatFallSilentAreCutWhenOthersNeedTheirMemory() throws Exception {
    int silentClients = 8;
    int length = 4 << 20;
    List<RespClient> silent = new ArrayList<>();
    try (RespWorld world = RespWorld.start(directory, "weft.resp.value-timeout = 20s")) {
      byte[] half = value("half", length / 2);
      for (int i = 0; i < silentClients; i++) {
        RespClient client = world.connect();
        silent.add(client);
        client.raw("*3\r\n$3\r\nSET\r\n$6\r\nhalf-" + i + "\r\n$" + length + "\r\n");
        client.raw(half);
      }
      soon().until(() -> world.server.resp().valueBytesHeld() == 32 << 20);
      byte[] own = value("own", length);
      try (RespClient client = world.connect()) {
        // Had none been cut, it would not have been stored before its deadline.
        assertEquals("+OK", client.set("own", own));
        assertArrayEquals(own, client.get("own"));
      }
      assertTrue(world.stats().connectionsCut() > 0);
      for (RespClient client : silent) {
        client.close();
      }
      world.assertNothingHeld();
    }
  }

  @Test
  void aSlowReaderIsNotCut() throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.resp.write-timeout = 2s")) {
      byte[] value = value("k", 8 << 20);
      try (Socket small = new Socket()) {
        small.setReceiveBufferSize(64 << 10);
        RespClient slow = new RespClient(small, world.address());
        assertEquals("+OK", slow.set("k", value));
        slow.send("GET", "k");
        assertEquals("$" + value.length, slow.line());
        long begun = System.nanoTime();
        ByteArrayOutputStream read = new ByteArrayOutputStream();
        while (read.size() < value.length) {
          read.writeBytes(slow.read(256 << 10));
          long due = begun + TimeUnit.MILLISECONDS.toNanos(read.size() >> 11);
          soon().until(() -> System.nanoTime() - due >= 0);
        }
        assertTrue(System.nanoTime() - begun > TimeUnit.SECONDS.toNanos(3));
        assertArrayEquals(value, read.toByteArray());
        assertEquals("\r\n", slow.readText(2));
        assertEquals("+PONG", slow.ask("PING"));
      }
      world.assertNothingHeld();
    }
  }

  @Test
  void halfAValueAndACutGiveTheMemoryBackAtOnce() throws Exception {
    try (RespWorld world = RespWorld.start(directory)) {
      for (boolean reset : new boolean[] {false, true}) {
        try (RespClient client = world.connect()) {
          client.raw("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388608\r\n");
          client.raw(new byte[1 << 20]);
          soon().until(() -> world.server.resp().valueBytesHeld() == 8 << 20);
          client.socket.setSoLinger(reset, 0);
        }
        world.assertNothingHeld();
      }
      try (RespClient client = world.connect()) {
        assertEquals("nil", client.ask("GET", "k"));
      }
    }
  }

  @Test
  void halfAValueAndSilenceIsCutAfterItsTime() throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.resp.value-timeout = 300ms")) {
      String[] halves = {
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8192\r\nhalf",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\nhalf",
        "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\nhalf\r\n",
        "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\nhalf\r\n$2\r\nEX\r\n$2\r\n1",
        "*5\r\n$4\r\nMSET\r\n$1\r\nk\r\n$4\r\nhalf\r\n$1\r\nl\r\n$4\r\nhal"
      };
      for (String half : halves) {
        long cut = world.stats().connectionsCut();
        try (RespClient client = world.connect()) {
          client.raw(half);
          assertTrue(client.isClosedByServer(), half);
          assertEquals(cut + 1, world.stats().connectionsCut());
        }
        world.assertNothingHeld();
      }
    }
  }

  /** Idle connections are never closed, nor those in the midst of what holds no memory. */
  @Test
  void silenceAloneIsNoReasonToCut() throws Exception {
    try (RespWorld world =
            RespWorld.start(
                directory,
                "weft.resp { value-timeout = 100ms, write-timeout = 100ms }",
                "weft.max-chunk = 4KiB");
        RespClient idle = world.connect();
        RespClient half = world.connect();
        RespClient drained = world.connect();
        RespClient refused = world.connect();
        RespClient cut = world.connect()) {
      half.raw("*2\r\n$3\r\nGET\r\n$1");
      drained.raw("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10000\r\n");
      refused.raw(
          "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000\r\n" + "x".repeat(5000) + "\r\n$2\r\nEX\r\n");
      cut.raw("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\n");
      assertTrue(cut.isClosedByServer());
      cut.raw("");
      half.raw("\r\nk\r\n");
      assertEquals("nil", half.reply());
      drained.raw("y".repeat(10_000) + "\r\n");
      assertEquals("+OK", drained.reply());
      refused.raw("$1\r\n1\r\n");
      assertTrue(refused.reply().startsWith("-ERR a value has at most"));
      assertEquals("+PONG", idle.ask("PING"));
      assertEquals(1, world.stats().connectionsCut());
    }
  }

  @Test
  void whoClosesHisSideIsAnsweredAllTheSame() throws Exception {
    try (RespWorld world = RespWorld.start(directory)) {
      byte[] value = value("k", 4 << 20);
      try (RespClient client = world.connect()) {
        client.raw(command(bytes("SET"), bytes("k"), value));
        for (int i = 0; i < 8; i++) {
          client.raw(command("GET", "k"));
        }
        client.raw(command("PING"));
        client.socket.shutdownOutput();
        assertEquals("+OK", client.reply());
        for (int i = 0; i < 8; i++) {
          assertArrayEquals(value, client.bulk());
        }
        assertEquals("+PONG", client.reply());
        assertTrue(client.isClosedByServer());
      }
      world.assertNothingHeld();
    }
  }

  @Test
  void oneConnectionTooManyIsToldSo() throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.resp.connections = 2")) {
      try (RespClient one = world.connect();
          RespClient two = world.connect()) {
        assertEquals("+PONG", one.ask("PING"));
        assertEquals("+PONG", two.ask("PING"));
        for (int i = 0; i < 20; i++) {
          try (RespClient three = world.connect()) {
            assertEquals("-ERR max number of clients reached", three.reply());
            assertTrue(three.isClosedByServer());
          }
        }
        assertEquals("+PONG", one.ask("PING"));
      }
      soon().until(() -> world.server.resp().connections() == 0);
      try (RespClient again = world.connect()) {
        assertEquals("+PONG", again.ask("PING"));
      }
      world.assertNothingHeld();
    }
  }

  @Test
  void quitIsAnsweredAndNothingBehindItIsDone() throws Exception {
    try (RespWorld world = RespWorld.start(directory)) {
      try (RespClient client = world.connect()) {
        client.raw(
            new String(command("SET", "a", "1"), StandardCharsets.ISO_8859_1)
                + new String(command("QUIT"), StandardCharsets.ISO_8859_1)
                + new String(command("SET", "b", "1"), StandardCharsets.ISO_8859_1));
        assertEquals("+OK", client.reply());
        assertEquals("+OK", client.reply());
        assertTrue(client.isClosedByServer());
      }
      try (RespClient client = world.connect()) {
        assertEquals(":1", client.ask("EXISTS", "a", "b"));
      }
    }
  }

  /** A page in a browser cannot make it send commands to us. */
  @Test
  void aBrowserIsSentAway() throws Exception {
    try (RespWorld world = RespWorld.start(directory);
        RespClient client = world.connect()) {
      assertEquals("+OK", client.set("k", bytes("v")));
      for (String request :
          List.of(
              "POST / HTTP/1.1\r\nHost: localhost\r\n\r\nFLUSHALL\r\n",
              "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nFLUSHALL\r\n")) {
        try (RespClient browser = world.connect()) {
          browser.raw(request);
          String reply = browser.reply();
          if (request.startsWith("GET")) {
            assertEquals("-ERR wrong number of arguments for 'get' command", reply);
            reply = browser.reply();
          }
          assertEquals("-ERR this is no HTTP server", reply);
          assertTrue(browser.isClosedByServer());
        }
      }
      assertEquals("$v", client.ask("GET", "k"));
    }
  }

  @Test
  void linesArePlainCommandsToo() throws Exception {
    try (RespWorld world = RespWorld.start(directory);
        RespClient client = world.connect()) {
      client.raw(
          "PING\r\nset k 'a value'\r\nGET k\r\nMSET a 1 b 2\r\n\r\nMGET a b\nset k v NX\r\n");
      assertEquals("+PONG", client.reply());
      assertEquals("+OK", client.reply());
      assertEquals("$a value", client.reply());
      assertEquals("+OK", client.reply());
      assertEquals("[$1, $2]", client.reply());
      assertEquals("nil", client.reply());
    }
  }

  @Test
  void whatIsNoProtocolIsAnsweredAndClosed() throws Exception {
    try (RespWorld world = RespWorld.start(directory)) {
      try (RespClient client = world.connect()) {
        client.raw("*1\r\n$4\r\nPING\r\n*x\r\n");
        assertEquals("+PONG", client.reply());
        assertEquals("-ERR Protocol error: invalid multibulk length", client.reply());
        assertTrue(client.isClosedByServer());
      }
      world.assertNothingHeld();
    }
  }

  @Test
  void aShutdownSendsTheRepliesThatAreOwed() throws Exception {
    RespWorld world = RespWorld.start(directory);
    byte[] value = value("k", 4 << 20);
    try (RespClient client = world.connect();
        RespClient idle = world.connect();
        RespClient half = world.connect()) {
      assertEquals("+OK", client.set("k", value));
      assertEquals("+PONG", idle.ask("PING"));
      half.raw("*3\r\n$3\r\nSET\r\n$1\r\nh\r\n$8388608\r\nhalf");
      soon().until(() -> world.server.resp().valueBytesHeld() == 8 << 20);
      long before = world.stats().commands();
      for (int i = 0; i < 3; i++) {
        client.send("GET", "k");
      }
      soon().until(() -> world.stats().commands() == before + 3);
      CompletableFuture<Void> closing = CompletableFuture.runAsync(world::close);
      for (int i = 0; i < 3; i++) {
        assertArrayEquals(value, client.bulk());
      }
      assertTrue(client.isClosedByServer());
      assertTrue(idle.isClosedByServer());
      assertTrue(half.isClosedByServer());
      closing.get(30, TimeUnit.SECONDS);
      assertEquals(0, world.server.resp().valueBytesHeld());
    }
  }

  @Test
  void aShutdownWaitsForNobodyForEver() throws Exception {
    RespWorld world = RespWorld.start(directory, "weft.resp.drain-timeout = 300ms");
    try (Socket small = new Socket()) {
      small.setReceiveBufferSize(4096);
      RespClient deaf = new RespClient(small, world.address());
      assertEquals("+OK", deaf.set("k", new byte[8 << 20]));
      deaf.send("GET", "k");
      soon().until(() -> world.server.resp().valueBytesHeld() > 0);
      CompletableFuture.runAsync(world::close).get(30, TimeUnit.SECONDS);
      soon().until(() -> world.server.resp().valueBytesHeld() == 0);
    }
  }

  @Test
  void noBytesBringTheServerDown() throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.resp.value-timeout = 1s")) {
      List<byte[]> corpus = RespMutations.corpus();
      Seeds.forEach(
          3,
          seed -> {
            RespMutations mutations = new RespMutations(new Random(seed), corpus);
            for (int i = 0; i < 60; i++) {
              try (RespClient client = world.connect()) {
                client.socket.setSoTimeout(10_000);
                client.raw(mutations.next());
                client.socket.shutdownOutput();
                while (true) {
                  var _ = client.reply();
                }
              } catch (EOFException | SocketException _) {
                // Answered, or cut.
              }
            }
          });
      try (RespClient client = world.connect()) {
        assertEquals("+OK", client.set("after", bytes("all")));
        assertEquals("$all", client.ask("GET", "after"));
      }
      world.assertNothingHeld();
    }
  }

  @Test
  void anAddressThatIsTakenIsSaid() throws Exception {
    try (RespWorld world = RespWorld.start(directory)) {
      int port = world.address().getPort();
      String message =
          assertThrows(
                  IllegalStateException.class,
                  () ->
                      RespWorld.start(
                          directory.resolve("other"),
                          "weft.resp.listeners = [ { host = 127.0.0.1, port = 0 }, { host ="
                              + " 127.0.0.1, port = "
                              + port
                              + " } ]"))
              .getMessage();
      assertTrue(message.startsWith("cannot listen at 127.0.0.1 port " + port), message);
      try (RespClient client = world.connect()) {
        assertEquals("+PONG", client.ask("PING"));
      }
    }
  }
}
