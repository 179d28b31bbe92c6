package io.weft.cli.trace;

import java.io.IOException;

/**
 * A line of a trace file that is no record. The message names the file, the line and the defect.
 */
public final class TraceFormatException extends IOException {
  private static final long serialVersionUID = 1L;

  TraceFormatException(String message) {
    super(message);
  }
}
