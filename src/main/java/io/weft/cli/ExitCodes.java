package io.weft.cli;

/** What the exit code of every command says. */
public final class ExitCodes {
  /** Done, and nothing amiss. */
  public static final int OK = 0;

  /** Wrong or lost data was found, or a key that was asked for is not there. */
  public static final int WRONG_DATA = 1;

  /** The command line, or a file that it names, is not usable. */
  public static final int USAGE = 2;

  /** The device or the store failed, or Weft itself did. */
  public static final int FAILURE = 3;

  private ExitCodes() {}
}
