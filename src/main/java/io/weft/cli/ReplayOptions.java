package io.weft.cli;

import io.weft.base.BufferLease;
import io.weft.base.ByteSize;
import io.weft.base.Chunks;
import io.weft.base.Durability;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** How a trace is replayed through a store, and how that store is configured. */
final class ReplayOptions {
  /** How far stores run ahead on one request; with the other requests, some for each I/O thread. */
  private static final int STORES_AHEAD = 16;

  /** How many bytes of one request are in memory at once, one chunk at the least. */
  private static final long REQUEST_BYTES = 16L << 20;

  private static final long LEASE_POOL_LEAST = 256L << 20;

  @Option(
      names = "--chunk-bytes",
      paramLabel = "SIZE",
      defaultValue = "128KiB",
      description = "The size of a chunk, as in 16KiB or 2MiB (default: ${DEFAULT-VALUE}).")
  private ByteSize chunkBytes = ByteSize.ofKibibytes(128);

  @Option(
      names = "--concurrency",
      paramLabel = "N",
      defaultValue = "8",
      description = "How many requests are served at once (default: ${DEFAULT-VALUE}).")
  private int concurrency;

  @Option(
      names = "--policy",
      paramLabel = "P",
      description =
          "Eviction policy: lru, lfu, fifo, mru, s3fifo, or a class name (default: the"
              + " configuration's, lru).")
  private @Nullable String policy;

  @Option(
      names = "--durability",
      paramLabel = "D",
      description =
          "What an acknowledged chunk survives: relaxed (a killed process), data, full (a power"
              + " cut) (default: the configuration's, relaxed).")
  private @Nullable Durability durability;

  @Option(
      names = "--direct-io",
      paramLabel = "HOW",
      description = "required, preferred or off (default: the configuration's, preferred).")
  private @Nullable String directIo;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "A configuration file with a weft block; options go before it.")
  private @Nullable Path config;

  @Option(names = "--json", description = "Write the report as one JSON object.")
  private boolean json;

  boolean json() {
    return json;
  }

  long chunkBytes() {
    return chunkBytes.bytes();
  }

  int concurrency() {
    return concurrency;
  }

  /** Refuses what cannot be replayed, before anything is made. */
  void check(CommandLine command) {
    if (chunkBytes() < 1 || chunkBytes() > Chunks.MAX_PAYLOAD_BYTES) {
      throw new ParameterException(
          command,
          "--chunk-bytes: a chunk has from 1 byte to "
              + new ByteSize(Chunks.MAX_PAYLOAD_BYTES)
              + ", not "
              + chunkBytes);
    }
    if (concurrency < 1 || concurrency > 1024) {
      throw new ParameterException(
          command, "--concurrency: from 1 to 1024 requests at once, not " + concurrency);
    }
  }

  /** How many chunks of a request are loaded in one batch. */
  int loadsAtOnce() {
    return Math.clamp(REQUEST_BYTES / chunkBytes(), 1, 1024);
  }

  /** How many chunks of a request are being stored at once. */
  int storesAtOnce() {
    return Math.clamp(REQUEST_BYTES / chunkBytes(), 1, STORES_AHEAD);
  }

  /**
   * Starts the store that the replay runs through.
   *
   * @param capacityBytes null for the configuration's
   */
  OpenStore openStore(
      CommandLine command, Path directory, @Nullable Long capacityBytes, Runnable afterInterrupt)
      throws CommandFailed {
    Map<String, Object> options = new LinkedHashMap<>();
    options.put("weft.mode", "directory");
    options.put("weft.directory", directory.toString());
    options.put("weft.create-directory", true);
    if (capacityBytes != null) {
      options.put("weft.capacity", capacityBytes);
    }
    if (policy != null) {
      options.put("weft.eviction.policy", policy);
    }
    if (durability != null) {
      options.put("weft.durability", durability.name().toLowerCase(Locale.ROOT));
    }
    if (directIo != null) {
      options.put("weft.direct-io", directIo);
    }
    if (chunkBytes() > ByteSize.ofMebibytes(512).bytes()) {
      options.put("weft.max-chunk", chunkBytes());
    }
    // Every request may hold its whole batch in leases at once.
    long leases =
        concurrency
            * (long) Math.max(loadsAtOnce(), storesAtOnce())
            * BufferLease.pooledBytes(chunkBytes());
    options.put("weft.io.lease-pool", Math.max(LEASE_POOL_LEAST, leases));
    return OpenStore.start(
        command, OpenStore.configuration(command, options, config, Map.of()), afterInterrupt);
  }
}
