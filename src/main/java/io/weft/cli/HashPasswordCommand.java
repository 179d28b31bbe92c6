package io.weft.cli;

import io.weft.resp.PasswordHash;
import java.io.BufferedReader;
import java.io.Console;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Makes what {@code weft.resp.users} keeps of a password. */
@Command(
    name = "hash-password",
    description = "Hash a password for weft.resp.users; it is asked for, or read from the input.",
    mixinStandardHelpOptions = true,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {"0:the hash is printed", "2:there was no password"},
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft hash-password",
      "  weft hash-password --json <secret-file",
      "",
      "The first line of the input is the password. Each call gives another hash of it: each has a",
      "salt of its own."
    })
final class HashPasswordCommand implements Callable<Integer> {
  @Spec private @Nullable CommandSpec spec;

  @Option(names = "--json", description = "Write the hash as one JSON object.")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    var command = Objects.requireNonNull(spec).commandLine();
    char[] password = password();
    if (password.length == 0) {
      throw new ParameterException(command, "an empty password keeps nobody out");
    }
    String hash = PasswordHash.make(password);
    command.getOut().println(json ? "{\"passwordHash\":\"" + hash + "\"}" : hash);
    command.getOut().flush();
    return ExitCodes.OK;
  }

  // JDK 25 has none, as before 22, where input or output is no terminal.
  @SuppressWarnings("SystemConsoleNull")
  private static char[] password() throws IOException {
    Console console = System.console();
    if (console != null && console.isTerminal()) {
      char[] typed = console.readPassword("Password: ");
      return typed == null ? new char[0] : typed;
    }
    String line =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).readLine();
    return line == null ? new char[0] : line.toCharArray();
  }
}
