package io.weft.adapter;

import io.weft.base.ChunkKey;

/**
 * The keys of LMCache's two modes, told apart by their form: the in-process {@link EngineKey} and
 * the MP {@link ObjectKey}. To the store both are opaque bytes; only the tenant is read from them.
 */
public final class LmcacheKeys {
  private LmcacheKeys() {}

  /** The {@code cache_salt} of an object key; the empty salt for every other key. */
  public static String saltOf(ChunkKey key) {
    String text = key.text();
    return text == null ? "" : ObjectKey.parse(text).map(ObjectKey::cacheSalt).orElse("");
  }

  /** The parts of {@code text} between {@code @}s, empty ones included. */
  static String[] fields(String text) {
    return text.split("@", -1);
  }
}
