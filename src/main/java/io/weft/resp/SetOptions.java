package io.weft.resp;

import io.weft.base.Chunks;
import io.weft.base.StoreMode;
import java.util.List;
import org.apache.pekko.util.ByteString;
import org.jspecify.annotations.Nullable;

/**
 * What stands behind the value of a SET.
 *
 * @param wrong the error reply, where it cannot be understood
 */
record SetOptions(StoreMode mode, long expiresAtMillis, @Nullable ByteString wrong) {
  static final long OUT_OF_RANGE = Long.MIN_VALUE;

  private static final int LONGEST_NUMBER = 20;

  /** EX, PX, EXAT and PXAT with a time, NX, XX; each once. */
  static SetOptions parse(List<byte[]> arguments, long nowMillis) {
    StoreMode mode = StoreMode.REPLACE;
    long expiresAt = Chunks.NEVER;
    for (int i = 3; i < arguments.size(); i++) {
      String option = Commands.upper(arguments.get(i));
      switch (option) {
        case "NX", "XX" -> {
          if (mode != StoreMode.REPLACE) {
            return wrong(Errors.SYNTAX);
          }
          mode = option.equals("NX") ? StoreMode.IF_ABSENT : StoreMode.IF_PRESENT;
        }
        case "EX", "PX", "EXAT", "PXAT" -> {
          if (expiresAt != Chunks.NEVER || ++i == arguments.size()) {
            return wrong(Errors.SYNTAX);
          }
          Long time = number(arguments.get(i));
          if (time == null) {
            return wrong(Errors.NOT_AN_INTEGER);
          }
          expiresAt =
              at(option.endsWith("AT") ? 0 : nowMillis, time, option.startsWith("EX") ? 1_000 : 1);
          if (time <= 0 || expiresAt == OUT_OF_RANGE) {
            return wrong(Errors.expireTime(Commands.SET));
          }
        }
        default -> {
          return wrong(Errors.SYNTAX);
        }
      }
    }
    return new SetOptions(mode, expiresAt, null);
  }

  private static SetOptions wrong(ByteString error) {
    return new SetOptions(StoreMode.REPLACE, Chunks.NEVER, error);
  }

  /** A time in milliseconds, or {@link #OUT_OF_RANGE}. */
  static long at(long fromMillis, long time, long unitMillis) {
    try {
      return Math.addExact(fromMillis, Math.multiplyExact(time, unitMillis));
    } catch (ArithmeticException _) {
      return OUT_OF_RANGE;
    }
  }

  /** The number that is written there, as Redis reads numbers: digits, and a minus before them. */
  static @Nullable Long number(byte[] text) {
    if (text.length == 0 || text.length > LONGEST_NUMBER || text[0] == '+') {
      return null;
    }
    try {
      return Long.valueOf(Commands.upper(text));
    } catch (NumberFormatException _) {
      return null;
    }
  }
}
