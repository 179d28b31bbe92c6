package io.weft.fabric;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Commands as processes of this machine. */
public final class SystemCommands implements CommandRunner {
  /** More output than any of our commands has; the rest is read and dropped. */
  private static final int OUTPUT_BYTES_MAX = 4 << 20;

  private static final String SEARCH_PATH =
      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

  @Override
  public Result run(CommandLine command, Duration timeout) throws FabricException {
    ProcessBuilder builder = new ProcessBuilder(command.arguments());
    Map<String, String> environment = builder.environment();
    environment.put("LC_ALL", "C");
    environment.merge("PATH", SEARCH_PATH, (own, usual) -> own + ":" + usual);
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
    CompletableFuture<String> output = read(process.getInputStream(), command, "out");
    CompletableFuture<String> errors = read(process.getErrorStream(), command, "err");
    try {
      if (process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
        return new Result(
            process.exitValue(),
            output.get(timeout.toMillis(), TimeUnit.MILLISECONDS),
            errors.get(timeout.toMillis(), TimeUnit.MILLISECONDS));
      }
    } catch (TimeoutException | InterruptedException stillOpen) {
      // A child of the command holds its output open: the same as a command that does not end.
    } catch (ExecutionException unreadable) {
      throw new FabricException(
          FabricException.Kind.OTHER, command + ": its output cannot be read", unreadable);
    }
    process.destroyForcibly();
    throw new FabricException(
        FabricException.Kind.TIMEOUT,
        "%s did not end within %d s".formatted(command, timeout.toSeconds()));
  }

  private static CompletableFuture<String> read(
      InputStream stream, CommandLine command, String which) {
    CompletableFuture<String> text = new CompletableFuture<>();
    Thread reader =
        new Thread(
            () -> {
              try (stream) {
                byte[] head = stream.readNBytes(OUTPUT_BYTES_MAX);
                stream.transferTo(java.io.OutputStream.nullOutputStream());
                text.complete(new String(head, StandardCharsets.UTF_8));
              } catch (IOException broken) {
                text.completeExceptionally(new UncheckedIOException(broken));
              }
            },
            "weft-" + command.arguments().getFirst() + "-" + which);
    reader.setDaemon(true);
    reader.start();
    return text;
  }
}
