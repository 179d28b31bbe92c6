package io.weft.resp;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A command on one line, as a person at a terminal writes it: words, and quotes around blanks. */
final class InlineCommand {
  private InlineCommand() {}

  /** The words of the line; null where a quote is not closed, or closed in the midst of a word. */
  static @Nullable List<byte[]> split(byte[] line) {
    List<byte[]> words = new ArrayList<>();
    int at = 0;
    while (true) {
      while (at < line.length && isBlank(line[at])) {
        at++;
      }
      if (at == line.length) {
        return words;
      }
      ByteArrayOutputStream word = new ByteArrayOutputStream();
      while (at < line.length && !isBlank(line[at])) {
        byte value = line[at];
        if (value == '"' || value == '\'') {
          at = quoted(line, at, word);
          if (at < 0) {
            return null;
          }
        } else {
          word.write(value);
          at++;
        }
      }
      words.add(word.toByteArray());
    }
  }

  /**
   * The array that the words stand for, as a program sends it, so that what holds for the one holds
   * for the other; nothing where there are no words.
   */
  static byte[] array(List<byte[]> words) {
    if (words.isEmpty()) {
      return new byte[0];
    }
    RespWriter array = new RespWriter(false).array(words.size());
    words.forEach(array::bulk);
    return array.done().toArrayUnsafe();
  }

  /** Reads what is between quotes; says where it goes on, or -1. */
  private static int quoted(byte[] line, int open, ByteArrayOutputStream word) {
    byte quote = line[open];
    int at = open + 1;
    while (at < line.length) {
      byte value = line[at++];
      if (value == quote) {
        return at == line.length || isBlank(line[at]) ? at : -1;
      }
      if (value != '\\' || at == line.length) {
        word.write(value);
      } else if (quote == '\'') {
        word.write(line[at] == '\'' ? line[at++] : value);
      } else if (line[at] == 'x' && at + 2 < line.length && hex(line, at + 1) >= 0) {
        word.write(hex(line, at + 1));
        at += 3;
      } else {
        word.write(unescaped(line[at++]));
      }
    }
    return -1;
  }

  private static byte unescaped(byte value) {
    return switch (value) {
      case 'n' -> '\n';
      case 'r' -> '\r';
      case 't' -> '\t';
      case 'b' -> '\b';
      case 'a' -> 7;
      default -> value;
    };
  }

  private static int hex(byte[] line, int at) {
    int high = Character.digit(line[at], 16);
    int low = Character.digit(line[at + 1], 16);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
  }

  private static boolean isBlank(byte value) {
    return value == ' ' || (value >= '\t' && value <= '\r') || value == 0;
  }
}
