package io.weft.adapter;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigUtil;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The flat keys of LMCache's {@code extra_config} that are Weft's: {@code nvmeof.*}, with
 * nvme-cli's names and meanings and times as numbers of seconds; and {@code weft.*}, which are the
 * settings of {@code reference.conf} by their own names. No message repeats a secret.
 */
public final class ExtraConfig {
  private static final String PREFIX = "nvmeof.";
  private static final String MOUNT_PATH = "mount_path";
  private static final String WEFT = "weft.";

  /** The one block whose keys are the user's: quotas by salt. */
  private static final String QUOTA = "weft.eviction.quota.";

  /** The parts of a path, which are lists of equal length: what {@code traddr} has, all have. */
  private static final Map<String, String> PATH_PARTS =
      Map.of(
          "traddr", "address",
          "trsvcid", "service",
          "host_traddr", "host-address",
          "host_iface", "host-interface");

  private static final Map<String, String> REFUSED =
      Map.of(
          "device",
          "devices are found by NQN and namespace id; leave it out",
          "duplicate_connect",
          "a path is connected once; leave it out",
          "dhchap_secret",
          "put the secret into a file and name it in nvmeof.dhchap_secret_file",
          "dhchap_ctrl_secret",
          "put the secret into a file and name it in nvmeof.dhchap_ctrl_secret_file");

  private static final String SECRET =
      "this is the secret itself: put a DH-HMAC-CHAP secret into a file, a TLS key into the"
          + " kernel's keyring, and say where it is";

  /** What a key is in the block {@code weft}, and the form of its value there. */
  private record Meaning(String path, Function<String, Object> form) {}

  private static final Map<String, Meaning> MEANINGS = meanings();

  private ExtraConfig() {}

  private static Map<String, Meaning> meanings() {
    Map<String, Meaning> all = new HashMap<>();
    all.put(MOUNT_PATH, new Meaning("weft.directory", ExtraConfig::text));
    put(all, "fs_type", "filesystem", ExtraConfig::text);
    put(all, "mount_options", "mount-options", ExtraConfig::text);
    put(all, "auto_mount", "auto-mount", ExtraConfig::flag);
    put(all, "format", "format", text -> text.replace('_', '-'));
    put(all, "auto_connect", "auto-connect", ExtraConfig::flag);
    put(all, "auto_disconnect", "auto-disconnect", ExtraConfig::flag);
    put(all, "transport", "transport", ExtraConfig::text);
    put(all, "subnqn", "subsystem-nqn", ExtraConfig::text);
    put(all, "nsid", "namespace-id", count(1, Integer.MAX_VALUE));
    put(all, "hostnqn", "host-nqn", ExtraConfig::text);
    put(all, "hostid", "host-id", ExtraConfig::text);
    put(all, "nr_io_queues", "io-queues", count(0, 65_535));
    put(all, "nr_write_queues", "write-queues", count(0, 65_535));
    put(all, "nr_poll_queues", "poll-queues", count(0, 65_535));
    put(all, "queue_size", "queue-size", count(0, 65_535));
    put(all, "keep_alive_tmo", "keep-alive-timeout", ExtraConfig::seconds);
    put(all, "reconnect_delay", "reconnect-delay", ExtraConfig::seconds);
    put(all, "ctrl_loss_tmo", "ctrl-loss-timeout", unless("forever"));
    put(all, "fast_io_fail_tmo", "fast-io-fail-timeout", unless("off"));
    put(all, "hdr_digest", "header-digest", ExtraConfig::flag);
    put(all, "data_digest", "data-digest", ExtraConfig::flag);
    put(all, "tos", "type-of-service", count(0, 255));
    put(all, "disable_sqflow", "disable-submission-flow", ExtraConfig::flag);
    put(all, "dhchap_secret_file", "authentication.host-secret-file", ExtraConfig::text);
    put(all, "dhchap_ctrl_secret_file", "authentication.controller-secret-file", ExtraConfig::text);
    put(all, "tls", "tls.enabled", ExtraConfig::flag);
    put(all, "keyring", "tls.keyring", ExtraConfig::text);
    put(all, "tls_key", "tls.key-id", ExtraConfig::text);
    put(all, "tls_key_identity", "tls.key-identity", ExtraConfig::text);
    put(all, "concat", "tls.concatenate", ExtraConfig::flag);
    put(all, "command", "command", ExtraConfig::text);
    put(all, "command_timeout", "command-timeout", ExtraConfig::time);
    put(all, "state_poll_interval", "state-poll-interval", ExtraConfig::time);
    return Map.copyOf(all);
  }

  private static void put(
      Map<String, Meaning> all, String key, String path, Function<String, Object> form) {
    all.put(key, new Meaning("weft.nvmeof." + path, form));
  }

  /**
   * The settings that these keys name, to be laid over {@code ConfigFactory.load()}. Keys with
   * neither prefix are somebody else's; nulls count as not there.
   *
   * @param flat strings, numbers and booleans by key
   * @throws IllegalArgumentException for what cannot be taken, with the key and the mend
   */
  public static Config settings(Map<String, ? extends @Nullable Object> flat) {
    Config fabric = fabric(flat);
    Config own = own(flat);
    own.entrySet()
        .forEach(
            setting -> {
              if (fabric.hasPath(setting.getKey())) {
                throw new IllegalArgumentException(
                    setting.getKey() + ": the nvmeof.* keys say it too: leave it out");
              }
            });
    return own.withFallback(fabric);
  }

  /** The keys that are settings by name. */
  private static Config own(Map<String, ? extends @Nullable Object> flat) {
    Config reference = ConfigFactory.defaultReference(ExtraConfig.class.getClassLoader());
    Map<String, Object> settings = new TreeMap<>();
    flat.forEach(
        (key, value) -> {
          if (key.startsWith(WEFT) && value != null) {
            String text = plain(key, value);
            if (isSecret(text)) {
              throw new IllegalArgumentException(key + ": " + SECRET);
            }
            settings.put(path(key, reference), text);
          }
        });
    return settings.isEmpty()
        ? ConfigFactory.empty()
        : ConfigFactory.parseMap(settings, "LMCache's extra_config");
  }

  /** The setting's path, quoted where it must be; refuses what is no setting. */
  private static String path(String key, Config reference) {
    if (key.startsWith(QUOTA)) {
      return ConfigUtil.joinPath("weft", "eviction", "quota", key.substring(QUOTA.length()));
    }
    String mend = "there is no such setting; reference.conf lists them";
    try {
      if (reference.hasPath(key)) {
        switch (reference.getValue(key).valueType()) {
          case OBJECT -> mend = "this is a block: name one setting of it, as in " + key + ".…";
          case LIST -> mend = "this is a list: write the nvmeof.* keys instead";
          case NUMBER, BOOLEAN, NULL, STRING -> {
            return key;
          }
        }
      }
    } catch (ConfigException.BadPath _) {
      // No setting has such a name.
    }
    throw new IllegalArgumentException(key + ": " + mend);
  }

  /** The keys with nvme-cli's names. */
  private static Config fabric(Map<String, ? extends @Nullable Object> flat) {
    Map<String, String> ours = new TreeMap<>();
    flat.forEach(
        (key, value) -> {
          if (key.startsWith(PREFIX) && value != null) {
            ours.put(key.substring(PREFIX.length()), plain(key, value));
          }
        });
    if (ours.isEmpty()) {
      return ConfigFactory.empty();
    }
    Map<String, Object> settings = new LinkedHashMap<>();
    Map<String, List<String>> parts = new TreeMap<>();
    ours.forEach(
        (key, value) -> {
          if (PATH_PARTS.containsKey(key)) {
            parts.put(key, List.of(value.split(",", -1)));
          } else {
            Meaning meaning = meaning(key);
            refuseSecret(key, value);
            settings.put(meaning.path(), formed(key, value, meaning));
          }
        });
    if (!ours.containsKey(MOUNT_PATH)) {
      throw wrong(MOUNT_PATH, "it is missing: name the mount point");
    }
    settings.put("weft.mode", ours.size() > 1 ? "nvmeof" : "mount");
    if (!parts.isEmpty()) {
      settings.put("weft.nvmeof.paths", paths(parts));
    }
    return ConfigFactory.parseMap(settings, "LMCache's extra_config");
  }

  /** Every key that is known, those that are refused among them, without the prefix. */
  static Set<String> keys() {
    Set<String> keys = new TreeSet<>(MEANINGS.keySet());
    keys.addAll(PATH_PARTS.keySet());
    keys.addAll(REFUSED.keySet());
    return keys;
  }

  /** The keys that are accepted, without the prefix, and the setting that each stands for. */
  static Map<String, String> accepted() {
    Map<String, String> accepted = new TreeMap<>();
    MEANINGS.forEach((key, meaning) -> accepted.put(key, meaning.path()));
    PATH_PARTS.keySet().forEach(key -> accepted.put(key, "weft.nvmeof.paths"));
    return accepted;
  }

  private static String plain(String key, Object value) {
    if (value instanceof String || value instanceof Number || value instanceof Boolean) {
      return value.toString().strip();
    }
    throw new IllegalArgumentException(key + ": write a text, a number, true or false");
  }

  /** Wherever a secret stands, it is not passed on and not shown. */
  private static void refuseSecret(String key, String value) {
    if (isSecret(value)) {
      throw wrong(key, SECRET);
    }
  }

  private static boolean isSecret(String value) {
    return value.startsWith("DHHC-1:") || value.startsWith("NVMeTLSkey-1:");
  }

  private static Meaning meaning(String key) {
    String mend = REFUSED.get(key);
    if (mend != null) {
      throw wrong(key, mend);
    }
    Meaning meaning = MEANINGS.get(key);
    if (meaning == null) {
      throw wrong(key, "there is no such key; docs/configuration.md lists them");
    }
    return meaning;
  }

  private static Object formed(String key, String value, Meaning meaning) {
    try {
      return meaning.form().apply(value);
    } catch (IllegalArgumentException bad) {
      throw wrong(key, String.valueOf(bad.getMessage()));
    }
  }

  private static List<Map<String, String>> paths(Map<String, List<String>> parts) {
    List<String> addresses = parts.get("traddr");
    if (addresses == null) {
      throw wrong(parts.keySet().iterator().next(), "name nvmeof.traddr too");
    }
    List<Map<String, String>> paths = new ArrayList<>();
    for (int i = 0; i < addresses.size(); i++) {
      Map<String, String> path = new TreeMap<>();
      for (Map.Entry<String, List<String>> part : parts.entrySet()) {
        if (part.getValue().size() != addresses.size()) {
          throw wrong(
              part.getKey(),
              "%d of them for %d in nvmeof.traddr: lists of equal length, separated by commas"
                  .formatted(part.getValue().size(), addresses.size()));
        }
        path.put(String.valueOf(PATH_PARTS.get(part.getKey())), part.getValue().get(i).strip());
      }
      paths.add(path);
    }
    return paths;
  }

  // ---------------------------------------------------------------- forms of values

  private static Object text(String text) {
    return text;
  }

  private static Object flag(String text) {
    return switch (text.toLowerCase(Locale.ROOT)) {
      case "true", "on", "yes", "1" -> true;
      case "false", "off", "no", "0" -> false;
      default -> throw new IllegalArgumentException("'" + text + "': write true or false");
    };
  }

  private static Function<String, Object> count(int least, int most) {
    return text -> {
      int count;
      try {
        count = new BigDecimal(text).intValueExact();
      } catch (ArithmeticException | NumberFormatException notANumber) {
        throw new IllegalArgumentException("'" + text + "': write a whole number", notANumber);
      }
      if (count < least || count > most) {
        throw new IllegalArgumentException("%d: from %d to %d".formatted(count, least, most));
      }
      return count;
    };
  }

  private static Object seconds(String text) {
    return count(1, Integer.MAX_VALUE).apply(text) + "s";
  }

  /** Seconds, or what stands for never: the word, or -1 as the kernel has it. */
  private static Function<String, Object> unless(String never) {
    return text -> text.equals("-1") || text.equalsIgnoreCase(never) ? never : seconds(text);
  }

  /** Ours alone, so that parts of a second will do. */
  private static Object time(String text) {
    try {
      long millis = new BigDecimal(text).movePointRight(3).longValueExact();
      if (millis > 0) {
        return millis + "ms";
      }
    } catch (ArithmeticException | NumberFormatException notANumber) {
      // Refused below.
    }
    throw new IllegalArgumentException("'" + text + "': write a number of seconds, at least 0.001");
  }

  private static IllegalArgumentException wrong(String key, String mend) {
    return new IllegalArgumentException(PREFIX + key + ": " + mend);
  }
}
