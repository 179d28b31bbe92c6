package io.weft.cli;

import io.weft.device.ChunkInspection;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code weft inspect}: the self-describing block of one chunk. */
@Command(
    name = "inspect",
    description = {
      "Prints the self-describing block of a chunk file, or of a slot, field by field, damaged ones"
          + " too, and says whether block, payload, length and name fit together.",
      ""
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:a whole chunk, or one of a later format",
      "1:no chunk, or a damaged one",
      "2:the command line, or a file that it names, is not usable"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft inspect /mnt/nvme/weft/chunks/0a/3f/key~1",
      "  weft inspect /mnt/nvme/weft/segments/0000002a --slot 17",
      "  weft inspect FILE --json"
    })
final class InspectCommand implements Callable<Integer> {
  @Spec private @Nullable CommandSpec spec;

  @Parameters(
      paramLabel = "FILE",
      description = "A chunk's file, wherever it lies, or a segment's.")
  private @Nullable Path file;

  @Option(
      names = "--slot",
      paramLabel = "N",
      description = "Which slot, from 0, where the file is a segment.")
  private @Nullable Integer slot;

  @Option(names = "--json", description = "Write the result as one JSON object.")
  private boolean json;

  @Override
  public Integer call() {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    Path path = Objects.requireNonNull(file);
    if (Files.isDirectory(path)) {
      throw new ParameterException(command, path + " is a directory");
    }
    ChunkInspection found;
    try {
      int slots = ChunkInspection.slots(path);
      Integer place = slot;
      if (place == null && slots < 0) {
        found = ChunkInspection.of(path);
      } else if (slots < 0) {
        throw new ParameterException(command, "--slot: " + path + " is no segment");
      } else if (place == null || place < 0 || place >= slots) {
        throw new ParameterException(
            command,
            slots == 0
                ? path + " is a segment without slots"
                : path + " is a segment: say which slot with --slot, from 0 to " + (slots - 1));
      } else {
        found = ChunkInspection.ofSlot(path, place);
      }
    } catch (IOException e) {
      throw DirectoryOptions.fileTrouble(command, path, e);
    }
    boolean good =
        found.laterVersion() || (found.block() != null && found.payloadProblem().isEmpty());
    if (json) {
      Report.printJson(command.getOut(), asMap(path, found, good));
    } else {
      print(command.getOut(), path, found);
    }
    return good ? ExitCodes.OK : ExitCodes.WRONG_DATA;
  }

  private void print(PrintWriter out, Path path, ChunkInspection found) {
    out.println(
        path
            + (slot == null ? "" : ", slot " + slot)
            + ", "
            + Figures.exactBytes(found.fileBytes()));
    if (!found.fields().isEmpty()) {
      out.println();
      TextTable table = new TextTable("at", "bytes", "field", "value", "");
      for (ChunkInspection.Field field : found.fields()) {
        table.row(
            "" + field.offset(),
            "" + field.bytes(),
            field.name(),
            "" + field.value(),
            field.note());
      }
      table.print(out);
    }
    out.println();
    if (slot == null) {
      out.println("name      " + name(found));
    }
    out.println("block     " + (found.blockProblem().isEmpty() ? "right" : found.blockProblem()));
    out.println("payload   " + payload(found));
    out.flush();
  }

  private static String name(ChunkInspection found) {
    ChunkInspection.NameFacts name = found.name();
    return name == null
        ? "not a chunk's name"
        : "generation %x, expires %s"
                .formatted(name.generation(), Figures.time(name.expiresAtMillis()))
            + (nameFits(found) ? "" : ": NOT the block's generation");
  }

  private static boolean nameFits(ChunkInspection found) {
    ChunkInspection.NameFacts name = found.name();
    return name == null || found.block() == null || name.generation() == found.block().generation();
  }

  private static String payload(ChunkInspection found) {
    if (found.block() == null) {
      return "unknown without the block";
    }
    return found.payloadProblem().isEmpty() ? "right" : found.payloadProblem();
  }

  private Map<String, Object> asMap(Path path, ChunkInspection found, boolean good) {
    Map<String, Object> fields = new LinkedHashMap<>();
    found.fields().forEach(field -> fields.put(field.name(), field.value()));
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("file", path.toString());
    if (slot != null) {
      map.put("slot", slot);
    }
    map.put("fileBytes", found.fileBytes());
    map.put("good", good);
    map.put("laterVersion", found.laterVersion());
    map.put("blockProblem", found.blockProblem());
    map.put("payloadProblem", found.payloadProblem());
    map.put("block", fields);
    Integer crc = found.payloadCrc();
    if (crc != null) {
      map.put("payloadCrc32cFound", String.format(Locale.ROOT, "%08x", crc));
    }
    ChunkInspection.NameFacts name = found.name();
    if (name != null) {
      map.put("nameGeneration", name.generation());
      map.put("nameExpiresAtMillis", name.expiresAtMillis());
    }
    return map;
  }
}
