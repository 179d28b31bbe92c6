package io.weft.cli.trace;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Where a fuzzer comes in: a trace file, {@code scripts/fuzz trace}. */
public final class TraceFuzz {
  private static final Path FILE = file();

  private TraceFuzz() {}

  private static Path file() {
    try {
      Path file = Files.createTempFile("weft-trace-fuzz", ".jsonl");
      file.toFile().deleteOnExit();
      return file;
    } catch (IOException failed) {
      throw new ExceptionInInitializerError(failed);
    }
  }

  public static void fuzzerTestOneInput(byte[] input) throws IOException {
    Files.write(FILE, input);
    try (TraceReader reader = TraceReader.open(FILE)) {
      for (TraceRecord record = reader.next(); record != null; record = reader.next()) {
        if (record.timestampMillis() < 0 || record.inputLength() < 0 || record.outputLength() < 0) {
          throw new AssertionError("no trace holds " + record);
        }
      }
    } catch (TraceFormatException refused) {
      if (!String.valueOf(refused.getMessage()).contains(", line ")) {
        throw new AssertionError("it does not say the line", refused);
      }
    }
  }
}
