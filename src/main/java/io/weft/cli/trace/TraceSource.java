package io.weft.cli.trace;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/** Where the requests of a run come from, and how to say so. */
public sealed interface TraceSource {

  /** For the report: the file, or the parameters of what was generated. */
  String description();

  /** Begins a walk from the first record. */
  TraceCursor open() throws IOException;

  /**
   * The trace of a run: the file that the command line names; else the one that the system property
   * {@code weft.trace} names; else a generated one.
   *
   * @throws IOException where a named file cannot be read; no other trace takes its place
   */
  static TraceSource resolve(@Nullable Path option, GeneratedTrace.Parameters fallback)
      throws IOException {
    if (option != null) {
      return new TraceFile(readable(option), "--trace");
    }
    String property = System.getProperty("weft.trace", "");
    if (!property.isBlank()) {
      return new TraceFile(readable(Path.of(property)), "-Dweft.trace");
    }
    return new Generated(fallback);
  }

  private static Path readable(Path file) throws IOException {
    if (!Files.exists(file)) {
      throw new NoSuchFileException(file.toString(), null, "there is no such trace file");
    }
    if (!Files.isRegularFile(file) || !Files.isReadable(file)) {
      throw new IOException(file + ": the trace is no file that can be read");
    }
    return file;
  }

  /**
   * A file in Mooncake's form.
   *
   * @param origin what named the file
   */
  record TraceFile(Path file, String origin) implements TraceSource {
    @Override
    public String description() {
      return file + " (" + origin + ")";
    }

    @Override
    public TraceCursor open() throws IOException {
      return TraceReader.open(file);
    }
  }

  /** A workload made from a seed. */
  record Generated(GeneratedTrace.Parameters parameters) implements TraceSource {
    @Override
    public String description() {
      return "generated conversations (seed "
          + parameters.seed()
          + ", "
          + parameters.requests()
          + " requests; no trace given with --trace or -Dweft.trace)";
    }

    @Override
    public TraceCursor open() {
      Iterator<TraceRecord> records = GeneratedTrace.generate(parameters).iterator();
      return new TraceCursor() {
        @Override
        public @Nullable TraceRecord next() {
          return records.hasNext() ? records.next() : null;
        }

        @Override
        public void close() {}
      };
    }
  }
}
