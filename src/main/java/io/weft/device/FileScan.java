package io.weft.device;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.device.LeafDirectories.Leaf;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * One walk over all chunk files, by several threads of its own; each takes the next leaf directory
 * until none is left. A file that cannot be read or does not verify goes to quarantine and the walk
 * goes on; only an error that keeps it from going on ends it.
 */
final class FileScan {
  private static final int BATCH = 1024;

  private final StoreDirectory store;
  private final LeafDirectories leaves;
  private final Quarantine quarantine;
  private final UseCount uses;
  private final ChunkMedium.BatchSink sink;

  private final AtomicInteger next = new AtomicInteger();
  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
  private final Object handover = new Object();

  private final LongAdder chunks = new LongAdder();
  private final LongAdder chunkBytes = new LongAdder();
  private final LongAdder stagingRemoved = new LongAdder();
  private final LongAdder quarantined = new LongAdder();
  private final LongAdder laterVersion = new LongAdder();
  private final LongAdder laterVersionBytes = new LongAdder();
  private final LongAdder foreign = new LongAdder();

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
    this.sink = sink;
  }

  ScanReport run(int threads) throws DeviceException {
    if (threads < 1) {
      throw new IllegalArgumentException("a scan needs a thread, not " + threads);
    }
    countForeignDirectories();
    Semaphore ended = new Semaphore(0);
    for (int i = 0; i < threads; i++) {
      Thread.ofPlatform().daemon().name("weft-scan-" + i).start(() -> work(ended));
    }
    ended.acquireUninterruptibly(threads);
    switch (failure.get()) {
      case null -> {}
      case DeviceException device -> throw device;
      case RuntimeException bug -> throw bug;
      case Error bug -> throw bug;
      case Throwable impossible -> throw new IllegalStateException(impossible);
    }
    return new ScanReport(
        chunks.sum(),
        chunkBytes.sum(),
        stagingRemoved.sum(),
        quarantined.sum(),
        laterVersion.sum(),
        laterVersionBytes.sum(),
        foreign.sum());
  }

  /** What lies between the root of the chunks and the leaf directories, and is neither. */
  private void countForeignDirectories() throws DeviceException {
    for (Directory.Entry branch : store.chunks().list()) {
      if (!isOurs(branch)) {
        foreign.increment();
        continue;
      }
      int flags = Posix.O_RDONLY | Posix.O_DIRECTORY | Posix.O_NOFOLLOW;
      int fd = Posix.openat(store.chunks().fd(), branch.name(), flags, 0);
      if (fd < 0) {
        throw Posix.failure("open", store.chunks().pathOf(branch.name()), fd);
      }
      Directory opened = new Directory(fd, store.chunks().pathOf(branch.name()));
      try {
        foreign.add(opened.list().stream().filter(leaf -> !isOurs(leaf)).count());
      } finally {
        opened.close();
      }
    }
  }

  private static boolean isOurs(Directory.Entry entry) {
    String name = entry.name();
    return entry.type() == Directory.Type.DIRECTORY
        && name.length() == 2
        && "0123".indexOf(name.charAt(0)) >= 0
        && "0123456789abcdef".indexOf(name.charAt(1)) >= 0;
  }

  private void work(Semaphore ended) {
    try (IoScratch scratch = new IoScratch(0)) {
      List<FoundChunk> batch = new ArrayList<>();
      int number = next.getAndIncrement();
      while (number < ChunkName.LEAVES && failure.get() == null) {
        if (uses.isClosed()) {
          throw FileLayout.closed("scan", store.path().toString());
        }
        Leaf leaf = openOrSkip(number);
        if (leaf != null) {
          try {
            scan(leaf, batch, scratch);
          } finally {
            leaf.release();
          }
        }
        number = next.getAndIncrement();
      }
      handOver(batch);
    } catch (DeviceException | RuntimeException | Error thrown) {
      failure.compareAndSet(null, thrown);
    } finally {
      ended.release();
    }
  }

  private @Nullable Leaf openOrSkip(int number) throws DeviceException {
    try {
      return leaves.open(number);
    } catch (DeviceException refused) {
      // A link, a file or a mount point in the leaf's place: counted as foreign, never entered.
      if (refused.kind() == DeviceException.Kind.NO_PERMISSION
          && refused.errno() != Posix.EACCES
          && refused.errno() != Posix.EPERM) {
        return null;
      }
      throw refused;
    }
  }

  private void scan(Leaf leaf, List<FoundChunk> batch, IoScratch scratch) throws DeviceException {
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
        if (batch.size() == BATCH) {
          handOver(batch);
        }
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
      long physicalBytes = Posix.statPhysicalBytes();
      IoVector vector = Posix.vector();
      vector.add(scratch.block());
      if (length >= ChunkFormat.BLOCK_BYTES) {
        file.read(vector, 0, scratch.block());
        ChunkBlock block = ChunkFormat.decode(scratch.block());
        if (isThatChunk(leaf, fileName, name, block, length)) {
          chunks.increment();
          chunkBytes.add(block.payloadLength());
          return new FoundChunk(
              new ChunkAddress(block.key(), block.generation(), name.expiresAtMillis()),
              block.payloadLength(),
              physicalBytes,
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
        case IO_ERROR, SHORT_TRANSFER, CORRUPT -> {
          // One bad spot of the medium costs one chunk. Where the whole medium is gone, the
          // rename that follows fails as well and ends the walk.
        }
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

  private static boolean isThatChunk(
      Leaf leaf, String fileName, ChunkName name, ChunkBlock block, long length) {
    return block.generation() == name.generation()
        && length == ChunkFormat.fileBytes(block.payloadLength())
        && ChunkName.leaf(block.key()) == leaf.number()
        && ChunkName.of(block.key(), name.generation(), name.expiresAtMillis()).equals(fileName);
  }

  private void handOver(List<FoundChunk> batch) {
    if (!batch.isEmpty()) {
      synchronized (handover) {
        sink.found(List.copyOf(batch));
      }
      batch.clear();
    }
  }
}
