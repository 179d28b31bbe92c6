package io.weft.cli.bench;

import io.weft.base.Metric;
import io.weft.boot.StoreServer;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Weft behind its RESP server, over loopback. The server runs in this process: its figures hold the
 * clients' share, as Redis's do.
 */
final class WeftRespContender extends ThreadedContender {
  private final int connections;
  private final WeftSettings settings;
  private @Nullable StoreServer server;
  private Map<Metric, Long> before = Map.of();

  WeftRespContender(int connections, WeftSettings settings) {
    this.connections = connections;
    this.settings = settings;
  }

  @Override
  public String name() {
    return "weft-resp";
  }

  @Override
  public boolean runs(Workload workload, int chunkBytes) {
    return workload.scripted();
  }

  @Override
  public List<Integer> depths() {
    return List.of(connections);
  }

  @Override
  public void prepare(Space space) throws IOException {
    StoreServer started =
        StoreServer.start(
            settings.config(space.directory(), "", WeftContender.capacityBytes(space, false)));
    server = started;
    WeftStore.await(started.store());
  }

  @Override
  public void empty() throws IOException {
    WeftStore.empty(Objects.requireNonNull(server).store());
  }

  @Override
  protected ChunkClient client() throws IOException {
    return new RespChunkClient(Objects.requireNonNull(server).resp().addresses().getFirst());
  }

  @Override
  protected void watch() {
    before = WeftStore.counters(Objects.requireNonNull(server).store());
  }

  /** The server answers OK also for a store that it had to drop: the counters know. */
  @Override
  protected String troubles(Workload workload, Script script) {
    Map<Metric, Long> after = WeftStore.counters(Objects.requireNonNull(server).store());
    String troubles = WeftStore.troubles(before, after);
    if (!troubles.isEmpty()) {
      return troubles;
    }
    long stored = WeftStore.grown(Metric.STORES, before, after);
    return stored == script.stores()
        ? ""
        : "%d of %d stores were dropped".formatted(script.stores() - stored, script.stores());
  }

  @Override
  public void close() throws IOException {
    closeClients();
    if (server != null) {
      server.close();
      server = null;
    }
  }
}
