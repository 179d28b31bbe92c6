package io.weft.core;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The tenants of the store: each salt under a small number, with what its chunks take and what they
 * may take.
 *
 * <p>A salt keeps its number while it has a chunk or a quota. A number that {@link #intern} gave
 * out and that got neither is handed back by {@link #dropIfUnused}; numbers are reused.
 */
public final class Salts {
  /** The quota of a salt that has none. */
  public static final long NO_QUOTA = -1;

  private final Map<String, Integer> numbers = new HashMap<>();
  private final List<@Nullable Tenant> tenants = new ArrayList<>();
  private final List<Integer> freeNumbers = new ArrayList<>();

  /**
   * What is known of one salt.
   *
   * @param quotaBytes {@link #NO_QUOTA} where there is none
   */
  public record SaltUsage(String salt, long usedBytes, long chunks, long quotaBytes) {}

  private static final class Tenant {
    private final String salt;
    private long usedBytes;
    private long chunks;
    private long quotaBytes = NO_QUOTA;

    private Tenant(String salt) {
      this.salt = salt;
    }
  }

  /** The salt's number, a new one where it has none. */
  public int intern(String salt) {
    int known = find(salt);
    if (known != -1) {
      return known;
    }
    Tenant tenant = new Tenant(salt);
    int number;
    if (freeNumbers.isEmpty()) {
      number = tenants.size();
      tenants.add(tenant);
    } else {
      number = freeNumbers.removeLast();
      tenants.set(number, tenant);
    }
    numbers.put(salt, number);
    return number;
  }

  /** The salt's number, or -1. */
  public int find(String salt) {
    return numbers.getOrDefault(salt, -1);
  }

  public String salt(int number) {
    return tenant(number).salt;
  }

  /** How many salts have a number. */
  public int size() {
    return numbers.size();
  }

  /** The salt has one chunk more, of this many bytes. */
  public void add(int number, long bytes) {
    Tenant tenant = tenant(number);
    tenant.usedBytes = Math.addExact(tenant.usedBytes, notNegative(bytes));
    tenant.chunks++;
  }

  /** The salt has one chunk less, of this many bytes. Without chunks and quota it is dropped. */
  public void remove(int number, long bytes) {
    Tenant tenant = tenant(number);
    if (tenant.chunks == 0
        || tenant.usedBytes < notNegative(bytes)
        || (tenant.chunks == 1 && tenant.usedBytes != bytes)) {
      throw new IllegalStateException(
          "a chunk of %d bytes taken from salt '%s', which has %d chunks of %d bytes"
              .formatted(bytes, tenant.salt, tenant.chunks, tenant.usedBytes));
    }
    tenant.usedBytes -= bytes;
    tenant.chunks--;
    dropIfUnused(number);
  }

  public long usedBytes(int number) {
    return tenant(number).usedBytes;
  }

  public long chunks(int number) {
    return tenant(number).chunks;
  }

  /** The salt's quota, or {@link #NO_QUOTA}. */
  public long quotaBytes(int number) {
    return tenant(number).quotaBytes;
  }

  /**
   * Gives the salt a quota, or takes it away ({@link #NO_QUOTA}). It may be less than what the salt
   * uses already.
   */
  public void setQuota(String salt, long quotaBytes) {
    if (quotaBytes < NO_QUOTA) {
      throw new IllegalArgumentException("a quota is not negative, this is " + quotaBytes);
    }
    int number = intern(salt);
    tenant(number).quotaBytes = quotaBytes;
    dropIfUnused(number);
  }

  /** Forgets a salt without chunks and quota; its number is void. Others stay as they are. */
  public void dropIfUnused(int number) {
    Tenant tenant = tenant(number);
    if (tenant.chunks == 0 && tenant.quotaBytes == NO_QUOTA) {
      numbers.remove(tenant.salt);
      tenants.set(number, null);
      freeNumbers.add(number);
    }
  }

  /** Every salt, in the order of their numbers. Takes time with their count. */
  public List<SaltUsage> usage() {
    List<SaltUsage> usage = new ArrayList<>(numbers.size());
    for (Tenant tenant : tenants) {
      if (tenant != null) {
        usage.add(new SaltUsage(tenant.salt, tenant.usedBytes, tenant.chunks, tenant.quotaBytes));
      }
    }
    return usage;
  }

  private Tenant tenant(int number) {
    Tenant tenant = tenants.get(number);
    if (tenant == null) {
      throw new IllegalStateException("no salt has the number " + number);
    }
    return tenant;
  }

  private static long notNegative(long bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("bytes are not negative: " + bytes);
    }
    return bytes;
  }
}
