package io.weft.device;

import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Durability;
import io.weft.device.SlabFormat.Assignment;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.security.SecureRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The segment files of a store. Once opened they stay open until they are removed. */
final class SlabSegments {
  static final String SEGMENTS = "segments";

  private static final Logger LOG = LoggerFactory.getLogger(SlabSegments.class);

  /** More headers that cannot be read, and it is the medium that is broken, not spots of it. */
  private static final int UNREADABLE_HEADERS_MAX = 16;

  private static final SecureRandom NONCES = new SecureRandom();

  /** One block of each thread: for headers, and for blocks where no scratch is at hand. */
  private static final ThreadLocal<MemorySegment> BLOCK =
      ThreadLocal.withInitial(
          () -> Arena.ofAuto().allocate(ChunkFormat.BLOCK_BYTES, IoScratch.ALIGNMENT));

  /** What a free slot begins with. */
  private static final MemorySegment ZEROS =
      Arena.global().allocate(ChunkFormat.BLOCK_BYTES, IoScratch.ALIGNMENT).asReadOnly();

  private final StoreDirectory store;
  private final SlabFormat format;
  private final Durability durability;
  private final Layout layout;
  private final ConcurrentHashMap<Integer, Segment> opened = new ConcurrentHashMap<>();
  private final AtomicInteger unreadableHeaders = new AtomicInteger();

  /** Guards the opening and removing of files, so that no removed one is kept. */
  private final Object files = new Object();

  SlabSegments(StoreDirectory store, SlabFormat format, Layout layout) {
    this.store = store;
    this.format = format;
    this.durability = layout.durability();
    this.layout = layout;
  }

  /** This thread's own block. */
  static MemorySegment ownBlock() {
    return BLOCK.get();
  }

  static boolean isZero(MemorySegment block) {
    return block.mismatch(ZEROS) < 0;
  }

  /** What is in a segment's place. */
  enum State {
    /** A segment, its header perhaps damaged. */
    WHOLE,
    /** One of a later format, which is left alone. */
    LATER_VERSION,
    /** A file that cannot be a segment of this store. */
    BROKEN,
    /** Something that is no file. */
    FOREIGN,
    NONE
  }

  /** An open segment. */
  final class Segment {
    final int number;
    final DataFile file;
    final UseCount uses;

    /** Why its header cannot be used; empty where it can. */
    final String headerProblem;

    private volatile Assignment assignment;

    Segment(int number, DataFile file, Assignment assignment, String headerProblem) {
      this.number = number;
      this.file = file;
      this.assignment = assignment;
      this.headerProblem = headerProblem;
      this.uses = new UseCount(file::close);
    }

    Assignment assignment() {
      return assignment;
    }

    /**
     * Has the segment's slots be of this size, whose chunks are all gone where it changes: what was
     * written before is no chunk any more.
     */
    Assignment assign(long slotBytes) throws DeviceException {
      Assignment now = assignment;
      return now.slotBytes() == slotBytes ? now : reassign(slotBytes);
    }

    private synchronized Assignment reassign(long slotBytes) throws DeviceException {
      if (assignment.slotBytes() == slotBytes) {
        return assignment;
      }
      Assignment next = new Assignment(slotBytes, nonce());
      // Whatever fails from here, the chunks of before are gone.
      assignment = Assignment.NONE;
      MemorySegment block = ownBlock();
      format.encode(number, next, layout.nowMillis(), block);
      writeBlock(0, block);
      if (durability != Durability.RELAXED) {
        file.sync();
      }
      assignment = next;
      return next;
    }

    void readBlock(long offset, MemorySegment block) throws DeviceException {
      IoVector vector = Posix.vector();
      vector.add(block);
      file.read(vector, offset, block);
    }

    void writeBlock(long offset, MemorySegment block) throws DeviceException {
      IoVector vector = Posix.vector();
      vector.add(block.asSlice(0, ChunkFormat.BLOCK_BYTES));
      file.write(vector, offset, block);
    }

    /** Makes the slot that begins there a free one. */
    void clear(long offset) throws DeviceException {
      writeBlock(offset, ZEROS);
    }

    /** For messages. */
    String path(int place) {
      return file.path() + "/" + place;
    }
  }

  private static long nonce() {
    long nonce = NONCES.nextLong();
    return nonce == 0 ? 1 : nonce;
  }

  /** The segment, where it is open already; its use is to be ended. */
  @Nullable Segment useOpened(int number) {
    Segment present = opened.get(number);
    return present != null && present.uses.enter() ? present : null;
  }

  /** The segment, whose use is to be ended; null where there is none that is ours. */
  @Nullable Segment use(int number) throws DeviceException {
    Segment present = useOpened(number);
    if (present != null) {
      return present;
    }
    synchronized (files) {
      present = useOpened(number);
      if (present == null && open(number) == State.WHOLE) {
        present = useOpened(number);
      }
      return present;
    }
  }

  /** What is in the segment's place; a whole one is open afterwards. */
  State state(int number) throws DeviceException {
    if (opened.containsKey(number)) {
      return State.WHOLE;
    }
    synchronized (files) {
      return opened.containsKey(number) ? State.WHOLE : open(number);
    }
  }

  private State open(int number) throws DeviceException {
    String name = SlabFormat.name(number);
    Directory directory = store.data();
    DataFile file = directory.openForUpdate(name, store.isDirect());
    if (file == null) {
      return Posix.statx(directory.fd(), name) == 0 ? State.FOREIGN : State.NONE;
    }
    State state = State.BROKEN;
    try {
      if (file.length() == format.segmentBytes()) {
        state = readHeader(number, file);
      } else {
        LOG.warn("{} has another length than the store's segments: it is left out", file.path());
      }
    } catch (DeviceException failure) {
      if (failure.kind() != Kind.CORRUPT) {
        throw failure;
      }
      state = State.FOREIGN;
    } finally {
      if (state != State.WHOLE) {
        file.close();
      }
    }
    return state;
  }

  private State readHeader(int number, DataFile file) throws DeviceException {
    Assignment assignment = Assignment.NONE;
    String problem = "";
    try {
      MemorySegment block = ownBlock();
      IoVector vector = Posix.vector();
      vector.add(block);
      file.read(vector, 0, block);
      assignment = format.decode(number, block);
    } catch (ChunkFormatException wrong) {
      if (wrong.reason() == ChunkFormatException.Reason.LATER_VERSION) {
        return State.LATER_VERSION;
      }
      problem = String.valueOf(wrong.getMessage());
    } catch (DeviceException unreadable) {
      if (unreadable.kind() != Kind.IO_ERROR
          || unreadableHeaders.incrementAndGet() > UNREADABLE_HEADERS_MAX) {
        throw unreadable;
      }
      problem = String.valueOf(unreadable.getMessage());
    }
    if (!problem.isEmpty()) {
      LOG.warn("the header of {} is damaged, its chunks are gone: {}", file.path(), problem);
    }
    opened.put(number, new Segment(number, file, assignment, problem));
    return State.WHOLE;
  }

  /** Removes the file; whoever uses it goes on with what has no name any more. */
  boolean remove(int number) throws DeviceException {
    synchronized (files) {
      boolean removed = store.data().unlink(SlabFormat.name(number));
      Segment present = opened.remove(number);
      if (present != null) {
        present.uses.close();
      }
      return removed;
    }
  }

  void close() {
    opened.values().forEach(segment -> segment.uses.close());
    opened.clear();
  }
}
