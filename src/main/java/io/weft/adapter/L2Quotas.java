package io.weft.adapter;

import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * How many bytes each {@code cache_salt} may have, as LMCache keeps it: once any quota is set, a
 * salt without one has 0 bytes. It may store, and what it stored goes with the next cycle of the
 * {@link L2EvictionController}. Thread-safe.
 */
public final class L2Quotas {
  /** How the empty salt is named where it cannot be written. */
  public static final String DEFAULT_SALT = "_default";

  private final Map<String, Long> bytes = new ConcurrentHashMap<>();

  /**
   * @param salt {@value #DEFAULT_SALT} for the empty one
   * @throws IllegalArgumentException where the bytes are negative
   */
  public void set(String salt, long quotaBytes) {
    if (quotaBytes < 0) {
      throw new IllegalArgumentException("a quota is not negative: " + salt + " = " + quotaBytes);
    }
    bytes.put(saltOf(salt), quotaBytes);
  }

  /** What was set for the salt; empty where nothing was. */
  public OptionalLong get(String salt) {
    Long quota = bytes.get(saltOf(salt));
    return quota == null ? OptionalLong.empty() : OptionalLong.of(quota);
  }

  /** Whether there was one. */
  public boolean remove(String salt) {
    return bytes.remove(saltOf(salt)) != null;
  }

  /** All that are set, the empty salt as {@value #DEFAULT_SALT}. */
  public Map<String, Long> all() {
    Map<String, Long> all = new TreeMap<>();
    bytes.forEach((salt, quota) -> all.put(salt.isEmpty() ? DEFAULT_SALT : salt, quota));
    return all;
  }

  /** Whether salts are limited at all. */
  boolean inUse() {
    return !bytes.isEmpty();
  }

  private static String saltOf(String name) {
    return name.equals(DEFAULT_SALT) ? "" : name;
  }
}
