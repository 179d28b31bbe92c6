package io.weft.device;

import io.weft.base.ChunkAddress;
import io.weft.base.DeviceException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The index snapshot on the medium, and the marker of a clean shutdown. A snapshot proves which
 * chunks are there only together with the marker of the very same snapshot; without it, it lends
 * recency and frequency to what a scan finds.
 */
public interface SnapshotStore {

  /**
   * Opens what is there.
   *
   * @return null where there is no readable snapshot (none, damaged, later version)
   */
  @Nullable Reader open() throws DeviceException;

  /** Removes the clean marker: from now on only a scan decides. Durable when it returns. */
  void removeCleanMarker() throws DeviceException;

  /** Begins a new snapshot under a staging name. */
  Writer begin() throws DeviceException;

  /** The bytes that the present snapshot takes on the device; 0 where there is none. */
  long physicalBytes() throws DeviceException;

  /** An upper bound of what a snapshot with these totals will take on the device. */
  long estimateBytes(long entries, long keyBytes);

  /** One entry: the chunk and what the policy knew of it. */
  record SnapshotEntry(
      ChunkAddress address, long payloadLength, boolean hasMetadata, long stamp, int policyState) {}

  /**
   * @param clean whether the store was shut down cleanly with this very snapshot
   * @param policy the name of the policy whose stamps and states it holds
   * @param nextGeneration no chunk on the medium had this generation or a later one
   */
  record Header(boolean clean, String policy, long nextGeneration, long entries) {}

  /** A snapshot that is being read. */
  interface Reader extends AutoCloseable {
    Header header();

    /**
     * Hands over every entry.
     *
     * @throws DeviceException CORRUPT where a checksum fails on the way; entries handed over before
     *     that were verified
     */
    void forEach(Consumer<SnapshotEntry> sink) throws DeviceException;

    @Override
    void close();
  }

  /** A snapshot that is being written. */
  interface Writer extends AutoCloseable {
    void add(SnapshotEntry entry) throws DeviceException;

    /**
     * Publishes the snapshot in place of the present one, synced.
     *
     * @param clean whether to leave the clean marker with it; nothing may be written after that
     */
    void commit(String policy, long nextGeneration, boolean clean) throws DeviceException;

    /** Removes the staging file where there was no commit. */
    @Override
    void close();
  }
}
