package io.weft.device;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.Chunks;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/**
 * Where the file of a chunk lies and what it is called: {@code chunks/<leaf>/<key>~<generation>
 * [~<expiry>]}, as {@code docs/format.md} lays down. A name says which chunk the file should hold;
 * the self-describing block says which it does hold.
 *
 * @param key the encoded key, or {@code #<its first bytes>#<SHA-256>} where that is too long
 */
record ChunkName(String key, long generation, long expiresAtMillis) {
  static final int MAX_NAME_BYTES = 255;

  /** Leaf directories: two levels of {@value #LEVEL} each. */
  static final int LEVEL = 64;

  static final int LEAVES = LEVEL * LEVEL;

  /** How much of a key that does not fit is shown before its hash; whole escapes only. */
  private static final int SHOWN_BYTES = 100;

  private static final String UPPER_DIGITS = "0123456789ABCDEF";
  private static final int HEX_DIGITS_MAX = 16;
  private static final char FIELD = '~';
  private static final char ESCAPE = '%';

  private static final String[] LEVEL_NAMES = new String[LEVEL];

  static {
    Arrays.setAll(LEVEL_NAMES, number -> HexFormat.of().toHexDigits((byte) number));
  }

  /** One thread's memory for the name that it makes: names are made for each open and rename. */
  private static final ThreadLocal<StringBuilder> BUILDER =
      ThreadLocal.withInitial(() -> new StringBuilder(MAX_NAME_BYTES + 2 * (1 + HEX_DIGITS_MAX)));

  private static final char HASHED = '#';

  /** The file name of a chunk. */
  static String of(ChunkAddress address) {
    return of(address.key(), address.generation(), address.expiresAtMillis());
  }

  static String of(ChunkKey key, long generation, long expiresAtMillis) {
    StringBuilder name = BUILDER.get();
    name.setLength(0);
    appendEncoded(name, key, MAX_NAME_BYTES + 1);
    int keyEnd = name.length();
    appendFields(name, generation, expiresAtMillis);
    if (name.length() > MAX_NAME_BYTES) {
      String fields = name.substring(keyEnd);
      name.setLength(0);
      name.append(HASHED);
      appendEncoded(name, key, SHOWN_BYTES);
      name.append(HASHED).append(HexFormat.of().formatHex(sha256(key.toBytes()))).append(fields);
    }
    return name.toString();
  }

  /** What the name says; null where no chunk can be called so. */
  static @Nullable ChunkName parse(String name) {
    int keyEnd = name.indexOf(FIELD);
    if (keyEnd < 1 || name.length() > MAX_NAME_BYTES) {
      return null;
    }
    int generationEnd = name.indexOf(FIELD, keyEnd + 1);
    boolean expires = generationEnd >= 0;
    long generation = hex(name, keyEnd + 1, expires ? generationEnd : name.length());
    long expiry = expires ? hex(name, generationEnd + 1, name.length()) : Chunks.NEVER;
    ChunkName parsed = new ChunkName(name.substring(0, keyEnd), generation, expiry);
    if (!isKeyText(parsed.key)) {
      return null;
    }
    StringBuilder again = new StringBuilder(parsed.key);
    appendFields(again, generation, expiry);
    return again.toString().equals(name) ? parsed : null;
  }

  /** Which leaf directory the key's files lie in. */
  static int leaf(ChunkKey key) {
    return key.crc32c() >>> 20;
  }

  /** The directory of the first level that holds the leaf. */
  static String branchName(int leaf) {
    return LEVEL_NAMES[leaf / LEVEL];
  }

  /** The leaf's name in its branch. */
  static String leafName(int leaf) {
    return LEVEL_NAMES[leaf % LEVEL];
  }

  private static void appendFields(StringBuilder name, long generation, long expiresAtMillis) {
    appendHex(name.append(FIELD), generation);
    if (expiresAtMillis != Chunks.NEVER) {
      appendHex(name.append(FIELD), expiresAtMillis);
    }
  }

  /** Without leading zeros. */
  private static void appendHex(StringBuilder name, long number) {
    int digits = Math.max(1, (Long.SIZE - Long.numberOfLeadingZeros(number) + 3) / 4);
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
      name.append(Character.forDigit((int) (number >>> shift) & 0xf, 16));
    }
  }

  /** Appends the key's first bytes, encoded, as far as they fit {@code room} characters. */
  private static void appendEncoded(StringBuilder name, ChunkKey key, int room) {
    int end = name.length() + room;
    for (int i = 0; i < key.length(); i++) {
      byte value = key.byteAt(i);
      boolean plain = isPlain(value) && !(i == 0 && value == '.');
      if (name.length() + (plain ? 1 : 3) > end) {
        return;
      }
      if (plain) {
        name.append((char) value);
      } else {
        name.append(ESCAPE)
            .append(UPPER_DIGITS.charAt(value >> 4 & 0xf))
            .append(UPPER_DIGITS.charAt(value & 0xf));
      }
    }
  }

  private static boolean isPlain(int value) {
    return (value >= 'a' && value <= 'z')
        || (value >= 'A' && value <= 'Z')
        || (value >= '0' && value <= '9')
        || (value > 0 && "._@+=,-".indexOf(value) >= 0);
  }

  /** Whether the text has the form of an encoded or hashed key. */
  private static boolean isKeyText(String text) {
    int at = text.charAt(0) == HASHED ? 1 : 0;
    int end = text.length();
    if (at == 1) {
      end = text.lastIndexOf(HASHED);
      if (end < 1 || text.length() - end - 1 != 64) {
        return false;
      }
      for (int i = end + 1; i < text.length(); i++) {
        if ("0123456789abcdef".indexOf(text.charAt(i)) < 0) {
          return false;
        }
      }
    }
    if (at < end && text.charAt(at) == '.') {
      return false;
    }
    while (at < end) {
      if (text.charAt(at) == ESCAPE) {
        if (at + 3 > end || !isUpperHex(text, at + 1) || !isUpperHex(text, at + 2)) {
          return false;
        }
        at += 3;
      } else if (isPlain(text.charAt(at))) {
        at++;
      } else {
        return false;
      }
    }
    return true;
  }

  private static boolean isUpperHex(String text, int at) {
    return UPPER_DIGITS.indexOf(text.charAt(at)) >= 0;
  }

  /** The hex number there; anything where there is none, which re-encoding then shows. */
  private static long hex(String text, int from, int to) {
    if (from >= to || to - from > HEX_DIGITS_MAX) {
      return 0;
    }
    long value = 0;
    for (int i = from; i < to; i++) {
      value = value << 4 | (Character.digit(text.charAt(i), 16) & 0xf);
    }
    return value;
  }

  private static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java platform has SHA-256", impossible);
    }
  }
}
