package io.weft.cli;

import io.weft.base.ChunkKey;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * Keys on the command line, as {@link ChunkKey#toString()} and so {@code weft ls} write them: text,
 * in UTF-8, in which {@code \xHH} is one byte. So every key that is listed can be typed.
 */
final class KeyText {
  private KeyText() {}

  static ChunkKey parse(String text) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    int at = 0;
    while (at < text.length()) {
      if (text.startsWith("\\x", at)
          && at + 4 <= text.length()
          && HexFormat.isHexDigit(text.charAt(at + 2))
          && HexFormat.isHexDigit(text.charAt(at + 3))) {
        bytes.write(HexFormat.fromHexDigits(text, at + 2, at + 4));
        at += 4;
      } else {
        int next = text.offsetByCodePoints(at, 1);
        bytes.writeBytes(text.substring(at, next).getBytes(StandardCharsets.UTF_8));
        at = next;
      }
    }
    return ChunkKey.of(bytes.toByteArray());
  }

  /** Bytes in that form. */
  static String printable(byte[] bytes) {
    StringBuilder text = new StringBuilder(bytes.length);
    for (byte value : bytes) {
      if (value >= 0x20 && value < 0x7f && value != '\\') {
        text.append((char) value);
      } else {
        text.append("\\x").append(HexFormat.of().toHexDigits(value));
      }
    }
    return text.toString();
  }
}
