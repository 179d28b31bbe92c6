package io.weft.cli;

import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.base.BufferLease;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.Rejected;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code weft put}: stores one chunk. */
@Command(
    name = "put",
    description = {
      "Stores a file's bytes as a chunk. An empty directory becomes a store.",
      "",
      "In keys, \\xHH stands for one byte, as 'weft ls' writes them.",
      ""
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:stored, or there already (mode if_absent)",
      "1:mode if_present, and the key is not there",
      "2:the command line, or a file that it names, is not usable",
      "3:the device or the store failed, or did not take the chunk"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft put --dir /mnt/nvme/weft 'llama@1@0@5d41402abc4b2a76@bfloat16' tensors.bin",
      "  tar c folder | weft put --dir /mnt/nvme/weft backup - --mode replace --ttl 7d"
    })
final class PutCommand implements Callable<Integer> {
  @Spec private @Nullable CommandSpec spec;

  @Mixin private final DirectoryOptions directory = new DirectoryOptions();

  @Parameters(index = "0", paramLabel = "KEY", description = "The chunk's key.")
  private @Nullable ChunkKey key;

  @Parameters(
      index = "1",
      paramLabel = "FILE",
      description = "What to store; - for standard input.")
  private String file = "-";

  @Option(
      names = "--mode",
      paramLabel = "MODE",
      defaultValue = "if_absent",
      description =
          "if_absent: the first store of a key wins; if_present: replace only; replace: replace or"
              + " create (default: ${DEFAULT-VALUE}).")
  private StoreMode mode = StoreMode.IF_ABSENT;

  @Option(
      names = "--ttl",
      paramLabel = "TIME",
      description = "How long the chunk is kept, as in 90s, 15m, 12h or 7d (default: for ever).")
  private @Nullable Duration ttl;

  @Option(
      names = "--metadata",
      paramLabel = "TEXT",
      description = "Kept beside the chunk, at most 1 KiB.")
  private String metadata = "";

  @Override
  public Integer call() throws CommandFailed {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    StoreOptions options = options(command);
    ChunkKey name = Objects.requireNonNull(key);
    byte[] fromInput = file.equals("-") ? readInput(command) : null;
    Path path = Path.of(file);
    long length = fromInput == null ? fileLength(command, path) : fromInput.length;
    try (OpenStore open = directory.openOrMakeStore(command, BufferLease.pooledBytes(length))) {
      Payload payload =
          fromInput == null ? payload(command, open, path, length) : Payload.of(fromInput);
      StoreOutcome outcome =
          OpenStore.await(
              open.store()
                  .store(name, payload, options, Deadline.in(open.store().requestTimeout())));
      return report(command, name, length, outcome);
    }
  }

  private StoreOptions options(CommandLine command) {
    try {
      StoreOptions options =
          StoreOptions.DEFAULT
              .withMode(mode)
              .withMetadata(ChunkMetadata.of(metadata.getBytes(StandardCharsets.UTF_8)));
      return ttl == null
          ? options
          : options.withExpiryAt(Math.addExact(System.currentTimeMillis(), ttl.toMillis()));
    } catch (IllegalArgumentException | ArithmeticException wrong) {
      throw new ParameterException(command, String.valueOf(wrong.getMessage()), wrong);
    }
  }

  private static long fileLength(CommandLine command, Path path) {
    try {
      if (Files.isDirectory(path)) {
        throw new ParameterException(command, path + " is a directory");
      }
      return checkLength(command, Files.size(path));
    } catch (IOException e) {
      throw DirectoryOptions.fileTrouble(command, path, e);
    }
  }

  private static long checkLength(CommandLine command, long length) {
    if (length > Chunks.MAX_PAYLOAD_BYTES) {
      throw new ParameterException(
          command,
          "a chunk has at most %s, this has %s"
              .formatted(Figures.bytes(Chunks.MAX_PAYLOAD_BYTES), Figures.bytes(length)));
    }
    return length;
  }

  private static byte[] readInput(CommandLine command) {
    try {
      InputStream input = System.in;
      byte[] bytes = input.readNBytes((int) Chunks.MAX_PAYLOAD_BYTES);
      if (bytes.length == Chunks.MAX_PAYLOAD_BYTES && input.read() >= 0) {
        checkLength(command, Chunks.MAX_PAYLOAD_BYTES + 1);
      }
      return bytes;
    } catch (IOException e) {
      throw new ParameterException(command, "standard input cannot be read: " + e, e);
    }
  }

  /** The file's bytes, read straight into the memory that the device takes them from. */
  private static Payload payload(CommandLine command, OpenStore open, Path path, long length) {
    BufferLease lease = open.store().lease(length);
    if (lease == null) {
      throw new ParameterException(
          command, "there is no memory for the %s of %s".formatted(Figures.bytes(length), path));
    }
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      readFully(channel, lease.memory());
      return Payload.of(lease);
    } catch (IOException e) {
      lease.release();
      throw DirectoryOptions.fileTrouble(command, path, e);
    }
  }

  private static void readFully(ReadableByteChannel channel, MemorySegment target)
      throws IOException {
    var buffer = target.asByteBuffer();
    while (buffer.hasRemaining()) {
      if (channel.read(buffer) < 0) {
        throw new EOFException("the file became shorter while it was read");
      }
    }
  }

  private int report(CommandLine command, ChunkKey name, long length, StoreOutcome outcome)
      throws CommandFailed {
    Report report =
        new Report().section("chunk", name.toString()).addSilently("key", name.toString());
    int exitCode = ExitCodes.OK;
    switch (outcome) {
      case StoreOutcome.Stored(long generation, long physicalBytes) ->
          report
              .text("outcome", "stored", "outcome")
              .bytes("length", length, "payload")
              .bytes("physicalBytes", physicalBytes, "on the device")
              .add("generation", generation, "generation", Long.toHexString(generation));
      case StoreOutcome.AlreadyStored _ ->
          report.text("outcome", "there already, left as it is", "outcome");
      case StoreOutcome.NotPresent _ -> {
        report.text("outcome", "not there, nothing to replace", "outcome");
        exitCode = ExitCodes.WRONG_DATA;
      }
      case Rejected refusal ->
          throw new CommandFailed(
              ExitCodes.FAILURE, "not stored, " + refusal.reason() + ": " + refusal.detail());
      case Failed failed ->
          throw new CommandFailed(ExitCodes.FAILURE, "not stored: " + failed.detail());
    }
    report.print(command.getOut(), directory.json());
    return exitCode;
  }
}
