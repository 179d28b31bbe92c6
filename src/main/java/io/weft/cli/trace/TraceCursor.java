package io.weft.cli.trace;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** One walk through the records of a trace. */
public interface TraceCursor extends AutoCloseable {

  /**
   * @return the next record; null behind the last
   * @throws TraceFormatException where a record is not in the form of a trace
   */
  @Nullable TraceRecord next() throws IOException;

  @Override
  void close() throws IOException;
}
