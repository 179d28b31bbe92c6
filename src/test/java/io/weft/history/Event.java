package io.weft.history;

/**
 * What one client asked of one key, and what it was told.
 *
 * @param called when it asked, in nanoseconds
 * @param returned when it was told; {@link #NEVER} where it was told nothing that counts
 * @param value which value was stored or loaded
 */
public record Event(int client, long called, long returned, Kind kind, int value) {
  public static final long NEVER = Long.MAX_VALUE;
  public static final int NO_VALUE = 0;

  /** A request together with its outcome. */
  public enum Kind {
    /** The value is there from now on. */
    STORED,
    /** Nobody knows whether the value was stored, or when it will be. */
    MAYBE_STORED,
    /** A store that left what was there. */
    WAS_THERE,
    /** A load that returned the value. */
    LOADED,
    /** A load, a lookup or a delete that found nothing. */
    ABSENT,
    /** A lookup that found something, or a delete that had to leave it. */
    PRESENT,
    /** A delete that removed what was there. */
    DELETED,
    /** Nobody knows whether the delete was done. */
    MAYBE_DELETED
  }

  boolean mayNeverHappen() {
    return kind == Kind.MAYBE_STORED || kind == Kind.MAYBE_DELETED;
  }

  @Override
  public String toString() {
    return "%12d %12s  client %d  %s %s"
        .formatted(
            called / 1000,
            returned == NEVER ? "never" : String.valueOf(returned / 1000),
            client,
            kind,
            value == NO_VALUE ? "" : value);
  }
}
