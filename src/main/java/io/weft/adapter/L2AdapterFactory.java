package io.weft.adapter;

import java.util.List;
import java.util.Map;

/**
 * Makes adapters of one type from their configuration. Found by {@link java.util.ServiceLoader}: a
 * jar on the class path that names its factory in {@code
 * META-INF/services/io.weft.adapter.L2AdapterFactory} adds a type.
 */
public interface L2AdapterFactory {
  /** The value of {@code "type"} that means this factory; unique among all. */
  String type();

  /** What the adapter is, in a line. */
  String description();

  /** The fields that the configuration may have, beside those that every type has. */
  List<ConfigField> fields();

  /**
   * Checks a configuration without opening anything.
   *
   * @param values by field name, of the fields' types; what is not given is not there
   * @throws IllegalArgumentException for a wrong value: the key, the value and the mend
   */
  void check(Map<String, Object> values);

  /**
   * Makes an adapter, which is the caller's to close. A device that is away is no reason not to: it
   * is what the adapter's status says.
   *
   * @param values as for {@link #check}
   * @throws IllegalArgumentException for a wrong value: the key, the value and the mend
   * @throws IllegalStateException where the adapter cannot be, whatever happens to the device
   */
  L2Adapter create(Map<String, Object> values);
}
