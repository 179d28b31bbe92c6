package io.weft.cli;

import io.weft.base.DeviceException;
import io.weft.device.Layout;
import io.weft.device.VerifiedFile;
import io.weft.device.VerifiedFile.Verdict;
import io.weft.device.VerifySink;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code weft verify}: reads every chunk of a directory from end to end. */
@Command(
    name = "verify",
    description = {
      "Reads every chunk of a store and compares its block and its payload with their checksums.",
      "",
      "No store may have the directory open meanwhile. Nothing is changed, unless --quarantine says"
          + " so.",
      ""
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:every chunk is right",
      "1:chunks are wrong or cannot be read",
      "2:the command line, or a file that it names, is not usable",
      "3:the device failed, or a store has the directory open"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft verify --dir /mnt/nvme/weft",
      "  weft verify --dir /mnt/nvme/weft --threads 32 --quarantine --json"
    })
final class VerifyCommand implements Callable<Integer> {
  /** How many files are named one by one; the counts tell of the others. */
  private static final int NAMED_FILES = 100;

  @Spec private @Nullable CommandSpec spec;

  @Mixin private final DirectoryOptions directory = new DirectoryOptions();

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "16",
      description = "How many chunks are read at once (default: ${DEFAULT-VALUE}).")
  private int threads;

  @Option(names = "--quarantine", description = "Move wrong chunks to the store's quarantine.")
  private boolean quarantine;

  @Mixin private final Progress.ModeOption progress = new Progress.ModeOption();

  /** Adds up what the walk finds. */
  private static final class Counts implements VerifySink {
    final Map<Verdict, Long> files = new EnumMap<>(Verdict.class);
    final List<VerifiedFile> named = new ArrayList<>();
    long payloadBytes;
    long physicalBytes;
    long quarantined;
    private final Progress progress;

    Counts(Progress progress) {
      this.progress = progress;
    }

    @Override
    public void file(VerifiedFile file) {
      files.merge(file.verdict(), 1L, Long::sum);
      payloadBytes += file.payloadBytes();
      physicalBytes += file.verdict() == Verdict.GOOD ? file.physicalBytes() : 0;
      quarantined += file.quarantined() ? 1 : 0;
      if (file.verdict() != Verdict.GOOD && named.size() < NAMED_FILES) {
        named.add(file);
      }
    }

    @Override
    public void progress(int done, int parts) {
      progress.to(100L * done / parts);
    }

    long of(Verdict verdict) {
      return files.getOrDefault(verdict, 0L);
    }
  }

  @Override
  public Integer call() throws CommandFailed {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    if (threads < 1 || threads > 1024) {
      throw new ParameterException(command, "--threads: from 1 to 1024, not " + threads);
    }
    directory.requireStore(command);
    long begin = System.nanoTime();
    try (Layout layout = directory.openLayout();
        Progress shown = progress.start(command, "verify", 100, "% of the store")) {
      Counts counts = new Counts(shown);
      layout.verify(threads, quarantine, counts);
      return report(command, counts, (System.nanoTime() - begin) / 1e9);
    } catch (DeviceException e) {
      throw new CommandFailed(ExitCodes.FAILURE, String.valueOf(e.getMessage()));
    }
  }

  private int report(CommandLine command, Counts counts, double seconds) {
    Report report =
        new Report()
            .section("files", "files of " + directory.directory())
            .count("good", counts.of(Verdict.GOOD), "good chunks")
            .count("wrong", counts.of(Verdict.WRONG), "wrong chunks")
            .count("unreadable", counts.of(Verdict.UNREADABLE), "unreadable chunks")
            .count("staging", counts.of(Verdict.STAGING), "leftovers of unfinished stores")
            .count("laterVersion", counts.of(Verdict.LATER_VERSION), "chunks of a later format")
            .count("foreign", counts.of(Verdict.FOREIGN), "files that are not the store's")
            .count("quarantined", counts.quarantined, "moved to the quarantine")
            .section("work", "work")
            .bytes("payloadBytes", counts.payloadBytes, "good payload")
            .bytes("physicalBytes", counts.physicalBytes, "on the device")
            .add("seconds", Figures.rounded(seconds, 3), "time", Figures.seconds(seconds))
            .add(
                "bytesPerSecond",
                Figures.rounded(counts.payloadBytes / seconds, 0),
                "rate",
                Figures.bytesPerSecond(counts.payloadBytes / seconds));
    List<Object> rows = new ArrayList<>();
    TextTable table = new TextTable("file", "is", "why");
    for (VerifiedFile file : counts.named) {
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("file", file.path());
      row.put("verdict", file.verdict().name());
      row.put("detail", file.detail());
      row.put("quarantined", file.quarantined());
      rows.add(row);
      table.row(file.path(), words(file), file.detail());
    }
    report.addToRoot("named", rows);
    if (directory.json()) {
      report.print(command.getOut(), true);
    } else {
      report.print(command.getOut(), false);
      if (!counts.named.isEmpty()) {
        command.getOut().println();
        table.print(command.getOut());
        if (counts.named.size() == NAMED_FILES) {
          command.getOut().println("(the first " + NAMED_FILES + ")");
        }
      }
      command.getOut().flush();
    }
    boolean wrong = counts.of(Verdict.WRONG) + counts.of(Verdict.UNREADABLE) > 0;
    return wrong ? ExitCodes.WRONG_DATA : ExitCodes.OK;
  }

  private static String words(VerifiedFile file) {
    String what =
        switch (file.verdict()) {
          case GOOD -> "good";
          case WRONG -> "wrong";
          case UNREADABLE -> "unreadable";
          case STAGING -> "unfinished";
          case LATER_VERSION -> "of a later format";
          case FOREIGN -> "foreign";
        };
    return file.quarantined() ? what + ", moved away" : what;
  }
}
