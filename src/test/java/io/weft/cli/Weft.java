package io.weft.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine;

/** Runs commands in this process as a shell would, and looks at what they did. */
final class Weft {

  /** What a command returned and printed. */
  record Outcome(int exitCode, String out, String err) {
    JsonNode json() {
      try {
        return new ObjectMapper().readTree(out);
      } catch (JsonProcessingException notJson) {
        throw new AssertionError("not JSON: " + out + err, notJson);
      }
    }

    Outcome expect(int code) {
      assertEquals(code, exitCode, () -> "out: " + out + "\nerr: " + err);
      return this;
    }

    /** Trouble is told in one line that names the command, without a stack trace. */
    String complaint() {
      List<String> lines = err.lines().filter(line -> !line.contains("--help'")).toList();
      assertEquals(1, lines.size(), err);
      return lines.getFirst();
    }
  }

  private Weft() {}

  static Outcome weft(Object... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine command = Main.commandLine();
    command.setOut(new PrintWriter(out));
    command.setErr(new PrintWriter(err));
    int exitCode = command.execute(Stream.of(args).map(String::valueOf).toArray(String[]::new));
    return new Outcome(exitCode, out.toString(), err.toString());
  }

  /** The chunk files of a store. */
  static List<Path> chunkFiles(Path store) {
    return files(store.resolve("chunks"))
        .filter(file -> !String.valueOf(file.getFileName()).startsWith("%"))
        .toList();
  }

  /** What stores that were not finished have left. */
  static List<Path> stagingFiles(Path store) {
    return files(store)
        .filter(file -> String.valueOf(file.getFileName()).startsWith("%staging"))
        .toList();
  }

  /** The one file of a chunk whose key is plain text. */
  static Path chunkFile(Path store, String key) {
    return chunkFiles(store).stream()
        .filter(file -> String.valueOf(file.getFileName()).startsWith(key + "~"))
        .findFirst()
        .orElseThrow(() -> new AssertionError("no file of " + key + " in " + store));
  }

  private static Stream<Path> files(Path directory) {
    try (Stream<Path> walk = Files.walk(directory)) {
      return walk.filter(Files::isRegularFile).sorted().toList().stream();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }
}
