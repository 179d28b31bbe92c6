package io.weft.cli;

import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.Rejected;
import io.weft.base.StatOutcome;
import io.weft.base.Usage;
import java.util.ArrayList;
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
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code weft stat}: what is known of chunks, or of the store. */
@Command(
    name = "stat",
    description = {
      "Says what is known of chunks; without a key, of the store.",
      "",
      "In keys, \\xHH stands for one byte, as 'weft ls' writes them.",
      ""
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:all are there",
      "1:some are not there",
      "2:the command line, or a file that it names, is not usable",
      "3:the device or the store failed"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft stat --dir /mnt/nvme/weft",
      "  weft stat --dir /mnt/nvme/weft key-1 key-2 --json"
    })
final class StatCommand implements Callable<Integer> {
  @Spec private @Nullable CommandSpec spec;

  @Mixin private final DirectoryOptions directory = new DirectoryOptions();

  @Parameters(paramLabel = "KEY", arity = "0..*", description = "The keys.")
  private List<ChunkKey> keys = new ArrayList<>();

  @Override
  public Integer call() throws CommandFailed {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    try (OpenStore open = directory.openStore(command)) {
      return keys.isEmpty() ? ofStore(command, open) : ofChunks(command, open);
    }
  }

  private int ofStore(CommandLine command, OpenStore open) {
    StoreStatus status = OpenStore.await(open.store().status());
    Usage usage = OpenStore.await(open.store().usage());
    Report report =
        new Report()
            .section("store", "store in " + status.directory())
            .addSilently("directory", status.directory())
            .text("filesystem", status.filesystem(), "filesystem")
            .add(
                "directIo",
                status.directIo(),
                "O_DIRECT",
                status.directIo() ? "yes" : "no: " + status.directIoDetail())
            .text("ioEngine", status.ioEngine(), "chunks go by")
            .text("recovery", status.recovery(), "found at start")
            .count("chunks", usage.chunks(), "chunks")
            .bytes("chunkBytes", usage.chunkBytes(), "chunks on the device")
            .bytes("usedBytes", usage.usedBytes(), "with snapshot and quarantine")
            .bySalt(usage.bySalt());
    report.print(command.getOut(), directory.json());
    return ExitCodes.OK;
  }

  private int ofChunks(CommandLine command, OpenStore open) throws CommandFailed {
    List<StatOutcome> outcomes =
        OpenStore.await(open.store().stat(keys, Deadline.in(open.store().requestTimeout())));
    List<Object> rows = new ArrayList<>();
    Report report = new Report();
    int exitCode = ExitCodes.OK;
    for (int i = 0; i < keys.size(); i++) {
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("key", keys.get(i).toString());
      rows.add(row);
      report.section("" + i, keys.get(i).toString());
      switch (outcomes.get(i)) {
        case StatOutcome.Present present -> describe(present, report, row);
        case StatOutcome.Absent _ -> {
          row.put("present", false);
          report.text("present", "no", "there");
          exitCode = ExitCodes.WRONG_DATA;
        }
        case Rejected refusal ->
            throw new CommandFailed(
                ExitCodes.FAILURE, "no answer, " + refusal.reason() + ": " + refusal.detail());
        case Failed failed ->
            throw new CommandFailed(ExitCodes.FAILURE, "no answer: " + failed.detail());
      }
    }
    if (directory.json()) {
      Report.printJson(command.getOut(), Map.of("chunks", rows));
    } else {
      report.print(command.getOut(), false);
    }
    return exitCode;
  }

  private static void describe(
      StatOutcome.Present present, Report report, Map<String, Object> row) {
    row.put("present", true);
    row.put("length", present.length());
    row.put("physicalBytes", present.physicalBytes());
    row.put("generation", present.generation());
    row.put("expiresAtMillis", present.expiresAtMillis());
    row.put("metadata", text(present.metadata()));
    row.put("locks", present.locks());
    row.put("pins", present.pins());
    report
        .bytes("length", present.length(), "payload")
        .bytes("physicalBytes", present.physicalBytes(), "on the device")
        .text("generation", Long.toHexString(present.generation()), "generation")
        .text("expires", Figures.time(present.expiresAtMillis()), "expires")
        .text("metadata", text(present.metadata()), "metadata")
        .count("locks", present.locks(), "locks")
        .count("pins", present.pins(), "pins");
  }

  private static String text(ChunkMetadata metadata) {
    return metadata.isEmpty() ? "" : KeyText.printable(metadata.toBytes());
  }
}
