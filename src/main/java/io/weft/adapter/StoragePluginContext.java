package io.weft.adapter;

import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a backend is made from when it is loaded by name. A plugin is a public class that implements
 * {@link StorageBackend} and has a public constructor with this one argument. The constructor may
 * block for a while; what it throws is the reason why the plugin is not there.
 *
 * @param name the plugin's name in {@code storage_plugins}
 * @param extraConfig LMCache's whole flat {@code extra_config}; a plugin reads its own keys
 * @param allocatorBackend who provides the memory of loads: the host's, for as long as the plugin
 *     lives
 */
public record StoragePluginContext(
    String name,
    Map<String, ? extends @Nullable Object> extraConfig,
    AllocatorBackend allocatorBackend) {
  public StoragePluginContext {
    // Map.copyOf takes no nulls, and a configuration has them.
    extraConfig = Collections.unmodifiableMap(new HashMap<>(extraConfig));
  }
}
