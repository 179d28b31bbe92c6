package io.weft.device;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Durability;
import io.weft.base.Ticker;
import io.weft.device.LeafDirectories.Leaf;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Chunks on a mounted filesystem, one file each: see {@code docs/format.md}. A store is written
 * under a staging name in the directory where it will stay and gets its own name once it is
 * complete, so whatever has a chunk's name is a whole chunk, of exactly the generation that the
 * name says.
 */
public final class FileLayout extends Layout {
  /** Descriptors that are left to the rest of the process when directories are kept open. */
  private static final int KEPT_SHARE = 4;

  private final LeafDirectories leaves;
  private final MediumInfo info;

  FileLayout(StoreDirectory store, Durability durability, Ticker ticker) {
    super(store, durability, ticker);
    this.leaves =
        new LeafDirectories(
            store.root(),
            store.data(),
            store.resolvesBeneath(),
            durability == Durability.FULL,
            (int) Math.min(ChunkName.LEAVES, Posix.descriptorLimit() / KEPT_SHARE));
    this.info = info(0, Chunks.MAX_PAYLOAD_BYTES);
  }

  @Override
  void closeFiles() {
    leaves.close();
  }

  @Override
  public MediumInfo info() {
    return info;
  }

  @Override
  public long physicalBytes(long payloadLength) {
    long unit = store.allocationBytes();
    return (ChunkFormat.fileBytes(payloadLength) + unit - 1) & -unit;
  }

  @Override
  public void store(
      ChunkAddress address,
      ChunkMetadata metadata,
      MemorySegment payload,
      @Nullable ChunkAddress recycled,
      IoScratch scratch)
      throws DeviceException {
    StagedChunk staged = stage(address, metadata, payload.byteSize(), recycled);
    try {
      staged.publishWhole(payload, scratch);
    } finally {
      staged.abandon();
    }
  }

  @Override
  public ChunkWrite beginStore(
      ChunkAddress address,
      ChunkMetadata metadata,
      long payloadLength,
      @Nullable ChunkAddress recycled)
      throws DeviceException {
    StagedChunk staged = stage(address, metadata, payloadLength, recycled);
    boolean begun = false;
    try {
      staged.allocate();
      begun = true;
      return staged;
    } finally {
      if (!begun) {
        staged.abandon();
      }
    }
  }

  private StagedChunk stage(
      ChunkAddress address,
      ChunkMetadata metadata,
      long payloadLength,
      @Nullable ChunkAddress recycled)
      throws DeviceException {
    if (payloadLength < 0 || payloadLength > Chunks.MAX_PAYLOAD_BYTES) {
      throw new IllegalArgumentException("no payload has " + payloadLength + " bytes");
    }
    if (recycled != null) {
      StagedChunk staged = stageRecycled(address, metadata, payloadLength, recycled);
      if (staged != null) {
        return staged;
      }
    }
    return stageNew(address, metadata, payloadLength);
  }

  /**
   * Makes a retired chunk's file the staging file of a new one: no inode is made, no block freed or
   * allocated. Between the two names it has a staging one, so a crash leaves what a scan removes.
   *
   * @return null where the file could not be had, or was not what it should be, and was removed: a
   *     new one may have its room
   * @throws DeviceException NOT_FOUND where it is gone: nobody reserved the room of a new one
   */
  private @Nullable StagedChunk stageRecycled(
      ChunkAddress address, ChunkMetadata metadata, long payloadLength, ChunkAddress recycled)
      throws DeviceException {
    enter("store");
    Leaf from = null;
    Leaf leaf = null;
    boolean staged = false;
    try {
      from = leaves.open(ChunkName.leaf(recycled.key()));
      if (from == null) {
        throw gone(recycled);
      }
      leaf = leaves.openOrCreate(ChunkName.leaf(address.key()));
      String name = store.stagingName();
      if (!from.directory().moved(ChunkName.of(recycled), leaf.directory(), name)) {
        if (!delete(recycled)) {
          throw gone(recycled);
        }
        return null;
      }
      DataFile file = recycledFile(leaf.directory(), name, payloadLength);
      if (file == null) {
        if (durability() == Durability.FULL) {
          from.directory().sync();
        }
        return null;
      }
      Leaf used = leaf;
      Leaf vacated = from;
      staged = true;
      return new StagedChunk(
          this,
          address,
          metadata,
          payloadLength,
          leaf.directory(),
          name,
          file,
          from.directory(),
          () -> {
            vacated.release();
            closeFile(file, used);
          });
    } finally {
      if (!staged) {
        if (from != null) {
          from.release();
        }
        end(null, leaf);
      }
    }
  }

  private static DeviceException gone(ChunkAddress recycled) {
    return new DeviceException(
        Kind.NOT_FOUND,
        "store",
        recycled.key() + " generation " + recycled.generation(),
        -1,
        -1,
        0,
        "the chunk whose room it was to get is gone",
        null);
  }

  /**
   * Opens a file to be written anew, where all its room is its own already; else removes it and
   * returns null.
   */
  private @Nullable DataFile recycledFile(Directory directory, String name, long payloadLength)
      throws DeviceException {
    DataFile file = null;
    boolean fits = false;
    try {
      file = directory.openToOverwrite(name, store.isDirect());
      // Whoever gave it another name, as a copy perhaps, would see it change.
      fits =
          file != null
              && Posix.statx(file.fd()) == 0
              && Posix.statIsRegularFile()
              && Posix.statSize() == ChunkFormat.fileBytes(payloadLength)
              && Posix.statPhysicalBytes() >= physicalBytes(payloadLength)
              && Posix.statLinks() == 1;
    } finally {
      if (!fits) {
        if (file != null) {
          file.close();
        }
        remove(directory, name);
      }
    }
    return fits ? file : null;
  }

  /** Removes what has this staging name; a directory, which somebody put there, is set aside. */
  private void remove(Directory directory, String name) throws DeviceException {
    int result = Posix.unlinkat(directory.fd(), name, 0);
    if (result == -Posix.EISDIR || result == -Posix.EPERM) {
      var _ = quarantine.take(directory, name);
    } else if (result < 0 && result != -Posix.ENOENT) {
      throw Posix.failure("unlink", directory.pathOf(name), result);
    }
  }

  private StagedChunk stageNew(ChunkAddress address, ChunkMetadata metadata, long payloadLength)
      throws DeviceException {
    enter("store");
    boolean staged = false;
    try {
      int number = ChunkName.leaf(address.key());
      String name = store.stagingName();
      Leaf leaf = leaves.openOrCreate(number);
      DataFile file;
      try {
        file = leaf.directory().create(name, store.isDirect());
      } catch (DeviceException failure) {
        leaf.release();
        if (failure.kind() != Kind.NOT_FOUND) {
          throw failure;
        }
        leaves.forget(leaf);
        leaf = leaves.openOrCreate(number);
        file = createOrRelease(leaf, name);
      }
      Leaf used = leaf;
      DataFile created = file;
      staged = true;
      return new StagedChunk(
          this,
          address,
          metadata,
          payloadLength,
          leaf.directory(),
          name,
          file,
          null,
          () -> closeFile(created, used));
    } finally {
      if (!staged) {
        uses.exit();
      }
    }
  }

  private DataFile createOrRelease(Leaf leaf, String name) throws DeviceException {
    boolean created = false;
    try {
      DataFile file = leaf.directory().create(name, store.isDirect());
      created = true;
      return file;
    } finally {
      if (!created) {
        leaf.release();
      }
    }
  }

  /** Ends what {@link #stageNew} or {@link #beginLoad} began. */
  private void closeFile(DataFile file, Leaf leaf) {
    file.close();
    leaf.release();
    uses.exit();
  }

  @Override
  public void load(
      ChunkAddress address, MemorySegment target, long payloadLength, IoScratch scratch)
      throws DeviceException {
    requireRoom(target, payloadLength);
    enter("load");
    try {
      Leaf leaf = present("load", address);
      try {
        DataFile file = openChunk(leaf, address, payloadLength, scratch);
        try {
          MemorySegment payload = target.asSlice(0, payloadLength);
          long spare = target.byteSize() - payloadLength;
          int sum = PayloadIo.readWhole(file, 0, payload, spare, scratch);
          ChunkBlock block = verifiedBlock(file::path, scratch.block());
          requireAddress(file::path, block, address, payloadLength);
          requireSum(file::path, block.payloadCrc(), sum);
        } finally {
          file.close();
        }
      } finally {
        leaf.release();
      }
    } finally {
      uses.exit();
    }
  }

  @Override
  public ChunkRead beginLoad(ChunkAddress address, long payloadLength, IoScratch scratch)
      throws DeviceException {
    enter("load");
    Leaf leaf = null;
    DataFile file = null;
    boolean begun = false;
    try {
      leaf = present("load", address);
      file = openChunk(leaf, address, payloadLength, scratch);
      ChunkBlock block = readBlock(file, scratch);
      requireAddress(file::path, block, address, payloadLength);
      Leaf used = leaf;
      DataFile opened = file;
      begun = true;
      return new OpenChunk(file, 0, block, () -> closeFile(opened, used));
    } finally {
      if (!begun) {
        end(file, leaf);
      }
    }
  }

  private void end(@Nullable DataFile file, @Nullable Leaf leaf) {
    if (file != null) {
      file.close();
    }
    if (leaf != null) {
      leaf.release();
    }
    uses.exit();
  }

  @Override
  public ChunkBlock block(ChunkAddress address, IoScratch scratch) throws DeviceException {
    enter("read block");
    Leaf leaf = null;
    DataFile file = null;
    try {
      leaf = present("read block", address);
      file = leaf.directory().open(ChunkName.of(address), store.isDirect());
      long length = file.length();
      if (length < ChunkFormat.BLOCK_BYTES) {
        throw corrupt(file.path(), "it has %d bytes, less than a block".formatted(length));
      }
      ChunkBlock block = readBlock(file, scratch);
      requireAddress(file::path, block, address, block.payloadLength());
      requireLength(file::path, length, block.payloadLength());
      return block;
    } finally {
      end(file, leaf);
    }
  }

  @Override
  public boolean delete(ChunkAddress address) throws DeviceException {
    enter("delete");
    Leaf leaf = null;
    try {
      leaf = leaves.open(ChunkName.leaf(address.key()));
      boolean removed = leaf != null && leaf.directory().unlink(ChunkName.of(address));
      if (removed && leaf != null && durability() == Durability.FULL) {
        leaf.directory().sync();
      }
      return removed;
    } finally {
      end(null, leaf);
    }
  }

  @Override
  public List<Integer> segments() {
    return List.of();
  }

  @Override
  public ChunkWrite beginSegment(int number) {
    throw new UnsupportedOperationException("chunks have files of their own");
  }

  @Override
  public boolean removeSegment(int number) {
    throw new UnsupportedOperationException("chunks have files of their own");
  }

  @Override
  public void changeExpiry(ChunkAddress address, long expiresAtMillis) throws DeviceException {
    enter("change expiry");
    Leaf leaf = null;
    try {
      leaf = present("change expiry", address);
      Directory directory = leaf.directory();
      String from = ChunkName.of(address);
      String to = ChunkName.of(address.key(), address.generation(), expiresAtMillis);
      if (from.equals(to)) {
        int result = Posix.statx(directory.fd(), from);
        if (result < 0) {
          throw Posix.failure("change expiry", directory.pathOf(from), result);
        }
        return;
      }
      directory.rename(from, directory, to);
      if (durability() == Durability.FULL) {
        directory.sync();
      }
    } finally {
      end(null, leaf);
    }
  }

  @Override
  public long quarantine(ChunkAddress address) throws DeviceException {
    enter("quarantine");
    Leaf leaf = null;
    try {
      leaf = leaves.open(ChunkName.leaf(address.key()));
      return leaf == null ? 0 : quarantine.take(leaf.directory(), ChunkName.of(address));
    } finally {
      end(null, leaf);
    }
  }

  @Override
  public ScanReport scan(int threads, BatchSink sink) throws DeviceException {
    enter("scan");
    try {
      return new FileScan(store, leaves, quarantine, uses, sink).run(threads);
    } finally {
      uses.exit();
    }
  }

  @Override
  public void verify(int threads, boolean quarantineWrong, VerifySink sink) throws DeviceException {
    enter("verify");
    try {
      new FileVerification(store, leaves, quarantineWrong ? quarantine : null, uses, sink)
          .run(threads);
    } finally {
      uses.exit();
    }
  }

  /** The chunk's directory, to be released; NOT_FOUND where there is none. */
  private Leaf present(String operation, ChunkAddress address) throws DeviceException {
    int number = ChunkName.leaf(address.key());
    Leaf leaf = leaves.open(number);
    if (leaf == null) {
      String path = LeafDirectories.path(number) + "/" + ChunkName.of(address);
      throw Posix.failure(operation, path, -Posix.ENOENT);
    }
    return leaf;
  }

  /** Opens a chunk's file, which has the length that its payload asks for. */
  private DataFile openChunk(Leaf leaf, ChunkAddress address, long payloadLength, IoScratch scratch)
      throws DeviceException {
    DataFile file = leaf.directory().open(ChunkName.of(address), store.isDirect());
    boolean right = false;
    try {
      long length = file.length();
      if (length != ChunkFormat.fileBytes(payloadLength) && length >= ChunkFormat.BLOCK_BYTES) {
        // Another program's version, or another chunk, may be the better explanation.
        requireAddress(file::path, readBlock(file, scratch), address, payloadLength);
      }
      requireLength(file::path, length, payloadLength);
      right = true;
      return file;
    } finally {
      if (!right) {
        file.close();
      }
    }
  }

  /** Reads and decodes the block of an open file. */
  static ChunkBlock readBlock(DataFile file, IoScratch scratch) throws DeviceException {
    IoVector vector = Posix.vector();
    vector.add(scratch.block());
    file.read(vector, 0, scratch.block());
    return verifiedBlock(file::path, scratch.block());
  }

  private static ChunkBlock verifiedBlock(Supplier<String> path, MemorySegment block)
      throws DeviceException {
    try {
      return ChunkFormat.decode(block);
    } catch (ChunkFormatException wrong) {
      throw wrong.asDeviceException(path.get());
    }
  }

  private static void requireAddress(
      Supplier<String> path, ChunkBlock block, ChunkAddress address, long payloadLength)
      throws DeviceException {
    if (!block.key().equals(address.key())) {
      throw corrupt(path.get(), "the file holds the chunk of another key, " + block.key());
    }
    if (block.generation() != address.generation()) {
      throw corrupt(
          path.get(),
          "the file holds generation %x, not %x"
              .formatted(block.generation(), address.generation()));
    }
    if (block.payloadLength() != payloadLength) {
      throw corrupt(
          path.get(),
          "the payload has %d bytes, not %d".formatted(block.payloadLength(), payloadLength));
    }
  }

  private static void requireLength(Supplier<String> path, long length, long payloadLength)
      throws DeviceException {
    long expected = ChunkFormat.fileBytes(payloadLength);
    if (length != expected) {
      throw corrupt(path.get(), "the file has %d bytes, not %d".formatted(length, expected));
    }
  }
}
