package io.weft.cli;

import io.weft.device.Layout;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code weft replay}: a trace through the whole store, on a filesystem of the user's choice. */
@Command(
    name = "replay",
    description = {
      "Replays a trace through a store: for each request, the blocks are looked up, the leading run"
          + " of hits is loaded, and the rest is stored.",
      "",
      "The content of a chunk follows from its key, and every byte that is loaded is compared with"
          + " it. While the replay runs, the filesystem is asked what the store's files take.",
      "",
      "Where the directory holds a store already, the replay goes on with its chunks: blocks that"
          + " an earlier replay published are hits.",
      ""
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:every byte was right, and the capacity was kept",
      "1:wrong bytes, damaged chunks, or more on the device than the capacity",
      "2:the command line, or a file that it names, is not usable",
      "3:the device or the store failed"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft replay --trace conversation_trace.jsonl --dir /mnt/nvme/weft \\",
      "              --chunk-bytes 16KiB --capacity 18279chunks --policy lru",
      "  weft replay --dir /mnt/nvme/weft --chunk-bytes 2MiB --capacity 20GiB --speed 10",
      "  WEFT_JAVA_OPTS=-Xmx512m weft replay --dir /mnt/nvme/weft --json"
    })
final class ReplayCommand implements Callable<Integer> {
  @Spec private @Nullable CommandSpec spec;

  @Mixin private final TraceOptions traceOptions = new TraceOptions();

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      required = true,
      defaultValue = "${env:WEFT_DIR}",
      description =
          "The store's directory; made where it is not there (default: the environment variable"
              + " WEFT_DIR).")
  private @Nullable Path directory;

  @Option(
      names = "--capacity",
      paramLabel = "SIZE",
      description =
          "The bound on what the store takes of the device: a size, or a number of chunks as in"
              + " 18279chunks (default: the configuration's, 10GiB).")
  private @Nullable Capacity capacity;

  @Mixin private final ReplayOptions options = new ReplayOptions();

  /** Either with the trace's clock or without one. */
  static final class Pace {
    @Option(
        names = "--speed",
        paramLabel = "X",
        description = "Send requests X times faster than the trace's clock says.")
    private @Nullable Double speed;

    @Option(
        names = "--as-fast-as-possible",
        description = "Send a request as soon as one before it is done (default).")
    @SuppressWarnings("unused") // what is done without --speed; here to be said, and to exclude it
    private boolean asFastAsPossible;
  }

  @ArgGroup private @Nullable Pace pace;

  @Option(
      names = "--resume",
      description = "Refuse to begin where the directory holds no store yet.")
  private boolean resume;

  @Mixin private final Progress.ModeOption progress = new Progress.ModeOption();

  @Override
  public Integer call() throws IOException, CommandFailed {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    Path where = Objects.requireNonNull(directory);
    double speed = pace == null || pace.speed == null ? 0 : pace.speed;
    if (pace != null && pace.speed != null && !(speed > 0 && speed <= 1e9)) {
      throw new ParameterException(command, "--speed: a positive number, not " + pace.speed);
    }
    if (resume && !Layout.isStore(where)) {
      throw new ParameterException(command, "--resume: there is no store in " + where);
    }
    TraceRun run =
        TraceRun.prepare(command, options, progress, traceOptions.resolve(command), speed);
    try {
      Files.createDirectories(where);
    } catch (IOException e) {
      throw new ParameterException(command, "--dir: " + where + " cannot be made: " + e, e);
    }
    return run.run(where, capacity, () -> {});
  }
}
