package io.weft.adapter;

import io.weft.base.ChunkKey;

/**
 * The keys of LMCache's two modes, told apart by their form: the in-process {@link EngineKey} and
 * the MP {@link ObjectKey}. To the store both are opaque bytes; only the tenant is read from them.
 */
public final class LmcacheKeys {
  private static final int RANK_BYTES = 8;

  private LmcacheKeys() {}

  /** The {@code cache_salt} of an object key; the empty salt for every other key. */
  public static String saltOf(ChunkKey key) {
    if (!mayHaveSalt(key)) {
      return "";
    }
    String text = key.text();
    return text == null ? "" : ObjectKey.parse(text).map(ObjectKey::cacheSalt).orElse("");
  }

  /** Whether there are five fields, of which the second, the rank, has eight bytes. */
  private static boolean mayHaveSalt(ChunkKey key) {
    int separators = 0;
    int first = -1;
    for (int i = 0; i < key.length(); i++) {
      if (key.byteAt(i) == '@') {
        separators++;
        if (separators == 1) {
          first = i;
        } else if (separators == 2 && i - first - 1 != RANK_BYTES) {
          return false;
        }
      }
    }
    return separators == 4;
  }

  /** The parts of {@code text} between {@code @}s, empty ones included. */
  static String[] fields(String text) {
    return text.split("@", -1);
  }
}
