package io.weft.soak;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.weft.cli.Main;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;

/** What {@code weft verify --json} says of a directory. */
final class Verified {
  private Verified() {}

  static JsonNode of(Path directory, String... more) throws IOException {
    StringWriter answer = new StringWriter();
    StringWriter complaint = new StringWriter();
    CommandLine command = Main.commandLine();
    command.setOut(new PrintWriter(answer));
    command.setErr(new PrintWriter(complaint));
    List<String> arguments =
        new ArrayList<>(List.of("verify", "--dir", directory.toString(), "--json"));
    arguments.addAll(List.of(more));
    int exitCode = command.execute(arguments.toArray(String[]::new));
    if (exitCode > 1) {
      throw new IOException("weft verify gave " + exitCode + ": " + complaint);
    }
    return new ObjectMapper().readTree(answer.toString());
  }
}
