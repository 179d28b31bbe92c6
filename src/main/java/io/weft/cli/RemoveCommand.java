package io.weft.cli;

import io.weft.api.StoreProtocol;
import io.weft.base.ChunkKey;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.Rejected;
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
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code weft rm}: removes chunks. */
@Command(
    name = "rm",
    description = {
      "Removes chunks.",
      "",
      "In keys, \\xHH stands for one byte, as 'weft ls' writes them.",
      ""
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:all were there and are removed",
      "1:some were not there, or are in use and left",
      "2:the command line, or a file that it names, is not usable",
      "3:the device or the store failed"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft rm --dir /mnt/nvme/weft key-1 key-2",
      "  weft rm --dir /mnt/nvme/weft --force 'llama@1@0@5d41402abc4b2a76@bfloat16'"
    })
final class RemoveCommand implements Callable<Integer> {
  @Spec private @Nullable CommandSpec spec;

  @Mixin private final DirectoryOptions directory = new DirectoryOptions();

  @Option(
      names = {"-f", "--force"},
      description = "Locked and pinned chunks, too.")
  private boolean force;

  @Parameters(paramLabel = "KEY", arity = "1..*", description = "The keys.")
  private List<ChunkKey> keys = new ArrayList<>();

  @Override
  public Integer call() throws CommandFailed {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    StoreProtocol.KeyOperation operation =
        force ? StoreProtocol.KeyOperation.DELETE_FORCED : StoreProtocol.KeyOperation.DELETE;
    try (OpenStore open = directory.openStore(command)) {
      return switch (OpenStore.await(open.store().keys(operation, keys))) {
        case KeysOutcome.Done done -> report(command, done);
        case Rejected refusal ->
            throw new CommandFailed(
                ExitCodes.FAILURE, "not removed, " + refusal.reason() + ": " + refusal.detail());
        case Failed failed ->
            throw new CommandFailed(ExitCodes.FAILURE, "not removed: " + failed.detail());
      };
    }
  }

  private int report(CommandLine command, KeysOutcome.Done done) {
    List<Object> rows = new ArrayList<>();
    TextTable table = new TextTable("key", "outcome");
    for (int i = 0; i < keys.size(); i++) {
      String outcome =
          done.hits().get(i) ? "removed" : done.held().get(i) ? "in use, left" : "not there";
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("key", keys.get(i).toString());
      row.put("outcome", outcome);
      rows.add(row);
      table.row(keys.get(i).toString(), outcome);
    }
    if (directory.json()) {
      Report.printJson(command.getOut(), Map.of("chunks", rows));
    } else {
      table.print(command.getOut());
      command.getOut().flush();
    }
    return done.hits().cardinality() == keys.size() ? ExitCodes.OK : ExitCodes.WRONG_DATA;
  }
}
