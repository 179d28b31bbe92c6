package io.weft.resp;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntUnaryOperator;
import org.apache.pekko.util.ByteString;

/**
 * Drives a decoder over some input and says what it made of it. Checks on the way what holds for
 * any input: nothing is thrown, and what is held is bounded.
 */
final class DecoderRun {
  private static final int KEPT_VALUE_MAX = 1 << 20;

  private final List<String> steps = new ArrayList<>();
  private final RespDecoder decoder = new RespDecoder();
  private final RespInput input = new RespInput();
  private final boolean draining;
  private byte[] value;

  private DecoderRun(boolean known, boolean draining) {
    decoder.known(known);
    this.draining = draining;
  }

  /**
   * @param draining whether values are thrown away
   * @param piece from where the next piece begins, how long it is
   */
  static List<String> steps(byte[] bytes, boolean known, boolean draining, IntUnaryOperator piece) {
    DecoderRun run = new DecoderRun(known, draining);
    int at = 0;
    while (at < bytes.length) {
      int length = Math.clamp(piece.applyAsInt(at), 1, bytes.length - at);
      run.input.add(ByteString.fromArray(bytes, at, length));
      at += length;
      if (!run.consume()) {
        break;
      }
    }
    return run.steps;
  }

  static List<String> whole(byte[] bytes, boolean known, boolean draining) {
    return steps(bytes, known, draining, _ -> bytes.length);
  }

  /** False where nothing more can come. */
  private boolean consume() {
    while (true) {
      switch (decoder.next(input)) {
        case RespDecoder.Step.More _ -> {
          if (input.available() >= RespDecoder.LINE_MAX) {
            throw new AssertionError("more than a line is held: " + input.available());
          }
          return true;
        }
        case RespDecoder.Step.Value(List<byte[]> before, int count, long length) -> {
          steps.add("value of " + length + " behind " + text(before) + " of " + count);
          if (draining || length > KEPT_VALUE_MAX) {
            value = null;
            decoder.drain();
          } else {
            value = new byte[(int) length];
            decoder.into(MemorySegment.ofArray(value));
          }
        }
        case RespDecoder.Step.ValueEnded(List<byte[]> before, long length) ->
            steps.add(
                "ended behind %s: %d %s"
                    .formatted(text(before), length, value == null ? "away" : text(value)));
        case RespDecoder.Step.Request(List<byte[]> arguments, boolean tooLong) -> {
          if (arguments.isEmpty()) {
            throw new AssertionError("a command without a verb");
          }
          long held = arguments.stream().mapToLong(each -> each.length).sum();
          if (held > RespDecoder.COMMAND_BYTES_MAX) {
            throw new AssertionError("the arguments of a command have " + held + " bytes");
          }
          steps.add((tooLong ? "too long " : "") + text(arguments));
        }
        case RespDecoder.Step.Broken(String why) -> {
          steps.add("broken: " + why);
          return false;
        }
      }
    }
  }

  private static String text(List<byte[]> arguments) {
    return arguments.stream().map(DecoderRun::text).toList().toString();
  }

  private static String text(byte[] bytes) {
    return bytes.length <= 64
        ? new String(bytes, StandardCharsets.ISO_8859_1)
        : bytes.length + " bytes #" + Arrays.hashCode(bytes);
  }

  /**
   * Whether it is all the same how the input is cut.
   *
   * @throws AssertionError where it is not
   */
  static void check(byte[] bytes, IntUnaryOperator piece) {
    for (boolean known : new boolean[] {true, false}) {
      for (boolean draining : new boolean[] {false, true}) {
        List<String> whole = whole(bytes, known, draining);
        List<String> cut = steps(bytes, known, draining, piece);
        if (!whole.equals(cut)) {
          throw new AssertionError("in one piece " + whole + ", cut " + cut);
        }
      }
    }
  }
}
