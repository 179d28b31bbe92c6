package io.weft.resp;

import static io.weft.resp.RespWorld.value;
import static io.weft.testing.RespClient.bytes;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lettuce.core.ClientOptions;
import io.lettuce.core.KeyScanCursor;
import io.lettuce.core.KeyValue;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisConnectionException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScanArgs;
import io.lettuce.core.ScanCursor;
import io.lettuce.core.SetArgs;
import io.lettuce.core.SslOptions;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.protocol.ProtocolVersion;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Lettuce works, in both versions of the protocol. */
class LettuceTest {
  @TempDir Path directory;
  private final RedisClient lettuce = RedisClient.create();

  @AfterEach
  void shutDown() {
    lettuce.shutdown(Duration.ZERO, Duration.ofSeconds(10));
  }

  private RedisURI.Builder uri(RespWorld world, int listener) {
    return RedisURI.builder()
        .withHost("127.0.0.1")
        .withPort(world.address(listener).getPort())
        .withTimeout(Duration.ofSeconds(60));
  }

  private void speak(ProtocolVersion version) {
    lettuce.setOptions(ClientOptions.builder().protocolVersion(version).build());
  }

  @ParameterizedTest
  @EnumSource(ProtocolVersion.class)
  void commandsDoWhatTheyDo(ProtocolVersion version) throws Exception {
    speak(version);
    try (RespWorld world = RespWorld.start(directory)) {
      try (StatefulRedisConnection<String, String> connection =
          lettuce.connect(uri(world, 0).build())) {
        RedisCommands<String, String> redis = connection.sync();
        assertEquals("PONG", redis.ping());
        assertNull(redis.get("a"));
        assertEquals("OK", redis.set("a", "1"));
        assertEquals("1", redis.get("a"));
        assertEquals("OK", redis.mset(Map.of("b", "2", "c", "3")));
        assertEquals(
            List.of(KeyValue.just("a", "1"), KeyValue.empty("nothing"), KeyValue.just("c", "3")),
            redis.mget("a", "nothing", "c"));
        assertEquals(2, redis.exists("a", "b", "nothing"));
        assertEquals(1, redis.strlen("a"));
        assertEquals("string", redis.type("a"));
        assertEquals("none", redis.type("nothing"));
        assertEquals(3, redis.dbsize());
        assertEquals(Set.of("a", "b", "c"), Set.copyOf(redis.keys("*")));
        assertNull(redis.set("a", "x", SetArgs.Builder.nx()));
        assertNull(redis.set("nothing", "x", SetArgs.Builder.xx()));
        assertEquals("OK", redis.set("a", "x", SetArgs.Builder.xx().ex(100)));
        assertTrue(redis.ttl("a") > 90);
        assertTrue(redis.pttl("a") > 90_000);
        assertEquals(true, redis.expire("b", Duration.ofSeconds(50)));
        assertTrue(redis.ttl("b") > 40);
        assertEquals(true, redis.persist("b"));
        assertEquals(-1, redis.ttl("b"));
        assertEquals(-2, redis.ttl("nothing"));
        Set<String> seen = new TreeSet<>();
        ScanCursor cursor = ScanCursor.INITIAL;
        while (!cursor.isFinished()) {
          KeyScanCursor<String> page = redis.scan(cursor, ScanArgs.Builder.limit(1).match("*"));
          seen.addAll(page.getKeys());
          cursor = page;
        }
        assertEquals(Set.of("a", "b", "c"), seen);
        assertEquals(1, redis.del("a"));
        assertEquals(1, redis.unlink("b", "nothing"));
        assertTrue(redis.info().contains("redis_version:"));
        assertEquals("0", redis.configGet("timeout").get("timeout"));
        assertEquals(
            "ERR unknown command 'LPUSH', with args beginning with: 'k' 'v' ",
            assertThrows(RedisCommandExecutionException.class, () -> redis.lpush("k", "v"))
                .getMessage());
        assertEquals("OK", redis.flushall());
        assertEquals(0, redis.dbsize());
      }
      world.assertNothingHeld();
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolVersion.class)
  void binaryValuesAreSentAhead(ProtocolVersion version) throws Exception {
    speak(version);
    try (RespWorld world = RespWorld.start(directory)) {
      try (StatefulRedisConnection<byte[], byte[]> connection =
          lettuce.connect(ByteArrayCodec.INSTANCE, uri(world, 0).build())) {
        var redis = connection.async();
        List<RedisFuture<byte[]>> values = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
          var _ = redis.set(bytes("k" + i % 7), value("v" + i, 100_000));
          values.add(redis.get(bytes("k" + i % 7)));
        }
        for (int i = 0; i < 100; i++) {
          assertArrayEquals(value("v" + i, 100_000), values.get(i).get(60, TimeUnit.SECONDS));
        }
      }
      world.assertNothingHeld();
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolVersion.class)
  void usersComeInWithTheirPasswords(ProtocolVersion version) throws Exception {
    speak(version);
    try (RespWorld world = RespWorld.start(directory, RespWorld.user("ada", "secret"))) {
      RedisURI right =
          uri(world, 0)
              .withAuthentication("ada", "secret".toCharArray())
              .withClientName("me")
              .build();
      try (StatefulRedisConnection<String, String> connection = lettuce.connect(right)) {
        assertEquals("OK", connection.sync().set("k", "v"));
        assertEquals("me", connection.sync().clientGetname());
      }
      RedisURI wrong = uri(world, 0).withAuthentication("ada", "Secret".toCharArray()).build();
      RedisConnectionException refused =
          assertThrows(RedisConnectionException.class, () -> lettuce.connect(wrong));
      assertTrue(refused.getCause().getMessage().startsWith("WRONGPASS "), refused::toString);
    }
  }

  @Test
  void tlsWorks() throws Exception {
    TestCertificate certificate = TestCertificate.make(directory, "EC");
    lettuce.setOptions(
        ClientOptions.builder()
            .sslOptions(
                SslOptions.builder()
                    .jdkSslProvider()
                    .trustManager(certificate.chain().toFile())
                    .build())
            .build());
    try (RespWorld world = RespWorld.start(directory.resolve("store"), certificate.settings())) {
      try (StatefulRedisConnection<byte[], byte[]> connection =
          lettuce.connect(ByteArrayCodec.INSTANCE, uri(world, 1).withSsl(true).build())) {
        byte[] large = value("large", 4 << 20);
        assertEquals("OK", connection.sync().set(bytes("k"), large));
        assertArrayEquals(large, connection.sync().get(bytes("k")));
      }
      world.assertNothingHeld();
    }
  }
}
