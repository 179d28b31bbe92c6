package io.weft.resp;

import static io.weft.testing.RespClient.bytes;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.testing.Seeds;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Patterns match what Redis's match. */
class GlobTest {

  @ParameterizedTest
  @CsvSource({
    "'*', '', true",
    "'*', abc, true",
    "'', '', true",
    "'', a, false",
    "a*c, abc, true",
    "a*c, ac, true",
    "a*c, ab, false",
    "a?c, abc, true",
    "a?c, ac, false",
    "a[bx]c, abc, true",
    "a[^bx]c, abc, false",
    "a[^bx]c, adc, true",
    "a[b-d]c, acc, true",
    "a[d-b]c, acc, true",
    "a[b-d]c, aec, false",
    "a[\\]]c, a]c, true",
    "a[b, ab, true",
    "a[, ab, false",
    "a\\*c, a*c, true",
    "a\\*c, abc, false",
    "a\\, a\\, true",
    "[]a], a, false",
    "**a**b**, xaxbx, true",
  })
  void matches(String pattern, String text, boolean matches) {
    assertEquals(matches, new Glob(bytes(pattern)).matches(bytes(text)));
  }

  @Test
  void bytesAreNotSigned() {
    assertTrue(new Glob(bytes("[p-\u00ff]")).matches(bytes("\u00c0")));
    assertFalse(new Glob(bytes("[\u0000-p]")).matches(bytes("\u00c0")));
  }

  @Test
  void thePrefixEndsBeforeWhatIsSpecial() {
    assertEquals("abc", prefix("abc*d"));
    assertEquals("a", prefix("a?"));
    assertEquals("a", prefix("a[b]"));
    assertEquals("a", prefix("a\\*"));
    assertEquals("abc", prefix("abc"));
    assertEquals("", prefix("*"));
  }

  private static String prefix(String pattern) {
    return new String(
        new Glob(bytes(pattern)).prefix(), java.nio.charset.StandardCharsets.ISO_8859_1);
  }

  @Test
  void aPatternOfStarsTakesNoAges() {
    Glob glob = new Glob(bytes("*a".repeat(500) + "b"));
    assertTimeoutPreemptively(
        Duration.ofSeconds(20), () -> assertFalse(glob.matches(bytes("a".repeat(20_000)))));
  }

  @Test
  void itMatchesWhatAPlainRecursionMatches() {
    Seeds.forEach(
        20,
        seed -> {
          Random random = new Random(seed);
          for (int i = 0; i < 5_000; i++) {
            String pattern = word(random, "ab*?[]^-\\", 8);
            String text = word(random, "ab]-\\^", 8);
            assertEquals(
                model(pattern, text),
                new Glob(bytes(pattern)).matches(bytes(text)),
                () -> "'" + pattern + "' on '" + text + "'");
            if (model(pattern, text)) {
              assertTrue(text.startsWith(prefix(pattern)), () -> pattern + " on " + text);
            }
          }
        });
  }

  private static String word(Random random, String letters, int most) {
    StringBuilder word = new StringBuilder();
    for (int i = random.nextInt(most + 1); i > 0; i--) {
      word.append(letters.charAt(random.nextInt(letters.length())));
    }
    return word.toString();
  }

  private static boolean model(String pattern, String text) {
    if (pattern.isEmpty()) {
      return text.isEmpty();
    }
    if (pattern.charAt(0) == '*') {
      for (int i = 0; i <= text.length(); i++) {
        if (model(pattern.substring(1), text.substring(i))) {
          return true;
        }
      }
      return false;
    }
    if (text.isEmpty()) {
      return false;
    }
    char c = text.charAt(0);
    return switch (pattern.charAt(0)) {
      case '?' -> model(pattern.substring(1), text.substring(1));
      case '\\' -> {
        String literal = pattern.length() > 1 ? pattern.substring(1) : pattern;
        yield literal.charAt(0) == c && model(literal.substring(1), text.substring(1));
      }
      case '[' -> {
        String rest = pattern.substring(1);
        boolean not = rest.startsWith("^");
        rest = not ? rest.substring(1) : rest;
        boolean in = false;
        while (!rest.isEmpty() && rest.charAt(0) != ']') {
          if (rest.charAt(0) == '\\' && rest.length() > 1) {
            in |= rest.charAt(1) == c;
            rest = rest.substring(2);
          } else if (rest.length() > 2 && rest.charAt(1) == '-') {
            char low = (char) Math.min(rest.charAt(0), rest.charAt(2));
            char high = (char) Math.max(rest.charAt(0), rest.charAt(2));
            in |= low <= c && c <= high;
            rest = rest.substring(3);
          } else {
            in |= rest.charAt(0) == c;
            rest = rest.substring(1);
          }
        }
        yield in != not && model(rest.isEmpty() ? rest : rest.substring(1), text.substring(1));
      }
      default -> pattern.charAt(0) == c && model(pattern.substring(1), text.substring(1));
    };
  }
}
