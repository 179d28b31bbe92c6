package io.weft.device;

import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Durability;
import io.weft.base.Ticker;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;

/**
 * Chunks in a directory of a mounted filesystem: what every layout shares. The directory belongs to
 * one open layout at a time. {@link #close} never waits: descriptors that an operation in the
 * kernel, an unfinished write or an open read still uses are closed when those are done, and the
 * directory stays locked until then.
 */
public abstract sealed class Layout implements ChunkMedium permits FileLayout, SlabLayout {
  final StoreDirectory store;
  final Quarantine quarantine;
  final UseCount uses;
  private final FileSnapshots snapshots;
  private final Durability durability;
  private final Ticker ticker;
  private final CompletableFuture<Void> released = new CompletableFuture<>();

  Layout(StoreDirectory store, Durability durability, Ticker ticker) {
    this.store = store;
    this.durability = durability;
    this.ticker = ticker;
    this.quarantine = new Quarantine(store.quarantine(), store.nonce(), ticker);
    this.uses =
        new UseCount(
            () -> {
              closeFiles();
              store.close();
              released.complete(null);
            });
    this.snapshots = new FileSnapshots(store, uses, ticker);
  }

  /**
   * Opens the store in a directory, or makes one where the directory is empty.
   *
   * @throws DeviceException where the directory is missing, not writable, open in another store,
   *     somebody else's, of a later version, of another layout than is asked for, or refuses direct
   *     I/O that is required; the message says which and what mends it
   */
  public static Layout open(LayoutSettings settings, Ticker ticker) throws DeviceException {
    StoreDirectory store = StoreDirectory.open(settings, ticker);
    boolean prewrite = settings.kind() instanceof LayoutSettings.Slabs slabs && slabs.prewrite();
    return store.segmentBytes() == 0
        ? new FileLayout(store, settings.durability(), ticker)
        : new SlabLayout(store, settings.durability(), prewrite, ticker);
  }

  /** Whether the directory holds a store, of whatever version; changes nothing. */
  public static boolean isStore(Path directory) {
    return Files.isRegularFile(directory.resolve(StoreDirectory.FORMAT), LinkOption.NOFOLLOW_LINKS);
  }

  /**
   * How long the segments of the store in a directory are, without opening it; 0 where its chunks
   * have files of their own, or where there is no store.
   */
  public static long segmentBytes(Path directory) throws IOException {
    if (!isStore(directory)) {
      return 0;
    }
    Path format = directory.resolve(StoreDirectory.FORMAT);
    String text = Files.readString(format, StandardCharsets.ISO_8859_1);
    return StoreDirectory.segmentBytes(text);
  }

  /**
   * Reads every chunk of the store from end to end and says of each what it is. Nothing is changed,
   * except that wrong chunks go to quarantine where {@code quarantineWrong} says so.
   *
   * @param quarantineWrong whether chunks that do not verify are moved out of the way
   */
  public abstract void verify(int threads, boolean quarantineWrong, VerifySink sink)
      throws DeviceException;

  /** Closes what the layout holds open beside the directory; nobody uses it any more. */
  abstract void closeFiles();

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

  MediumInfo info(long segmentHeaderBytes, long maxPayloadBytes) {
    return new MediumInfo(
        store.path(),
        store.id(),
        ChunkFormat.BLOCK_BYTES,
        store.filesystem(),
        store.isDirect(),
        store.directDetail(),
        store.segmentBytes(),
        segmentHeaderBytes,
        maxPayloadBytes);
  }

  void enter(String operation) throws DeviceException {
    if (!uses.enter()) {
      throw closed(operation, store.path().toString());
    }
  }

  static void requireRoom(MemorySegment target, long payloadLength) {
    requireWritable(target);
    if (target.byteSize() < payloadLength) {
      throw new IllegalArgumentException(
          "%d bytes do not fit a buffer of %d".formatted(payloadLength, target.byteSize()));
    }
  }

  static void requireWritable(MemorySegment target) {
    if (target.isReadOnly()) {
      throw new IllegalArgumentException("a chunk cannot be loaded into read-only memory");
    }
  }

  static void requireSum(Supplier<String> path, int expected, int actual) throws DeviceException {
    if (expected != actual) {
      throw corrupt(
          path.get(),
          "the payload's checksum is %08x, its bytes give %08x".formatted(expected, actual));
    }
  }

  static DeviceException corrupt(String path, String reason) {
    return new DeviceException(Kind.CORRUPT, "verify", path, -1, -1, 0, reason, null);
  }

  static DeviceException closed(String operation, String path) {
    return new DeviceException(Kind.CLOSED, operation, path, -1, -1, 0, "it is closed", null);
  }
}
