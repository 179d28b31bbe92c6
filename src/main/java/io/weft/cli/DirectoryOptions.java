package io.weft.cli;

import com.typesafe.config.Config;
import io.weft.base.ByteSize;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.Durability;
import io.weft.base.Ticker;
import io.weft.device.DirectIo;
import io.weft.device.Layout;
import io.weft.device.LayoutSettings;
import io.weft.device.SnapshotStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/**
 * The options of the commands that work on a store's directory while no other process has it.
 *
 * <p>What the store is configured with is not written in its directory. Unless a configuration is
 * named, these commands open it so that looking at it loses nothing: with a capacity and a
 * quarantine as large as the filesystem, and with the policy whose state the snapshot holds.
 */
final class DirectoryOptions {
  private static final String DEFAULT_POLICY = "lru";

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      required = true,
      defaultValue = "${env:WEFT_DIR}",
      description = "The store's directory (default: the environment variable WEFT_DIR).")
  private @Nullable Path directory;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description =
          "The store's configuration, with its weft block. Without it, the store is opened with a"
              + " capacity that evicts nothing.")
  private @Nullable Path config;

  @Option(names = "--json", description = "Write the result as one JSON object.")
  private boolean json;

  boolean json() {
    return json;
  }

  Path directory() {
    return Objects.requireNonNull(directory);
  }

  /** Opens the store that is there. */
  OpenStore openStore(CommandLine command) throws CommandFailed {
    return openStoreWithLeases(command, 0);
  }

  /**
   * Opens the store that is there.
   *
   * @param leaseBytes memory for leases that the command needs
   */
  OpenStore openStoreWithLeases(CommandLine command, long leaseBytes) throws CommandFailed {
    requireStore(command);
    return open(command, leaseBytes);
  }

  /**
   * Opens the store that is there, or makes one where the directory is empty.
   *
   * @param leaseBytes memory for leases that the command needs
   */
  OpenStore openOrMakeStore(CommandLine command, long leaseBytes) throws CommandFailed {
    requireDirectory(command);
    return open(command, leaseBytes);
  }

  private OpenStore open(CommandLine command, long leaseBytes) throws CommandFailed {
    Map<String, Object> options = new LinkedHashMap<>();
    options.put("weft.mode", "directory");
    options.put("weft.directory", directory().toString());
    options.put("weft.create-directory", false);
    options.put("weft.io.lease-pool", Math.max(leaseBytes, ByteSize.ofMebibytes(256).bytes()));
    Config merged =
        OpenStore.configuration(command, options, config, config == null ? lossless() : Map.of());
    return OpenStore.start(command, merged, () -> {});
  }

  /** Settings with which opening a store takes nothing from it. */
  private Map<String, Object> lossless() throws CommandFailed {
    Map<String, Object> settings = new LinkedHashMap<>();
    try {
      long everything = Math.max(1L << 40, Files.getFileStore(directory()).getTotalSpace());
      settings.put("weft.capacity", everything);
      settings.put("weft.quarantine", everything);
      long segmentBytes = Layout.segmentBytes(directory());
      if (segmentBytes > 0) {
        settings.put("weft.layout", "slab");
        settings.put("weft.slab.segment", segmentBytes);
      }
    } catch (IOException e) {
      throw new CommandFailed(ExitCodes.FAILURE, "the filesystem cannot be asked: " + e);
    }
    settings.put("weft.max-chunk", Chunks.MAX_PAYLOAD_BYTES);
    settings.put("weft.eviction.policy", Layout.isStore(directory()) ? policy() : DEFAULT_POLICY);
    return settings;
  }

  /** The policy that the snapshot was written with; the default one where there is no snapshot. */
  private String policy() throws CommandFailed {
    try (Layout layout = openLayout();
        SnapshotStore.Reader snapshot = layout.snapshots().open()) {
      return snapshot == null || snapshot.header().policy().isEmpty()
          ? DEFAULT_POLICY
          : snapshot.header().policy();
    } catch (DeviceException e) {
      throw new CommandFailed(ExitCodes.FAILURE, String.valueOf(e.getMessage()));
    }
  }

  /** The store's files themselves, without a store on top of them. */
  Layout openLayout() throws DeviceException {
    return Layout.open(
        new LayoutSettings(
            directory(), DirectIo.PREFERRED, Durability.RELAXED, "", new LayoutSettings.AsFound()),
        Ticker.system());
  }

  void requireStore(CommandLine command) {
    requireDirectory(command);
    if (!Layout.isStore(directory())) {
      throw new ParameterException(command, "--dir: there is no store in " + directory());
    }
  }

  private void requireDirectory(CommandLine command) {
    if (Files.notExists(directory())) {
      throw new ParameterException(command, "--dir: there is no directory " + directory());
    }
    if (!Files.isDirectory(directory())) {
      throw new ParameterException(command, "--dir: " + directory() + " is no directory");
    }
  }

  /** A message for a file that a command was told to read or write. */
  static ParameterException fileTrouble(CommandLine command, Path file, IOException trouble) {
    String what =
        trouble instanceof NoSuchFileException ? "there is no such file or folder" : "" + trouble;
    return new ParameterException(command, file + ": " + what, trouble);
  }
}
