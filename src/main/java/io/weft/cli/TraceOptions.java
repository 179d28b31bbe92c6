package io.weft.cli;

import io.weft.cli.trace.GeneratedTrace;
import io.weft.cli.trace.TraceSource;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** The options of every command that runs a trace. */
final class TraceOptions {
  @Option(
      names = "--trace",
      paramLabel = "FILE",
      description =
          "JSON lines with timestamp, input_length, output_length and hash_ids, as Mooncake's."
              + " Without it, the file that the system property weft.trace names; without that,"
              + " generated conversations.")
  private @Nullable Path trace;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "Seed of the generated conversations (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--requests",
      paramLabel = "N",
      defaultValue = "12000",
      description = "How many requests to generate (default: ${DEFAULT-VALUE}).")
  private int requests;

  /** The trace to run; what cannot be read or made is a matter of the command line. */
  TraceSource resolve(CommandLine command) {
    try {
      return TraceSource.resolve(trace, GeneratedTrace.Parameters.of(seed, requests));
    } catch (IOException | IllegalArgumentException e) {
      throw new ParameterException(command, String.valueOf(e.getMessage()), e);
    }
  }
}
