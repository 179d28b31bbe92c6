package io.weft.adapter;

import java.util.Map;

/**
 * What an adapter holds, at about one moment. Immutable.
 *
 * @param totalBytes as the adapter counts a chunk
 * @param capacityBytes 0 where it is not known
 * @param bySalt bytes of each {@code cache_salt} that has any
 */
public record AdapterUsage(long totalBytes, long capacityBytes, Map<String, Long> bySalt) {
  public AdapterUsage {
    bySalt = Map.copyOf(bySalt);
  }

  /** The used part of the capacity; -1, which is below every watermark, where it is not known. */
  public double fraction() {
    return capacityBytes > 0 ? (double) totalBytes / capacityBytes : -1;
  }
}
