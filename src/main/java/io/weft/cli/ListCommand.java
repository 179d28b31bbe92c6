package io.weft.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.weft.api.ChunkStore;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.KeysPage;
import io.weft.base.Rejected;
import io.weft.base.StatOutcome;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
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

/** {@code weft ls}: the keys of a store, page by page. */
@Command(
    name = "ls",
    description = {
      "Lists the keys of a store, in no particular order.",
      "",
      "Bytes of a key that are not printable ASCII are written as \\xHH; every command takes keys"
          + " in that form.",
      ""
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:done",
      "2:the command line, or a file that it names, is not usable",
      "3:the device or the store failed"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft ls --dir /mnt/nvme/weft",
      "  weft ls --dir /mnt/nvme/weft --prefix llama@ --limit 20 -l"
    })
final class ListCommand implements Callable<Integer> {
  private static final int PAGE_KEYS = 1_000;

  @Spec private @Nullable CommandSpec spec;

  @Mixin private final DirectoryOptions directory = new DirectoryOptions();

  @Option(names = "--prefix", paramLabel = "TEXT", description = "Only keys that begin with this.")
  private String prefix = "";

  @Option(names = "--limit", paramLabel = "N", description = "At most so many keys.")
  private long limit = Long.MAX_VALUE;

  @Option(
      names = {"-l", "--long"},
      description = "With length, bytes on the device, and expiry.")
  private boolean details;

  private long chunks;
  private long bytes;
  private boolean more;

  /** Takes the keys as they come. */
  private interface Sink {
    void take(KeysPage.ListedKey key, StatOutcome.@Nullable Present stat) throws IOException;
  }

  @Override
  public Integer call() throws IOException, CommandFailed {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    if (limit < 1) {
      throw new ParameterException(command, "--limit: at least 1, not " + limit);
    }
    PrintWriter out = command.getOut();
    try (OpenStore open = directory.openStore(command)) {
      if (directory.json()) {
        try (JsonGenerator json = new JsonFactory().createGenerator(out)) {
          json.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
          json.useDefaultPrettyPrinter();
          json.writeStartObject();
          json.writeArrayFieldStart("chunks");
          walk(open.store(), (key, stat) -> write(json, key, stat));
          json.writeEndArray();
          json.writeNumberField("count", chunks);
          json.writeNumberField("bytes", bytes);
          json.writeBooleanField("more", more);
          json.writeEndObject();
        }
        out.println();
      } else {
        if (details) {
          out.println("      length   on device   expires                    key");
        }
        walk(open.store(), (key, stat) -> write(out, key, stat));
        out.printf(
            "%s%s chunks, %s%n",
            more ? "the first " : "", Figures.count(chunks), Figures.bytes(bytes));
      }
    }
    out.flush();
    return ExitCodes.OK;
  }

  private void walk(ChunkStore store, Sink sink) throws IOException, CommandFailed {
    long cursor = KeysPage.START;
    while (cursor != KeysPage.END) {
      KeysPage page = page(store, cursor);
      List<StatOutcome> stats = details ? stats(store, page) : List.of();
      for (int i = 0; i < page.keys().size(); i++) {
        if (chunks == limit) {
          more = true;
          return;
        }
        KeysPage.ListedKey key = page.keys().get(i);
        StatOutcome.Present stat = null;
        if (details) {
          if (!(stats.get(i) instanceof StatOutcome.Present present)) {
            continue; // It expired in between.
          }
          stat = present;
        }
        chunks++;
        bytes += key.length();
        sink.take(key, stat);
      }
      cursor = page.nextCursor();
    }
  }

  private KeysPage page(ChunkStore store, long cursor) throws CommandFailed {
    Deadline deadline = Deadline.in(store.requestTimeout());
    return switch (OpenStore.await(store.list(prefix, cursor, PAGE_KEYS, deadline))) {
      case KeysPage page -> page;
      case Rejected refusal ->
          throw new CommandFailed(
              ExitCodes.FAILURE, "not listed, " + refusal.reason() + ": " + refusal.detail());
      case Failed failed ->
          throw new CommandFailed(ExitCodes.FAILURE, "not listed: " + failed.detail());
    };
  }

  private static List<StatOutcome> stats(ChunkStore store, KeysPage page) {
    List<ChunkKey> keys = page.keys().stream().map(KeysPage.ListedKey::key).toList();
    return OpenStore.await(store.stat(keys, Deadline.in(store.requestTimeout())));
  }

  private static void write(
      PrintWriter out, KeysPage.ListedKey key, StatOutcome.@Nullable Present stat) {
    if (stat == null) {
      out.println(key.key());
    } else {
      out.printf(
          "%12s%12s   %-24s   %s%n",
          Figures.bytes(key.length()),
          Figures.bytes(stat.physicalBytes()),
          Figures.time(stat.expiresAtMillis()),
          key.key());
    }
  }

  private static void write(
      JsonGenerator json, KeysPage.ListedKey key, StatOutcome.@Nullable Present stat)
      throws IOException {
    json.writeStartObject();
    json.writeStringField("key", key.key().toString());
    json.writeNumberField("length", key.length());
    if (stat != null) {
      json.writeNumberField("physicalBytes", stat.physicalBytes());
      json.writeNumberField("generation", stat.generation());
      json.writeNumberField("expiresAtMillis", stat.expiresAtMillis());
    }
    json.writeEndObject();
  }
}
