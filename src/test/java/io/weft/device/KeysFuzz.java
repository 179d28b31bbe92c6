package io.weft.device;

import io.weft.adapter.EngineKey;
import io.weft.adapter.LmcacheKeys;
import io.weft.adapter.ObjectKey;
import io.weft.base.ChunkKey;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Where a fuzzer comes in: keys and the names of their files, {@code scripts/fuzz keys}. */
public final class KeysFuzz {
  private KeysFuzz() {}

  /**
   * @param input the bytes of a key, or of a file's name
   */
  public static void fuzzerTestOneInput(byte[] input) {
    String text = new String(input, StandardCharsets.UTF_8);
    ObjectKey.parse(text).ifPresent(key -> require(key.encode().equals(text), "object key"));
    ObjectKey.parseFileName(text)
        .ifPresent(key -> require(key.encodeFileName().equals(text), "its file name"));
    EngineKey.parse(text).ifPresent(key -> require(key.encode().equals(text), "engine key"));
    name(new String(input, StandardCharsets.ISO_8859_1));
    if (input.length >= ChunkKey.MIN_BYTES && input.length <= ChunkKey.MAX_BYTES) {
      ChunkKey key = ChunkKey.of(input);
      var _ = LmcacheKeys.saltOf(key);
      require(Arrays.equals(key.toBytes(), input), "the key's bytes");
      for (long expiry : new long[] {0, 1, Long.MAX_VALUE}) {
        file(key, input.length * 0x9E3779B97F4A7C15L, expiry);
      }
    }
  }

  /** A name that is taken is the one name of what it says. */
  private static void name(String text) {
    ChunkName parsed = ChunkName.parse(text);
    if (parsed != null) {
      require(text.indexOf('/') < 0 && text.indexOf('\0') < 0, "a name with a way in it");
      require(!text.startsWith("."), "a hidden name");
    }
  }

  private static void file(ChunkKey key, long generation, long expiry) {
    String name = ChunkName.of(key, generation, expiry);
    require(name.length() <= ChunkName.MAX_NAME_BYTES, "too long a name");
    require(name.chars().allMatch(c -> c > ' ' && c < 127 && c != '/'), "a name beyond ASCII");
    require(
        !name.startsWith(".") && !name.startsWith("%staging"), "a name that means another thing");
    ChunkName parsed = ChunkName.parse(name);
    require(
        parsed != null && parsed.generation() == generation && parsed.expiresAtMillis() == expiry,
        "a name that is not read back");
    int leaf = ChunkName.leaf(key);
    require(leaf >= 0 && leaf < ChunkName.LEAVES, "a leaf that is not there");
    if (!name.startsWith("#")) {
      require(
          Arrays.equals(decoded(name.substring(0, name.indexOf('~'))), key.toBytes()), "the key");
    }
  }

  private static byte[] decoded(String text) {
    byte[] bytes = new byte[text.length()];
    int length = 0;
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) == '%') {
        bytes[length++] = (byte) Integer.parseInt(text.substring(i + 1, i + 3), 16);
        i += 2;
      } else {
        bytes[length++] = (byte) text.charAt(i);
      }
    }
    return Arrays.copyOf(bytes, length);
  }

  private static void require(boolean right, String what) {
    if (!right) {
      throw new AssertionError("not as it was written: " + what);
    }
  }
}
