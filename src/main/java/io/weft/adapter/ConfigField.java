package io.weft.adapter;

import java.math.BigDecimal;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One field of an adapter's JSON configuration.
 *
 * @param defaultValue as a person reads it; empty where there is none
 */
public record ConfigField(String name, Type type, String defaultValue, String help) {

  /** What a field's value may be. */
  public enum Type {
    TEXT("text"),
    INTEGER("a whole number"),
    NUMBER("a number"),
    FLAG("true or false"),
    BLOCK("an object");

    private final String inWords;

    Type(String inWords) {
      this.inWords = inWords;
    }

    public String inWords() {
      return inWords;
    }

    /** Whether a JSON value is one of these; numbers and flags may stand in quotes. */
    boolean accepts(Object value) {
      return switch (this) {
        case TEXT -> value instanceof String || value instanceof Number || value instanceof Boolean;
        case INTEGER -> isWhole(number(value));
        case NUMBER -> number(value) != null;
        case FLAG -> value instanceof Boolean || value.equals("true") || value.equals("false");
        case BLOCK -> value instanceof Map;
      };
    }

    private static boolean isWhole(@Nullable BigDecimal number) {
      return number != null && number.stripTrailingZeros().scale() <= 0;
    }

    private static @Nullable BigDecimal number(Object value) {
      try {
        return value instanceof Number || value instanceof String
            ? new BigDecimal(value.toString().strip())
            : null;
      } catch (NumberFormatException notANumber) {
        return null;
      }
    }
  }
}
