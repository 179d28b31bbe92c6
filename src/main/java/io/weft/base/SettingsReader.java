package io.weft.base;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValue;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;

/** Reads typed values of one block and says what is wrong with them. */
record SettingsReader(String where, Config config) {
  /** What the library calls the origin of such a setting. */
  private static final String SYSTEM_PROPERTIES = "system properties";

  private static final String TIME_FORM = "write a time with a unit, as in 250ms, 30s or 5m";

  /** The block {@code weft} of what {@code ConfigFactory.load()} gives. */
  static SettingsReader weft(Config root) {
    if (!root.hasPath("weft")) {
      throw new IllegalArgumentException(
          "the configuration has no block 'weft': load it with ConfigFactory.load(), which brings"
              + " weft's reference.conf");
    }
    if (!(root.getValue("weft") instanceof ConfigObject block)) {
      throw new IllegalArgumentException(
          "weft = " + root.getValue("weft").unwrapped() + ": write a block of settings");
    }
    return new SettingsReader("weft", block.toConfig());
  }

  /**
   * Refuses keys that nobody reads: a misspelt one would leave a door open without a word. The
   * value is not shown: it may be a secret.
   *
   * @param known the keys of this block
   */
  void only(Set<String> known) {
    for (String key : config.root().keySet()) {
      if (!known.contains(key)) {
        throw wrong(
            key,
            "(not shown)",
            "there is no such setting; there are " + String.join(", ", new TreeSet<>(known)));
      }
    }
  }

  /**
   * Refuses settings that the reference does not have: whoever misspells one would get a default
   * without a word. What a system property sets is not refused: tools have properties of that name.
   * The value is not shown: it may be a secret.
   *
   * @param reference this block with every setting that there is
   * @param open blocks whose keys are the user's, or are read by others
   */
  void onlyThoseOf(Config reference, Set<String> open) {
    for (Map.Entry<String, ConfigValue> entry : config.entrySet()) {
      String path = entry.getKey();
      if (!reference.hasPathOrNull(path)
          && open.stream().noneMatch(block -> path.startsWith(block + "."))
          && !entry.getValue().origin().description().equals(SYSTEM_PROPERTIES)) {
        throw wrong(path, "(not shown)", "there is no such setting; reference.conf lists them");
      }
    }
  }

  boolean has(String key) {
    return config.hasPath(key);
  }

  SettingsReader block(String key) {
    try {
      return new SettingsReader(where + "." + key, config.getConfig(key));
    } catch (ConfigException.Missing missing) {
      throw missing(key, missing);
    } catch (ConfigException.WrongType _) {
      throw wrong(key, shown(key), "write a block of settings");
    }
  }

  /** A list of blocks; what a block leaves out is empty. */
  List<SettingsReader> blocks(String key) {
    return blocks(key, true);
  }

  /** The same, where a password may stand instead: it is not shown. */
  List<SettingsReader> secretBlocks(String key) {
    return blocks(key, false);
  }

  private List<SettingsReader> blocks(String key, boolean showing) {
    try {
      List<SettingsReader> blocks = new ArrayList<>();
      for (Config each : config.getConfigList(key)) {
        blocks.add(new SettingsReader("%s.%s[%d]".formatted(where, key, blocks.size()), each));
      }
      return blocks;
    } catch (ConfigException.Missing missing) {
      throw missing(key, missing);
    } catch (ConfigException.WrongType _) {
      throw wrong(
          key,
          showing ? shown(key) : "(not shown)",
          "write a list of blocks, as in [ { address = 10.0.0.1 } ]");
    }
  }

  /** A text that may become an argument of a command: without blanks and control characters. */
  String word(String key) {
    String text = config.hasPath(key) || !where.endsWith("]") ? line(key) : "";
    if (text.indexOf(' ') >= 0) {
      throw wrong(key, text, "write it without blanks and control characters");
    }
    return text;
  }

  /**
   * A word that becomes one field of what nvme-cli writes to the kernel, where a comma would begin
   * the next field.
   */
  String fabricWord(String key) {
    return withoutComma(key, word(key));
  }

  /** The same, with blanks: a TLS identity has them between its parts. */
  String fabricLine(String key) {
    return withoutComma(key, line(key));
  }

  private String withoutComma(String key, String text) {
    if (text.indexOf(',') >= 0) {
      throw wrong(
          key, text, "write it without commas: the kernel takes what follows for an option");
    }
    return text;
  }

  /** A text that may become an argument of a command, with blanks. */
  private String line(String key) {
    String text = notASecret(key, text(key).strip());
    if (!text.chars().allMatch(c -> c >= ' ' && c != 127)) {
      throw wrong(key, text, "write it without blanks and control characters");
    }
    if (text.startsWith("-")) {
      throw wrong(key, text, "it may not begin with a '-'");
    }
    return text;
  }

  /** A secret in the wrong place is not shown there, nor anywhere. */
  private String notASecret(String key, String text) {
    if (text.startsWith("DHHC-1:") || text.startsWith("NVMeTLSkey-1:")) {
      throw wrong(key, "***", "this is a secret: write it into a file, or into the keyring");
    }
    return text;
  }

  /** nvme-cli counts in seconds. */
  Duration seconds(String key) {
    Duration duration = positive(key);
    if (duration.toNanos() % 1_000_000_000L != 0) {
      throw wrong(key, text(key), "whole seconds");
    }
    return duration;
  }

  Optional<Duration> secondsUnless(String key, String none) {
    return text(key).equals(none) ? Optional.empty() : Optional.of(seconds(key));
  }

  Optional<Path> secretFile(String key) {
    var _ = notASecret(key, text(key));
    return file(key);
  }

  Optional<Path> file(String key) {
    String text = text(key);
    return text.isEmpty() ? Optional.empty() : Optional.of(value(key, text, Path::of));
  }

  String text(String key) {
    try {
      return config.getString(key);
    } catch (ConfigException.Missing missing) {
      throw missing(key, missing);
    } catch (ConfigException.WrongType _) {
      throw wrong(key, shown(key), "write one value, not a list or a block");
    }
  }

  boolean flag(String key) {
    return value(
        key,
        text(key),
        text ->
            switch (text.toLowerCase(Locale.ROOT)) {
              case "true", "on", "yes" -> true;
              case "false", "off", "no" -> false;
              default -> throw new IllegalArgumentException("write true or false");
            });
  }

  long size(String key, long least) {
    return value(
        key,
        text(key),
        text -> {
          long bytes = ByteSize.parse(text).bytes();
          if (bytes < least) {
            throw new IllegalArgumentException("at least " + new ByteSize(least));
          }
          return bytes;
        });
  }

  Map<String, Long> sizes(String key) {
    Map<String, Long> sizes = new TreeMap<>();
    try {
      config
          .getObject(key)
          .forEach(
              (name, size) -> {
                String text = String.valueOf(size.unwrapped());
                sizes.put(
                    name, value(key + "." + name, text, each -> ByteSize.parse(each).bytes()));
              });
    } catch (ConfigException.Missing missing) {
      throw missing(key, missing);
    } catch (ConfigException.WrongType _) {
      throw wrong(key, shown(key), "write a size for each name, as in { team-a = 100GiB }");
    }
    return Map.copyOf(sizes);
  }

  int count(String key, int least, int most) {
    return value(
        key,
        text(key),
        text -> {
          int count;
          try {
            count = Integer.parseInt(text.strip());
          } catch (NumberFormatException notANumber) {
            throw new IllegalArgumentException("write a whole number", notANumber);
          }
          if (count < least || count > most) {
            throw new IllegalArgumentException("from " + least + " to " + most);
          }
          return count;
        });
  }

  Duration duration(String key) {
    String text = text(key);
    Duration duration;
    try {
      duration = config.getDuration(key);
    } catch (ConfigException _) {
      throw wrong(key, text, TIME_FORM);
    }
    if (duration.isNegative()) {
      throw wrong(key, text, "not negative");
    }
    // Typesafe Config takes a bare number for milliseconds; whoever writes 30 means seconds.
    if (!duration.isZero() && !Character.isLetter(text.strip().charAt(text.strip().length() - 1))) {
      throw wrong(key, text, TIME_FORM);
    }
    return duration;
  }

  Duration positive(String key) {
    Duration duration = duration(key);
    if (duration.isZero()) {
      throw wrong(key, text(key), "more than nothing");
    }
    return duration;
  }

  String word(String key, String... words) {
    String text = text(key);
    String word = text.toLowerCase(Locale.ROOT);
    if (!List.of(words).contains(word)) {
      throw wrong(key, text, "one of " + String.join(", ", words));
    }
    return word;
  }

  <E extends Enum<E>> E oneOf(String key, Class<E> type) {
    String[] words =
        Arrays.stream(type.getEnumConstants())
            .map(each -> each.name().toLowerCase(Locale.ROOT).replace('_', '-'))
            .toArray(String[]::new);
    return Enum.valueOf(type, word(key, words).toUpperCase(Locale.ROOT).replace('-', '_'));
  }

  <T> T value(String key, String text, Function<String, T> parser) {
    try {
      return parser.apply(text);
    } catch (IllegalArgumentException bad) {
      throw wrong(key, text, String.valueOf(bad.getMessage()));
    }
  }

  IllegalArgumentException wrong(String key, Object value, String mend) {
    return new IllegalArgumentException(where + "." + key + " = " + value + ": " + mend);
  }

  IllegalArgumentException missing(String key, ConfigException cause) {
    return new IllegalArgumentException(
        where
            + "."
            + key
            + " is missing: load the configuration with ConfigFactory.load(), which brings weft's"
            + " reference.conf",
        cause);
  }

  private String shown(String key) {
    return config.getValue(key).render(ConfigRenderOptions.concise());
  }
}
