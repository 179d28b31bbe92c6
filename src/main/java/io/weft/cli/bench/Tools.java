package io.weft.cli.bench;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/** Programs of others that the bench runs. They end with this process. */
final class Tools {
  private Tools() {}

  /** Whether PATH knows the program. */
  static boolean isThere(String program) {
    String path = System.getenv().getOrDefault("PATH", "");
    return Pattern.compile(File.pathSeparator, Pattern.LITERAL)
        .splitAsStream(path)
        .anyMatch(directory -> Files.isExecutable(Path.of(directory, program)));
  }

  /** Starts a program whose output nobody reads. */
  static Process start(List<String> command) throws IOException {
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    Runtime.getRuntime().addShutdownHook(new Thread(process::destroy, "weft-bench-end"));
    return process;
  }

  /** Tells a program to end, and waits until it has. */
  static void end(Process process) {
    process.destroy();
    process.onExit().join();
  }

  /** Runs a program to its end, and returns what it wrote. */
  static String run(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IOException(String.join(" ", command) + " failed: " + out.strip());
    }
    return out;
  }
}
