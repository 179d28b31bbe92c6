package io.weft.device;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.device.LeafDirectories.Leaf;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * One walk over all chunk files, by several threads of its own; each takes the next leaf directory
 * until none is left. A file that cannot be read or does not verify goes to quarantine and the walk
 * goes on; only an error that keeps it from going on ends it.
 */
final class FileScan {
  /** More, and it is the medium that is broken, not spots of it. */
  private static final int UNREADABLE_FILES_MAX = 16;

  private final StoreDirectory store;
  private final LeafDirectories leaves;
  private final Quarantine quarantine;
  private final UseCount uses;
  private final FoundBatches batches;

  private final LongAdder chunks = new LongAdder();
  private final LongAdder stagingRemoved = new LongAdder();
  private final LongAdder quarantined = new LongAdder();
  private final LongAdder laterVersion = new LongAdder();
  private final LongAdder laterVersionBytes = new LongAdder();
  private final LongAdder foreign = new LongAdder();
  private final AtomicInteger unreadableFiles = new AtomicInteger();

  /**
   * @param uses of the layout: once it is closed the walk ends
   */
  FileScan(
      StoreDirectory store,
      LeafDirectories leaves,
      Quarantine quarantine,
      UseCount uses,
      ChunkMedium.BatchSink sink) {
    this.store = store;
    this.leaves = leaves;
    this.quarantine = quarantine;
    this.uses = uses;
    this.batches = new FoundBatches(sink);
  }

  ScanReport run(int threads) throws DeviceException {
    foreign.add(foreignBranches(store).size());
    new LeafWalk(store, leaves, uses, 0, Visitor::new).run(threads);
    return new ScanReport(
        chunks.sum(),
        stagingRemoved.sum(),
        quarantined.sum(),
        laterVersion.sum(),
        laterVersionBytes.sum(),
        foreign.sum());
  }

  /**
   * The paths of what lies between the root of the chunks and the leaf directories, being neither.
   */
  static List<String> foreignBranches(StoreDirectory store) throws DeviceException {
    List<String> found = new ArrayList<>();
    for (Directory.Entry branch : store.data().list()) {
      if (!isOurs(branch)) {
        found.add(store.data().pathOf(branch.name()));
        continue;
      }
      int flags = Posix.O_RDONLY | Posix.O_DIRECTORY | Posix.O_NOFOLLOW;
      int fd = Posix.openat(store.data().fd(), branch.name(), flags, 0);
      if (fd < 0) {
        throw Posix.failure("open", store.data().pathOf(branch.name()), fd);
      }
      Directory opened = new Directory(fd, store.data().pathOf(branch.name()));
      try {
        for (Directory.Entry leaf : opened.list()) {
          if (!isOurs(leaf)) {
            found.add(opened.pathOf(leaf.name()));
          }
        }
      } finally {
        opened.close();
      }
    }
    return found;
  }

  private static boolean isOurs(Directory.Entry entry) {
    String name = entry.name();
    return entry.type() == Directory.Type.DIRECTORY
        && name.length() == 2
        && "0123".indexOf(name.charAt(0)) >= 0
        && "0123456789abcdef".indexOf(name.charAt(1)) >= 0;
  }

  /** What one thread has found and not handed over yet. */
  private final class Visitor implements LeafWalk.Visitor {
    private final FoundBatches.Batch batch = batches.new Batch();

    @Override
    public void visit(Leaf leaf, IoScratch scratch) throws DeviceException {
      scan(leaf, batch, scratch);
    }

    @Override
    public void end() {
      batch.handOver();
    }
  }

  private void scan(Leaf leaf, FoundBatches.Batch batch, IoScratch scratch) throws DeviceException {
    Directory directory = leaf.directory();
    for (Directory.Entry entry : directory.list()) {
      boolean file = entry.type() == Directory.Type.FILE;
      if (file && StoreDirectory.isStaging(entry.name())) {
        if (!store.isOwnStaging(entry.name()) && directory.unlink(entry.name())) {
          stagingRemoved.increment();
        }
        continue;
      }
      ChunkName name = file ? ChunkName.parse(entry.name()) : null;
      if (name == null) {
        foreign.increment();
        continue;
      }
      FoundChunk found = examine(leaf, entry.name(), name, scratch);
      if (found != null) {
        batch.add(found);
      }
    }
  }

  /** The chunk in the file; null where there is none to hand over, which is then counted. */
  private @Nullable FoundChunk examine(
      Leaf leaf, String fileName, ChunkName name, IoScratch scratch) throws DeviceException {
    Directory directory = leaf.directory();
    DataFile file = null;
    try {
      file = directory.open(fileName, store.isDirect());
      long length = file.length();
      IoVector vector = Posix.vector();
      vector.add(scratch.block());
      if (length >= ChunkFormat.BLOCK_BYTES) {
        file.read(vector, 0, scratch.block());
        ChunkBlock block = ChunkFormat.decode(scratch.block());
        if (mismatch(leaf, fileName, name, block, length) == null) {
          chunks.increment();
          return new FoundChunk(
              new ChunkAddress(block.key(), block.generation(), name.expiresAtMillis()),
              block.payloadLength(),
              !block.metadata().equals(ChunkMetadata.EMPTY));
        }
      }
    } catch (ChunkFormatException wrong) {
      if (wrong.reason() == ChunkFormatException.Reason.LATER_VERSION) {
        laterVersion.increment();
        laterVersionBytes.add(directory.physicalBytes(fileName));
        return null;
      }
    } catch (DeviceException unreadable) {
      switch (unreadable.kind()) {
        case NOT_FOUND -> {
          return null;
        }
        case IO_ERROR, SHORT_TRANSFER -> {
          // One bad spot of the medium costs one chunk. A medium that is gone must not cost all of
          // them: a filesystem may well rename in memory what it cannot read.
          if (unreadableFiles.incrementAndGet() > UNREADABLE_FILES_MAX) {
            throw unreadable;
          }
        }
        case CORRUPT -> {}
        default -> throw unreadable;
      }
    } finally {
      if (file != null) {
        file.close();
      }
    }
    quarantine.take(directory, fileName);
    quarantined.increment();
    return null;
  }

  /** Why the block is not the one of the file that it stands in; null where it is. */
  static @Nullable String mismatch(
      Leaf leaf, String fileName, ChunkName name, ChunkBlock block, long length) {
    if (block.generation() != name.generation()) {
      return "its name says generation %x, its block %x"
          .formatted(name.generation(), block.generation());
    }
    if (length != ChunkFormat.fileBytes(block.payloadLength())) {
      return "the file has %d bytes, a payload of %d takes %d"
          .formatted(length, block.payloadLength(), ChunkFormat.fileBytes(block.payloadLength()));
    }
    boolean named =
        ChunkName.leaf(block.key()) == leaf.number()
            && ChunkName.of(block.key(), name.generation(), name.expiresAtMillis())
                .equals(fileName);
    return named ? null : "its block holds the chunk of another key, " + block.key();
  }
}
