package io.weft.resp;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.StoreStatus;
import io.weft.base.BufferLease;
import io.weft.boot.StoreServer;
import io.weft.testing.RespClient;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import org.awaitility.core.ConditionFactory;

/** A server on a real directory, at ports of its own. */
final class RespWorld implements AutoCloseable {
  private static final String SMALL =
      """
      weft {
        capacity = 512MiB
        reserve = 0
        snapshot-interval = 0s
        request-timeout = 20s
        shutdown-timeout = 20s
        io { threads = 4, queue-per-worker = 2, reserved-for-loads = 2, scan-threads = 2 }
        io { lease-pool = 64MiB }
        resp {
          listeners = [ { host = 127.0.0.1, port = 0 } ]
          bytes-per-connection = 16MiB
          bytes = 32MiB
        }
      }
      """;

  final StoreServer server;
  private final long leasePool;

  private RespWorld(StoreServer server, long leasePool) {
    this.server = server;
    this.leasePool = leasePool;
  }

  static RespWorld start(Path directory, String... overrides) throws Exception {
    Config config =
        ConfigFactory.parseString(String.join("\n", overrides))
            .withFallback(ConfigFactory.parseString("weft.directory = \"" + directory + "\""))
            .withFallback(ConfigFactory.parseString(SMALL))
            .withFallback(ConfigFactory.load());
    RespWorld world =
        new RespWorld(StoreServer.start(config), config.getBytes("weft.io.lease-pool"));
    StoreStatus status = world.store().ready().toCompletableFuture().get(30, TimeUnit.SECONDS);
    assertEquals(StoreStatus.State.UP, status.state(), status::toString);
    return world;
  }

  static ConditionFactory soon() {
    return await().atMost(60, TimeUnit.SECONDS).pollInterval(Duration.ofMillis(10));
  }

  ChunkStore store() {
    return server.store();
  }

  RespStats stats() {
    return server.resp().stats();
  }

  InetSocketAddress address() {
    return server.resp().addresses().getFirst();
  }

  InetSocketAddress address(int listener) {
    List<InetSocketAddress> all = server.resp().addresses();
    return all.get(listener);
  }

  RespClient connect() throws IOException {
    return new RespClient(address());
  }

  /** No connection, no permit, no request, no memory of the pool is out any more. */
  void assertNothingHeld() {
    soon().until(() -> server.resp().connections(), open -> open == 0);
    assertNoMemoryHeld();
  }

  void assertNoMemoryHeld() {
    soon().until(() -> server.resp().valueBytesHeld(), held -> held == 0);
    soon()
        .until(
            () -> store().status().toCompletableFuture().get(30, TimeUnit.SECONDS),
            status -> status.operationsInFlight() == 0 && status.bytesInFlight() == 0);
    // The pool lends all it has, so nothing else is lent.
    BufferLease all = store().lease(leasePool);
    assertNotNull(all, "a lease is still out");
    all.release();
  }

  @Override
  public void close() {
    server.close();
  }

  /** The bytes of a name: every value has other ones. */
  static byte[] value(String name, int length) {
    byte[] bytes = new byte[length];
    new Random(name.hashCode()).nextBytes(bytes);
    return bytes;
  }

  /** A hash that takes no time. */
  static String quickHash(String password) {
    byte[] salt = "salt of a test".getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    try {
      byte[] hash =
          SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256")
              .generateSecret(new PBEKeySpec(password.toCharArray(), salt, 1_000, 256))
              .getEncoded();
      Base64.Encoder base64 = Base64.getEncoder().withoutPadding();
      return "pbkdf2-sha256:1000:"
          + base64.encodeToString(salt)
          + ":"
          + base64.encodeToString(hash);
    } catch (GeneralSecurityException impossible) {
      throw new AssertionError(impossible);
    }
  }

  /** The setting that lets one user in. */
  static String user(String name, String password, String... more) {
    return "weft.resp.users = [ { name = %s, password-hash = \"%s\" %s } ]"
        .formatted(name, quickHash(password), String.join(" ", more));
  }
}
