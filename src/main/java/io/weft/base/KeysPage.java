package io.weft.base;

import java.util.List;

/**
 * One page of a listing. A chunk that is there during the whole walk is listed exactly once. A page
 * may be short, or empty, before the end; only {@link #END} ends.
 *
 * @param nextCursor what to ask the next page with
 */
public record KeysPage(List<ListedKey> keys, long nextCursor) implements ListOutcome {
  public static final long START = 0;
  public static final long END = -1;

  public boolean last() {
    return nextCursor == END;
  }

  /** One key and the payload bytes of its chunk. */
  public record ListedKey(ChunkKey key, long length) {}
}
