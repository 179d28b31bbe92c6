package io.weft.device;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/**
 * The one door to the bytes on the device. All alignment, full-count checks, naming and publication
 * happen behind it; whoever calls sees chunks, payload offsets and {@link DeviceException}s.
 *
 * <p>Every method may block for as long as the kernel likes and is called on I/O threads only. All
 * are thread-safe. Memory handed in is read or written only during the call.
 */
public interface ChunkMedium extends AutoCloseable {

  MediumInfo info();

  /** What a chunk of this payload length takes on the device, block rounding included. */
  long physicalBytes(long payloadLength);

  /**
   * Stores a whole chunk in one go: for payloads of at most one piece.
   *
   * @param recycled a retired chunk that takes as much on the device and that nobody reads: its
   *     room becomes the new chunk's, and whether this succeeds or fails, its bytes are not to be
   *     had any more. Where it has a file and that is gone, the store fails with NOT_FOUND: nobody
   *     reserved what another would allocate. Null where the chunk gets room of its own. A chunk in
   *     a slot has the slot that its address names either way
   */
  void store(
      ChunkAddress address,
      ChunkMetadata metadata,
      MemorySegment payload,
      @Nullable ChunkAddress recycled,
      IoScratch scratch)
      throws DeviceException;

  /**
   * Begins a store that is written piece by piece, under a staging name, or in a slot, that lookups
   * never see.
   *
   * @param recycled as in {@link #store}
   */
  ChunkWrite beginStore(
      ChunkAddress address,
      ChunkMetadata metadata,
      long payloadLength,
      @Nullable ChunkAddress recycled)
      throws DeviceException;

  /**
   * {@link #store} as one transfer that is yet to be made: everything that may block is left to it.
   * Where it fails, what it left in its place stays until {@link #delete}.
   *
   * @return null where it takes more than one transfer, or memory that is not at hand: then {@link
   *     #store} it is
   */
  default @Nullable PreparedIo prepareStore(
      ChunkAddress address, ChunkMetadata metadata, MemorySegment payload, IoScratch scratch)
      throws DeviceException {
    return null;
  }

  /** {@link #load} as one transfer that is yet to be made, or null: see {@link #prepareStore}. */
  default @Nullable PreparedIo prepareLoad(
      ChunkAddress address, MemorySegment target, long payloadLength, IoScratch scratch)
      throws DeviceException {
    return null;
  }

  /**
   * Loads and verifies a whole chunk in one go: for payloads of at most one piece.
   *
   * @param target at least {@code payloadLength} bytes; the chunk's bytes stand at its start. Where
   *     it is aligned and long enough for whole blocks, bytes beyond the payload may be overwritten
   * @throws DeviceException NOT_FOUND where the file is gone or of a later format version, CORRUPT
   *     where length, key, generation or checksum are not the expected ones
   */
  void load(ChunkAddress address, MemorySegment target, long payloadLength, IoScratch scratch)
      throws DeviceException;

  /** Begins a load that is read piece by piece; opens the file and verifies its block. */
  ChunkRead beginLoad(ChunkAddress address, long payloadLength, IoScratch scratch)
      throws DeviceException;

  /** The self-describing block of a chunk, verified against its address. */
  ChunkBlock block(ChunkAddress address, IoScratch scratch) throws DeviceException;

  /** Removes the chunk of exactly this generation. Returns whether it was there. */
  boolean delete(ChunkAddress address) throws DeviceException;

  /**
   * The segments that are there, in no order, each whole; none where chunks have files of their own
   * ({@link MediumInfo#segmentBytes()} 0).
   */
  List<Integer> segments() throws DeviceException;

  /**
   * Begins a segment: its pieces cover {@link MediumInfo#segmentBytes()} and their bytes do not
   * matter; it is there once it is published. So the room of all slots is taken, and was written
   * once, before the first chunk comes.
   */
  ChunkWrite beginSegment(int number) throws DeviceException;

  /** Removes a segment that holds no chunk. Returns whether it was there. */
  boolean removeSegment(int number) throws DeviceException;

  /** Gives the chunk another expiry time, atomically and without touching its bytes. */
  void changeExpiry(ChunkAddress address, long expiresAtMillis) throws DeviceException;

  /**
   * Moves the chunk's file out of the way for a person to look at. Returns the bytes that it goes
   * on taking there; 0 where the file was gone.
   */
  long quarantine(ChunkAddress address) throws DeviceException;

  /** Removes the oldest quarantined files until at most this much is left. Returns what is left. */
  long pruneQuarantine(long keepBytes) throws DeviceException;

  /**
   * Walks the whole medium after a start: removes staging leftovers, verifies every block against
   * its file's name and length, moves what does not verify to quarantine, leaves foreign files and
   * later format versions alone, and hands the rest over in batches of at most 1,024, one call at a
   * time. Of several generations of one key all are handed over; the receiver decides.
   *
   * <p>A segment has slots of one size: that of the latest generation found in it. Chunks of other
   * sizes are left from before the segment was emptied; they are cleared and not handed over.
   */
  ScanReport scan(int threads, BatchSink sink) throws DeviceException;

  /** Where {@link #scan} hands over what it found. May block, to slow the scan down. */
  @FunctionalInterface
  interface BatchSink {
    void found(List<FoundChunk> batch);
  }

  /** The snapshot of the index on this medium. */
  SnapshotStore snapshots();

  /** What the filesystem says it has. */
  FilesystemSpace space() throws DeviceException;

  /**
   * Writes, reads back and compares one block through the same path as chunks: the health probe.
   */
  void probe() throws DeviceException;

  /**
   * Closes every descriptor, the directory's lock included, without waiting: what an operation in
   * the kernel, an unfinished {@link ChunkWrite} or an open {@link ChunkRead} still uses is closed,
   * and the lock given up, when the last of those ends. Everything begun later fails with CLOSED.
   * Idempotent.
   */
  @Override
  void close();

  /** Completed when the last descriptor is closed, some time after {@link #close}. */
  CompletionStage<Void> released();

  /** A store in pieces. Pieces do not overlap, come in any order and from any thread. */
  interface ChunkWrite {
    /**
     * Writes {@code piece} at this payload offset (a multiple of {@link MediumInfo#blockBytes()}).
     */
    void write(long payloadOffset, MemorySegment piece, IoScratch scratch) throws DeviceException;

    /**
     * Writes the block, syncs as the durability mode says, and renames into place. Once, after the
     * pieces that cover the payload: with a gap or an overlap it throws {@link
     * IllegalStateException} and publishes nothing.
     */
    void publish(IoScratch scratch) throws DeviceException;

    /** {@link #write} as one transfer that is yet to be made; null where that cannot be. */
    default @Nullable PreparedIo prepareWrite(
        long payloadOffset, MemorySegment piece, IoScratch scratch) throws DeviceException {
      return null;
    }

    /**
     * Removes the staging file, and the chunk's own where a failed {@link #publish} may have got as
     * far. Pieces that are in the kernel go on into the removed file, whose room is free when the
     * last of them is done. Without effect after a {@link #publish} that succeeded. Idempotent.
     */
    void abandon();
  }

  /** A load in pieces. Pieces do not overlap, come in any order and from any thread. */
  interface ChunkRead {
    /**
     * Reads the payload bytes from this offset (a multiple of {@link MediumInfo#blockBytes()}) into
     * {@code piece}.
     *
     * @param spareBytes how many bytes after {@code piece} the memory's owner lets be overwritten,
     *     so that a whole last block may go there directly. {@code piece} itself may be
     *     longer-lived memory: only the segment's bytes and the spare ones are touched
     */
    void read(long payloadOffset, MemorySegment piece, long spareBytes, IoScratch scratch)
        throws DeviceException;

    /** {@link #read} as one transfer that is yet to be made; null where that cannot be. */
    default @Nullable PreparedIo prepareRead(
        long payloadOffset, MemorySegment piece, long spareBytes, IoScratch scratch)
        throws DeviceException {
      return null;
    }

    /** Compares the checksum of all that was read with the block's. CORRUPT where they differ. */
    void verify() throws DeviceException;

    /** Closes the file. Idempotent. */
    void close();
  }
}
