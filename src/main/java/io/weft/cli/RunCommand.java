package io.weft.cli;

import io.weft.cli.trace.GeneratedTrace;
import io.weft.cli.trace.TraceSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code weft run}: the main job, end to end on this machine, with nothing prepared. */
@Command(
    name = "run",
    description = {
      "Starts a store on a fresh directory, replays conversations of several turns through it, and"
          + " compares every byte that it loads with what was stored.",
      "",
      "Without options it takes well under a minute and less than 1 GiB of the temporary"
          + " directory's filesystem, which it gives back.",
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
      "  weft run",
      "  weft run --dir /mnt/nvme/try --chunk-bytes 2MiB --capacity 4GiB --requests 1000",
      "  weft run --seed 7 --policy s3fifo --json"
    })
final class RunCommand implements Callable<Integer> {
  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description =
          "An empty directory, or one that is not there yet (default: a new one in the system's"
              + " temporary directory).")
  private @Nullable Path directory;

  @Option(names = "--keep", description = "Leave the store's directory as it is at the end.")
  private boolean keep;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "Seed of the conversations (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--requests",
      paramLabel = "N",
      defaultValue = "500",
      description = "How many requests, about sixteen new chunks each (default: ${DEFAULT-VALUE}).")
  private int requests;

  @Option(
      names = "--trace",
      paramLabel = "FILE",
      description = "Replay this trace (or the one that -Dweft.trace names) instead.")
  private @Nullable Path trace;

  @Option(
      names = "--capacity",
      paramLabel = "SIZE",
      defaultValue = "512MiB",
      description =
          "The bound on what the store takes of the device: a size, or a number of chunks as in"
              + " 4000chunks (default: ${DEFAULT-VALUE}).")
  private @Nullable Capacity capacity;

  @Mixin private final ReplayOptions options = new ReplayOptions();

  @Mixin private final Progress.ModeOption progress = new Progress.ModeOption();

  @Override
  public Integer call() throws IOException, CommandFailed {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    TraceRun run = TraceRun.prepare(command, options, progress, source(command), 0);
    boolean made = directory == null || Files.notExists(directory);
    Path where = prepareDirectory(command);
    Runnable cleanUp = keep ? () -> {} : () -> remove(where, made);
    try {
      return run.run(where, capacity, cleanUp);
    } finally {
      cleanUp.run();
    }
  }

  private TraceSource source(CommandLine command) {
    try {
      return TraceSource.resolve(trace, GeneratedTrace.Parameters.of(seed, requests));
    } catch (IOException | IllegalArgumentException e) {
      throw new ParameterException(command, String.valueOf(e.getMessage()), e);
    }
  }

  private Path prepareDirectory(CommandLine command) {
    if (directory == null) {
      try {
        return Files.createTempDirectory("weft-run-");
      } catch (IOException e) {
        throw new ParameterException(
            command,
            "no directory can be made in %s: %s".formatted(System.getProperty("java.io.tmpdir"), e),
            e);
      }
    }
    try {
      Files.createDirectories(directory);
      try (Stream<Path> contents = Files.list(directory)) {
        if (contents.findAny().isPresent()) {
          throw new ParameterException(
              command,
              "--dir: %s is not empty; a run begins with a fresh store ('weft replay' goes on with"
                      .formatted(directory)
                  + " one)");
        }
      }
    } catch (IOException e) {
      throw new ParameterException(command, "--dir: " + directory + " cannot be made: " + e, e);
    }
    return directory;
  }

  /** Removes what the run has made; a directory that was there before stays, empty as it was. */
  private static void remove(Path directory, boolean itself) {
    try (Stream<Path> files = Files.walk(directory)) {
      List<Path> childrenFirst = files.sorted(Comparator.reverseOrder()).toList();
      for (Path file : childrenFirst) {
        if (itself || !file.equals(directory)) {
          Files.deleteIfExists(file);
        }
      }
    } catch (IOException left) {
      System.err.println("weft run: " + directory + " could not be removed: " + left);
    }
  }
}
