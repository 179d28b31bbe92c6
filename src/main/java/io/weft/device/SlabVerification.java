package io.weft.device;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.weft.base.DeviceException;
import io.weft.device.SlabFormat.Assignment;
import io.weft.device.SlabSegments.Segment;
import io.weft.device.VerifiedFile.Verdict;
import java.util.ArrayList;
import java.util.List;

/** One walk over all slots that reads every chunk from end to end; see {@link FileVerification}. */
final class SlabVerification {
  /** How much of a payload is read at once. */
  private static final int PIECE_BYTES = 1 << 20;

  private final StoreDirectory store;
  private final SlabFormat format;
  private final SlabSegments segments;
  private final SlabLayout layout;
  private final boolean quarantineWrong;
  private final VerifySink sink;
  private final Object handover = new Object();
  private int segmentsDone;

  SlabVerification(
      StoreDirectory store,
      SlabFormat format,
      SlabSegments segments,
      SlabLayout layout,
      boolean quarantineWrong,
      VerifySink sink) {
    this.store = store;
    this.format = format;
    this.segments = segments;
    this.layout = layout;
    this.quarantineWrong = quarantineWrong;
    this.sink = sink;
  }

  void run(int threads) throws DeviceException {
    for (String name : store.foreignNames()) {
      say(name, Verdict.FOREIGN, "");
    }
    List<Integer> numbers = new ArrayList<>();
    for (Directory.Entry entry : store.data().list()) {
      boolean file = entry.type() == Directory.Type.FILE;
      int number = SlabFormat.number(entry.name());
      if (file && StoreDirectory.isStaging(entry.name())) {
        say(store.data().pathOf(entry.name()), Verdict.STAGING, "");
      } else if (file && number >= 0) {
        numbers.add(number);
      } else {
        say(store.data().pathOf(entry.name()), Verdict.FOREIGN, "");
      }
    }
    new ParallelWalk(
            store.path().toString(),
            layout.uses,
            numbers.size(),
            PIECE_BYTES,
            () -> visitor(numbers))
        .run(threads);
    synchronized (handover) {
      sink.progress(1, 1);
    }
  }

  private ParallelWalk.Visitor visitor(List<Integer> numbers) {
    return new ParallelWalk.Visitor() {
      @Override
      public void visit(int part, IoScratch scratch) throws DeviceException {
        verify(numbers.get(part), scratch);
        synchronized (handover) {
          segmentsDone++;
          sink.progress(segmentsDone, numbers.size());
        }
      }

      @Override
      public void end() {}
    };
  }

  private void verify(int number, IoScratch scratch) throws DeviceException {
    String path = store.data().pathOf(SlabFormat.name(number));
    switch (segments.state(number)) {
      case WHOLE -> {
        Segment segment = segments.use(number);
        if (segment != null) {
          try {
            verify(segment, scratch);
          } finally {
            segment.uses.exit();
          }
        }
      }
      case LATER_VERSION -> say(path, Verdict.LATER_VERSION, "");
      case BROKEN -> say(path, Verdict.WRONG, "it has another length than the store's segments");
      case FOREIGN -> say(path, Verdict.FOREIGN, "");
      case NONE -> {}
    }
  }

  private void verify(Segment segment, IoScratch scratch) throws DeviceException {
    if (!segment.headerProblem.isEmpty()) {
      say(segment.file.path(), Verdict.WRONG, segment.headerProblem);
    }
    Assignment assignment = segment.assignment();
    if (assignment.slotBytes() == 0) {
      return;
    }
    int slots = format.slots(assignment.slotBytes());
    for (int place = 0; place < slots; place++) {
      try {
        verify(segment, assignment, place, scratch);
      } catch (DeviceException failure) {
        switch (failure.kind()) {
          case IO_ERROR, SHORT_TRANSFER, NO_PERMISSION, OTHER ->
              say(segment.path(place), Verdict.UNREADABLE, String.valueOf(failure.getMessage()));
          case NOT_FOUND, CORRUPT, NO_SPACE, READ_ONLY, EXHAUSTED, CLOSED -> throw failure;
        }
      }
    }
  }

  private void verify(Segment segment, Assignment assignment, int place, IoScratch scratch)
      throws DeviceException {
    if (layout.uses.isClosed()) {
      throw Layout.closed("verify", segment.file.path());
    }
    long offset = SlabFormat.offset(place, assignment.slotBytes());
    segment.readBlock(offset, scratch.block());
    switch (format.content(assignment, scratch.block())) {
      case SlabFormat.Free() -> {}
      case SlabFormat.Taken(SlotBlock taken) -> {
        ChunkBlock block = taken.block();
        int sum =
            PayloadIo.sum(
                segment.file,
                offset + ChunkFormat.BLOCK_BYTES,
                block.payloadLength(),
                scratch,
                layout.uses);
        if (sum == block.payloadCrc()) {
          hand(
              new VerifiedFile(
                  segment.path(place),
                  Verdict.GOOD,
                  block.payloadLength(),
                  assignment.slotBytes(),
                  "",
                  false));
        } else {
          wrong(
              segment,
              assignment,
              place,
              "the payload's checksum is %08x, its bytes give %08x"
                  .formatted(block.payloadCrc(), sum));
        }
      }
      case SlabFormat.Damaged(String why) -> wrong(segment, assignment, place, why);
    }
  }

  private void wrong(Segment segment, Assignment assignment, int place, String detail)
      throws DeviceException {
    if (quarantineWrong) {
      long _ = layout.setAside(segment, assignment, place, SlabScan.slotName(segment, place));
    }
    hand(
        new VerifiedFile(
            segment.path(place),
            Verdict.WRONG,
            0,
            assignment.slotBytes(),
            detail,
            quarantineWrong));
  }

  private void say(String path, Verdict verdict, String detail) {
    String text = new String(path.getBytes(ISO_8859_1), UTF_8);
    hand(new VerifiedFile(text, verdict, 0, 0, detail, false));
  }

  private void hand(VerifiedFile file) {
    synchronized (handover) {
      sink.file(file);
    }
  }
}
