package io.weft.cli.bench;

/** A contender returned bytes that were never stored under that key: the whole run is void. */
public final class WrongBytes extends Exception {
  private static final long serialVersionUID = 1L;

  WrongBytes(String message) {
    super(message);
  }
}
