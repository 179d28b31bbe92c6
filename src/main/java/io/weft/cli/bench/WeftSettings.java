package io.weft.cli.bench;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * How the stores of a run are configured, beside what the bench decides itself.
 *
 * @param durability {@code weft.durability} of all of them
 * @param overrides settings as {@code key=value}, stronger than everything else
 */
public record WeftSettings(String durability, List<String> overrides) {
  public WeftSettings {
    overrides = List.copyOf(overrides);
  }

  /**
   * @param own settings of one contender, as a block of configuration
   * @param capacityBytes {@code weft.capacity}
   */
  Config config(Path directory, String own, long capacityBytes) {
    return ConfigFactory.parseString(String.join("\n", overrides))
        .withFallback(ConfigFactory.parseString(own))
        .withFallback(
            ConfigFactory.parseMap(
                Map.of(
                    "weft.mode",
                    "directory",
                    "weft.directory",
                    directory.toString(),
                    "weft.capacity",
                    capacityBytes,
                    "weft.durability",
                    durability,
                    "weft.direct-io",
                    "required",
                    "weft.snapshot-interval",
                    "0s",
                    "weft.resp.listeners",
                    List.of(Map.of("host", "127.0.0.1", "port", 0)))))
        .withFallback(ConfigFactory.load())
        .resolve();
  }
}
