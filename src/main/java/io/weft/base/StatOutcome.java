package io.weft.base;

/** What is known of one chunk. */
public sealed interface StatOutcome
    permits StatOutcome.Present, StatOutcome.Absent, Rejected, Failed {

  /**
   * @param length payload bytes
   * @param physicalBytes bytes on the device
   * @param expiresAtMillis wall-clock expiry, or {@link Chunks#NEVER}
   * @param metadata what the storing client attached; empty where nothing
   */
  record Present(
      long length,
      long physicalBytes,
      long generation,
      long expiresAtMillis,
      ChunkMetadata metadata,
      int locks,
      int pins)
      implements StatOutcome {}

  /** There is no such chunk. */
  record Absent() implements StatOutcome {}
}
