package io.weft.adapter;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The types of adapters that the class path knows, and adapters made from LMCache's JSON: {@code
 * {"type": "nvmeof", ..., "eviction": {...}}}. Unknown keys and wrong values are refused with the
 * key, the value and the mend; a secret is never shown.
 */
public final class L2Adapters {
  private static final Logger LOG = LoggerFactory.getLogger(L2Adapters.class);
  private static final ObjectMapper JSON =
      new ObjectMapper()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private static final String TYPE = "type";
  private static final String EVICTION = "eviction";

  /** What every type's configuration may have. */
  public static final List<ConfigField> COMMON_FIELDS =
      List.of(
          new ConfigField(TYPE, ConfigField.Type.TEXT, "", "which adapter: must be named"),
          new ConfigField(
              EVICTION,
              ConfigField.Type.BLOCK,
              "",
              "watermark eviction; without it there is none"));

  /** What the block {@code eviction} may have. */
  public static final List<ConfigField> EVICTION_FIELDS = EvictionSettings.FIELDS;

  /** A factory that lists more than this many broken entries is not worth waiting for. */
  private static final int BROKEN_MAX = 100;

  private final Map<String, L2AdapterFactory> factories;

  /**
   * What to make: a checked configuration.
   *
   * @param values of the factory's fields, those that were given
   * @param eviction empty where there is to be none
   */
  public record Plan(
      L2AdapterFactory factory, Map<String, Object> values, Optional<EvictionSettings> eviction) {

    /** The adapter, which is the caller's to close. */
    public L2Adapter create() {
      return factory.create(values);
    }
  }

  private L2Adapters(Map<String, L2AdapterFactory> factories) {
    this.factories = factories;
  }

  /**
   * All types that this class loader finds. A factory that does not load is logged and left out.
   */
  public static L2Adapters find(ClassLoader loader) {
    Map<String, L2AdapterFactory> factories = new TreeMap<>();
    Iterator<L2AdapterFactory> found =
        ServiceLoader.load(L2AdapterFactory.class, loader).iterator();
    for (int broken = 0; broken < BROKEN_MAX; ) {
      try {
        if (!found.hasNext()) {
          break;
        }
        L2AdapterFactory factory = found.next();
        L2AdapterFactory other = factories.putIfAbsent(factory.type(), factory);
        if (other != null) {
          LOG.warn(
              "type '{}' is {}'s: {} is left out",
              factory.type(),
              other.getClass().getName(),
              factory.getClass().getName());
        }
      } catch (ServiceConfigurationError failure) {
        broken++;
        LOG.warn("an adapter's factory does not load and is left out", failure);
      }
    }
    return new L2Adapters(factories);
  }

  /** All types on the class path of the calling thread. */
  public static L2Adapters find() {
    ClassLoader loader = Thread.currentThread().getContextClassLoader();
    return find(loader == null ? L2Adapters.class.getClassLoader() : loader);
  }

  /** In the order of their types. */
  public List<L2AdapterFactory> factories() {
    return List.copyOf(factories.values());
  }

  /**
   * @throws IllegalArgumentException where it is no JSON object, or has a key or a value that is
   *     not taken
   */
  public Plan plan(String json) {
    Map<String, Object> given = read(json);
    Object type = given.remove(TYPE);
    if (!(type instanceof String name)) {
      throw new IllegalArgumentException(
          "type = " + type + ": name the adapter, one of " + String.join(", ", factories.keySet()));
    }
    L2AdapterFactory factory = factories.get(name);
    if (factory == null) {
      throw new IllegalArgumentException(
          "type = "
              + name
              + ": there is no such adapter, only "
              + String.join(", ", factories.keySet())
              + "; is its jar on the class path?");
    }
    Object block = given.remove(EVICTION);
    Optional<EvictionSettings> eviction =
        Optional.ofNullable(block).map(values -> checkBlock(values)).map(EvictionSettings::of);
    check("", factory.fields(), given);
    factory.check(given);
    return new Plan(factory, given, eviction);
  }

  private static Map<String, Object> checkBlock(Object block) {
    Map<String, Object> values = new LinkedHashMap<>();
    if (!(block instanceof Map<?, ?> map)) {
      throw wrong(EVICTION, block, "write an object");
    }
    map.forEach((key, value) -> values.put(String.valueOf(key), value));
    check(EVICTION + ".", EVICTION_FIELDS, values);
    return values;
  }

  private static Map<String, Object> read(String json) {
    try {
      Map<String, Object> given = JSON.readValue(json, new TypeReference<>() {});
      if (given != null) {
        // LMCache's JSON writes None as null.
        given.values().removeIf(value -> value == null);
        return given;
      }
    } catch (JsonProcessingException notJson) {
      throw new IllegalArgumentException(
          "this is no JSON object: " + notJson.getOriginalMessage(), notJson);
    }
    throw new IllegalArgumentException("this is no JSON object: null");
  }

  private static void check(String where, List<ConfigField> fields, Map<String, Object> given) {
    Map<String, ConfigField> known =
        fields.stream().collect(Collectors.toMap(ConfigField::name, field -> field));
    given.forEach(
        (key, value) -> {
          ConfigField field = known.get(key);
          if (field == null) {
            throw wrong(where + key, value, "there is no such key" + suggestion(key, fields));
          }
          if (value == null || !field.type().accepts(value)) {
            throw wrong(where + key, value, "write " + field.type().inWords());
          }
        });
  }

  private static String suggestion(String key, List<ConfigField> fields) {
    List<String> names = fields.stream().map(ConfigField::name).toList();
    List<String> close =
        names.stream().filter(name -> name.contains(key) || key.contains(name)).toList();
    List<String> shown = new ArrayList<>(close.isEmpty() ? names : close);
    if (shown.size() > 8) {
      return ": 'weft l2-adapter --help' lists them";
    }
    return shown.isEmpty() ? "" : ", only " + String.join(", ", shown);
  }

  private static IllegalArgumentException wrong(String key, @Nullable Object value, String mend) {
    return new IllegalArgumentException(key + " = " + shown(value) + ": " + mend);
  }

  private static String shown(@Nullable Object value) {
    String text = String.valueOf(value);
    boolean secret = Stream.of("DHHC-1:", "NVMeTLSkey-1:").anyMatch(text::contains);
    return secret ? "***" : text;
  }
}
