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
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/**
 * Chunks on a mounted filesystem, one file each: see {@code docs/format.md}. A store is written
 * under a staging name in the directory where it will stay and gets its own name once it is
 * complete, so whatever has a chunk's name is a whole chunk, of exactly the generation that the
 * name says.
 *
 * <p>The directory belongs to one open layout at a time. {@link #close} never waits: descriptors
 * that an operation in the kernel, an unfinished write or an open read still uses are closed when
 * those are done, and the directory stays locked until then.
 */
public final class FileLayout implements ChunkMedium {
  /** Descriptors that are left to the rest of the process when directories are kept open. */
  private static final int KEPT_SHARE = 4;

  private final StoreDirectory store;
  private final LeafDirectories leaves;
  private final Quarantine quarantine;
  private final FileSnapshots snapshots;
  private final Durability durability;
  private final Ticker ticker;
  private final MediumInfo info;
  private final UseCount uses;
  private final CompletableFuture<Void> released = new CompletableFuture<>();

  private FileLayout(StoreDirectory store, Durability durability, Ticker ticker) {
    this.store = store;
    this.durability = durability;
    this.ticker = ticker;
    this.leaves =
        new LeafDirectories(
            store.root(),
            store.chunks(),
            store.resolvesBeneath(),
            durability == Durability.FULL,
            (int) Math.min(ChunkName.LEAVES, Posix.descriptorLimit() / KEPT_SHARE));
    this.quarantine = new Quarantine(store.quarantine(), store.nonce(), ticker);
    this.info =
        new MediumInfo(
            store.path(),
            store.id(),
            ChunkFormat.BLOCK_BYTES,
            store.filesystem(),
            store.isDirect(),
            store.directDetail(),
            0,
            0,
            Chunks.MAX_PAYLOAD_BYTES);
    this.uses =
        new UseCount(
            () -> {
              leaves.close();
              store.close();
              released.complete(null);
            });
    this.snapshots = new FileSnapshots(store, uses, ticker);
  }

  /**
   * Opens the store in a directory, or makes one where the directory is empty.
   *
   * @throws DeviceException where the directory is missing, not writable, open in another store,
   *     somebody else's or of a later version, or refuses direct I/O that is required; the message
   *     says which and what mends it
   */
  public static FileLayout open(FileLayoutSettings settings, Ticker ticker) throws DeviceException {
    StoreDirectory store = StoreDirectory.open(settings, ticker);
    return new FileLayout(store, settings.durability(), ticker);
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
    forget(recycled);
    StagedChunk staged = stage(address, metadata, payload.byteSize());
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
    forget(recycled);
    StagedChunk staged = stage(address, metadata, payloadLength);
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

  private void forget(@Nullable ChunkAddress recycled) throws DeviceException {
    if (recycled != null && !delete(recycled)) {
      throw new DeviceException(
          DeviceException.Kind.NOT_FOUND,
          "store",
          recycled.key() + " generation " + recycled.generation(),
          -1,
          -1,
          0,
          "the chunk whose room it was to get is gone",
          null);
    }
  }

  private StagedChunk stage(ChunkAddress address, ChunkMetadata metadata, long payloadLength)
      throws DeviceException {
    if (payloadLength < 0 || payloadLength > Chunks.MAX_PAYLOAD_BYTES) {
      throw new IllegalArgumentException("no payload has " + payloadLength + " bytes");
    }
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

  /** Ends what {@link #stage} or {@link #beginLoad} began. */
  private void closeFile(DataFile file, Leaf leaf) {
    file.close();
    leaf.release();
    uses.exit();
  }

  @Override
  public void load(
      ChunkAddress address, MemorySegment target, long payloadLength, IoScratch scratch)
      throws DeviceException {
    requireWritable(target);
    if (target.byteSize() < payloadLength) {
      throw new IllegalArgumentException(
          "%d bytes do not fit a buffer of %d".formatted(payloadLength, target.byteSize()));
    }
    enter("load");
    try {
      Leaf leaf = present("load", address);
      try {
        DataFile file = openChunk(leaf, address, payloadLength, scratch);
        try {
          MemorySegment payload = target.asSlice(0, payloadLength);
          long spare = target.byteSize() - payloadLength;
          int sum = PayloadIo.readWhole(file, payload, spare, scratch);
          ChunkBlock block = verifiedBlock(file.path(), scratch.block());
          requireAddress(file.path(), block, address, payloadLength);
          requireSum(file.path(), block.payloadCrc(), sum);
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
      requireAddress(file.path(), block, address, payloadLength);
      Leaf used = leaf;
      DataFile opened = file;
      begun = true;
      return new OpenChunk(file, block, () -> closeFile(opened, used));
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
      requireAddress(file.path(), block, address, block.payloadLength());
      requireLength(file.path(), length, block.payloadLength());
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
      if (removed && leaf != null && durability == Durability.FULL) {
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
      if (durability == Durability.FULL) {
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
  public long pruneQuarantine(long keepBytes) throws DeviceException {
    enter("prune quarantine");
    try {
      return quarantine.prune(keepBytes);
    } finally {
      uses.exit();
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

  /** Whether the directory holds a store, of whatever version; changes nothing. */
  public static boolean isStore(Path directory) {
    return Files.isRegularFile(directory.resolve(StoreDirectory.FORMAT), LinkOption.NOFOLLOW_LINKS);
  }

  /**
   * Reads every file of the store from end to end and says of each what it is. Nothing is changed,
   * except that wrong chunks go to quarantine where {@code quarantineWrong} says so.
   *
   * @param quarantineWrong whether chunks that do not verify are moved out of the way
   */
  public void verify(int threads, boolean quarantineWrong, VerifySink sink) throws DeviceException {
    enter("verify");
    try {
      new FileVerification(store, leaves, quarantineWrong ? quarantine : null, uses, sink)
          .run(threads);
    } finally {
      uses.exit();
    }
  }

  /** Where {@link #verify} hands over what it found; one call at a time. */
  public interface VerifySink {
    void file(VerifiedFile file);

    /** So many of all the parts of the walk are done. */
    void progress(int done, int parts);
  }

  @Override
  public SnapshotStore snapshots() {
    return snapshots;
  }

  @Override
  public FilesystemSpace space() throws DeviceException {
    enter("statfs");
    try {
      return store.space();
    } finally {
      uses.exit();
    }
  }

  @Override
  public void probe() throws DeviceException {
    enter("probe");
    try {
      store.probe();
    } finally {
      uses.exit();
    }
  }

  @Override
  public void close() {
    uses.close();
  }

  @Override
  public CompletionStage<Void> released() {
    return released.minimalCompletionStage();
  }

  Durability durability() {
    return durability;
  }

  long nowMillis() {
    return ticker.epochMillis();
  }

  private void enter(String operation) throws DeviceException {
    if (!uses.enter()) {
      throw closed(operation, store.path().toString());
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
        requireAddress(file.path(), readBlock(file, scratch), address, payloadLength);
      }
      requireLength(file.path(), length, payloadLength);
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
    return verifiedBlock(file.path(), scratch.block());
  }

  private static ChunkBlock verifiedBlock(String path, MemorySegment block) throws DeviceException {
    try {
      return ChunkFormat.decode(block);
    } catch (ChunkFormatException wrong) {
      // A later version is somebody's good chunk: not to be had here, and not to be moved away.
      boolean later = wrong.reason() == ChunkFormatException.Reason.LATER_VERSION;
      throw new DeviceException(
          later ? Kind.NOT_FOUND : Kind.CORRUPT,
          "verify",
          path,
          -1,
          -1,
          0,
          String.valueOf(wrong.getMessage()),
          wrong);
    }
  }

  private static void requireAddress(
      String path, ChunkBlock block, ChunkAddress address, long payloadLength)
      throws DeviceException {
    if (!block.key().equals(address.key())) {
      throw corrupt(path, "the file holds the chunk of another key, " + block.key());
    }
    if (block.generation() != address.generation()) {
      throw corrupt(
          path,
          "the file holds generation %x, not %x"
              .formatted(block.generation(), address.generation()));
    }
    if (block.payloadLength() != payloadLength) {
      throw corrupt(
          path, "the payload has %d bytes, not %d".formatted(block.payloadLength(), payloadLength));
    }
  }

  private static void requireLength(String path, long length, long payloadLength)
      throws DeviceException {
    long expected = ChunkFormat.fileBytes(payloadLength);
    if (length != expected) {
      throw corrupt(path, "the file has %d bytes, not %d".formatted(length, expected));
    }
  }

  static void requireSum(String path, int expected, int actual) throws DeviceException {
    if (expected != actual) {
      throw corrupt(
          path, "the payload's checksum is %08x, its bytes give %08x".formatted(expected, actual));
    }
  }

  static void requireWritable(MemorySegment target) {
    if (target.isReadOnly()) {
      throw new IllegalArgumentException("a chunk cannot be loaded into read-only memory");
    }
  }

  private static DeviceException corrupt(String path, String reason) {
    return new DeviceException(Kind.CORRUPT, "verify", path, -1, -1, 0, reason, null);
  }

  static DeviceException closed(String operation, String path) {
    return new DeviceException(Kind.CLOSED, operation, path, -1, -1, 0, "it is closed", null);
  }
}
