package io.weft.resp;

import java.nio.charset.StandardCharsets;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The commands that are understood, with what COMMAND says of them. */
enum Commands {
  AUTH(-2, Keys.NONE, "noscript", "loading", "stale", "fast", "no_auth", "allow_busy"),
  CLIENT(-2, Keys.NONE),
  COMMAND(-1, Keys.NONE, "loading", "stale"),
  CONFIG(-2, Keys.NONE),
  DBSIZE(1, Keys.NONE, "readonly", "fast"),
  DEL(-2, Keys.ALL, "write"),
  ECHO(2, Keys.NONE, "loading", "stale", "fast"),
  EXISTS(-2, Keys.ALL, "readonly", "fast"),
  EXPIRE(-3, Keys.FIRST, "write", "fast"),
  EXPIREAT(-3, Keys.FIRST, "write", "fast"),
  FLUSHALL(-1, Keys.NONE, "write"),
  FLUSHDB(-1, Keys.NONE, "write"),
  GET(2, Keys.FIRST, "readonly", "fast"),
  HELLO(-1, Keys.NONE, "noscript", "loading", "stale", "fast", "no_auth", "allow_busy"),
  INFO(-1, Keys.NONE, "loading", "stale"),
  KEYS(2, Keys.NONE, "readonly"),
  MEMORY(-2, Keys.NONE, "readonly"),
  MGET(-2, Keys.ALL, "readonly", "fast"),
  MSET(-3, Keys.EVERY_OTHER, "write", "denyoom"),
  PERSIST(2, Keys.FIRST, "write", "fast"),
  PEXPIRE(-3, Keys.FIRST, "write", "fast"),
  PEXPIREAT(-3, Keys.FIRST, "write", "fast"),
  PING(-1, Keys.NONE, "fast"),
  PTTL(2, Keys.FIRST, "readonly", "fast"),
  QUIT(-1, Keys.NONE, "noscript", "loading", "stale", "fast", "no_auth", "allow_busy"),
  RESET(1, Keys.NONE, "noscript", "loading", "stale", "fast", "no_auth", "allow_busy"),
  SCAN(-2, Keys.NONE, "readonly"),
  SELECT(2, Keys.NONE, "loading", "stale", "fast"),
  SET(-3, Keys.FIRST, "write", "denyoom"),
  STRLEN(2, Keys.FIRST, "readonly", "fast"),
  TTL(2, Keys.FIRST, "readonly", "fast"),
  TYPE(2, Keys.FIRST, "readonly", "fast"),
  UNLINK(-2, Keys.ALL, "write", "fast");

  /** Which arguments are keys: the first, the last, and the step between them. */
  enum Keys {
    NONE(0, 0, 0),
    FIRST(1, 1, 1),
    ALL(1, -1, 1),
    EVERY_OTHER(1, -1, 2);

    final int first;
    final int last;
    final int step;

    Keys(int first, int last, int step) {
      this.first = first;
      this.last = last;
      this.step = step;
    }
  }

  private static final Map<String, Commands> BY_NAME = new HashMap<>();
  private static final Map<Commands, String> NAMES = new EnumMap<>(Commands.class);
  private static final int LONGEST = 16;

  static {
    for (Commands command : values()) {
      BY_NAME.put(command.name(), command);
      NAMES.put(command, command.name().toLowerCase(Locale.ROOT));
    }
  }

  /** How many arguments, the verb included; negative: at least so many. */
  final int arity;

  final Keys keys;

  @SuppressWarnings("ImmutableEnumChecker") // made by List.of
  final List<String> flags;

  Commands(int arity, Keys keys, String... flags) {
    this.arity = arity;
    this.keys = keys;
    this.flags = List.of(flags);
  }

  /** The name as Redis's messages have it. */
  String text() {
    return NAMES.getOrDefault(this, "");
  }

  boolean takes(int arguments) {
    return arity >= 0 ? arguments == arity : arguments >= -arity;
  }

  static @Nullable Commands of(byte[] verb) {
    return verb.length > LONGEST ? null : BY_NAME.get(upper(verb));
  }

  /**
   * A browser that some page has sent here: what stands in the body of its request must not be
   * taken for commands.
   */
  static boolean isHttp(byte[] verb) {
    return verb.length <= LONGEST && List.of("POST", "HOST:").contains(upper(verb));
  }

  static String upper(byte[] word) {
    return new String(word, StandardCharsets.ISO_8859_1).toUpperCase(Locale.ROOT);
  }

  /** Whether the argument behind {@code arguments} is a value that is stored. */
  static boolean isValue(List<byte[]> arguments, int count) {
    if (arguments.size() < 2) {
      return false;
    }
    return switch (of(arguments.getFirst())) {
      case SET -> arguments.size() == 2;
      case MSET -> arguments.size() % 2 == 0 && count % 2 == 1;
      case null, default -> false;
    };
  }
}
