package io.weft.resp;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Bytes in, commands out: the client's side of RESP, which is the same in RESP2 and RESP3, and
 * inline commands. Pure: no I/O, no clock.
 *
 * <p>Arguments are collected in the heap, bounded one by one and in sum. A value (what SET and MSET
 * store) is not: the decoder stops before its first byte and goes on when it is told where the
 * bytes go, or that they go nowhere. So whoever drives it takes memory for a value before one byte
 * of it is read, and in the order of the commands.
 *
 * <p>Limits and texts are Redis's, except that an argument which is too long is read to its end and
 * the command then refused: the connection stays in step.
 */
final class RespDecoder {
  /** The longest line: a header, or an inline command. */
  static final int LINE_MAX = 64 << 10;

  /** The most arguments of a command. */
  static final int ARGUMENTS_MAX = 1 << 20;

  /** The longest argument that is not a value. */
  static final int ARGUMENT_BYTES_MAX = 1 << 20;

  /** All arguments of a command that are not values. */
  static final int COMMAND_BYTES_MAX = 4 << 20;

  /** The longest value whose bytes are waited for, if only to throw them away. */
  static final long VALUE_BYTES_MAX = 1L << 32;

  private static final int ARGUMENTS_MAX_UNKNOWN = 10;
  private static final int ARGUMENT_BYTES_MAX_UNKNOWN = 16 << 10;
  private static final int ARGUMENT_BYTES_OVERHEAD = 16;

  /** What became of the input so far. */
  sealed interface Step {
    /** Nothing more without more bytes. */
    record More() implements Step {}

    /**
     * A value begins. {@link RespDecoder#into} or {@link RespDecoder#drain} says where it goes.
     *
     * @param arguments what came before it in the command
     * @param count how many arguments the command has
     */
    record Value(List<byte[]> arguments, int count, long length) implements Step {}

    /**
     * The value is there, or thrown away.
     *
     * @param arguments what came before it in the command
     */
    record ValueEnded(List<byte[]> arguments, long length) implements Step {}

    /**
     * A command is there.
     *
     * @param arguments the verb first; a value is an empty array in its place
     * @param tooLong whether an argument was longer than it may be, and is missing
     */
    record Request(List<byte[]> arguments, boolean tooLong) implements Step {}

    /** The client does not speak the protocol; nothing after this can be understood. */
    record Broken(String text) implements Step {}
  }

  private static final Step MORE = new Step.More();
  private static final byte[] NOTHING = new byte[0];

  private enum State {
    /** Before a command. */
    START,
    /** Before the length of an argument. */
    LENGTH,
    /** In an argument. */
    ARGUMENT,
    /** Before a value, until it is said where it goes. */
    UNDECIDED,
    /** In a value that has a place. */
    VALUE,
    /** In what is thrown away. */
    DRAIN,
    /** Before the line's end behind an argument. */
    END,
    /** All arguments are there. */
    COMPLETE,
    BROKEN
  }

  private State state = State.START;
  private boolean known;
  private List<byte[]> arguments = new ArrayList<>();
  private int count;
  private long argumentBytes;
  private boolean tooLong;
  private boolean inValue;
  private boolean inline;
  private String broken = "";

  private long length;
  private long done;
  private byte[] argument = NOTHING;
  private @Nullable MemorySegment target;

  /** Whether the client has said who it is; who has not may send short commands only. */
  void known(boolean isKnown) {
    known = isKnown;
  }

  /** The bytes of the value go there: as many as {@link Step.Value} said. */
  void into(MemorySegment memory) {
    if (state != State.UNDECIDED || memory.byteSize() < length) {
      throw new IllegalStateException("no value waits for memory of that size");
    }
    target = memory;
    state = State.VALUE;
  }

  /** The bytes of the value are read and thrown away. */
  void drain() {
    if (state != State.UNDECIDED) {
      throw new IllegalStateException("no value waits");
    }
    state = State.DRAIN;
  }

  /** Consumes input until there is something to say. */
  Step next(RespInput input) {
    try {
      while (true) {
        Step step =
            switch (state) {
              case START -> start(input);
              case LENGTH -> length(input);
              case ARGUMENT -> argument(input);
              case UNDECIDED -> throw new IllegalStateException("a value waits for its place");
              case VALUE -> value(input);
              case DRAIN -> drain(input);
              case END -> end(input);
              case COMPLETE -> complete();
              case BROKEN -> new Step.Broken(broken);
            };
        if (step != null) {
          return step;
        }
      }
    } catch (RespInput.TooLong _) {
      return broken(
          switch (state) {
            case LENGTH -> "too big bulk count string";
            default -> inline ? "too big inline request" : "too big mbulk count string";
          });
    }
  }

  private @Nullable Step start(RespInput input) throws RespInput.TooLong {
    if (input.available() == 0) {
      return MORE;
    }
    inline = input.peek() != '*';
    byte[] line = input.line(LINE_MAX);
    if (line == null) {
      return MORE;
    }
    if (inline) {
      List<byte[]> words = InlineCommand.split(line);
      if (words == null) {
        return broken("unbalanced quotes in request");
      }
      input.addFirst(InlineCommand.array(words));
      return null;
    }
    long number = number(line);
    if (number == Long.MIN_VALUE || number > ARGUMENTS_MAX) {
      return broken("invalid multibulk length");
    }
    if (!known && number > ARGUMENTS_MAX_UNKNOWN) {
      return broken("unauthenticated multibulk length");
    }
    if (number <= 0) {
      return null;
    }
    arguments = new ArrayList<>((int) Math.min(number, 16));
    argumentBytes = 0;
    tooLong = false;
    count = (int) number;
    state = State.LENGTH;
    return null;
  }

  private @Nullable Step length(RespInput input) throws RespInput.TooLong {
    if (input.available() == 0) {
      return MORE;
    }
    byte first = input.peek();
    if (first != '$') {
      return broken("expected '$', got '" + printable(first) + "'");
    }
    byte[] line = input.line(LINE_MAX);
    if (line == null) {
      return MORE;
    }
    length = number(line);
    if (length < 0 || length > VALUE_BYTES_MAX) {
      return broken("invalid bulk length");
    }
    done = 0;
    inValue = Commands.isValue(arguments, count);
    if (inValue) {
      state = State.UNDECIDED;
      return new Step.Value(Collections.unmodifiableList(arguments), count, length);
    }
    argumentBytes += length + ARGUMENT_BYTES_OVERHEAD;
    if (!known && length > ARGUMENT_BYTES_MAX_UNKNOWN) {
      return broken("unauthenticated bulk length");
    }
    if (length > ARGUMENT_BYTES_MAX || argumentBytes > COMMAND_BYTES_MAX) {
      tooLong = true;
      state = State.DRAIN;
      return null;
    }
    argument = new byte[(int) length];
    state = State.ARGUMENT;
    return null;
  }

  private @Nullable Step argument(RespInput input) {
    done += input.copyTo(MemorySegment.ofArray(argument), done, length - done);
    if (done < length) {
      return MORE;
    }
    arguments.add(argument);
    state = State.END;
    return null;
  }

  private @Nullable Step value(RespInput input) {
    MemorySegment memory = Objects.requireNonNull(target);
    done += input.copyTo(memory, done, length - done);
    if (done < length) {
      return MORE;
    }
    target = null;
    arguments.add(NOTHING);
    state = State.END;
    return null;
  }

  private @Nullable Step drain(RespInput input) {
    done += input.skip(length - done);
    if (done < length) {
      return MORE;
    }
    arguments.add(NOTHING);
    state = State.END;
    return null;
  }

  private @Nullable Step end(RespInput input) {
    if (input.available() < 2) {
      return MORE;
    }
    if (input.take() != '\r' || input.take() != '\n') {
      return broken("expected CRLF after a bulk string");
    }
    state = arguments.size() < count ? State.LENGTH : State.COMPLETE;
    if (inValue) {
      inValue = false;
      return new Step.ValueEnded(arguments.subList(0, arguments.size() - 1), length);
    }
    return null;
  }

  private Step complete() {
    Step request = new Step.Request(arguments, tooLong);
    arguments = new ArrayList<>();
    state = State.START;
    return request;
  }

  private static String printable(byte value) {
    return value >= 0x20 && value < 0x7f
        ? String.valueOf((char) value)
        : "\\x%02x".formatted(value);
  }

  /** The number behind the type's byte; {@link Long#MIN_VALUE} where it is none. */
  private static long number(byte[] line) {
    int at = 1;
    boolean negative = line.length > 1 && line[1] == '-';
    if (negative) {
      at++;
    }
    if (at == line.length || line.length - at > 18) {
      return Long.MIN_VALUE;
    }
    long value = 0;
    for (; at < line.length; at++) {
      if (line[at] < '0' || line[at] > '9') {
        return Long.MIN_VALUE;
      }
      value = value * 10 + (line[at] - '0');
    }
    return negative ? -value : value;
  }

  private Step broken(String text) {
    state = State.BROKEN;
    broken = "Protocol error: " + text;
    arguments = new ArrayList<>();
    return new Step.Broken(broken);
  }
}
