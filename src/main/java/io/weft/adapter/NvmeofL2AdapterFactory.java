package io.weft.adapter;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import io.weft.api.ChunkStore;
import io.weft.api.StoreStatus;
import io.weft.base.StoreSettings;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Type {@code nvmeof}: a store of its own, configured with the {@code nvmeof.*} keys of {@link
 * ExtraConfig} and with any setting of {@code reference.conf} in the block {@code weft}.
 */
public final class NvmeofL2AdapterFactory implements L2AdapterFactory {
  static final String TYPE = "nvmeof";

  private static final String PREFIX = "nvmeof.";
  private static final String WEFT = "weft";
  private static final String START_TIMEOUT = "start_timeout";
  private static final String CLOSE_TIMEOUT = "close_timeout";
  private static final String PERSIST = "persist_enabled";

  /** LMCache's common keys that have no meaning here. */
  private static final Map<String, String> REFUSED =
      Map.of(
          "serde",
          "chunks are stored as they are; leave it out",
          "per_op_workers",
          "all operations share the store's I/O workers: write {\"weft\": {\"io\": {\"threads\":"
              + " ...}}}");

  /** For the {@link java.util.ServiceLoader}. */
  public NvmeofL2AdapterFactory() {}

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public String description() {
    return "chunks in files on a device attached over NVMe over Fabrics, a mount, or a directory";
  }

  @Override
  public List<ConfigField> fields() {
    List<ConfigField> fields = new ArrayList<>();
    Config reference = ConfigFactory.load();
    ExtraConfig.accepted().forEach((key, path) -> fields.add(field(key, path, reference)));
    fields.add(
        new ConfigField(
            WEFT,
            ConfigField.Type.BLOCK,
            "",
            "any setting of reference.conf, as in {\"capacity\": \"800GiB\"}; goes over nvmeof.*"));
    fields.add(
        new ConfigField(
            PERSIST,
            ConfigField.Type.FLAG,
            "true",
            "chunks outlive the adapter; false is refused"));
    fields.add(
        new ConfigField(
            START_TIMEOUT,
            ConfigField.Type.NUMBER,
            "30",
            "seconds that the start waits for the store to serve; beyond, it goes on without"));
    fields.add(
        new ConfigField(
            CLOSE_TIMEOUT,
            ConfigField.Type.NUMBER,
            "5",
            "seconds that closing waits for tasks, and once more for locks"));
    REFUSED.forEach(
        (key, mend) ->
            fields.add(new ConfigField(key, ConfigField.Type.BLOCK, "", "refused: " + mend)));
    return fields;
  }

  /** What reference.conf says of the setting that the key stands for. */
  private static ConfigField field(String key, String path, Config reference) {
    ConfigValue value = reference.getValue(path);
    String comment =
        value.origin().comments().stream().map(String::strip).collect(Collectors.joining(" "));
    String text = value.render(ConfigRenderOptions.concise()).replace("\"", "");
    if (value.valueType() == ConfigValueType.LIST) {
      return new ConfigField(
          PREFIX + key, ConfigField.Type.TEXT, "", "of each path; several: separated by commas");
    }
    ConfigField.Type type =
        switch (value.valueType()) {
          case BOOLEAN -> ConfigField.Type.FLAG;
          case NUMBER -> ConfigField.Type.INTEGER;
          default -> ConfigField.Type.TEXT;
        };
    boolean time = text.matches("[0-9]+m?s");
    return new ConfigField(
        PREFIX + key,
        time && !key.startsWith("ctrl_loss") ? ConfigField.Type.NUMBER : type,
        text,
        comment + (time ? " (a number of seconds)" : ""));
  }

  @Override
  public void check(Map<String, Object> values) {
    var _ = StoreSettings.from(config(values));
    var _ = seconds(START_TIMEOUT, values, 30);
    var _ = seconds(CLOSE_TIMEOUT, values, 5);
  }

  @Override
  public L2Adapter create(Map<String, Object> values) {
    Config config = config(values);
    Duration closeTimeout = seconds(CLOSE_TIMEOUT, values, 5);
    Duration startTimeout = seconds(START_TIMEOUT, values, 30);
    ChunkStore store = ChunkStore.start(config);
    NvmeofL2Adapter adapter;
    try {
      adapter = new NvmeofL2Adapter(store, closeTimeout, store::close);
    } catch (RuntimeException failure) {
      store.close();
      throw failure;
    }
    Optional<StoreStatus> status = NvmeofL2Adapter.await(store.ready(), startTimeout);
    if (status.isPresent() && status.get().state() == StoreStatus.State.FAILED) {
      adapter.close();
      throw new IllegalStateException("the store did not start: " + status.get().detail());
    }
    if (status.isPresent() && status.get().serving()) {
      var _ = NvmeofL2Adapter.await(adapter.counted().thenApply(_ -> true), startTimeout);
    }
    return adapter;
  }

  /** The store's whole configuration. */
  private static Config config(Map<String, Object> values) {
    REFUSED.forEach(
        (key, mend) -> {
          if (values.containsKey(key)) {
            throw new IllegalArgumentException(key + " = " + values.get(key) + ": " + mend);
          }
        });
    if (!String.valueOf(values.getOrDefault(PERSIST, true)).equals("true")) {
      throw new IllegalArgumentException(
          PERSIST + " = false: chunks outlive the adapter; leave it out, and empty the directory");
    }
    Map<String, Object> flat = new HashMap<>(values);
    flat.keySet().removeIf(key -> !key.startsWith(PREFIX));
    Config reference = ConfigFactory.load();
    Config block = ConfigFactory.empty();
    if (values.get(WEFT) instanceof Map<?, ?> map) {
      Map<String, Object> settings = new HashMap<>();
      map.forEach((key, value) -> settings.put(String.valueOf(key), value));
      try {
        block = ConfigFactory.parseMap(settings, "the block weft").atPath(WEFT);
      } catch (ConfigException wrong) {
        throw new IllegalArgumentException("weft: " + wrong.getMessage(), wrong);
      }
    }
    return block.withFallback(ExtraConfig.settings(flat)).withFallback(reference);
  }

  private static Duration seconds(String key, Map<String, Object> values, int otherwise) {
    Object value = values.getOrDefault(key, otherwise);
    BigDecimal seconds = new BigDecimal(value.toString().strip());
    if (seconds.signum() <= 0 || seconds.compareTo(BigDecimal.valueOf(3600)) > 0) {
      throw new IllegalArgumentException(
          key + " = " + value + ": write a number of seconds, more than 0 and at most 3600");
    }
    return Duration.ofMillis(Math.max(1, seconds.movePointRight(3).longValue()));
  }
}
