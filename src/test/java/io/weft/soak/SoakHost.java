package io.weft.soak;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreStatus;
import io.weft.base.BufferLease;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.KeysPage;
import io.weft.base.ListOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.StatOutcome;
import io.weft.cli.trace.GeneratedTrace;
import io.weft.cli.trace.TraceRecord;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * The process of a soak that has the store: it runs the clients, breaks the index and closes and
 * opens the store when it is told to, and looks for what a closed store has left behind.
 *
 * <p>Arguments: directory, mode, layout, seed, number of this process. Commands: {@code
 * break-index}, {@code restart}, {@code end}. It says {@code counts} and a JSON object all the
 * time, {@code broken} and a promise that was not kept, {@code done} after a command.
 */
public final class SoakHost {
  private static final long LEASE_POOL = 32 << 20;
  private static final long LEASE = 256 << 10;
  private static final int TRACE_REQUESTS = 600;
  private static final int BLOCKS_A_REQUEST = 8;
  private static final Duration SOON = Duration.ofSeconds(60);
  private static final Duration LOOK_EVERY = Duration.ofMillis(20);
  private static final Duration SAY_EVERY = Duration.ofMillis(100);

  private final ObjectMapper mapper = new ObjectMapper();
  private final PrintStream out = System.out;
  private final Path directory;
  private final Config config;
  private final int process;
  private final long seed;
  private final Ledger ledger;
  private final Tally tally = new Tally();
  private final List<TraceRecord> trace;
  private final AtomicInteger place = new AtomicInteger();
  private volatile ChunkStore store;
  private SoakClients clients;
  private Footprint before;
  private long heapBefore;
  private int starts;

  private SoakHost(Path directory, String mode, String layout, long seed, int process) {
    this.directory = directory;
    this.process = process;
    this.seed = seed;
    this.ledger = new Ledger(process);
    this.trace =
        GeneratedTrace.generate(
            GeneratedTrace.Parameters.of(
                seed, TRACE_REQUESTS, (long) TRACE_REQUESTS * BLOCKS_A_REQUEST));
    // Each process goes on somewhere else.
    this.place.set(process * 101);
    this.config =
        ConfigFactory.parseString(
                """
                weft {
                  mode = %s, directory = "%s", layout = %s, slab.segment = 1MiB
                  capacity = 96MiB, reserve = 8MiB, quarantine = 4MiB, snapshot-interval = 2s
                  eviction.policy = %s
                  shutdown-timeout = 20s
                  io { threads = 4, queue-per-worker = 2, reserved-for-loads = 2, scan-threads = 2 }
                  io { stuck-after = 1s, restarts-max = 1000000, lease-pool = %d, piece = 128KiB }
                  link { probe-interval = 200ms, probe-timeout = 1s, detach-timeout = 10s }
                  link { retry-min = 50ms, retry-max = 200ms }
                }
                pekko.loglevel = OFF, pekko.stdout-loglevel = OFF
                """
                    .formatted(mode, directory, layout, FailingPolicy.class.getName(), LEASE_POOL))
            .withFallback(ConfigFactory.load());
  }

  public static void main(String[] args) throws Exception {
    SoakHost host =
        new SoakHost(
            Path.of(args[0]), args[1], args[2], Long.parseLong(args[3]), Integer.parseInt(args[4]));
    host.run();
    System.exit(0);
  }

  private void run() throws Exception {
    warmUp();
    Thread.ofPlatform().daemon().name("saying").start(this::keepSaying);
    before = Footprint.now();
    heapBefore = Footprint.heapBytes();
    start();
    BufferedReader commands =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String command = commands.readLine(); command != null; command = commands.readLine()) {
      switch (command) {
        case "break-index" -> breakIndex();
        case "restart" -> {
          stop();
          start();
        }
        case "end" -> {
          stop();
          say();
          line("done end");
          return;
        }
        default -> throw new IllegalArgumentException(command);
      }
      line("done " + command);
    }
  }

  /** A store that is used a little and closed: what stays after it is the JVM's. */
  private void warmUp() throws Exception {
    try (ChunkStore first = ChunkStore.start(config)) {
      get(first.ready());
      ChunkKey key = ChunkKey.of("warm-up");
      get(first.store(key, Payload.of(new byte[10_000])));
      if (get(first.load(key, LoadTarget.lease())) instanceof LoadOutcome.Leased(var lease)) {
        lease.release();
      }
      get(first.delete(List.of(key)));
    }
    soon(() -> Footprint.now().threads().stream().noneMatch(name -> name.contains("weft")));
  }

  private void start() throws Exception {
    starts++;
    store = ChunkStore.start(config);
    get(store.ready());
    clients = new SoakClients(store, ledger, tally, trace, place, this::broken);
    clients.start(seed * 1_000 + process * 100L + starts);
  }

  private void breakIndex() throws Exception {
    long rebuilt = rebuilds();
    ledger.suspend();
    FailingPolicy.breakOnce();
    if (!soon(() -> rebuilds() > rebuilt && get(store.status()).serving())) {
      broken("not up again: the index was broken, the store is " + get(store.status()).detail());
    }
    ledger.forget();
  }

  private long rebuilds() {
    return get(store.status()).counters().get(Metric.INDEX_REBUILDS);
  }

  /** Closes the store in order, and says what it has left behind. */
  private void stop() throws Exception {
    clients.stop();
    if (!soon(() -> clients.lent() == 0)) {
      broken("leak: memory of %d requests was not given back".formatted(clients.lent()));
    }
    if (!soon(
        () -> {
          StoreStatus status = get(store.status());
          return status.operationsInFlight() == 0 && status.bytesInFlight() == 0;
        })) {
      broken("leak: permits, " + get(store.status()));
    }
    checkLeases();
    checkHolds();
    StoreStatus closed = get(store.shutdown());
    store = null;
    if (closed.state() != StoreStatus.State.CLOSED || !closed.detail().isEmpty()) {
      tally.count("shutdown: not clean, " + closed.detail());
      ledger.forget();
    } else {
      tally.count("shutdown: clean");
    }
    AtomicReference<String> beyond = new AtomicReference<>("");
    if (!soon(
        () -> beyond.accumulateAndGet(Footprint.now().beyond(before), (_, x) -> x).isEmpty())) {
      broken("leak: " + beyond);
    }
    List<String> staging = stagingFiles();
    if (!staging.isEmpty()) {
      broken("leak: staging files " + staging);
    }
  }

  /** All memory of the pool can be had. */
  private void checkLeases() {
    List<BufferLease> all = new ArrayList<>();
    long bytes = 0;
    for (BufferLease lease = store.lease(LEASE); lease != null; lease = store.lease(LEASE)) {
      all.add(lease);
      bytes += LEASE;
    }
    all.forEach(BufferLease::release);
    if (bytes != LEASE_POOL) {
      broken("leak: leases of %d bytes".formatted(LEASE_POOL - bytes));
    }
  }

  /** No chunk is pinned or locked for ever. */
  private void checkHolds() {
    if (clients.doubtfulHolds() > 0) {
      tally.count("pins and locks: not compared, some requests for them failed");
      return;
    }
    List<ChunkKey> held = new ArrayList<>();
    long cursor = KeysPage.START;
    while (cursor != KeysPage.END) {
      ListOutcome page = get(store.list("", cursor, 1_000, Deadline.in(SOON)));
      if (!(page instanceof KeysPage found)) {
        broken("a closing store could not be listed: " + page);
        return;
      }
      cursor = found.nextCursor();
      List<ChunkKey> keys = found.keys().stream().map(KeysPage.ListedKey::key).toList();
      List<StatOutcome> stats = get(store.stat(keys, Deadline.in(SOON)));
      for (int i = 0; i < stats.size(); i++) {
        if (stats.get(i) instanceof StatOutcome.Present chunk && chunk.locks() + chunk.pins() > 0) {
          held.add(keys.get(i));
        }
      }
    }
    tally.count("pins and locks: compared");
    if (!held.isEmpty()) {
      broken("leak: pins and locks of " + held);
    }
  }

  private List<String> stagingFiles() throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      return files
          .filter(file -> file.getFileName().toString().startsWith("%staging"))
          .map(Path::toString)
          .toList();
    }
  }

  // ---------------------------------------------------------------- saying

  private void keepSaying() {
    while (true) {
      say();
      LockSupport.parkNanos(SAY_EVERY.toNanos());
    }
  }

  private void say() {
    Map<String, Object> all = new TreeMap<>();
    ChunkStore current = store;
    StoreStatus status = current == null ? null : get(current.status());
    all.put("state", status == null ? "CLOSED" : status.state().name());
    all.put("detail", status == null ? "" : status.detail());
    all.put("latestMillis", tally.latestMillis());
    all.put("heapBefore", heapBefore);
    all.put("residentBytes", Footprint.residentBytes());
    all.put("counts", tally.counts());
    if (store == null && starts > 0) {
      all.put("heapAfter", Footprint.heapBytes());
    }
    try {
      line("counts " + mapper.writeValueAsString(all));
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  private void broken(String promise) {
    line("broken " + promise.replace('\n', ' '));
  }

  private synchronized void line(String text) {
    out.println(text);
    out.flush();
  }

  /** Looks on this thread: another one would count as a leak. */
  private static boolean soon(BooleanSupplier condition) {
    long end = System.nanoTime() + SOON.toNanos();
    while (!condition.getAsBoolean()) {
      if (end - System.nanoTime() < 0) {
        return false;
      }
      LockSupport.parkNanos(LOOK_EVERY.toNanos());
    }
    return true;
  }

  private static <T> T get(CompletionStage<T> stage) {
    try {
      return stage.toCompletableFuture().get(120, TimeUnit.SECONDS);
    } catch (InterruptedException | ExecutionException | TimeoutException failed) {
      throw new IllegalStateException("no answer", failed);
    }
  }
}
