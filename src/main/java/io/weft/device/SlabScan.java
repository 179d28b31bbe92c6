package io.weft.device;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.device.SlabFormat.Assignment;
import io.weft.device.SlabSegments.Segment;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;

/**
 * One walk over the blocks of all slots, by several threads; each takes the next segment. A block
 * that was written in the segment's present use and does not verify goes to quarantine, with its
 * slot; what an earlier use left is no chunk and no damage.
 */
final class SlabScan {
  /** More failures, and it is the medium that is broken, not spots of it. */
  private static final int SPOT_ERRORS_MAX = 16;

  /** Slots up to this long are read with their payloads, many in one call. */
  private static final long RUN_SLOT_BYTES_MAX = 32 << 10;

  private static final long SCRATCH_BYTES = 1 << 20;

  private final StoreDirectory store;
  private final SlabFormat format;
  private final SlabSegments segments;
  private final SlabLayout layout;
  private final FoundBatches batches;

  private final LongAdder chunks = new LongAdder();
  private final LongAdder quarantined = new LongAdder();
  private final LongAdder laterVersion = new LongAdder();
  private final LongAdder laterVersionBytes = new LongAdder();
  private final LongAdder foreign = new LongAdder();
  private final AtomicInteger spotErrors = new AtomicInteger();

  SlabScan(
      StoreDirectory store,
      SlabFormat format,
      SlabSegments segments,
      SlabLayout layout,
      ChunkMedium.BatchSink sink) {
    this.store = store;
    this.format = format;
    this.segments = segments;
    this.layout = layout;
    this.batches = new FoundBatches(sink);
  }

  ScanReport run(int threads) throws DeviceException {
    List<Integer> numbers = new ArrayList<>();
    long stagingRemoved = 0;
    for (Directory.Entry entry : store.data().list()) {
      boolean file = entry.type() == Directory.Type.FILE;
      int number = SlabFormat.number(entry.name());
      if (file && StoreDirectory.isStaging(entry.name())) {
        if (!store.isOwnStaging(entry.name()) && store.data().unlink(entry.name())) {
          stagingRemoved++;
        }
      } else if (file && number >= 0) {
        numbers.add(number);
      } else {
        foreign.increment();
      }
    }
    new ParallelWalk(
            store.path().toString(),
            layout.uses,
            numbers.size(),
            SCRATCH_BYTES,
            () -> new Visitor(numbers))
        .run(threads);
    return new ScanReport(
        chunks.sum(),
        stagingRemoved,
        quarantined.sum(),
        laterVersion.sum(),
        laterVersionBytes.sum(),
        foreign.sum());
  }

  private final class Visitor implements ParallelWalk.Visitor {
    private final List<Integer> numbers;
    private final FoundBatches.Batch batch = batches.new Batch();

    Visitor(List<Integer> numbers) {
      this.numbers = numbers;
    }

    @Override
    public void visit(int part, IoScratch scratch) throws DeviceException {
      scan(numbers.get(part), batch, scratch);
    }

    @Override
    public void end() {
      batch.handOver();
    }
  }

  private void scan(int number, FoundBatches.Batch batch, IoScratch scratch)
      throws DeviceException {
    String name = SlabFormat.name(number);
    switch (segments.state(number)) {
      case WHOLE -> {
        Segment segment = segments.use(number);
        if (segment != null) {
          try {
            scan(segment, batch, scratch);
          } finally {
            segment.uses.exit();
          }
        }
      }
      case LATER_VERSION -> {
        laterVersion.increment();
        laterVersionBytes.add(store.data().physicalBytes(name));
      }
      case BROKEN -> {
        long _ = layout.quarantine.take(store.data(), name);
        quarantined.increment();
      }
      case FOREIGN -> foreign.increment();
      case NONE -> {}
    }
  }

  private void scan(Segment segment, FoundBatches.Batch batch, IoScratch scratch)
      throws DeviceException {
    Assignment assignment = segment.assignment();
    if (assignment.slotBytes() == 0) {
      return;
    }
    long slotBytes = assignment.slotBytes();
    int slots = format.slots(slotBytes);
    int run = slotBytes <= RUN_SLOT_BYTES_MAX ? (int) (scratch.bounce().byteSize() / slotBytes) : 1;
    for (int place = 0; place < slots; place += run) {
      if (layout.uses.isClosed()) {
        throw Layout.closed("scan", store.path().toString());
      }
      int count = Math.min(run, slots - place);
      MemorySegment blocks = scratch.bounce();
      if (count > 1 && readRun(segment, place, count, slotBytes, blocks)) {
        for (int i = 0; i < count; i++) {
          MemorySegment block = blocks.asSlice(i * slotBytes, ChunkFormat.BLOCK_BYTES);
          examine(segment, assignment, place + i, block, batch);
        }
        continue;
      }
      for (int i = 0; i < count; i++) {
        if (readOne(segment, assignment, place + i, scratch.block())) {
          examine(segment, assignment, place + i, scratch.block(), batch);
        }
      }
    }
  }

  /** Reads the slots from one block to another; false where a spot of them cannot be read. */
  private static boolean readRun(
      Segment segment, int place, int count, long slotBytes, MemorySegment target)
      throws DeviceException {
    MemorySegment run = target.asSlice(0, (count - 1) * slotBytes + ChunkFormat.BLOCK_BYTES);
    try {
      segment.readBlock(SlabFormat.offset(place, slotBytes), run);
      return true;
    } catch (DeviceException unreadable) {
      if (unreadable.kind() != Kind.IO_ERROR) {
        throw unreadable;
      }
      return false;
    }
  }

  private boolean readOne(Segment segment, Assignment assignment, int place, MemorySegment block)
      throws DeviceException {
    try {
      segment.readBlock(SlabFormat.offset(place, assignment.slotBytes()), block);
      return true;
    } catch (DeviceException unreadable) {
      requireSpot(unreadable);
      setAside(segment, assignment, place);
      return false;
    }
  }

  /** One bad spot of the medium costs one chunk; a medium that is gone must not cost all. */
  private void requireSpot(DeviceException failure) throws DeviceException {
    if (failure.kind() != Kind.IO_ERROR || spotErrors.incrementAndGet() > SPOT_ERRORS_MAX) {
      throw failure;
    }
  }

  private void examine(
      Segment segment,
      Assignment assignment,
      int place,
      MemorySegment block,
      FoundBatches.Batch batch)
      throws DeviceException {
    switch (format.content(assignment, block)) {
      case SlabFormat.Free() -> {}
      case SlabFormat.Taken(SlotBlock(ChunkBlock found, long _, long expiresAtMillis)) -> {
        chunks.increment();
        batch.add(
            new FoundChunk(
                new ChunkAddress(
                    found.key(),
                    found.generation(),
                    expiresAtMillis,
                    ChunkAddress.slot(segment.number, place)),
                found.payloadLength(),
                !found.metadata().equals(ChunkMetadata.EMPTY)));
      }
      case SlabFormat.Damaged(String _) -> setAside(segment, assignment, place);
    }
  }

  /** A slot that cannot be cleared either stays as it is: no chunk is reported in it. */
  private void setAside(Segment segment, Assignment assignment, int place) throws DeviceException {
    try {
      long _ = layout.setAside(segment, assignment, place, slotName(segment, place));
      quarantined.increment();
    } catch (DeviceException unwritable) {
      requireSpot(unwritable);
    }
  }

  /** What the copy of a slot is called where its block does not say which chunk it is. */
  static String slotName(Segment segment, int place) {
    return SlabFormat.name(segment.number) + "." + place;
  }
}
