package io.weft.base;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The {@code weft} block of the configuration, read and checked. {@code reference.conf} says what
 * each key means; whatever is wrong fails here, with the key, the value and the mend.
 */
public record StoreSettings(
    Mode mode,
    Path directory,
    boolean createDirectory,
    String expectedDevice,
    long capacityBytes,
    long reserveBytes,
    long maxChunkBytes,
    String evictionPolicy,
    Map<String, Long> quotaBytes,
    Layout layout,
    Slab slab,
    Durability durability,
    String directIo,
    long quarantineBytes,
    Duration snapshotInterval,
    Duration requestTimeout,
    Duration shutdownTimeout,
    Io io,
    Intake intake,
    Link link,
    Optional<FabricSettings> fabric) {

  /** An NVMe Qualified Name takes 223 bytes at most (NVMe Base Specification, 4.7). */
  private static final int NQN_LENGTH_MAX = 223;

  /** Blocks whose keys are the user's own, or Pekko's. */
  private static final Set<String> OPEN_BLOCKS =
      Set.of("eviction.quota", "dispatcher", "adapter.dispatcher");

  private static final List<String> FILESYSTEMS = List.of("ext4", "xfs");

  /** Where the directory comes from. */
  public enum Mode {
    /** A plain directory: the embedded default. */
    DIRECTORY,
    /** The root of a mounted filesystem, verified to be the expected one. */
    MOUNT,
    /** A namespace that is connected, mounted, kept and taken down again. */
    NVMEOF
  }

  /** How pieces get to the device. */
  public enum Engine {
    /**
     * With io_uring where this machine has it and the page cache is bypassed, else with threads.
     */
    AUTO,
    /** Threads alone. */
    THREADS,
    /** With io_uring, or the store does not start. */
    IO_URING
  }

  /** How chunks lie on the filesystem. */
  public enum Layout {
    /** Each in a file of its own. */
    FILE,
    /** In slots of preallocated segment files. */
    SLAB
  }

  /**
   * What holds for layout SLAB.
   *
   * @param segmentBytes what a segment file takes
   * @param prewrite whether a new segment is written once before it is used
   */
  public record Slab(long segmentBytes, boolean prewrite) {
    private static final long UNIT = 1L << 20;
    private static final long BYTES_MAX = 64L << 30;
  }

  /**
   * @param engine how pieces get to the device
   * @param ringDepth pieces that an io_uring keeps with the kernel at once
   * @param threads I/O workers, one thread each
   * @param queuePerWorker pieces that wait at a worker, so that its thread never idles
   * @param reservedForLoads pieces in flight that stores and deletes leave to loads
   * @param pieceBytes the longest piece of a chunk that goes to the device at once
   * @param piecesPerChunk pieces of one chunk that may be in flight at once
   * @param inFlightBytes device bytes in flight
   * @param besideLoadsBytes what of those stores and deletes may have while loads come
   * @param ageStep how long a lane's head waits for each rank that it rises
   * @param stuckAfter when an operation counts as stuck in the kernel
   * @param stuckThreadsMax threads replaced because of that, at the most
   * @param errorsBeforeProbe consecutive device errors of a worker that put the device in doubt
   * @param restartsMax restarts of one part of the store within {@code restartsWindow}
   * @param leaseBytes the pool of leases
   * @param scanThreads threads of a recovery scan
   */
  public record Io(
      Engine engine,
      int ringDepth,
      int threads,
      int queuePerWorker,
      int reservedForLoads,
      long pieceBytes,
      int piecesPerChunk,
      long inFlightBytes,
      long besideLoadsBytes,
      Duration ageStep,
      Duration stuckAfter,
      int stuckThreadsMax,
      int errorsBeforeProbe,
      int restartsMax,
      Duration restartsWindow,
      long leaseBytes,
      int scanThreads) {}

  /**
   * @param operations accepted requests that are not answered
   * @param bytes memory that accepted requests hold
   * @param waiting calls of the facade that wait in line beyond that
   */
  public record Intake(int operations, long bytes, int waiting) {}

  /** What happens to loads and lookups while the device is away. */
  public enum WhenDown {
    /** They are misses, at once. */
    MISS,
    /** They are rejected, at once, with the reason. */
    REJECT
  }

  /**
   * @param whenDown what loads and lookups are while the device is away; stores are rejected
   * @param probeInterval how often the device is probed
   * @param probeTimeout when a probe counts as unanswered
   * @param failedProbesMax failed probes in a row after which the device is taken down and up again
   * @param errorStreaksMax error streaks, with good probes in between, after which the same is done
   * @param retryMin how long after a failed attempt the next one comes, at first
   * @param retryMax how long it gets
   * @param detachTimeout how long descriptors, unmount and disconnect may take
   */
  public record Link(
      WhenDown whenDown,
      Duration probeInterval,
      Duration probeTimeout,
      int failedProbesMax,
      int errorStreaksMax,
      Duration retryMin,
      Duration retryMax,
      Duration detachTimeout) {}

  /**
   * @param root what {@code ConfigFactory.load()} gives
   * @throws IllegalArgumentException where a value is missing or wrong
   */
  public static StoreSettings from(Config root) {
    SettingsReader weft = SettingsReader.weft(root);
    weft.onlyThoseOf(
        ConfigFactory.defaultReference(StoreSettings.class.getClassLoader()).getConfig("weft"),
        OPEN_BLOCKS);
    Mode mode = weft.oneOf("mode", Mode.class);
    String directory = weft.text("directory");
    if (directory.isBlank()) {
      throw weft.wrong("directory", directory, "name the directory that holds the chunks");
    }
    StoreSettings settings =
        new StoreSettings(
            mode,
            weft.value("directory", directory, Path::of),
            weft.flag("create-directory"),
            weft.text("mount.expected-device"),
            weft.size("capacity", 1),
            weft.size("reserve", 0),
            weft.size("max-chunk", 1),
            weft.text("eviction.policy"),
            weft.sizes("eviction.quota"),
            weft.oneOf("layout", Layout.class),
            new Slab(weft.size("slab.segment", 1), weft.flag("slab.prewrite")),
            weft.oneOf("durability", Durability.class),
            weft.word("direct-io", "required", "preferred", "off"),
            weft.size("quarantine", 0),
            weft.duration("snapshot-interval"),
            weft.positive("request-timeout"),
            weft.positive("shutdown-timeout"),
            new Io(
                weft.oneOf("io.engine", Engine.class),
                weft.count("io.ring-depth", 1, 4096),
                weft.count("io.threads", 1, 1024),
                weft.count("io.queue-per-worker", 1, 64),
                weft.count("io.reserved-for-loads", 0, 1023),
                weft.size("io.piece", 4096),
                weft.count("io.pieces-per-chunk", 1, 1024),
                weft.size("io.in-flight", 4096),
                weft.size("io.in-flight-beside-loads", 4096),
                weft.positive("io.age-step"),
                weft.positive("io.stuck-after"),
                weft.count("io.stuck-threads-max", 0, 10_000),
                weft.count("io.errors-before-probe", 1, 1_000_000),
                weft.count("io.restarts-max", 0, 1_000_000),
                weft.positive("io.restarts-window"),
                weft.size("io.lease-pool", 4096),
                weft.count("io.scan-threads", 1, 1024)),
            new Intake(
                weft.count("intake.operations", 1, 1 << 20),
                weft.size("intake.bytes", 1),
                weft.count("intake.waiting", 0, 1 << 24)),
            new Link(
                weft.oneOf("link.when-down", WhenDown.class),
                weft.positive("link.probe-interval"),
                weft.positive("link.probe-timeout"),
                weft.count("link.failed-probes-max", 1, 1_000_000),
                weft.count("link.error-streaks-max", 1, 1_000_000),
                weft.positive("link.retry-min"),
                weft.positive("link.retry-max"),
                weft.positive("link.detach-timeout")),
            mode == Mode.NVMEOF ? Optional.of(fabric(weft.block("nvmeof"))) : Optional.empty());
    settings.check(weft);
    return settings;
  }

  private void check(SettingsReader weft) {
    if (maxChunkBytes > Chunks.MAX_PAYLOAD_BYTES) {
      throw weft.wrong(
          "max-chunk",
          weft.text("max-chunk"),
          "at most %d MiB".formatted(Chunks.MAX_PAYLOAD_BYTES >> 20));
    }
    if (capacityBytes < 2 * 4096) {
      throw weft.wrong(
          "capacity",
          weft.text("capacity"),
          "it holds not even one chunk: a chunk takes its bytes rounded up to blocks, and a block"
              + " of 4 KiB that describes it");
    }
    if (io.pieceBytes() % 4096 != 0) {
      throw weft.wrong("io.piece", weft.text("io.piece"), "a multiple of 4 KiB");
    }
    long segment = slab.segmentBytes();
    if (segment < Slab.UNIT || segment > Slab.BYTES_MAX || segment % Slab.UNIT != 0) {
      throw weft.wrong(
          "slab.segment", weft.text("slab.segment"), "a multiple of 1 MiB, from 1 MiB to 64 GiB");
    }
    if (layout == Layout.SLAB && segment > capacityBytes) {
      throw weft.wrong(
          "slab.segment",
          weft.text("slab.segment"),
          "not one segment has room in weft.capacity = %s; a few should"
              .formatted(weft.text("capacity")));
    }
    int pieces = io.threads() * io.queuePerWorker();
    if (io.reservedForLoads() >= pieces) {
      throw weft.wrong(
          "io.reserved-for-loads",
          io.reservedForLoads(),
          "less than io.threads * io.queue-per-worker = " + pieces + ", or nothing is ever stored");
    }
    if (mode != Mode.MOUNT && !expectedDevice.isEmpty()) {
      throw weft.wrong(
          "mount.expected-device", expectedDevice, "leave it empty, or set weft.mode = mount");
    }
    if (link.retryMax().compareTo(link.retryMin()) < 0) {
      throw weft.wrong(
          "link.retry-max",
          link.retryMax().toMillis() + "ms",
          "at least weft.link.retry-min = " + link.retryMin().toMillis() + "ms");
    }
  }

  private static FabricSettings fabric(SettingsReader nvmeof) {
    FabricSettings.Transport transport = nvmeof.oneOf("transport", FabricSettings.Transport.class);
    List<FabricSettings.PathSettings> paths = new ArrayList<>();
    for (SettingsReader path : nvmeof.blocks("paths")) {
      String address = path.fabricWord("address");
      if (address.isEmpty() && transport != FabricSettings.Transport.LOOP) {
        throw path.wrong("address", "", "name the target's address");
      }
      paths.add(
          new FabricSettings.PathSettings(
              address,
              path.fabricWord("service"),
              path.fabricWord("host-address"),
              path.fabricWord("host-interface")));
    }
    if (transport == FabricSettings.Transport.LOOP && paths.isEmpty()) {
      paths.add(new FabricSettings.PathSettings("", "", "", ""));
    }
    boolean autoConnect = nvmeof.flag("auto-connect");
    if (paths.isEmpty() && autoConnect) {
      throw nvmeof.wrong(
          "paths", "[]", "name at least one, as in [ { address = 10.0.0.1, service = 4420 } ]");
    }
    String nqn = nvmeof.fabricWord("subsystem-nqn");
    if (!nqn.startsWith("nqn.") || nqn.length() > NQN_LENGTH_MAX) {
      throw nvmeof.wrong(
          "subsystem-nqn",
          nqn,
          "the subsystem's NVMe Qualified Name: nqn.YYYY-MM.…, at most 223 characters");
    }
    boolean discovery = nvmeof.flag("discovery");
    if (discovery && transport == FabricSettings.Transport.LOOP) {
      throw nvmeof.wrong("discovery", "true", "the loop transport has no discovery service");
    }
    boolean tls = nvmeof.flag("tls.enabled");
    if (tls && transport != FabricSettings.Transport.TCP) {
      throw nvmeof.wrong("tls.enabled", "true", "TLS is there for transport tcp only");
    }
    String filesystem = nvmeof.word("filesystem");
    if (!FILESYSTEMS.contains(filesystem)) {
      throw nvmeof.wrong("filesystem", filesystem, "one of " + String.join(", ", FILESYSTEMS));
    }
    return new FabricSettings(
        transport,
        discovery,
        List.copyOf(paths),
        nqn,
        nvmeof.count("namespace-id", 1, Integer.MAX_VALUE),
        nvmeof.fabricWord("host-nqn"),
        nvmeof.fabricWord("host-id"),
        nvmeof.count("io-queues", 0, 65_535),
        nvmeof.count("write-queues", 0, 65_535),
        nvmeof.count("poll-queues", 0, 65_535),
        nvmeof.count("queue-size", 0, 65_535),
        nvmeof.count("type-of-service", 0, 255),
        nvmeof.seconds("keep-alive-timeout"),
        nvmeof.seconds("reconnect-delay"),
        nvmeof.secondsUnless("ctrl-loss-timeout", "forever"),
        nvmeof.secondsUnless("fast-io-fail-timeout", "off"),
        nvmeof.flag("header-digest"),
        nvmeof.flag("data-digest"),
        nvmeof.flag("disable-submission-flow"),
        new FabricSettings.Security(
            nvmeof.secretFile("authentication.host-secret-file"),
            nvmeof.secretFile("authentication.controller-secret-file"),
            tls,
            nvmeof.fabricWord("tls.keyring"),
            nvmeof.fabricWord("tls.key-id"),
            nvmeof.fabricLine("tls.key-identity"),
            nvmeof.flag("tls.concatenate")),
        autoConnect,
        nvmeof.flag("auto-mount"),
        nvmeof.flag("auto-disconnect"),
        nvmeof.word("command"),
        nvmeof.positive("command-timeout"),
        nvmeof.positive("state-poll-interval"),
        filesystem,
        nvmeof.word("mount-options"),
        switch (nvmeof.word("format", "never", "if-empty")) {
          case "never" -> FabricSettings.Format.NEVER;
          default -> FabricSettings.Format.IF_EMPTY;
        });
  }
}
