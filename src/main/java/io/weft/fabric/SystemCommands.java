package io.weft.fabric;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Commands as processes of this machine. */
public final class SystemCommands implements CommandRunner {
  /** More output than any of our commands has; the rest is read and dropped. */
  private static final int OUTPUT_BYTES_MAX = 4 << 20;

  private static final long REST_MILLIS = 1000;

  private static final String SEARCH_PATH =
      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

  private final String usualPath;

  public SystemCommands() {
    this(SEARCH_PATH);
  }

  /**
   * @param usualPath where commands are that the process's own PATH does not lead to
   */
  SystemCommands(String usualPath) {
    this.usualPath = usualPath;
  }

  @Override
  public Result run(CommandLine command, Duration timeout) throws FabricException {
    ProcessBuilder builder = new ProcessBuilder();
    Map<String, String> environment = builder.environment();
    environment.put("LC_ALL", "C");
    String path = environment.merge("PATH", usualPath, (own, usual) -> own + ":" + usual);
    List<String> arguments = new ArrayList<>(command.arguments());
    arguments.set(0, find(arguments.getFirst(), path));
    builder.command(arguments);
    builder.redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")));
    Process process;
    try {
      process = builder.start();
    } catch (IOException notStarted) {
      throw new FabricException(
          FabricException.Kind.NO_COMMAND,
          command.arguments().getFirst() + " cannot be run: " + notStarted.getMessage(),
          notStarted);
    }
    Reader output = new Reader(process.getInputStream(), command, "out");
    Reader errors = new Reader(process.getErrorStream(), command, "err");
    try {
      if (process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
        // A child may hold the output open; what the command itself wrote is there by then.
        output.join(REST_MILLIS);
        errors.join(REST_MILLIS);
        return new Result(process.exitValue(), output.text(), errors.text());
      }
    } catch (InterruptedException asGoodAsLate) {
      // Killed, below.
    }
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
    throw new FabricException(
        FabricException.Kind.TIMEOUT,
        "%s did not end within %d ms".formatted(command, timeout.toMillis()));
  }

  /** The JVM looks along its own PATH only, which may lack the folders of root's commands. */
  private static String find(String command, String path) {
    if (command.contains("/")) {
      return command;
    }
    for (String folder : path.split(":", -1)) {
      Path candidate = Path.of(folder.isEmpty() ? "." : folder, command);
      if (Files.isRegularFile(candidate) && Files.isExecutable(candidate)) {
        return candidate.toString();
      }
    }
    return command;
  }

  /** Reads a stream to its end, so that the command never waits for us; keeps the head of it. */
  private static final class Reader {
    private final ByteArrayOutputStream head = new ByteArrayOutputStream();
    private final Thread thread;

    Reader(InputStream stream, CommandLine command, String which) {
      thread =
          new Thread(() -> read(stream), "weft-" + command.arguments().getFirst() + "-" + which);
      thread.setDaemon(true);
      thread.start();
    }

    private void read(InputStream stream) {
      byte[] piece = new byte[8192];
      try (stream) {
        for (int length = stream.read(piece); length >= 0; length = stream.read(piece)) {
          head.write(piece, 0, Math.min(length, OUTPUT_BYTES_MAX - head.size()));
        }
      } catch (IOException closed) {
        // The process is gone: what was read is all.
      }
    }

    void join(long millis) throws InterruptedException {
      thread.join(millis);
    }

    String text() {
      return head.toString(StandardCharsets.UTF_8);
    }
  }
}
