package io.weft.device;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Durability;
import io.weft.base.Ticker;
import io.weft.device.SlabFormat.Assignment;
import io.weft.device.SlabSegments.Segment;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Chunks in the slots of preallocated segment files: see {@code docs/format.md}. A store writes
 * into its slot in place; no file is made or removed, no block allocated or freed.
 *
 * <p>Which slots are free is the index's to know, and with it that no slot is written while
 * somebody reads or writes it, and that all slots of a segment are free when a chunk of another
 * size is stored in it. What a slot holds is said by its block alone, if that carries the nonce
 * that its segment got when it was last given to a size.
 */
public final class SlabLayout extends Layout {
  private final SlabFormat format;
  private final SlabSegments segments;
  private final boolean prewrite;
  private final MediumInfo info;

  /**
   * @param prewrite whether new segments are written once before they are used
   */
  SlabLayout(StoreDirectory store, Durability durability, boolean prewrite, Ticker ticker) {
    super(store, durability, ticker);
    this.format = new SlabFormat(store.segmentBytes());
    this.segments = new SlabSegments(store, format, this);
    this.prewrite = prewrite;
    this.info = info(SlabFormat.HEADER_BYTES, format.maxPayloadBytes());
  }

  @Override
  void closeFiles() {
    segments.close();
  }

  @Override
  public MediumInfo info() {
    return info;
  }

  @Override
  public long physicalBytes(long payloadLength) {
    return format.slotBytes(payloadLength);
  }

  @Override
  public void store(
      ChunkAddress address,
      ChunkMetadata metadata,
      MemorySegment payload,
      @Nullable ChunkAddress recycled,
      IoScratch scratch)
      throws DeviceException {
    long slotBytes = slotFor(address, payload.byteSize());
    forgetElsewhere(address, recycled);
    enter("store");
    Segment segment = null;
    try {
      segment = present("store", address);
      Assignment assignment = segment.assign(slotBytes);
      long offset = offset(address, slotBytes);
      boolean stored = false;
      try {
        write(segment, offset, assignment.nonce(), address, metadata, payload, scratch);
        // The sync comes after the one write: see SlotWrite.publish.
        if (durability() != Durability.RELAXED) {
          segment.file.sync();
        }
        stored = true;
      } finally {
        if (!stored) {
          clearQuietly(segment, offset);
        }
      }
    } finally {
      end(segment);
    }
  }

  private void write(
      Segment segment,
      long offset,
      long nonce,
      ChunkAddress address,
      ChunkMetadata metadata,
      MemorySegment payload,
      IoScratch scratch)
      throws DeviceException {
    long length = payload.byteSize();
    if (PayloadIo.fitsOneWrite(segment.file, payload, scratch)) {
      PayloadIo.writeWhole(
          segment.file,
          offset,
          (sum, target) -> encode(address, metadata, length, sum, nonce, target),
          payload,
          scratch);
      return;
    }
    segment.clear(offset);
    int sum = PayloadIo.write(segment.file, offset + ChunkFormat.BLOCK_BYTES, payload, scratch);
    encode(address, metadata, length, sum, nonce, scratch.block());
    segment.writeBlock(offset, scratch.block());
  }

  void encode(
      ChunkAddress address,
      ChunkMetadata metadata,
      long payloadLength,
      int payloadSum,
      long nonce,
      MemorySegment target) {
    ChunkFormat.encodeSlot(
        new SlotBlock(
            new ChunkBlock(
                address.key(),
                address.generation(),
                payloadLength,
                payloadSum,
                metadata,
                nowMillis()),
            nonce,
            address.expiresAtMillis()),
        target);
  }

  @Override
  public ChunkWrite beginStore(
      ChunkAddress address,
      ChunkMetadata metadata,
      long payloadLength,
      @Nullable ChunkAddress recycled)
      throws DeviceException {
    long slotBytes = slotFor(address, payloadLength);
    forgetElsewhere(address, recycled);
    enter("store");
    Segment segment = null;
    boolean begun = false;
    try {
      segment = present("store", address);
      Assignment assignment = segment.assign(slotBytes);
      long offset = offset(address, slotBytes);
      segment.clear(offset);
      Segment used = segment;
      begun = true;
      return new SlotWrite(
          this,
          address,
          metadata,
          payloadLength,
          segment,
          offset,
          assignment.nonce(),
          () -> end(used));
    } finally {
      if (!begun) {
        end(segment);
      }
    }
  }

  @Override
  public @Nullable PreparedIo prepareStore(
      ChunkAddress address, ChunkMetadata metadata, MemorySegment payload, IoScratch scratch)
      throws DeviceException {
    long slotBytes = slotFor(address, payload.byteSize());
    if (durability() != Durability.RELAXED) {
      return null;
    }
    enter("store");
    Segment segment = null;
    boolean prepared = false;
    try {
      segment = segments.useOpened(ChunkAddress.segmentOf(address.location()));
      if (segment == null
          || segment.assignment().slotBytes() != slotBytes
          || !segment.file.takesInPlace(payload)) {
        return null;
      }
      long offset = offset(address, slotBytes);
      long nonce = segment.assignment().nonce();
      IoVector vector = scratch.vector();
      PayloadIo.fillWhole(
          vector,
          segment.file,
          (sum, target) -> encode(address, metadata, payload.byteSize(), sum, nonce, target),
          payload,
          scratch);
      Segment used = segment;
      prepared = true;
      return new PreparedTransfer(
          segment.file,
          true,
          vector,
          offset,
          payload,
          new PreparedTransfer.Ending() {
            @Override
            public void moved() {}

            // The index has the slot cleared, by a thread: this may be one that nothing may block.
            @Override
            public void failed() {}
          },
          () -> end(used));
    } finally {
      if (!prepared) {
        end(segment);
      }
    }
  }

  @Override
  public void load(
      ChunkAddress address, MemorySegment target, long payloadLength, IoScratch scratch)
      throws DeviceException {
    requireRoom(target, payloadLength);
    enter("load");
    Segment segment = null;
    try {
      segment = present("load", address);
      Assignment assignment = segment.assignment();
      long offset = offset(segment, assignment, address, payloadLength);
      MemorySegment payload = target.asSlice(0, payloadLength);
      long spare = target.byteSize() - payloadLength;
      int sum = PayloadIo.readWhole(segment.file, offset, payload, spare, scratch);
      ChunkBlock block =
          verified(segment, assignment, address, payloadLength, scratch.block()).block();
      Segment used = segment;
      requireSum(() -> path(used, address), block.payloadCrc(), sum);
    } finally {
      end(segment);
    }
  }

  @Override
  public @Nullable PreparedIo prepareLoad(
      ChunkAddress address, MemorySegment target, long payloadLength, IoScratch scratch)
      throws DeviceException {
    requireRoom(target, payloadLength);
    enter("load");
    Segment segment = null;
    boolean prepared = false;
    try {
      segment = segments.useOpened(ChunkAddress.segmentOf(address.location()));
      if (segment == null || !segment.file.takesInPlace(target)) {
        return null;
      }
      Assignment assignment = segment.assignment();
      long offset = offset(segment, assignment, address, payloadLength);
      MemorySegment payload = target.asSlice(0, payloadLength);
      IoVector vector = scratch.vector();
      vector.add(scratch.block());
      long spare = target.byteSize() - payloadLength;
      long tail = PayloadIo.addTarget(vector, segment.file, payload, spare, scratch);
      Segment used = segment;
      prepared = true;
      return new PreparedTransfer(
          segment.file,
          false,
          vector,
          offset,
          payload,
          () -> {
            PayloadIo.finishTail(payload, tail, scratch);
            SlotBlock block = verified(used, assignment, address, payloadLength, scratch.block());
            requireSum(() -> path(used, address), block.block().payloadCrc(), Crc32c.of(payload));
          },
          () -> end(used));
    } finally {
      if (!prepared) {
        end(segment);
      }
    }
  }

  @Override
  public ChunkRead beginLoad(ChunkAddress address, long payloadLength, IoScratch scratch)
      throws DeviceException {
    enter("load");
    Segment segment = null;
    boolean begun = false;
    try {
      segment = present("load", address);
      Assignment assignment = segment.assignment();
      long offset = offset(segment, assignment, address, payloadLength);
      segment.readBlock(offset, scratch.block());
      SlotBlock block = verified(segment, assignment, address, payloadLength, scratch.block());
      Segment used = segment;
      begun = true;
      return new OpenChunk(segment.file, offset, block.block(), () -> end(used));
    } finally {
      if (!begun) {
        end(segment);
      }
    }
  }

  @Override
  public ChunkBlock block(ChunkAddress address, IoScratch scratch) throws DeviceException {
    enter("read block");
    Segment segment = null;
    try {
      segment = present("read block", address);
      return read(segment, address, scratch.block()).block();
    } finally {
      end(segment);
    }
  }

  @Override
  public boolean delete(ChunkAddress address) throws DeviceException {
    enter("delete");
    Segment segment = null;
    try {
      segment = segments.use(ChunkAddress.segmentOf(address.location()));
      Assignment assignment = segment == null ? Assignment.NONE : segment.assignment();
      if (segment == null || !isPlace(assignment, address)) {
        return false;
      }
      long offset = offset(address, assignment.slotBytes());
      MemorySegment block = SlabSegments.ownBlock();
      // A block that cannot be read is cleared: nobody else has the slot.
      boolean others =
          readable(segment, offset, block)
              && !(format.content(assignment, block) instanceof SlabFormat.Taken(SlotBlock found)
                  && isOf(found.block(), address));
      if (others) {
        return false;
      }
      segment.clear(offset);
      if (durability() == Durability.FULL) {
        segment.file.sync();
      }
      return true;
    } finally {
      end(segment);
    }
  }

  /** Rewrites the block, where the expiry time has its place. */
  @Override
  public void changeExpiry(ChunkAddress address, long expiresAtMillis) throws DeviceException {
    enter("change expiry");
    Segment segment = null;
    try {
      segment = present("change expiry", address);
      MemorySegment block = SlabSegments.ownBlock();
      SlotBlock found = read(segment, address, block);
      if (expiresAtMillis == found.expiresAtMillis()) {
        return;
      }
      ChunkFormat.encodeSlot(new SlotBlock(found.block(), found.nonce(), expiresAtMillis), block);
      segment.writeBlock(offset(address, segment.assignment().slotBytes()), block);
      if (durability() == Durability.FULL) {
        segment.file.sync();
      }
    } finally {
      end(segment);
    }
  }

  @Override
  public List<Integer> segments() throws DeviceException {
    enter("list segments");
    try {
      List<Integer> whole = new ArrayList<>();
      for (Directory.Entry entry : store.data().list()) {
        int number = SlabFormat.number(entry.name());
        if (number >= 0 && segments.state(number) == SlabSegments.State.WHOLE) {
          whole.add(number);
        }
      }
      return whole;
    } finally {
      uses.exit();
    }
  }

  @Override
  public ChunkWrite beginSegment(int number) throws DeviceException {
    if (number < 0) {
      throw new IllegalArgumentException("no segment has the number " + number);
    }
    enter("make segment");
    boolean begun = false;
    try {
      Directory directory = store.data();
      String name = SlabFormat.name(number);
      if (Posix.statx(directory.fd(), name) == 0) {
        throw new DeviceException(
            Kind.NO_PERMISSION,
            "make segment",
            directory.pathOf(name),
            -1,
            -1,
            Posix.EEXIST,
            "there is something of this name already",
            null);
      }
      String staging = store.stagingName();
      DataFile file = directory.create(staging, store.isDirect());
      SegmentWrite write =
          new SegmentWrite(
              this, format, number, directory, staging, file, prewrite, () -> uses.exit());
      begun = true;
      boolean allocated = false;
      try {
        file.allocate(format.segmentBytes());
        allocated = true;
        return write;
      } finally {
        if (!allocated) {
          write.abandon();
        }
      }
    } finally {
      if (!begun) {
        uses.exit();
      }
    }
  }

  @Override
  public boolean removeSegment(int number) throws DeviceException {
    enter("remove segment");
    try {
      return segments.remove(number);
    } finally {
      uses.exit();
    }
  }

  @Override
  public long quarantine(ChunkAddress address) throws DeviceException {
    enter("quarantine");
    Segment segment = null;
    try {
      segment = segments.use(ChunkAddress.segmentOf(address.location()));
      Assignment assignment = segment == null ? Assignment.NONE : segment.assignment();
      if (segment == null || !isPlace(assignment, address)) {
        return 0;
      }
      MemorySegment block = SlabSegments.ownBlock();
      long offset = offset(address, assignment.slotBytes());
      boolean others =
          readable(segment, offset, block)
              && (SlabSegments.isZero(block)
                  || (format.content(assignment, block) instanceof SlabFormat.Taken(SlotBlock found)
                      && !isOf(found.block(), address)));
      return others
          ? 0
          : setAside(
              segment, assignment, ChunkAddress.placeOf(address.location()), ChunkName.of(address));
    } finally {
      end(segment);
    }
  }

  private static boolean readable(Segment segment, long offset, MemorySegment block)
      throws DeviceException {
    try {
      segment.readBlock(offset, block);
      return true;
    } catch (DeviceException failure) {
      if (failure.kind() != Kind.IO_ERROR) {
        throw failure;
      }
      return false;
    }
  }

  /** Copies a slot to the quarantine and frees it; returns what the copy takes. */
  long setAside(Segment segment, Assignment assignment, int place, String name)
      throws DeviceException {
    long offset = SlabFormat.offset(place, assignment.slotBytes());
    long kept = quarantine.copy(segment.file, offset, assignment.slotBytes(), name);
    segment.clear(offset);
    return kept;
  }

  @Override
  public ScanReport scan(int threads, BatchSink sink) throws DeviceException {
    enter("scan");
    try {
      return new SlabScan(store, format, segments, this, sink).run(threads);
    } finally {
      uses.exit();
    }
  }

  @Override
  public void verify(int threads, boolean quarantineWrong, VerifySink sink) throws DeviceException {
    enter("verify");
    try {
      new SlabVerification(store, format, segments, this, quarantineWrong, sink).run(threads);
    } finally {
      uses.exit();
    }
  }

  /** Frees a slot as far as the device lets us: its store failed, which is what is reported. */
  void clearQuietly(Segment segment, long offset) {
    try {
      segment.clear(offset);
    } catch (DeviceException alsoFailed) {
      // The slot may hold the whole chunk. A later store into it overwrites that, and until then
      // it is, at worst, what was to be stored.
    }
  }

  private void forgetElsewhere(ChunkAddress address, @Nullable ChunkAddress recycled)
      throws DeviceException {
    if (recycled != null && recycled.location() != address.location()) {
      boolean _ = delete(recycled);
    }
  }

  private void end(@Nullable Segment segment) {
    if (segment != null) {
      segment.uses.exit();
    }
    uses.exit();
  }

  /** The segment of the address; NOT_FOUND where there is none. */
  private Segment present(String operation, ChunkAddress address) throws DeviceException {
    int number = ChunkAddress.segmentOf(address.location());
    Segment segment = number < 0 ? null : segments.use(number);
    if (segment == null) {
      String path =
          number < 0 ? "a chunk without a slot" : store.data().pathOf(SlabFormat.name(number));
      throw Posix.failure(operation, path, -Posix.ENOENT);
    }
    return segment;
  }

  /** The size of the slot that a payload goes to, which the address must name. */
  private long slotFor(ChunkAddress address, long payloadLength) {
    if (payloadLength < 0 || payloadLength > format.maxPayloadBytes()) {
      throw new IllegalArgumentException("no slot has room for " + payloadLength + " bytes");
    }
    long slotBytes = format.slotBytes(payloadLength);
    int place = ChunkAddress.placeOf(address.location());
    if (address.location() == ChunkAddress.FILE || place >= format.slots(slotBytes)) {
      throw new IllegalArgumentException(
          "no segment has a place %d for slots of %d bytes".formatted(place, slotBytes));
    }
    return slotBytes;
  }

  private boolean isPlace(Assignment assignment, ChunkAddress address) {
    return assignment.slotBytes() != 0
        && ChunkAddress.placeOf(address.location()) < format.slots(assignment.slotBytes());
  }

  private static long offset(ChunkAddress address, long slotBytes) {
    return SlabFormat.offset(ChunkAddress.placeOf(address.location()), slotBytes);
  }

  /** Where the slot of a present chunk of this length is; NOT_FOUND where it has no such slot. */
  private long offset(
      Segment segment, Assignment assignment, ChunkAddress address, long payloadLength)
      throws DeviceException {
    if (!isPlace(assignment, address)
        || payloadLength < 0
        || assignment.slotBytes() != format.slotBytes(payloadLength)) {
      throw absent(segment, address, "its segment has other slots");
    }
    return offset(address, assignment.slotBytes());
  }

  /** Reads and verifies the block of the slot that the address names. */
  private SlotBlock read(Segment segment, ChunkAddress address, MemorySegment block)
      throws DeviceException {
    Assignment assignment = segment.assignment();
    if (!isPlace(assignment, address)) {
      throw absent(segment, address, "its segment has other slots");
    }
    segment.readBlock(offset(address, assignment.slotBytes()), block);
    return verified(segment, assignment, address, -1, block);
  }

  /**
   * The block of exactly this chunk.
   *
   * @param payloadLength what it should be; -1 for any
   * @throws DeviceException NOT_FOUND where the slot is free or holds another chunk, CORRUPT where
   *     the block is damaged
   */
  private SlotBlock verified(
      Segment segment,
      Assignment assignment,
      ChunkAddress address,
      long payloadLength,
      MemorySegment bytes)
      throws DeviceException {
    SlotBlock found;
    try {
      found = ChunkFormat.decodeSlot(bytes);
    } catch (ChunkFormatException wrong) {
      if (SlabSegments.isZero(bytes)) {
        throw absent(segment, address, "the slot is free");
      }
      if (wrong.reason() == ChunkFormatException.Reason.LATER_VERSION) {
        // A program that writes another block into slots writes another segment header.
        throw corrupt(path(segment, address), String.valueOf(wrong.getMessage()));
      }
      throw wrong.asDeviceException(path(segment, address));
    }
    if (found.nonce() != assignment.nonce()) {
      throw absent(segment, address, "the slot's bytes are of an earlier use of its segment");
    }
    if (!isOf(found.block(), address)) {
      throw absent(segment, address, "the slot holds another chunk, " + found.block().key());
    }
    if (found.expiresAtMillis() != address.expiresAtMillis()) {
      throw absent(segment, address, "the chunk there has another expiry time");
    }
    long length = found.block().payloadLength();
    if (payloadLength >= 0 && length != payloadLength) {
      throw corrupt(
          path(segment, address),
          "the payload has %d bytes, not %d".formatted(length, payloadLength));
    }
    if (format.slotBytes(length) != assignment.slotBytes()) {
      throw corrupt(
          path(segment, address), "a payload of %d bytes is not in such a slot".formatted(length));
    }
    return found;
  }

  private static boolean isOf(ChunkBlock block, ChunkAddress address) {
    return block.generation() == address.generation() && block.key().equals(address.key());
  }

  private static String path(Segment segment, ChunkAddress address) {
    return segment.path(ChunkAddress.placeOf(address.location()));
  }

  private static DeviceException absent(Segment segment, ChunkAddress address, String reason) {
    return new DeviceException(
        Kind.NOT_FOUND, "verify", path(segment, address), -1, -1, 0, reason, null);
  }
}
