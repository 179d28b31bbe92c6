package io.weft.resp;

/**
 * Redis's patterns: {@code *}, {@code ?}, {@code [a-c]}, {@code [^a]} and a backslash before what
 * is meant as it is. On bytes. Takes time in proportion to pattern and text multiplied, whatever
 * the pattern.
 */
final class Glob {
  private final byte[] pattern;

  Glob(byte[] pattern) {
    this.pattern = pattern;
  }

  boolean matches(byte[] text) {
    int at = 0;
    int in = 0;
    int star = -1;
    int starAt = 0;
    while (at < text.length) {
      int next = in < pattern.length && pattern[in] != '*' ? one(in, text[at]) : -1;
      if (next >= 0) {
        in = next;
        at++;
      } else if (in < pattern.length && pattern[in] == '*') {
        star = in++;
        starAt = at;
      } else if (star >= 0) {
        in = star + 1;
        at = ++starAt;
      } else {
        return false;
      }
    }
    while (in < pattern.length && pattern[in] == '*') {
      in++;
    }
    return in == pattern.length;
  }

  /** What every match begins with: the pattern up to its first special character. */
  byte[] prefix() {
    int length = 0;
    while (length < pattern.length && "*?[\\".indexOf(pattern[length]) < 0) {
      length++;
    }
    return java.util.Arrays.copyOf(pattern, length);
  }

  /** Where the pattern goes on if its part at {@code in} matches the byte; else -1. */
  private int one(int in, byte value) {
    return switch (pattern[in]) {
      case '?' -> in + 1;
      case '[' -> set(in + 1, value & 0xff);
      case '\\' -> {
        int literal = in + 1 < pattern.length ? in + 1 : in;
        yield pattern[literal] == value ? literal + 1 : -1;
      }
      default -> pattern[in] == value ? in + 1 : -1;
    };
  }

  private int set(int begin, int value) {
    int in = begin;
    boolean not = in < pattern.length && pattern[in] == '^';
    if (not) {
      in++;
    }
    boolean found = false;
    while (in < pattern.length && pattern[in] != ']') {
      if (pattern[in] == '\\' && in + 1 < pattern.length) {
        in++;
        found |= (pattern[in] & 0xff) == value;
        in++;
      } else if (in + 2 < pattern.length && pattern[in + 1] == '-') {
        int low = Math.min(pattern[in] & 0xff, pattern[in + 2] & 0xff);
        int high = Math.max(pattern[in] & 0xff, pattern[in + 2] & 0xff);
        found |= low <= value && value <= high;
        in += 3;
      } else {
        found |= (pattern[in] & 0xff) == value;
        in++;
      }
    }
    // An open set ends with the pattern.
    return found == not ? -1 : Math.min(in + 1, pattern.length);
  }
}
