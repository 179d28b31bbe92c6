package io.weft.base;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;

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

  /**
   * @param threads I/O workers, one thread each
   * @param queuePerWorker pieces that wait at a worker, so that its thread never idles
   * @param reservedForLoads pieces in flight that stores and deletes leave to loads
   * @param pieceBytes the longest piece of a chunk that goes to the device at once
   * @param piecesPerChunk pieces of one chunk that may be in flight at once
   * @param inFlightBytes device bytes in flight
   * @param ageStep how long a lane's head waits for each rank that it rises
   * @param stuckAfter when an operation counts as stuck in the kernel
   * @param stuckThreadsMax threads replaced because of that, at the most
   * @param errorsBeforeProbe consecutive device errors of a worker that put the device in doubt
   * @param restartsMax restarts of one part of the store within {@code restartsWindow}
   * @param leaseBytes the pool of leases
   * @param scanThreads threads of a recovery scan
   */
  public record Io(
      int threads,
      int queuePerWorker,
      int reservedForLoads,
      long pieceBytes,
      int piecesPerChunk,
      long inFlightBytes,
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
    if (!root.hasPath("weft")) {
      throw new IllegalArgumentException(
          "the configuration has no block 'weft': load it with ConfigFactory.load(), which brings"
              + " weft's reference.conf");
    }
    if (!(root.getValue("weft") instanceof ConfigObject block)) {
      throw new IllegalArgumentException(
          "weft = " + root.getValue("weft").unwrapped() + ": write a block of settings");
    }
    Reader weft = new Reader("weft", block.toConfig());
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
            weft.oneOf("durability", Durability.class),
            weft.word("direct-io", "required", "preferred", "off"),
            weft.size("quarantine", 0),
            weft.duration("snapshot-interval"),
            weft.positive("request-timeout"),
            weft.positive("shutdown-timeout"),
            new Io(
                weft.count("io.threads", 1, 1024),
                weft.count("io.queue-per-worker", 1, 64),
                weft.count("io.reserved-for-loads", 0, 1023),
                weft.size("io.piece", 4096),
                weft.count("io.pieces-per-chunk", 1, 1024),
                weft.size("io.in-flight", 4096),
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

  private void check(Reader weft) {
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

  private static FabricSettings fabric(Reader nvmeof) {
    FabricSettings.Transport transport = nvmeof.oneOf("transport", FabricSettings.Transport.class);
    List<FabricSettings.PathSettings> paths = new ArrayList<>();
    for (Reader path : nvmeof.blocks("paths")) {
      String address = path.word("address");
      if (address.isEmpty() && transport != FabricSettings.Transport.LOOP) {
        throw path.wrong("address", "", "name the target's address");
      }
      paths.add(
          new FabricSettings.PathSettings(
              address,
              path.word("service"),
              path.word("host-address"),
              path.word("host-interface")));
    }
    if (transport == FabricSettings.Transport.LOOP && paths.isEmpty()) {
      paths.add(new FabricSettings.PathSettings("", "", "", ""));
    }
    boolean autoConnect = nvmeof.flag("auto-connect");
    if (paths.isEmpty() && autoConnect) {
      throw nvmeof.wrong(
          "paths", "[]", "name at least one, as in [ { address = 10.0.0.1, service = 4420 } ]");
    }
    String nqn = nvmeof.word("subsystem-nqn");
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
        nvmeof.word("host-nqn"),
        nvmeof.word("host-id"),
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
            nvmeof.word("tls.keyring"),
            nvmeof.word("tls.key-id"),
            nvmeof.line("tls.key-identity"),
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

  /** Reads typed values of one block and says what is wrong with them. */
  private record Reader(String where, Config config) {
    private static final String TIME_FORM = "write a time with a unit, as in 250ms, 30s or 5m";

    Reader block(String key) {
      try {
        return new Reader(where + "." + key, config.getConfig(key));
      } catch (ConfigException.Missing missing) {
        throw missing(key, missing);
      } catch (ConfigException.WrongType _) {
        throw wrong(key, shown(key), "write a block of settings");
      }
    }

    /** A list of blocks; what a block leaves out is empty. */
    List<Reader> blocks(String key) {
      try {
        List<Reader> blocks = new ArrayList<>();
        for (Config each : config.getConfigList(key)) {
          blocks.add(new Reader("%s.%s[%d]".formatted(where, key, blocks.size()), each));
        }
        return blocks;
      } catch (ConfigException.Missing missing) {
        throw missing(key, missing);
      } catch (ConfigException.WrongType _) {
        throw wrong(key, shown(key), "write a list of blocks, as in [ { address = 10.0.0.1 } ]");
      }
    }

    /** A text that may become an argument of a command: without blanks and control characters. */
    String word(String key) {
      String text = config.hasPath(key) || !where.endsWith("]") ? line(key) : "";
      if (text.indexOf(' ') >= 0) {
        throw wrong(key, text, "write it without blanks and control characters");
      }
      return text;
    }

    /** The same, with blanks: a TLS identity has them between its parts. */
    String line(String key) {
      String text = notASecret(key, text(key).strip());
      if (!text.chars().allMatch(c -> c >= ' ' && c != 127)) {
        throw wrong(key, text, "write it without blanks and control characters");
      }
      if (text.startsWith("-")) {
        throw wrong(key, text, "it may not begin with a '-'");
      }
      return text;
    }

    /** A secret in the wrong place is not shown there, nor anywhere. */
    private String notASecret(String key, String text) {
      if (text.startsWith("DHHC-1:") || text.startsWith("NVMeTLSkey-1:")) {
        throw wrong(key, "***", "this is a secret: write it into a file, or into the keyring");
      }
      return text;
    }

    /** nvme-cli counts in seconds. */
    Duration seconds(String key) {
      Duration duration = positive(key);
      if (duration.toNanos() % 1_000_000_000L != 0) {
        throw wrong(key, text(key), "whole seconds");
      }
      return duration;
    }

    Optional<Duration> secondsUnless(String key, String none) {
      return text(key).equals(none) ? Optional.empty() : Optional.of(seconds(key));
    }

    Optional<Path> secretFile(String key) {
      String text = notASecret(key, text(key));
      return text.isEmpty() ? Optional.empty() : Optional.of(value(key, text, Path::of));
    }

    String text(String key) {
      try {
        return config.getString(key);
      } catch (ConfigException.Missing missing) {
        throw missing(key, missing);
      } catch (ConfigException.WrongType _) {
        throw wrong(key, shown(key), "write one value, not a list or a block");
      }
    }

    boolean flag(String key) {
      return value(
          key,
          text(key),
          text ->
              switch (text.toLowerCase(Locale.ROOT)) {
                case "true", "on", "yes" -> true;
                case "false", "off", "no" -> false;
                default -> throw new IllegalArgumentException("write true or false");
              });
    }

    long size(String key, long least) {
      return value(
          key,
          text(key),
          text -> {
            long bytes = ByteSize.parse(text).bytes();
            if (bytes < least) {
              throw new IllegalArgumentException("at least " + new ByteSize(least));
            }
            return bytes;
          });
    }

    Map<String, Long> sizes(String key) {
      Map<String, Long> sizes = new TreeMap<>();
      try {
        config
            .getObject(key)
            .forEach(
                (name, size) -> {
                  String text = String.valueOf(size.unwrapped());
                  sizes.put(
                      name, value(key + "." + name, text, each -> ByteSize.parse(each).bytes()));
                });
      } catch (ConfigException.Missing missing) {
        throw missing(key, missing);
      } catch (ConfigException.WrongType _) {
        throw wrong(key, shown(key), "write a size for each name, as in { team-a = 100GiB }");
      }
      return Map.copyOf(sizes);
    }

    int count(String key, int least, int most) {
      return value(
          key,
          text(key),
          text -> {
            int count;
            try {
              count = Integer.parseInt(text.strip());
            } catch (NumberFormatException notANumber) {
              throw new IllegalArgumentException("write a whole number", notANumber);
            }
            if (count < least || count > most) {
              throw new IllegalArgumentException("from " + least + " to " + most);
            }
            return count;
          });
    }

    Duration duration(String key) {
      String text = text(key);
      Duration duration;
      try {
        duration = config.getDuration(key);
      } catch (ConfigException _) {
        throw wrong(key, text, TIME_FORM);
      }
      if (duration.isNegative()) {
        throw wrong(key, text, "not negative");
      }
      // Typesafe Config takes a bare number for milliseconds; whoever writes 30 means seconds.
      if (!duration.isZero()
          && !Character.isLetter(text.strip().charAt(text.strip().length() - 1))) {
        throw wrong(key, text, TIME_FORM);
      }
      return duration;
    }

    Duration positive(String key) {
      Duration duration = duration(key);
      if (duration.isZero()) {
        throw wrong(key, text(key), "more than nothing");
      }
      return duration;
    }

    String word(String key, String... words) {
      String text = text(key);
      String word = text.toLowerCase(Locale.ROOT);
      if (!List.of(words).contains(word)) {
        throw wrong(key, text, "one of " + String.join(", ", words));
      }
      return word;
    }

    <E extends Enum<E>> E oneOf(String key, Class<E> type) {
      String[] words =
          java.util.Arrays.stream(type.getEnumConstants())
              .map(each -> each.name().toLowerCase(Locale.ROOT))
              .toArray(String[]::new);
      return Enum.valueOf(type, word(key, words).toUpperCase(Locale.ROOT));
    }

    <T> T value(String key, String text, Function<String, T> parser) {
      try {
        return parser.apply(text);
      } catch (IllegalArgumentException bad) {
        throw wrong(key, text, String.valueOf(bad.getMessage()));
      }
    }

    IllegalArgumentException wrong(String key, Object value, String mend) {
      return new IllegalArgumentException(where + "." + key + " = " + value + ": " + mend);
    }

    IllegalArgumentException missing(String key, ConfigException cause) {
      return new IllegalArgumentException(
          where
              + "."
              + key
              + " is missing: load the configuration with ConfigFactory.load(), which brings weft's"
              + " reference.conf",
          cause);
    }

    private String shown(String key) {
      return config.getValue(key).render(ConfigRenderOptions.concise());
    }
  }
}
