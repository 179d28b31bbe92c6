package io.weft.fabric;

import com.typesafe.config.ConfigFactory;
import io.weft.base.FabricSettings;
import io.weft.base.StoreSettings;

/** Settings of the fabric as a configuration gives them. */
final class Settings {
  static final String NQN = "nqn.2025-01.io.weft:test";

  private Settings() {}

  /** The defaults, one path, a quick look at the state; and these lines over them. */
  static FabricSettings of(String... lines) {
    return StoreSettings.from(
            ConfigFactory.parseString(String.join("\n", lines))
                .withFallback(
                    ConfigFactory.parseString(
                        """
                        weft {
                          mode = nvmeof
                          directory = /mnt/kv
                          nvmeof {
                            subsystem-nqn = "%s"
                            paths = [ { address = 10.0.0.1, service = 4420 } ]
                            state-poll-interval = 1ms
                          }
                        }
                        """
                            .formatted(NQN)))
                .withFallback(ConfigFactory.defaultReference(Settings.class.getClassLoader())))
        .fabric()
        .orElseThrow();
  }
}
