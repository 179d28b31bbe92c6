package io.weft.device;

import static io.weft.device.ChunkFormat.U16;
import static io.weft.device.ChunkFormat.U32;
import static io.weft.device.ChunkFormat.U64;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Ticker;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The index snapshot as a file of the store's root: a header block, then frames of 64 KiB that hold
 * whole entries, each with its own checksum; {@code docs/format.md} owns the bytes. The header is
 * written last and seals the frames: it holds their number, the number of entries and a checksum
 * over everything. The clean marker names the header's checksum, so it fits one snapshot only.
 */
final class FileSnapshots implements SnapshotStore {
  static final int FRAME_BYTES = 64 << 10;

  private static final int VERSION = 2;

  /** Entries of version 1 have no location: all chunks had files of their own. */
  private static final int FILES_VERSION = 1;

  private static final byte[] MAGIC = "WEFTSNAP".getBytes(US_ASCII);
  private static final int HEADER_BYTES = ChunkFormat.BLOCK_BYTES;

  private static final int VERSION_AT = 8;
  private static final int FRAME_BYTES_AT = 12;
  private static final int ID_AT = 16;
  private static final int ENTRIES_AT = 24;
  private static final int FRAMES_AT = 32;
  private static final int NEXT_GENERATION_AT = 40;
  private static final int WRITTEN_AT_AT = 48;
  private static final int FRAMES_CRC_AT = 56;
  private static final int POLICY_LENGTH_AT = 60;
  private static final int POLICY_AT = 64;
  private static final int HEADER_CRC_AT = HEADER_BYTES - 4;
  private static final int POLICY_BYTES_MAX = 1024;

  private static final int FRAME_ID_AT = 0;
  private static final int FRAME_NUMBER_AT = 8;
  private static final int FRAME_USED_AT = 16;
  private static final int FRAME_ENTRIES_AT = 20;
  private static final int FRAME_HEAD_BYTES = 24;
  private static final int FRAME_CRC_AT = FRAME_BYTES - 4;

  private static final int ENTRY_GENERATION_AT = 0;
  private static final int ENTRY_EXPIRES_AT = 8;
  private static final int ENTRY_LENGTH_AT = 16;
  private static final int ENTRY_STAMP_AT = 24;
  private static final int ENTRY_STATE_AT = 32;
  private static final int ENTRY_FLAGS_AT = 36;
  private static final int ENTRY_KEY_LENGTH_AT = 38;
  private static final int ENTRY_LOCATION_AT = 40;
  private static final int ENTRY_HEAD_BYTES = 48;
  private static final int FILES_ENTRY_HEAD_BYTES = 40;
  private static final int HAS_METADATA = 1;

  /** Frames that are read or written in one call. */
  private static final int GROUP = 16;

  private static final SecureRandom IDS = new SecureRandom();

  private final StoreDirectory store;
  private final UseCount uses;
  private final Ticker ticker;

  /**
   * @param uses of the layout: its descriptors stay open while a snapshot is read or written
   */
  FileSnapshots(StoreDirectory store, UseCount uses, Ticker ticker) {
    this.store = store;
    this.uses = uses;
    this.ticker = ticker;
  }

  @Override
  public @Nullable Reader open() throws DeviceException {
    enter("open snapshot");
    SnapshotReader reader = null;
    try {
      reader = SnapshotReader.open(this);
      return reader;
    } catch (DeviceException failure) {
      if (failure.kind() == Kind.NOT_FOUND || failure.kind() == Kind.CORRUPT) {
        return null;
      }
      throw failure;
    } finally {
      if (reader == null) {
        uses.exit();
      }
    }
  }

  @Override
  public void removeCleanMarker() throws DeviceException {
    enter("remove clean marker");
    try {
      store.root().unlink(StoreDirectory.CLEAN);
      // Also where it was gone: an earlier removal may not have reached the device.
      store.root().sync();
    } finally {
      uses.exit();
    }
  }

  @Override
  public Writer begin() throws DeviceException {
    enter("begin snapshot");
    SnapshotWriter writer = null;
    try {
      String staging = store.stagingName();
      writer = new SnapshotWriter(staging, store.root().create(staging, store.isDirect()));
      return writer;
    } finally {
      if (writer == null) {
        uses.exit();
      }
    }
  }

  @Override
  public long physicalBytes() throws DeviceException {
    enter("statx snapshot");
    try {
      return store.root().physicalBytes(StoreDirectory.SNAPSHOT)
          + store.root().physicalBytes(StoreDirectory.CLEAN);
    } finally {
      uses.exit();
    }
  }

  @Override
  public long estimateBytes(long entries, long keyBytes) {
    // A frame is closed when the next entry does not fit: it is at least this full.
    long fullAtLeast =
        FRAME_CRC_AT - FRAME_HEAD_BYTES - (ENTRY_HEAD_BYTES + ChunkKey.MAX_BYTES) + 1;
    long frames = (entries * ENTRY_HEAD_BYTES + keyBytes) / fullAtLeast + 1;
    long unit = store.allocationBytes();
    long snapshot = HEADER_BYTES + frames * FRAME_BYTES;
    return (snapshot + unit - 1) / unit * unit + unit;
  }

  private void enter(String operation) throws DeviceException {
    if (!uses.enter()) {
      throw Layout.closed(operation, StoreDirectory.SNAPSHOT);
    }
  }

  private static DeviceException corrupt(String reason) {
    return new DeviceException(
        Kind.CORRUPT, "read snapshot", StoreDirectory.SNAPSHOT, -1, -1, 0, reason, null);
  }

  private static String marker(long id, int headerCrc) {
    String text = "weft-clean 1\nsnapshot %016x\nheader %08x\n".formatted(id, headerCrc);
    byte[] bytes = text.getBytes(UTF_8);
    return text + "checksum %08x\n".formatted(Crc32c.of(bytes, 0, bytes.length));
  }

  private boolean isClean(long id, int headerCrc) throws DeviceException {
    try {
      return marker(id, headerCrc).equals(store.readText(StoreDirectory.CLEAN));
    } catch (DeviceException failure) {
      if (failure.kind() == Kind.CORRUPT) {
        return false;
      }
      throw failure;
    }
  }

  /** Reads group by group into memory of its own. */
  private static final class SnapshotReader implements Reader {
    private final FileSnapshots home;
    private final DataFile file;
    private final Arena arena;
    private final MemorySegment group;
    private final long id;
    private final long frames;
    private final int framesCrc;
    private final boolean hasLocations;
    private final Header header;
    private boolean closed;

    private SnapshotReader(
        FileSnapshots home,
        DataFile file,
        Arena arena,
        MemorySegment group,
        long id,
        long frames,
        int framesCrc,
        boolean hasLocations,
        Header header) {
      this.home = home;
      this.file = file;
      this.arena = arena;
      this.group = group;
      this.id = id;
      this.frames = frames;
      this.framesCrc = framesCrc;
      this.hasLocations = hasLocations;
      this.header = header;
    }

    static SnapshotReader open(FileSnapshots home) throws DeviceException {
      DataFile file = home.store.root().open(StoreDirectory.SNAPSHOT, home.store.isDirect());
      Arena arena = Arena.ofShared();
      boolean opened = false;
      try {
        long fileBytes = file.length();
        MemorySegment group = arena.allocate((long) GROUP * FRAME_BYTES, HEADER_BYTES);
        MemorySegment head = group.asSlice(0, HEADER_BYTES);
        if (fileBytes < HEADER_BYTES) {
          throw corrupt("it is shorter than its header");
        }
        IoVector vector = Posix.vector();
        vector.add(head);
        file.read(vector, 0, head);
        SnapshotReader reader = decode(home, file, arena, group, head, fileBytes);
        opened = true;
        return reader;
      } finally {
        if (!opened) {
          file.close();
          arena.close();
        }
      }
    }

    private static SnapshotReader decode(
        FileSnapshots home,
        DataFile file,
        Arena arena,
        MemorySegment group,
        MemorySegment head,
        long fileBytes)
        throws DeviceException {
      byte[] magic = head.asSlice(0, MAGIC.length).toArray(ValueLayout.JAVA_BYTE);
      if (!Arrays.equals(magic, MAGIC)) {
        throw corrupt("it does not begin with WEFTSNAP");
      }
      int headerCrc = head.get(U32, HEADER_CRC_AT);
      if (headerCrc != Crc32c.of(head.asSlice(0, HEADER_CRC_AT))) {
        throw corrupt("its header's checksum does not fit");
      }
      int version = head.get(U32, VERSION_AT);
      if ((version != VERSION && version != FILES_VERSION)
          || head.get(U32, FRAME_BYTES_AT) != FRAME_BYTES) {
        throw corrupt("it is of another version, " + version);
      }
      long frames = head.get(U64, FRAMES_AT);
      if (frames < 0
          || frames != (fileBytes - HEADER_BYTES) / FRAME_BYTES
          || (fileBytes - HEADER_BYTES) % FRAME_BYTES != 0) {
        throw corrupt("it has %d bytes, which are not %d frames".formatted(fileBytes, frames));
      }
      long id = head.get(U64, ID_AT);
      int policyLength = Math.clamp(head.get(U32, POLICY_LENGTH_AT), 0, POLICY_BYTES_MAX);
      byte[] policy = head.asSlice(POLICY_AT, policyLength).toArray(ValueLayout.JAVA_BYTE);
      Header header =
          new Header(
              home.isClean(id, headerCrc),
              new String(policy, UTF_8),
              head.get(U64, NEXT_GENERATION_AT),
              head.get(U64, ENTRIES_AT));
      int framesCrc = head.get(U32, FRAMES_CRC_AT);
      return new SnapshotReader(
          home, file, arena, group, id, frames, framesCrc, version == VERSION, header);
    }

    @Override
    public Header header() {
      return header;
    }

    @Override
    public void forEach(Consumer<SnapshotEntry> sink) throws DeviceException {
      CRC32C sum = new CRC32C();
      long entries = 0;
      byte[] frame = new byte[FRAME_BYTES];
      MemorySegment view = MemorySegment.ofArray(frame);
      for (long at = 0; at < frames; at += GROUP) {
        int count = (int) Math.min(GROUP, frames - at);
        MemorySegment read = group.asSlice(0, (long) count * FRAME_BYTES);
        IoVector vector = Posix.vector();
        vector.add(read);
        file.read(vector, HEADER_BYTES + at * FRAME_BYTES, read);
        for (int i = 0; i < count; i++) {
          MemorySegment.copy(
              read, ValueLayout.JAVA_BYTE, (long) i * FRAME_BYTES, frame, 0, FRAME_BYTES);
          sum.update(frame, 0, FRAME_BYTES);
          entries += decodeFrame(frame, view, at + i, sink);
        }
      }
      if ((int) sum.getValue() != framesCrc || entries != header.entries()) {
        throw corrupt("its %d entries, or their checksum, are not the header's".formatted(entries));
      }
    }

    private long decodeFrame(
        byte[] bytes, MemorySegment frame, long number, Consumer<SnapshotEntry> sink)
        throws DeviceException {
      boolean right =
          frame.get(U32, FRAME_CRC_AT) == Crc32c.of(bytes, 0, FRAME_CRC_AT)
              && frame.get(U64, FRAME_ID_AT) == id
              && frame.get(U64, FRAME_NUMBER_AT) == number;
      int used = frame.get(U32, FRAME_USED_AT);
      if (!right || used < FRAME_HEAD_BYTES || used > FRAME_CRC_AT) {
        throw corrupt("frame " + number + " does not verify");
      }
      int entries = frame.get(U32, FRAME_ENTRIES_AT);
      int headBytes = hasLocations ? ENTRY_HEAD_BYTES : FILES_ENTRY_HEAD_BYTES;
      int at = FRAME_HEAD_BYTES;
      for (int i = 0; i < entries; i++) {
        int keyLength =
            at + headBytes <= used
                ? Short.toUnsignedInt(frame.get(U16, (long) at + ENTRY_KEY_LENGTH_AT))
                : 0;
        if (keyLength < ChunkKey.MIN_BYTES
            || keyLength > ChunkKey.MAX_BYTES
            || at + headBytes + keyLength > used) {
          throw corrupt("frame " + number + " ends within an entry");
        }
        long payloadLength = frame.get(U64, (long) at + ENTRY_LENGTH_AT);
        long expiresAtMillis = frame.get(U64, (long) at + ENTRY_EXPIRES_AT);
        if (payloadLength < 0 || payloadLength > Chunks.MAX_PAYLOAD_BYTES || expiresAtMillis < 0) {
          throw corrupt("frame " + number + " has an entry that no store writes");
        }
        sink.accept(
            new SnapshotEntry(
                new ChunkAddress(
                    ChunkKey.of(bytes, at + headBytes, keyLength),
                    frame.get(U64, (long) at + ENTRY_GENERATION_AT),
                    expiresAtMillis,
                    hasLocations
                        ? frame.get(U64, (long) at + ENTRY_LOCATION_AT)
                        : ChunkAddress.FILE),
                payloadLength,
                (frame.get(U16, (long) at + ENTRY_FLAGS_AT) & HAS_METADATA) != 0,
                frame.get(U64, (long) at + ENTRY_STAMP_AT),
                frame.get(U32, (long) at + ENTRY_STATE_AT)));
        at += headBytes + keyLength;
      }
      return entries;
    }

    @Override
    public void close() {
      if (!closed) {
        closed = true;
        file.close();
        arena.close();
        home.uses.exit();
      }
    }
  }

  /** Fills a group of frames in memory and writes it when it is full. */
  private final class SnapshotWriter implements Writer {
    private final String staging;
    private final DataFile file;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment group = arena.allocate((long) GROUP * FRAME_BYTES, HEADER_BYTES);
    private final byte[] frame = new byte[FRAME_BYTES];
    private final MemorySegment view = MemorySegment.ofArray(frame);
    private final long id = IDS.nextLong();
    private final CRC32C sum = new CRC32C();

    private int used = FRAME_HEAD_BYTES;
    private int frameEntries;
    private long entries;
    private long frames;
    private boolean committed;
    private boolean closed;

    SnapshotWriter(String staging, DataFile file) {
      this.staging = staging;
      this.file = file;
    }

    @Override
    public void add(SnapshotEntry entry) throws DeviceException {
      if (committed || closed) {
        throw new IllegalStateException("the snapshot is written");
      }
      ChunkKey key = entry.address().key();
      int length = ENTRY_HEAD_BYTES + key.length();
      if (used + length > FRAME_CRC_AT) {
        finishFrame();
      }
      long at = used;
      view.set(U64, at + ENTRY_GENERATION_AT, entry.address().generation());
      view.set(U64, at + ENTRY_EXPIRES_AT, entry.address().expiresAtMillis());
      view.set(U64, at + ENTRY_LENGTH_AT, entry.payloadLength());
      view.set(U64, at + ENTRY_STAMP_AT, entry.stamp());
      view.set(U32, at + ENTRY_STATE_AT, entry.policyState());
      view.set(U64, at + ENTRY_LOCATION_AT, entry.address().location());
      view.set(U16, at + ENTRY_FLAGS_AT, (short) (entry.hasMetadata() ? HAS_METADATA : 0));
      view.set(U16, at + ENTRY_KEY_LENGTH_AT, (short) key.length());
      key.copyTo(frame, used + ENTRY_HEAD_BYTES);
      used += length;
      frameEntries++;
      entries++;
    }

    private void finishFrame() throws DeviceException {
      Arrays.fill(frame, used, FRAME_BYTES, (byte) 0);
      view.set(U64, FRAME_ID_AT, id);
      view.set(U64, FRAME_NUMBER_AT, frames);
      view.set(U32, FRAME_USED_AT, used);
      view.set(U32, FRAME_ENTRIES_AT, frameEntries);
      view.set(U32, FRAME_CRC_AT, Crc32c.of(frame, 0, FRAME_CRC_AT));
      sum.update(frame, 0, FRAME_BYTES);
      long place = frames % GROUP;
      MemorySegment.copy(frame, 0, group, ValueLayout.JAVA_BYTE, place * FRAME_BYTES, FRAME_BYTES);
      frames++;
      used = FRAME_HEAD_BYTES;
      frameEntries = 0;
      if (place == GROUP - 1) {
        writeGroup(GROUP);
      }
    }

    /** Writes the last {@code count} frames, which are the first of the group. */
    private void writeGroup(long count) throws DeviceException {
      MemorySegment full = group.asSlice(0, count * FRAME_BYTES);
      IoVector vector = Posix.vector();
      vector.add(full);
      file.write(vector, HEADER_BYTES + (frames - count) * FRAME_BYTES, full);
    }

    @Override
    public void commit(String policy, long nextGeneration, boolean clean) throws DeviceException {
      if (committed || closed) {
        throw new IllegalStateException("a snapshot is committed once");
      }
      byte[] policyBytes = policy.getBytes(UTF_8);
      if (policyBytes.length > POLICY_BYTES_MAX) {
        throw new IllegalArgumentException("the policy's name is too long: " + policy);
      }
      if (frameEntries > 0) {
        finishFrame();
      }
      if (frames % GROUP > 0) {
        writeGroup(frames % GROUP);
      }
      int headerCrc = writeHeader(policyBytes, nextGeneration);
      file.sync();
      // The marker of the snapshot that is replaced must not outlive it, fitting though it cannot.
      store.root().unlink(StoreDirectory.CLEAN);
      store.root().replace(staging, StoreDirectory.SNAPSHOT);
      committed = true;
      store.root().sync();
      if (clean) {
        store.writeText(StoreDirectory.CLEAN, marker(id, headerCrc));
      }
    }

    private int writeHeader(byte[] policy, long nextGeneration) throws DeviceException {
      MemorySegment head = group.asSlice(0, HEADER_BYTES);
      head.fill((byte) 0);
      MemorySegment.copy(MAGIC, 0, head, ValueLayout.JAVA_BYTE, 0, MAGIC.length);
      head.set(U32, VERSION_AT, VERSION);
      head.set(U32, FRAME_BYTES_AT, FRAME_BYTES);
      head.set(U64, ID_AT, id);
      head.set(U64, ENTRIES_AT, entries);
      head.set(U64, FRAMES_AT, frames);
      head.set(U64, NEXT_GENERATION_AT, nextGeneration);
      head.set(U64, WRITTEN_AT_AT, ticker.epochMillis());
      head.set(U32, FRAMES_CRC_AT, (int) sum.getValue());
      head.set(U32, POLICY_LENGTH_AT, policy.length);
      MemorySegment.copy(policy, 0, head, ValueLayout.JAVA_BYTE, POLICY_AT, policy.length);
      int headerCrc = Crc32c.of(head.asSlice(0, HEADER_CRC_AT));
      head.set(U32, HEADER_CRC_AT, headerCrc);
      IoVector vector = Posix.vector();
      vector.add(head);
      file.write(vector, 0, head);
      return headerCrc;
    }

    @Override
    public void close() {
      if (closed) {
        return;
      }
      closed = true;
      if (!committed) {
        // What cannot be removed now is removed when the store is next opened.
        Posix.unlinkat(store.root().fd(), staging, 0);
      }
      file.close();
      arena.close();
      uses.exit();
    }
  }
}
