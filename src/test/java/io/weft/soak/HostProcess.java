package io.weft.soak;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A JVM of its own that runs one of this room's hosts. It is told what to do by lines on its
 * standard input, and says what it did by lines on its standard output.
 */
final class HostProcess implements AutoCloseable {
  private final Process process;
  private final Thread reader;

  /**
   * @param log gets what it says on its standard error
   * @param lines gets each line, on a thread of its own
   */
  HostProcess(
      Class<?> main, List<String> jvmOptions, Path log, Consumer<String> lines, Object... args) {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--sun-misc-unsafe-memory-access=allow",
                "--enable-native-access=ALL-UNNAMED",
                "-XX:+UseSerialGC"));
    command.addAll(jvmOptions);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    Arrays.stream(args).map(String::valueOf).forEach(command::add);
    try {
      this.process =
          new ProcessBuilder(command)
              .redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()))
              .start();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
    this.reader = Thread.ofPlatform().daemon().name("host-lines").start(() -> read(lines));
  }

  private void read(Consumer<String> lines) {
    try (BufferedReader output =
        new BufferedReader(new InputStreamReader(process.getInputStream(), UTF_8))) {
      for (String line = output.readLine(); line != null; line = output.readLine()) {
        lines.accept(line);
      }
    } catch (IOException gone) {
      // The process was killed in the middle of a line.
    }
  }

  boolean send(String line) {
    try {
      process.outputWriter(UTF_8).write(line + "\n");
      process.outputWriter(UTF_8).flush();
      return true;
    } catch (IOException gone) {
      return false;
    }
  }

  boolean alive() {
    return process.isAlive();
  }

  /** SIGKILL; done when the process is gone and all that it had said is read. */
  void kill() {
    process.destroyForcibly();
    awaitEnd(60);
  }

  /** Returns the exit code. */
  int awaitEnd(int seconds) {
    try {
      if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
        throw new IllegalStateException("process %d does not end".formatted(process.pid()));
      }
      reader.join(TimeUnit.SECONDS.toMillis(seconds));
      return process.exitValue();
    } catch (InterruptedException interrupted) {
      throw new IllegalStateException(interrupted);
    }
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}
