package io.weft.device;

import static io.weft.device.LeafDirectories.CHUNKS;
import static io.weft.device.SlabSegments.SEGMENTS;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.weft.base.ByteSize;
import io.weft.base.DeviceException;
import io.weft.base.DeviceException.Kind;
import io.weft.base.Ticker;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The directory of a store, opened and locked: that it is ours, that nobody else has it, in which
 * format it is, on what filesystem, and whether that takes direct I/O.
 */
final class StoreDirectory {
  static final String QUARANTINE = "quarantine";
  static final String SNAPSHOT = "index.snapshot";
  static final String CLEAN = "clean";

  private static final String LOCK = "weft.lock";
  static final String FORMAT = "weft.format";
  private static final String PROBE = "probe";
  private static final String STAGING = "%staging-";

  /** The version of the directory's layout; the chunk's own format has one of its own. */
  private static final int LAYOUT_VERSION = 1;

  private static final int SMALL_FILE_BYTES = 4096;

  /**
   * As long as the lock file's text ever gets: written in place, it needs no room on a full disk.
   */
  private static final int LOCK_FILE_BYTES = 512;

  /** Names that may stand in the directory before it is a store. */
  private static final Set<String> OWN_NAMES =
      Set.of(LOCK, PROBE, CHUNKS, SEGMENTS, QUARANTINE, SNAPSHOT, CLEAN, "lost+found");

  /** Files of a fixed, small size that are not counted as the store's data. */
  static final Set<String> CONTROL_FILES = Set.of(LOCK, FORMAT, PROBE);

  private final Path path;
  private final Directory root;
  private final Directory data;
  private final Directory quarantine;
  private final int lockFd;
  private final boolean resolvesBeneath;
  private final String filesystem;
  private final long allocationBytes;
  private final @Nullable String notDirect;

  private final String nonce;
  private final String id;
  private final long segmentBytes;
  private final String expectedDevice;
  private final AtomicLong stagingCount = new AtomicLong();

  private StoreDirectory(
      Path path,
      Directory root,
      Directory data,
      Directory quarantine,
      int lockFd,
      boolean resolvesBeneath,
      String filesystem,
      long allocationBytes,
      @Nullable String notDirect,
      String nonce,
      String id,
      long segmentBytes,
      String expectedDevice) {
    this.expectedDevice = expectedDevice;
    this.id = id;
    this.segmentBytes = segmentBytes;
    this.path = path;
    this.root = root;
    this.data = data;
    this.quarantine = quarantine;
    this.lockFd = lockFd;
    this.resolvesBeneath = resolvesBeneath;
    this.filesystem = filesystem;
    this.allocationBytes = allocationBytes;
    this.notDirect = notDirect;
    this.nonce = nonce;
  }

  /** Opens the directory, makes a store of it if it is empty, and locks it. */
  static StoreDirectory open(LayoutSettings settings, Ticker ticker) throws DeviceException {
    String unsupported = Posix.unsupported();
    if (unsupported != null) {
      throw refused(Kind.OTHER, settings.root(), unsupported);
    }
    return new Opening(settings, ticker).open();
  }

  Path path() {
    return path;
  }

  /** Which store this is. */
  String id() {
    return id;
  }

  /** What a segment takes; 0 where chunks have files of their own. */
  long segmentBytes() {
    return segmentBytes;
  }

  /** The same by the text of {@code weft.format}; 0 also where it makes no sense. */
  static long segmentBytes(String format) {
    String bytes = Opening.field(format, "segment-bytes");
    boolean slab = Opening.field(format, "layout").equals("slab");
    return slab && bytes.matches("[1-9][0-9]{0,17}") ? Long.parseLong(bytes) : 0;
  }

  Directory root() {
    return root;
  }

  /** Where the chunks are: {@code chunks} or {@code segments}. */
  Directory data() {
    return data;
  }

  Directory quarantine() {
    return quarantine;
  }

  boolean resolvesBeneath() {
    return resolvesBeneath;
  }

  /** The kernel's name of it. */
  String filesystem() {
    return filesystem;
  }

  /** What files are rounded up to on the device. */
  long allocationBytes() {
    return allocationBytes;
  }

  boolean isDirect() {
    return notDirect == null;
  }

  /** Why I/O is not direct; empty where it is. */
  String directDetail() {
    return notDirect == null ? "" : notDirect;
  }

  /** A name that this process, and no other, gives to a file once. No chunk can be called so. */
  String stagingName() {
    return STAGING + nonce + "-" + Long.toHexString(stagingCount.getAndIncrement());
  }

  /** Whether the name is of a staging file, of an earlier process or of this one. */
  static boolean isStaging(String name) {
    return name.startsWith(STAGING);
  }

  /** Whether the name is of a staging file that this process may be writing. */
  boolean isOwnStaging(String name) {
    return name.startsWith(STAGING + nonce + "-");
  }

  /** A text that tells files of this process from those of others. */
  String nonce() {
    return nonce;
  }

  /** What lies beside the store's own files and directories, and is not the store's. */
  List<String> foreignNames() throws DeviceException {
    return root.list().stream()
        .map(Directory.Entry::name)
        .filter(name -> !OWN_NAMES.contains(name) && !name.equals(FORMAT) && !isStaging(name))
        .toList();
  }

  /**
   * Writes one block, reads it back and compares. Where a device was expected, its filesystem must
   * still be what the path leads to: descriptors keep one alive that was unmounted or covered.
   */
  synchronized void probe() throws DeviceException {
    requireInPlace();
    probe(root, isDirect());
  }

  private void requireInPlace() throws DeviceException {
    if (expectedDevice.isEmpty()) {
      return;
    }
    int result = Posix.statx(path.toAbsolutePath());
    if (result < 0 && result != -Posix.ENOENT) {
      throw Posix.failure("statx", path.toString(), result);
    }
    String there = result < 0 ? "no directory" : "device " + Posix.statDevice();
    if (result < 0 || !Posix.statDevice().equals(expectedDevice)) {
      throw new DeviceException(
          Kind.OTHER,
          "probe",
          path.toString(),
          -1,
          -1,
          -result,
          "%s is there now, not device %s: its filesystem was unmounted, or another one covers it"
              .formatted(there, expectedDevice),
          null);
    }
  }

  FilesystemSpace space() throws DeviceException {
    int result = Posix.fstatfs(root.fd());
    if (result < 0) {
      throw Posix.failure("statfs", root.path(), result);
    }
    return new FilesystemSpace(
        Posix.filesystemTotalBytes(),
        Posix.filesystemUsableBytes(),
        Posix.filesystemInodes() == 0 ? -1 : Posix.filesystemFreeInodes());
  }

  /** The text of a small file in the root; null where it is not there. */
  @Nullable String readText(String name) throws DeviceException {
    return readText(root, name);
  }

  /** Puts a small file with this text into the root, in one step and durably. */
  void writeText(String name, String text) throws DeviceException {
    writeText(root, stagingName(), name, text);
  }

  void close() {
    data.close();
    quarantine.close();
    root.close();
    Posix.close(lockFd);
  }

  private static @Nullable String readText(Directory directory, String name)
      throws DeviceException {
    DataFile file;
    try {
      file = directory.open(name, false);
    } catch (DeviceException failure) {
      if (failure.kind() == Kind.NOT_FOUND) {
        return null;
      }
      throw failure;
    }
    try (Arena arena = Arena.ofConfined()) {
      long length = Math.min(file.length(), SMALL_FILE_BYTES);
      MemorySegment bytes = arena.allocate(SMALL_FILE_BYTES);
      IoVector vector = Posix.vector();
      vector.add(bytes.address(), length);
      file.read(vector, 0, bytes);
      return new String(bytes.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE), UTF_8);
    } finally {
      file.close();
    }
  }

  private static void writeText(Directory directory, String staging, String name, String text)
      throws DeviceException {
    DataFile file = directory.create(staging, false);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, text.getBytes(UTF_8));
      IoVector vector = Posix.vector();
      vector.add(bytes);
      file.write(vector, 0, bytes);
      file.sync();
      directory.replace(staging, name);
      directory.sync();
    } catch (DeviceException failure) {
      Posix.unlinkat(directory.fd(), staging, 0);
      throw failure;
    } finally {
      file.close();
    }
  }

  private static void probe(Directory root, boolean direct) throws DeviceException {
    int flags = Posix.O_RDWR | Posix.O_CREAT | Posix.O_NOFOLLOW | Posix.O_NONBLOCK;
    int fd = Posix.openat(root.fd(), PROBE, direct ? flags | Posix.O_DIRECT : flags, 0600);
    if (fd < 0) {
      throw Posix.failure("open", PROBE, fd);
    }
    DataFile file = new DataFile(root, PROBE, fd, direct);
    try (Arena arena = Arena.ofConfined()) {
      int block = ChunkFormat.BLOCK_BYTES;
      MemorySegment memory = arena.allocate(2L * block, block);
      MemorySegment written = memory.asSlice(0, block);
      MemorySegment read = memory.asSlice(block, block);
      long pattern = PATTERNS.nextLong();
      for (int at = 0; at < block; at += Long.BYTES) {
        written.set(ValueLayout.JAVA_LONG, at, pattern += 0x9E3779B97F4A7C15L);
      }
      IoVector vector = Posix.vector();
      vector.add(written);
      file.write(vector, 0, memory);
      if (!direct) {
        file.sync();
      }
      vector.clear();
      vector.add(read);
      file.read(vector, 0, memory);
      if (written.mismatch(read) >= 0) {
        throw new DeviceException(
            Kind.IO_ERROR, "probe", PROBE, 0, block, 0, "other bytes came back", null);
      }
    } finally {
      file.close();
    }
  }

  private static final SecureRandom PATTERNS = new SecureRandom();

  private static DeviceException refused(Kind kind, Path path, String reason) {
    return refused(kind, path, 0, reason);
  }

  private static DeviceException refused(Kind kind, Path path, int errno, String reason) {
    return new DeviceException(kind, "open", path.toString(), -1, -1, errno, reason, null);
  }

  /** The steps of opening, with what is open already if one of them fails. */
  private static final class Opening {
    private final Path path;
    private final DirectIo direct;
    private final String expectedDevice;
    private final Ticker ticker;
    private final String nonce = Long.toHexString(PATTERNS.nextLong());
    private @Nullable Directory root;
    private @Nullable Directory data;
    private @Nullable Directory quarantine;
    private int lockFd = -1;
    private final LayoutSettings.Kind kind;
    private String storeId = "";
    private long segmentBytes;

    Opening(LayoutSettings settings, Ticker ticker) {
      this.path = settings.root();
      this.direct = settings.direct();
      this.expectedDevice = settings.expectedDevice();
      this.kind = settings.kind();
      this.ticker = ticker;
    }

    StoreDirectory open() throws DeviceException {
      boolean done = false;
      try {
        Directory opened = openRoot();
        root = opened;
        requireDevice(opened);
        if (readText(opened, FORMAT) == null) {
          requireUnused(opened);
        }
        lock(opened);
        checkFormat(opened);
        removeLeftovers(opened);
        boolean beneath = resolvesBeneath(opened);
        Directory openedData = subdirectory(opened, segmentBytes == 0 ? CHUNKS : SEGMENTS);
        data = openedData;
        Directory openedQuarantine = subdirectory(opened, QUARANTINE);
        quarantine = openedQuarantine;
        String filesystem = filesystem(opened);
        String notDirect = probeDirect(opened);
        if (notDirect != null && direct == DirectIo.REQUIRED) {
          throw refused(
              Kind.OTHER,
              path,
              notDirect
                  + "; choose another filesystem, or set direct I/O to 'preferred' or 'off' to go"
                  + " through the page cache");
        }
        StoreDirectory directory =
            new StoreDirectory(
                path,
                opened,
                openedData,
                openedQuarantine,
                lockFd,
                beneath,
                filesystem,
                allocationBytes(opened),
                notDirect,
                nonce,
                storeId,
                segmentBytes,
                expectedDevice);
        done = true;
        return directory;
      } finally {
        if (!done) {
          closeAll();
        }
      }
    }

    private void closeAll() {
      for (Directory opened : new @Nullable Directory[] {data, quarantine, root}) {
        if (opened != null) {
          opened.close();
        }
      }
      if (lockFd >= 0) {
        Posix.close(lockFd);
      }
    }

    private Directory openRoot() throws DeviceException {
      int fd =
          Posix.openat(
              Posix.AT_FDCWD,
              Posix.name(path.toAbsolutePath()),
              Posix.O_RDONLY | Posix.O_DIRECTORY,
              0);
      if (fd >= 0) {
        return new Directory(fd, ".");
      }
      throw switch (-fd) {
        case Posix.ENOENT ->
            refused(
                Kind.NOT_FOUND,
                path,
                Posix.ENOENT,
                "there is no such directory: create it, or correct the path");
        case Posix.ENOTDIR ->
            refused(Kind.OTHER, path, Posix.ENOTDIR, "this is a file: a directory is needed");
        case Posix.EACCES -> notPermitted();
        default -> Posix.failure("open", path.toString(), fd);
      };
    }

    private DeviceException notPermitted() {
      return refused(
          Kind.NO_PERMISSION,
          path,
          Posix.EACCES,
          "the user %s may not read and write this directory: change its owner or mode"
              .formatted(System.getProperty("user.name")));
    }

    /** The descriptor decides, not the path: a mount that vanished in between is noticed. */
    private void requireDevice(Directory opened) throws DeviceException {
      if (expectedDevice.isEmpty()) {
        return;
      }
      int result = Posix.statx(opened.fd());
      if (result < 0) {
        throw Posix.failure("statx", opened.path(), result);
      }
      if (!Posix.statDevice().equals(expectedDevice)) {
        throw refused(
            Kind.OTHER,
            path,
            "the directory is on device %s, not on %s: is it still mounted?"
                .formatted(Posix.statDevice(), expectedDevice));
      }
    }

    /** Bytes that are not ours are never mixed with a store's. */
    private void requireUnused(Directory opened) throws DeviceException {
      List<String> foreign =
          opened.list().stream()
              .map(Directory.Entry::name)
              .filter(name -> !OWN_NAMES.contains(name) && !isStaging(name))
              .sorted()
              .toList();
      if (!foreign.isEmpty()) {
        throw refused(
            Kind.OTHER,
            path,
            "this directory is no store and holds %d other things (%s%s): give an empty directory"
                .formatted(foreign.size(), foreign.getFirst(), foreign.size() > 1 ? ", …" : ""));
      }
    }

    private void lock(Directory opened) throws DeviceException {
      // Locked through a descriptor that cannot write, so that an operator may still remount the
      // filesystem read-only.
      int fd =
          Posix.openat(opened.fd(), LOCK, Posix.O_RDONLY | Posix.O_CREAT | Posix.O_NOFOLLOW, 0600);
      if (fd < 0) {
        throw lockFailure(fd);
      }
      lockFd = fd;
      int locked = Posix.lock(fd);
      if (locked == -Posix.EAGAIN) {
        String holder = readText(opened, LOCK);
        throw refused(
            Kind.NO_PERMISSION,
            path,
            Posix.EAGAIN,
            "another store has this directory open: "
                + (holder == null || holder.isBlank()
                    ? "it has not said who it is"
                    : String.join(", ", holder.strip().lines().toList())));
      }
      if (locked < 0) {
        throw Posix.failure("flock", LOCK, locked);
      }
      String text =
          "pid %d\nhost %s\nsince %s\n"
              .formatted(
                  ProcessHandle.current().pid(),
                  hostName(),
                  Instant.ofEpochMilli(ticker.epochMillis()));
      int writing = Posix.openat(opened.fd(), LOCK, Posix.O_WRONLY | Posix.O_NOFOLLOW, 0);
      if (writing < 0) {
        throw lockFailure(writing);
      }
      try (Arena arena = Arena.ofConfined()) {
        byte[] bytes = text.getBytes(UTF_8);
        MemorySegment padded = arena.allocate(LOCK_FILE_BYTES);
        padded.fill((byte) '\n');
        MemorySegment.copy(
            bytes, 0, padded, ValueLayout.JAVA_BYTE, 0, Math.min(bytes.length, LOCK_FILE_BYTES));
        IoVector vector = Posix.vector();
        vector.add(padded);
        new DataFile(opened, LOCK, writing, false).write(vector, 0, padded);
      } catch (DeviceException failure) {
        throw failure.kind() == Kind.NO_SPACE ? lockFailure(-failure.errno()) : failure;
      } finally {
        Posix.close(writing);
      }
    }

    private DeviceException lockFailure(int result) {
      int errno = -result;
      return switch (Posix.kind(errno)) {
        case NO_PERMISSION -> notPermitted();
        case NO_SPACE ->
            refused(
                Kind.NO_SPACE,
                path,
                errno,
                "the filesystem has no room left, not even for the lock file: make room");
        case READ_ONLY ->
            refused(Kind.READ_ONLY, path, errno, "the filesystem is mounted read-only");
        default -> Posix.failure("open", LOCK, result);
      };
    }

    private void removeLeftovers(Directory opened) throws DeviceException {
      for (Directory.Entry entry : opened.list()) {
        if (isStaging(entry.name()) && entry.type() == Directory.Type.FILE) {
          opened.unlink(entry.name());
        }
      }
    }

    private void checkFormat(Directory opened) throws DeviceException {
      String text = readText(opened, FORMAT);
      if (text == null) {
        requireUnused(opened);
        storeId = UUID.randomUUID().toString();
        segmentBytes = kind instanceof LayoutSettings.Slabs slabs ? slabs.segmentBytes() : 0;
        writeText(
            opened,
            STAGING + nonce + "-format",
            FORMAT,
            "weft-store %d\n%s\nblock-bytes %d\nstore %s\ncreated %s\n"
                .formatted(
                    LAYOUT_VERSION,
                    segmentBytes == 0
                        ? "layout file"
                        : "layout slab\nsegment-bytes " + segmentBytes,
                    ChunkFormat.BLOCK_BYTES,
                    storeId,
                    Instant.ofEpochMilli(ticker.epochMillis())));
        return;
      }
      String version = field(text, "weft-store");
      if (!version.matches("[0-9]{1,9}") || Integer.parseInt(version) < 1) {
        throw unreadable("it does not begin with 'weft-store' and a version");
      }
      if (Integer.parseInt(version) > LAYOUT_VERSION) {
        throw refused(
            Kind.OTHER,
            path,
            "the store is of layout version %s, this program knows up to %d: use the later program"
                .formatted(version, LAYOUT_VERSION));
      }
      checkLayout(text);
      if (!field(text, "block-bytes").equals(String.valueOf(ChunkFormat.BLOCK_BYTES))) {
        throw unreadable("its block-bytes is not " + ChunkFormat.BLOCK_BYTES);
      }
      storeId = field(text, "store");
    }

    /** A store keeps the layout that it was made with. */
    private void checkLayout(String text) throws DeviceException {
      String layout = field(text, "layout");
      segmentBytes = segmentBytes(text);
      if (!layout.equals("file") && !layout.equals("slab")) {
        throw unreadable("its layout is '" + layout + "', neither 'file' nor 'slab'");
      }
      if (layout.equals("slab") && !SlabFormat.isSegmentSize(segmentBytes)) {
        throw unreadable("its segment-bytes is '" + field(text, "segment-bytes") + "'");
      }
      String asked =
          switch (kind) {
            case LayoutSettings.Files() -> "file";
            case LayoutSettings.Slabs(long _, boolean _) -> "slab";
            case LayoutSettings.AsFound() -> layout;
          };
      if (!asked.equals(layout)) {
        throw refused(
            Kind.OTHER,
            path,
            "weft.layout = %s: the store in this directory has layout %s; set weft.layout = %s, or"
                    .formatted(asked, layout, layout)
                + " name an empty directory");
      }
      if (kind instanceof LayoutSettings.Slabs(long wanted, boolean _) && wanted != segmentBytes) {
        throw refused(
            Kind.OTHER,
            path,
            "weft.slab.segment = %s: the segments of the store in this directory have %s; set"
                    .formatted(new ByteSize(wanted), new ByteSize(segmentBytes))
                + " weft.slab.segment = %dMiB, or name an empty directory"
                    .formatted(segmentBytes >> 20));
      }
    }

    private DeviceException unreadable(String reason) {
      return refused(
          Kind.CORRUPT,
          path,
          FORMAT
              + " cannot be used: "
              + reason
              + "; move the file away only if the store may start"
              + " anew");
    }

    /** The rest of the line that begins with this word; empty where there is none. */
    private static String field(String text, String word) {
      return text.lines()
          .filter(line -> line.startsWith(word + " "))
          .map(line -> line.substring(word.length() + 1).strip())
          .findFirst()
          .orElse("");
    }

    /** Old kernels, and sandboxes that do not know openat2, answer ENOSYS or EPERM. */
    private static boolean resolvesBeneath(Directory opened) {
      int fd = Posix.openBeneath(opened.fd(), ".", Posix.O_RDONLY | Posix.O_DIRECTORY);
      if (fd >= 0) {
        Posix.close(fd);
      }
      return fd >= 0;
    }

    private static Directory subdirectory(Directory opened, String name) throws DeviceException {
      int flags = Posix.O_RDONLY | Posix.O_DIRECTORY | Posix.O_NOFOLLOW;
      int fd = Posix.openat(opened.fd(), name, flags, 0);
      if (fd == -Posix.ENOENT) {
        opened.makeDirectory(name);
        opened.sync();
        fd = Posix.openat(opened.fd(), name, flags, 0);
      }
      if (fd < 0) {
        throw LeafDirectories.refusal(name, fd);
      }
      return new Directory(fd, name);
    }

    private static long allocationBytes(Directory opened) throws DeviceException {
      int result = Posix.fstatfs(opened.fd());
      if (result < 0) {
        throw Posix.failure("statfs", opened.path(), result);
      }
      long block = Posix.filesystemBlockBytes();
      // Network filesystems report their preferred transfer size here, which rounds nothing up.
      boolean rounds = Long.bitCount(block) == 1 && block <= 64 << 10;
      return rounds ? Math.max(block, ChunkFormat.BLOCK_BYTES) : ChunkFormat.BLOCK_BYTES;
    }

    private static String filesystem(Directory opened) throws DeviceException {
      int result = Posix.statx(opened.fd());
      if (result < 0) {
        throw Posix.failure("statx", opened.path(), result);
      }
      String mountId = String.valueOf(Posix.statMountId());
      String device = Posix.statDevice();
      try (BufferedReader mounts =
          new BufferedReader(
              new InputStreamReader(new FileInputStream("/proc/self/mountinfo"), UTF_8))) {
        String byDevice = null;
        for (String line = mounts.readLine(); line != null; line = mounts.readLine()) {
          String[] fields = line.split(" - ", 2);
          String[] left = fields[0].split(" ", 4);
          if (fields.length < 2 || left.length < 3) {
            continue;
          }
          String type = fields[1].split(" ", 2)[0];
          if (left[0].equals(mountId)) {
            return type;
          }
          byDevice = left[2].equals(device) ? type : byDevice;
        }
        if (byDevice != null) {
          return byDevice;
        }
      } catch (IOException noProc) {
        // A sandbox without /proc: the filesystem's magic number has to do.
      }
      int magic = Posix.fstatfs(opened.fd());
      return magic < 0 ? "unknown" : "0x" + Long.toHexString(Posix.filesystemMagic());
    }

    /** Tries direct I/O. Returns null where it works, else why not. */
    private @Nullable String probeDirect(Directory opened) throws DeviceException {
      if (direct == DirectIo.OFF) {
        return "direct I/O is switched off";
      }
      try {
        StoreDirectory.probe(opened, true);
      } catch (DeviceException failure) {
        if (failure.errno() == Posix.EINVAL || failure.errno() == Posix.EOPNOTSUPP) {
          return "the filesystem refuses direct I/O (%s)".formatted(failure.getMessage());
        }
        // A full filesystem can still be loaded from and deleted in; it took the open, which is
        // where filesystems refuse.
        if (failure.kind() != Kind.NO_SPACE) {
          throw failure;
        }
      }
      int alignment = Posix.statx(opened.fd(), PROBE) == 0 ? Posix.statDirectAlignment() : -1;
      if (alignment == 0) {
        return "the filesystem says that it takes no direct I/O";
      }
      return alignment > ChunkFormat.BLOCK_BYTES
          ? "direct I/O here needs an alignment of %s, the store's blocks have %s"
              .formatted(new ByteSize(alignment), new ByteSize(ChunkFormat.BLOCK_BYTES))
          : null;
    }

    private static String hostName() {
      try (BufferedReader name =
          new BufferedReader(
              new InputStreamReader(new FileInputStream("/proc/sys/kernel/hostname"), UTF_8))) {
        String line = name.readLine();
        return line == null || line.isBlank() ? "unknown" : line.strip();
      } catch (IOException noProc) {
        return "unknown";
      }
    }
  }
}
