package io.weft.adapter;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The block {@code "eviction"} of an adapter's configuration, with LMCache's names and defaults.
 *
 * @param triggerWatermark the used part of the capacity at which a cycle evicts
 * @param evictionRatio the part of the keys that a cycle evicts
 */
public record EvictionSettings(Policy policy, double triggerWatermark, double evictionRatio) {

  /** Which keys go first. */
  public enum Policy {
    /** The least recently used of all. */
    LRU,
    /** The least recently used of each salt, each salt by its own. */
    ISOLATED_LRU,
    /** None: the capacity is somebody else's matter. Quotas hold all the same. */
    NOOP
  }

  public static final EvictionSettings DEFAULT = new EvictionSettings(Policy.LRU, 0.8, 0.2);

  static final List<ConfigField> FIELDS =
      List.of(
          new ConfigField(
              "eviction_policy",
              ConfigField.Type.TEXT,
              "LRU",
              "LRU, IsolatedLRU (each salt by its own) or noop"),
          new ConfigField(
              "trigger_watermark",
              ConfigField.Type.NUMBER,
              "0.8",
              "the used part of the capacity at which a cycle evicts: more than 0, at most 1"),
          new ConfigField(
              "eviction_ratio",
              ConfigField.Type.NUMBER,
              "0.2",
              "the part of the keys that a cycle evicts: more than 0, at most 1"));

  public EvictionSettings {
    requirePart("trigger_watermark", triggerWatermark);
    requirePart("eviction_ratio", evictionRatio);
  }

  /**
   * @param values of {@link #FIELDS}' types
   */
  static EvictionSettings of(Map<String, Object> values) {
    return new EvictionSettings(
        policy(values.get("eviction_policy")),
        part("trigger_watermark", values, DEFAULT.triggerWatermark()),
        part("eviction_ratio", values, DEFAULT.evictionRatio()));
  }

  private static Policy policy(@Nullable Object name) {
    return switch (name == null ? "lru" : name.toString().toLowerCase(Locale.ROOT)) {
      case "lru" -> Policy.LRU;
      case "isolatedlru" -> Policy.ISOLATED_LRU;
      case "noop" -> Policy.NOOP;
      default ->
          throw new IllegalArgumentException(
              "eviction.eviction_policy = " + name + ": one of LRU, IsolatedLRU, noop");
    };
  }

  private static double part(String key, Map<String, Object> values, double otherwise) {
    Object value = values.get(key);
    return value == null ? otherwise : Double.parseDouble(value.toString());
  }

  private static void requirePart(String key, double part) {
    if (!(part > 0 && part <= 1)) {
      throw new IllegalArgumentException(
          "eviction." + key + " = " + part + ": write a number that is more than 0 and at most 1");
    }
  }
}
