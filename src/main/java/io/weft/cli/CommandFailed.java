package io.weft.cli;

/**
 * A command that cannot go on, for a reason that its user understands from one line: no bug of
 * Weft's, and so no stack trace.
 */
final class CommandFailed extends Exception {
  private static final long serialVersionUID = 1L;

  private final int exitCode;

  /**
   * @param exitCode one of {@link ExitCodes}
   */
  CommandFailed(int exitCode, String message) {
    super(message);
    this.exitCode = exitCode;
  }

  int exitCode() {
    return exitCode;
  }
}
