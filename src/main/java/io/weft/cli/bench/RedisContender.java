package io.weft.cli.bench;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** Redis over loopback, everything in memory and nothing on the disk. */
final class RedisContender extends ThreadedContender {
  private static final Duration STARTS_WITHIN = Duration.ofSeconds(20);

  private final int connections;
  private @Nullable Process server;
  private @Nullable InetSocketAddress address;

  RedisContender(int connections) {
    this.connections = connections;
  }

  @Override
  public String name() {
    return "redis";
  }

  @Override
  public boolean runs(Workload workload, int chunkBytes) {
    return workload.scripted() && workload != Workload.CAPACITY;
  }

  @Override
  public List<Integer> depths() {
    return List.of(connections);
  }

  @Override
  public void prepare(Space space) throws IOException {
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    Process started =
        Tools.start(
            List.of(
                "redis-server",
                "--port",
                String.valueOf(port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
                space.directory().toString()));
    server = started;
    long begin = System.nanoTime();
    while (!answers()) {
      if (!started.isAlive() || System.nanoTime() - begin > STARTS_WITHIN.toNanos()) {
        throw new IOException("redis-server did not start");
      }
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
    }
  }

  private boolean answers() {
    try (RespChunkClient client = new RespChunkClient(Objects.requireNonNull(address))) {
      client.command("PING", "+PONG");
      return true;
    } catch (IOException notYet) {
      return false;
    }
  }

  @Override
  public void empty() throws IOException {
    try (RespChunkClient client = new RespChunkClient(Objects.requireNonNull(address))) {
      client.command("FLUSHALL", "+OK");
    }
  }

  @Override
  protected ChunkClient client() throws IOException {
    return new RespChunkClient(Objects.requireNonNull(address));
  }

  @Override
  protected List<Long> processes() {
    return server == null ? List.of() : List.of(server.pid());
  }

  @Override
  public void close() throws IOException {
    closeClients();
    if (server != null) {
      Tools.end(server);
      server = null;
    }
  }
}
