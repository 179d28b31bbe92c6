package io.weft.resp;

import static io.weft.resp.RespWorld.value;
import static io.weft.testing.RespClient.bytes;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.RedisClient;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.Response;
import redis.clients.jedis.SslOptions;
import redis.clients.jedis.exceptions.JedisAccessControlException;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.params.ScanParams;
import redis.clients.jedis.params.SetParams;
import redis.clients.jedis.resps.ScanResult;

/** Jedis works, in both versions of the protocol. */
class JedisTest {
  @TempDir Path directory;

  private static HostAndPort at(InetSocketAddress address) {
    return new HostAndPort("127.0.0.1", address.getPort());
  }

  private static RedisClient client(RespWorld world, DefaultJedisClientConfig config) {
    return RedisClient.builder().hostAndPort(at(world.address())).clientConfig(config).build();
  }

  private static RedisClient client(RespWorld world, RedisProtocol protocol) {
    return client(world, DefaultJedisClientConfig.builder().protocol(protocol).build());
  }

  @ParameterizedTest
  @EnumSource(RedisProtocol.class)
  void commandsDoWhatTheyDo(RedisProtocol protocol) throws Exception {
    try (RespWorld world = RespWorld.start(directory)) {
      try (RedisClient jedis = client(world, protocol)) {
        assertEquals("PONG", jedis.ping());
        assertNull(jedis.get("a"));
        assertEquals("OK", jedis.set("a", "1"));
        assertEquals("1", jedis.get("a"));
        assertEquals("OK", jedis.mset("b", "2", "c", "3"));
        assertEquals(Arrays.asList("1", null, "3"), jedis.mget("a", "nothing", "c"));
        assertEquals(true, jedis.exists("a"));
        assertEquals(2, jedis.exists("a", "b", "nothing"));
        assertEquals(2, jedis.exists("a", "a"));
        assertEquals(1, jedis.strlen("a"));
        assertEquals("string", jedis.type("a"));
        assertEquals("none", jedis.type("nothing"));
        assertEquals(3, jedis.dbSize());
        assertEquals(Set.of("a", "b", "c"), jedis.keys("*"));
        assertEquals(Set.of("b", "c"), jedis.keys("[b-c]"));
        assertEquals(1, jedis.del("a", "a"));
        assertEquals(1, jedis.unlink("b"));
        assertEquals(0, jedis.del("a"));
        byte[] binary = value("binary", 300_000);
        assertEquals("OK", jedis.set(bytes("\u0000\u00ff\r\n"), binary));
        assertArrayEquals(binary, jedis.get(bytes("\u0000\u00ff\r\n")));
        assertTrue(jedis.memoryUsage("c") >= 4096);
        assertEquals("OK", jedis.flushAll());
        assertEquals(0, jedis.dbSize());
      }
      world.assertNothingHeld();
    }
  }

  @ParameterizedTest
  @EnumSource(RedisProtocol.class)
  void setHasItsOptions(RedisProtocol protocol) throws Exception {
    try (RespWorld world = RespWorld.start(directory);
        RedisClient jedis = client(world, protocol)) {
      assertNull(jedis.set("k", "1", SetParams.setParams().xx()));
      assertEquals("OK", jedis.set("k", "1", SetParams.setParams().nx()));
      assertNull(jedis.set("k", "2", SetParams.setParams().nx()));
      assertEquals("1", jedis.get("k"));
      assertEquals("OK", jedis.set("k", "3", SetParams.setParams().xx()));
      assertEquals("3", jedis.get("k"));
      assertEquals(-1, jedis.ttl("k"));
      assertEquals(-2, jedis.ttl("nothing"));
      assertEquals("OK", jedis.set("k", "4", SetParams.setParams().ex(100)));
      assertTrue(jedis.ttl("k") > 90 && jedis.ttl("k") <= 100);
      assertTrue(jedis.pttl("k") > 90_000 && jedis.pttl("k") <= 100_000);
      assertEquals(1, jedis.persist("k"));
      assertEquals(-1, jedis.ttl("k"));
      assertEquals(0, jedis.persist("k"));
      assertEquals(1, jedis.expire("k", 1_000));
      assertTrue(jedis.ttl("k") > 990);
      assertEquals(0, jedis.expire("nothing", 10));
      assertEquals("OK", jedis.set("k", "5"));
      assertEquals(-1, jedis.ttl("k"), "a SET without a time forgets the one before");
      assertEquals(1, jedis.expire("k", -1));
      assertNull(jedis.get("k"));
      assertEquals("OK", jedis.set("k", "6", SetParams.setParams().px(200)));
      RespWorld.soon().until(() -> jedis.get("k") == null);
      assertEquals(false, jedis.exists("k"));
      assertEquals(-2, jedis.ttl("k"));
      assertEquals(0, jedis.strlen("k"));
      assertEquals(Arrays.asList((String) null), jedis.mget("k"));
      assertEquals("OK", jedis.set("k", "7", SetParams.setParams().nx()), "it is not there");
    }
  }

  @ParameterizedTest
  @EnumSource(RedisProtocol.class)
  void scanShowsEveryKey(RedisProtocol protocol) throws Exception {
    try (RespWorld world = RespWorld.start(directory);
        RedisClient jedis = client(world, protocol)) {
      Set<String> all = new TreeSet<>();
      try (Pipeline pipeline = jedis.pipelined()) {
        for (int i = 0; i < 500; i++) {
          all.add("key:" + i);
          pipeline.set("key:" + i, "");
        }
        pipeline.sync();
      }
      assertEquals("OK", jedis.set("other", ""));
      Set<String> seen = new TreeSet<>();
      String cursor = ScanParams.SCAN_POINTER_START;
      do {
        ScanResult<String> page =
            jedis.scan(cursor, new ScanParams().match("key:*").count(50), "string");
        seen.addAll(page.getResult());
        cursor = page.getCursor();
      } while (!cursor.equals(ScanParams.SCAN_POINTER_START));
      assertEquals(all, seen);
      assertEquals(List.of(), jedis.scan("0", new ScanParams().count(1_000), "list").getResult());
    }
  }

  @ParameterizedTest
  @EnumSource(RedisProtocol.class)
  void pipelinesAreAnsweredInOrder(RedisProtocol protocol) throws Exception {
    try (RespWorld world = RespWorld.start(directory)) {
      try (RedisClient jedis = client(world, protocol);
          Pipeline pipeline = jedis.pipelined()) {
        List<Response<String>> values = new ArrayList<>();
        for (int i = 0; i < 1_000; i++) {
          pipeline.set("k", "v" + i);
          values.add(pipeline.get("k"));
        }
        pipeline.sync();
        for (int i = 0; i < 1_000; i++) {
          assertEquals("v" + i, values.get(i).get());
        }
      }
      world.assertNothingHeld();
    }
  }

  @ParameterizedTest
  @EnumSource(RedisProtocol.class)
  void usersComeInWithTheirPasswords(RedisProtocol protocol) throws Exception {
    try (RespWorld world = RespWorld.start(directory, RespWorld.user("ada", "se cret"))) {
      DefaultJedisClientConfig right =
          DefaultJedisClientConfig.builder()
              .protocol(protocol)
              .user("ada")
              .password("se cret")
              .clientName("a-client")
              .build();
      try (RedisClient jedis = client(world, right)) {
        assertEquals("OK", jedis.set("k", "v"));
        assertEquals("v", jedis.get("k"));
      }
      DefaultJedisClientConfig wrong =
          DefaultJedisClientConfig.builder()
              .protocol(protocol)
              .user("ada")
              .password("secret")
              .build();
      String message =
          assertThrows(JedisAccessControlException.class, () -> connect(world, wrong)).getMessage();
      assertTrue(message.startsWith("WRONGPASS "), message);
      DefaultJedisClientConfig none = DefaultJedisClientConfig.builder().protocol(protocol).build();
      message =
          assertThrows(
                  JedisDataException.class,
                  () -> {
                    try (Jedis jedis = connect(world, none)) {
                      jedis.set("k", "w");
                    }
                  })
              .getMessage();
      assertTrue(message.startsWith("NOAUTH "), message);
    }
  }

  private static Jedis connect(RespWorld world, DefaultJedisClientConfig config) {
    return new Jedis(at(world.address()), config);
  }

  @Test
  void errorsArriveAsErrors() throws Exception {
    try (RespWorld world = RespWorld.start(directory, "weft.max-chunk = 4KiB");
        RedisClient jedis = client(world, RedisProtocol.RESP3)) {
      assertEquals(
          "ERR invalid expire time in 'set' command",
          error(() -> jedis.set("k", "v", SetParams.setParams().ex(0))));
      assertEquals(
          "ERR unknown command 'LPUSH', with args beginning with: 'k' 'v' ",
          error(() -> jedis.lpush("k", "v")));
      assertTrue(
          error(() -> jedis.set("k", "x".repeat(5_000)))
              .startsWith("ERR a value has at most 4 KiB"));
      assertEquals("OK", jedis.set("k", "v"));
    }
  }

  private static String error(org.junit.jupiter.api.function.Executable command) {
    return assertThrows(JedisDataException.class, command).getMessage();
  }

  @ParameterizedTest
  @ValueSource(strings = {"RSA", "EC", "Ed25519"})
  void tlsWorks(String algorithm) throws Exception {
    TestCertificate certificate = TestCertificate.make(directory, algorithm);
    SslOptions trusting =
        SslOptions.builder()
            .truststore(certificate.trust().toFile(), TestCertificate.PASSWORD.toCharArray())
            .trustStoreType("PKCS12")
            .build();
    try (RespWorld world =
        RespWorld.start(
            directory.resolve("store"),
            certificate.settings(),
            RespWorld.user("default", "secret"))) {
      DefaultJedisClientConfig config =
          DefaultJedisClientConfig.builder().sslOptions(trusting).password("secret").build();
      try (RedisClient jedis =
          RedisClient.builder().hostAndPort(at(world.address(1))).clientConfig(config).build()) {
        byte[] large = value("large", 8 << 20);
        assertEquals("OK", jedis.set(bytes("k"), large));
        assertArrayEquals(large, jedis.get(bytes("k")));
        try (Pipeline pipeline = jedis.pipelined()) {
          List<Response<byte[]>> values = new ArrayList<>();
          for (int i = 0; i < 10; i++) {
            values.add(pipeline.get(bytes("k")));
          }
          pipeline.sync();
          for (Response<byte[]> each : values) {
            assertArrayEquals(large, each.get());
          }
        }
      }
      world.assertNothingHeld();
    }
  }

  /** The time to live is the chunk's, on the device too. */
  @Test
  void theTimeToLiveSurvivesARestart() throws Exception {
    long before = System.currentTimeMillis();
    try (RespWorld world = RespWorld.start(directory);
        RedisClient jedis = client(world, RedisProtocol.RESP2)) {
      assertEquals("OK", jedis.set("long", "1", SetParams.setParams().ex(1_000)));
      assertEquals("OK", jedis.set("later", "2"));
      assertEquals(1, jedis.expire("later", 2_000));
      assertEquals("OK", jedis.set("ever", "3", SetParams.setParams().ex(1_000)));
      assertEquals(1, jedis.persist("ever"));
      assertEquals("OK", jedis.set("short", "4", SetParams.setParams().px(1)));
    }
    try (RespWorld world = RespWorld.start(directory);
        RedisClient jedis = client(world, RedisProtocol.RESP2)) {
      long passed = (System.currentTimeMillis() - before) / 1_000 + 1;
      assertEquals("1", jedis.get("long"));
      assertTrue(jedis.ttl("long") <= 1_000 && jedis.ttl("long") >= 1_000 - passed - 1);
      assertTrue(jedis.ttl("later") <= 2_000 && jedis.ttl("later") >= 2_000 - passed - 1);
      assertEquals(-1, jedis.ttl("ever"));
      assertNull(jedis.get("short"));
      assertEquals(false, jedis.exists("short"));
    }
  }
}
