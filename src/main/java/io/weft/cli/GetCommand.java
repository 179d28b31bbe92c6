package io.weft.cli;

import io.weft.api.LoadTarget;
import io.weft.base.BufferLease;
import io.weft.base.ByteSize;
import io.weft.base.ChunkKey;
import io.weft.base.Failed;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code weft get}: loads one chunk. */
@Command(
    name = "get",
    description = {
      "Loads a chunk, verified, into a file or to standard output.",
      "",
      "In keys, \\xHH stands for one byte, as 'weft ls' writes them.",
      ""
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:loaded",
      "1:the key is not there, or its chunk is damaged",
      "2:the command line, or a file that it names, is not usable",
      "3:the device or the store failed"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft get --dir /mnt/nvme/weft 'llama@1@0@5d41402abc4b2a76@bfloat16' tensors.bin",
      "  weft get --dir /mnt/nvme/weft backup | tar t"
    })
final class GetCommand implements Callable<Integer> {
  /** One chunk at a time: as large as any may be. */
  private static final long LEASE_BYTES = ByteSize.ofGibibytes(2).bytes();

  private static final int COPY_BYTES = 1 << 16;

  @Spec private @Nullable CommandSpec spec;

  @Mixin private final DirectoryOptions directory = new DirectoryOptions();

  @Parameters(index = "0", paramLabel = "KEY", description = "The chunk's key.")
  private @Nullable ChunkKey key;

  @Parameters(
      index = "1",
      paramLabel = "FILE",
      arity = "0..1",
      defaultValue = "-",
      description = "Where to write the bytes; - for standard output (default).")
  private String file = "-";

  @Override
  public Integer call() throws CommandFailed {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    ChunkKey name = Objects.requireNonNull(key);
    try (OpenStore open = directory.openStoreWithLeases(command, LEASE_BYTES)) {
      return switch (OpenStore.await(open.store().load(name, LoadTarget.lease()))) {
        case LoadOutcome.Leased(BufferLease lease) -> {
          try (lease) {
            write(command, name, lease);
          }
          yield ExitCodes.OK;
        }
        case LoadOutcome.Miss(LoadOutcome.Miss.Why why) ->
            throw new CommandFailed(
                ExitCodes.WRONG_DATA, name + ": " + why.name().toLowerCase(Locale.ROOT));
        case Rejected refusal ->
            throw new CommandFailed(
                ExitCodes.FAILURE, "not loaded, " + refusal.reason() + ": " + refusal.detail());
        case Failed failed ->
            throw new CommandFailed(ExitCodes.FAILURE, "not loaded: " + failed.detail());
        case LoadOutcome.Loaded _ -> throw new IllegalStateException("no memory was given");
        case LoadOutcome.TooSmall _ -> throw new IllegalStateException("no memory was given");
      };
    }
  }

  private void write(CommandLine command, ChunkKey name, BufferLease lease) throws CommandFailed {
    boolean toOutput = file.equals("-");
    try {
      if (toOutput) {
        copy(lease.buffer(), System.out);
        System.out.flush();
      } else {
        try (FileOutputStream out = new FileOutputStream(file)) {
          copy(lease.buffer(), out);
        }
      }
    } catch (IOException e) {
      if (toOutput) {
        throw new CommandFailed(ExitCodes.FAILURE, "standard output: " + e.getMessage());
      }
      throw DirectoryOptions.fileTrouble(command, Path.of(file), e);
    }
    if (!toOutput) {
      new Report()
          .section("chunk", name.toString())
          .addSilently("key", name.toString())
          .text("outcome", "loaded, verified", "outcome")
          .bytes("length", lease.length(), "payload")
          .text("file", file, "file")
          .print(command.getOut(), directory.json());
    }
  }

  private static void copy(ByteBuffer from, OutputStream to) throws IOException {
    byte[] piece = new byte[COPY_BYTES];
    while (from.hasRemaining()) {
      int length = Math.min(piece.length, from.remaining());
      from.get(piece, 0, length);
      to.write(piece, 0, length);
    }
  }
}
