package io.weft.device;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.weft.base.DeviceException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The Linux system calls of this room, made through the C library's {@code syscall}, so that
 * nothing depends on which wrappers a C library has.
 *
 * <p>A call answers as the kernel does: zero or more on success, the negated error number on
 * failure ({@link #failure} makes the exception of it). Calls that a signal cut off are repeated.
 * Names are strings of one char a byte (ISO 8859-1), which carries whatever bytes a directory
 * holds.
 *
 * <p>What a call needs besides its numbers (names, vectors, structures, the captured errno) lies in
 * memory that each thread keeps: calls allocate nothing.
 */
final class Posix {
  static final int O_RDONLY = 0;
  static final int O_WRONLY = 1;
  static final int O_RDWR = 2;
  static final int O_CREAT = 0x40;
  static final int O_EXCL = 0x80;
  static final int O_NONBLOCK = 0x800;
  static final int O_NOATIME = 0x4_0000;
  static final int O_CLOEXEC = 0x8_0000;

  private static final boolean ARM = arch().equals("aarch64");

  static final int O_DIRECT = ARM ? 0x1_0000 : 0x4000;
  static final int O_DIRECTORY = ARM ? 0x4000 : 0x1_0000;
  static final int O_NOFOLLOW = ARM ? 0x8000 : 0x2_0000;

  static final int AT_FDCWD = -100;
  private static final int AT_SYMLINK_NOFOLLOW = 0x100;
  private static final int AT_EMPTY_PATH = 0x1000;

  static final int RENAME_NOREPLACE = 1;
  private static final int LOCK_EX_NB = 2 | 4;

  private static final long RESOLVE_NO_XDEV = 0x01;
  private static final long RESOLVE_NO_SYMLINKS = 0x04;
  private static final long RESOLVE_BENEATH = 0x08;

  static final int EPERM = 1;
  static final int ENOENT = 2;
  static final int EINTR = 4;
  static final int EIO = 5;
  static final int ENXIO = 6;
  static final int EAGAIN = 11;
  static final int ENOMEM = 12;
  static final int EACCES = 13;
  static final int EBUSY = 16;
  static final int EEXIST = 17;
  static final int ENODEV = 19;
  static final int ENOTDIR = 20;
  static final int EISDIR = 21;
  static final int EINVAL = 22;
  static final int ENFILE = 23;
  static final int EMFILE = 24;
  static final int ENOSPC = 28;
  static final int EROFS = 30;
  static final int ENOSYS = 38;
  static final int ELOOP = 40;
  static final int EBADE = 52;
  static final int ENODATA = 61;
  static final int ENOLINK = 67;
  static final int EBADMSG = 74;
  static final int EILSEQ = 84;
  static final int EOPNOTSUPP = 95;
  static final int ESHUTDOWN = 108;
  static final int ETIMEDOUT = 110;
  static final int ESTALE = 116;
  static final int EUCLEAN = 117;
  static final int EREMOTEIO = 121;
  static final int EDQUOT = 122;

  private static final int SYS_CLOSE = ARM ? 57 : 3;
  private static final int SYS_WRITE = ARM ? 64 : 1;
  private static final int SYS_MMAP = ARM ? 222 : 9;
  private static final int SYS_MUNMAP = ARM ? 215 : 11;
  private static final int SYS_EVENTFD2 = ARM ? 19 : 290;
  private static final int SYS_FLOCK = ARM ? 32 : 73;
  private static final int SYS_FSYNC = ARM ? 82 : 74;
  private static final int SYS_FDATASYNC = ARM ? 83 : 75;
  private static final int SYS_FTRUNCATE = ARM ? 46 : 77;
  private static final int SYS_FSTATFS = ARM ? 44 : 138;
  private static final int SYS_GETDENTS64 = ARM ? 61 : 217;
  private static final int SYS_OPENAT = ARM ? 56 : 257;
  private static final int SYS_MKDIRAT = ARM ? 34 : 258;
  private static final int SYS_UNLINKAT = ARM ? 35 : 263;
  private static final int SYS_FALLOCATE = ARM ? 47 : 285;
  private static final int SYS_PREADV = ARM ? 69 : 295;
  private static final int SYS_PWRITEV = ARM ? 70 : 296;
  private static final int SYS_PRLIMIT64 = ARM ? 261 : 302;
  private static final int SYS_RENAMEAT2 = ARM ? 276 : 316;
  private static final int SYS_STATX = ARM ? 291 : 332;
  private static final int SYS_IO_URING_SETUP = 425;
  private static final int SYS_IO_URING_ENTER = 426;
  private static final int SYS_OPENAT2 = 437;

  private static final int PROT_READ_WRITE = 1 | 2;
  private static final int MAP_SHARED_POPULATE = 0x1 | 0x8000;

  private static final int RLIMIT_NOFILE = 7;

  private static final int STATX_BASIC_STATS = 0x7ff;
  private static final int STATX_MNT_ID = 0x1000;
  private static final int STATX_DIOALIGN = 0x2000;

  private static final int S_IFMT = 0xf000;
  private static final int S_IFREG = 0x8000;
  private static final int S_IFDIR = 0x4000;

  /** Keeps nothing alive: the last argument of calls that touch this thread's own memory only. */
  private static final MemorySegment NOTHING = MemorySegment.NULL;

  private static final ThreadLocal<Frame> FRAME = ThreadLocal.withInitial(Frame::new);

  private Posix() {}

  /** Why the calls cannot be made here; null where they can. */
  static @Nullable String unsupported() {
    String system = System.getProperty("os.name", "");
    if (!system.equals("Linux")) {
      return "the file layout needs Linux, this is " + system;
    }
    return arch().isEmpty()
        ? "the file layout knows the system calls of x86_64 and aarch64, this is "
            + System.getProperty("os.arch")
        : null;
  }

  private static String arch() {
    return switch (System.getProperty("os.arch", "").toLowerCase(Locale.ROOT)) {
      case "amd64", "x86_64" -> "x86_64";
      case "aarch64", "arm64" -> "aarch64";
      default -> "";
    };
  }

  /** A path of the host's as a name for {@link #openat}: its bytes, one char each. */
  static String name(java.nio.file.Path path) {
    String encoding = System.getProperty("sun.jnu.encoding", "UTF-8");
    Charset charset =
        Charset.isSupported(encoding) ? Charset.forName(encoding) : StandardCharsets.UTF_8;
    return new String(path.toString().getBytes(charset), StandardCharsets.ISO_8859_1);
  }

  /** Opens {@code name}, one component below {@code dirFd}; close-on-exec always. */
  static int openat(int dirFd, String name, int flags, int mode) {
    Frame frame = FRAME.get();
    long at = frame.first(name);
    return (int) call(frame, SYS_OPENAT, dirFd, at, flags | O_CLOEXEC, mode, 0);
  }

  /**
   * Opens {@code path} below {@code dirFd} only if no component is a symbolic link, leads out of
   * {@code dirFd} or lies on another mount.
   */
  static int openBeneath(int dirFd, String path, int flags) {
    Frame frame = FRAME.get();
    long at = frame.first(path);
    frame.memory.set(JAVA_LONG, Frame.OPEN_HOW, flags | O_CLOEXEC);
    frame.memory.set(JAVA_LONG, Frame.OPEN_HOW + 8, 0);
    frame.memory.set(
        JAVA_LONG, Frame.OPEN_HOW + 16, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
    return (int) call(frame, SYS_OPENAT2, dirFd, at, frame.address + Frame.OPEN_HOW, 24, 0);
  }

  /** Closes the descriptor, whatever the kernel answers: after close it is gone in any case. */
  static void close(int fd) {
    // Not repeated after EINTR: the number may be another thread's by then.
    syscall(FRAME.get(), SYS_CLOSE, fd, 0, 0, 0, 0, NOTHING);
  }

  /** This thread's list of memory areas for {@link #preadv} and {@link #pwritev}, emptied. */
  static IoVector vector() {
    IoVector vector = FRAME.get().vector;
    vector.clear();
    return vector;
  }

  /**
   * Reads into the areas of this thread's {@link #vector}.
   *
   * @param payload memory of another owner that the vector names: it cannot be freed during the
   *     call
   */
  static long preadv(int fd, IoVector vector, long offset, MemorySegment payload) {
    return transfer(SYS_PREADV, fd, vector, offset, payload);
  }

  /** Writes the areas of this thread's {@link #vector}; as {@link #preadv} otherwise. */
  static long pwritev(int fd, IoVector vector, long offset, MemorySegment payload) {
    return transfer(SYS_PWRITEV, fd, vector, offset, payload);
  }

  /**
   * preadv and pwritev take five arguments (the offset in two halves, of which a 64-bit kernel
   * takes all from the first). The sixth is ignored by the kernel; it makes the foreign-function
   * call hold the payload's arena open and check that this thread may touch it.
   */
  private static long transfer(
      int number, int fd, IoVector vector, long offset, MemorySegment payload) {
    Frame frame = FRAME.get();
    long result;
    do {
      result = syscall(frame, number, fd, vector.address(), vector.count(), offset, 0, payload);
    } while (result == -EINTR);
    return result;
  }

  static int fdatasync(int fd) {
    return (int) call(FRAME.get(), SYS_FDATASYNC, fd, 0, 0, 0, 0);
  }

  static int fsync(int fd) {
    return (int) call(FRAME.get(), SYS_FSYNC, fd, 0, 0, 0, 0);
  }

  /** Allocates the file's first {@code length} bytes and makes it that long. */
  static int fallocate(int fd, long length) {
    return (int) call(FRAME.get(), SYS_FALLOCATE, fd, 0, 0, length, 0);
  }

  static int ftruncate(int fd, long length) {
    return (int) call(FRAME.get(), SYS_FTRUNCATE, fd, length, 0, 0, 0);
  }

  static int renameat2(int fromFd, String from, int toFd, String to, int flags) {
    Frame frame = FRAME.get();
    long first = frame.first(from);
    long second = frame.second(to);
    return (int) call(frame, SYS_RENAMEAT2, fromFd, first, toFd, second, flags);
  }

  static int unlinkat(int dirFd, String name, int flags) {
    Frame frame = FRAME.get();
    return (int) call(frame, SYS_UNLINKAT, dirFd, frame.first(name), flags, 0, 0);
  }

  static int mkdirat(int dirFd, String name, int mode) {
    Frame frame = FRAME.get();
    return (int) call(frame, SYS_MKDIRAT, dirFd, frame.first(name), mode, 0, 0);
  }

  /** Locks the file for this open descriptor alone; -{@link #EAGAIN} where another holds it. */
  static int lock(int fd) {
    return (int) call(FRAME.get(), SYS_FLOCK, fd, LOCK_EX_NB, 0, 0, 0);
  }

  /** Reads directory entries into {@code buffer}; 0 at the end. */
  static long getdents64(int fd, MemorySegment buffer) {
    Frame frame = FRAME.get();
    long result;
    do {
      result =
          syscall(frame, SYS_GETDENTS64, fd, buffer.address(), buffer.byteSize(), 0, 0, buffer);
    } while (result == -EINTR);
    return result;
  }

  /** What statx says of an open file. Answers are this thread's until its next statx. */
  static int statx(int fd) {
    return statx(fd, "", AT_EMPTY_PATH);
  }

  /** What statx says of the name itself, not of what a symbolic link leads to. */
  static int statx(int dirFd, String name) {
    return statx(dirFd, name, AT_SYMLINK_NOFOLLOW);
  }

  /** What statx says of what the path leads to now. */
  static int statx(java.nio.file.Path path) {
    return statx(AT_FDCWD, name(path), 0);
  }

  private static int statx(int dirFd, String name, int flags) {
    Frame frame = FRAME.get();
    return (int)
        call(
            frame,
            SYS_STATX,
            dirFd,
            frame.first(name),
            flags,
            STATX_BASIC_STATS | STATX_MNT_ID | STATX_DIOALIGN,
            frame.address + Frame.STATX);
  }

  static boolean statIsRegularFile() {
    return (statMode() & S_IFMT) == S_IFREG;
  }

  static boolean statIsDirectory() {
    return (statMode() & S_IFMT) == S_IFDIR;
  }

  private static int statMode() {
    return FRAME.get().memory.get(JAVA_SHORT, Frame.STATX + 28) & 0xffff;
  }

  /** How many names the file has. */
  static int statLinks() {
    return FRAME.get().memory.get(JAVA_INT, Frame.STATX + 16);
  }

  static long statSize() {
    return FRAME.get().memory.get(JAVA_LONG, Frame.STATX + 40);
  }

  /** What the file takes of the device, by the filesystem's own account. */
  static long statPhysicalBytes() {
    return FRAME.get().memory.get(JAVA_LONG, Frame.STATX + 48) * 512;
  }

  /** The device that the file is on, as {@code major:minor}. */
  static String statDevice() {
    MemorySegment memory = FRAME.get().memory;
    return memory.get(JAVA_INT, Frame.STATX + 136) + ":" + memory.get(JAVA_INT, Frame.STATX + 140);
  }

  /** The number of the mount that the file is on; -1 where the kernel does not tell. */
  static long statMountId() {
    MemorySegment memory = FRAME.get().memory;
    boolean told = (memory.get(JAVA_INT, Frame.STATX) & STATX_MNT_ID) != 0;
    return told ? memory.get(JAVA_LONG, Frame.STATX + 144) : -1;
  }

  /**
   * The alignment of direct I/O on the file, the larger of memory's and offset's: 0 where it does
   * not take any, -1 where the kernel does not tell.
   */
  static int statDirectAlignment() {
    MemorySegment memory = FRAME.get().memory;
    if ((memory.get(JAVA_INT, Frame.STATX) & STATX_DIOALIGN) == 0) {
      return -1;
    }
    return Math.max(
        memory.get(JAVA_INT, Frame.STATX + 152), memory.get(JAVA_INT, Frame.STATX + 156));
  }

  /** What fstatfs says of an open file's filesystem. Answers are this thread's until the next. */
  static int fstatfs(int fd) {
    Frame frame = FRAME.get();
    return (int) call(frame, SYS_FSTATFS, fd, frame.address + Frame.STATFS, 0, 0, 0);
  }

  static long filesystemMagic() {
    return statfs(0);
  }

  static long filesystemBlockBytes() {
    return statfs(8);
  }

  static long filesystemTotalBytes() {
    return statfs(16) * statfs(72);
  }

  static long filesystemUsableBytes() {
    return statfs(32) * statfs(72);
  }

  static long filesystemInodes() {
    return statfs(40);
  }

  static long filesystemFreeInodes() {
    return statfs(48);
  }

  private static long statfs(int offset) {
    return FRAME.get().memory.get(JAVA_LONG, Frame.STATFS + offset);
  }

  /** A counter to wake a reader with; close-on-exec. */
  static int eventfd() {
    return (int) call(FRAME.get(), SYS_EVENTFD2, 0, O_CLOEXEC, 0, 0, 0);
  }

  /** Adds one to the counter. */
  static long signal(int eventFd) {
    Frame frame = FRAME.get();
    frame.memory.set(JAVA_LONG, Frame.STATFS, 1);
    return call(frame, SYS_WRITE, eventFd, frame.address + Frame.STATFS, Long.BYTES, 0, 0);
  }

  /**
   * Makes a ring.
   *
   * @param parameters {@code struct io_uring_params}
   */
  static int ringSetup(int entries, MemorySegment parameters) {
    return (int) call(FRAME.get(), SYS_IO_URING_SETUP, entries, parameters.address(), 0, 0, 0);
  }

  /** Hands entries to the kernel and takes completions; not repeated when a signal cuts it off. */
  static int ringEnter(int ringFd, int submitted, int completed, int flags) {
    return (int)
        syscall(FRAME.get(), SYS_IO_URING_ENTER, ringFd, submitted, completed, flags, 0, NOTHING);
  }

  /** Maps a shared part of a file, to be read and written; the address, or the negated errno. */
  static long map(int fd, long length, long offset) {
    // The sixth argument of mmap is the offset.
    return syscall(
        FRAME.get(),
        SYS_MMAP,
        0,
        length,
        PROT_READ_WRITE,
        MAP_SHARED_POPULATE,
        fd,
        MemorySegment.ofAddress(offset));
  }

  static void unmap(long address, long length) {
    call(FRAME.get(), SYS_MUNMAP, address, length, 0, 0, 0);
  }

  /** How many descriptors this process may have. */
  static long descriptorLimit() {
    Frame frame = FRAME.get();
    long result = call(frame, SYS_PRLIMIT64, 0, RLIMIT_NOFILE, 0, frame.address + Frame.STATFS, 0);
    long limit = frame.memory.get(JAVA_LONG, Frame.STATFS);
    return result < 0 ? 1024 : limit < 0 ? Long.MAX_VALUE : limit;
  }

  /**
   * The exception for a failed call.
   *
   * @param result what the call answered: the negated error number
   */
  static DeviceException failure(
      String operation, String path, long offset, long length, long result) {
    int errno = (int) -result;
    return new DeviceException(
        kind(errno), operation, path, offset, length, errno, describe(errno), null);
  }

  static DeviceException failure(String operation, String path, long result) {
    return failure(operation, path, -1, -1, result);
  }

  static DeviceException.Kind kind(int errno) {
    return switch (errno) {
      // The block layer's answers for a lost path, target, medium or protection check are all
      // here, with the filesystems' own "the structure needs cleaning" and "bad checksum".
      case EIO,
          ENXIO,
          ENODEV,
          EBADE,
          ENODATA,
          ENOLINK,
          EBADMSG,
          EILSEQ,
          ESHUTDOWN,
          ETIMEDOUT,
          EUCLEAN,
          EREMOTEIO ->
          DeviceException.Kind.IO_ERROR;
      case ENOSPC, EDQUOT -> DeviceException.Kind.NO_SPACE;
      case EROFS -> DeviceException.Kind.READ_ONLY;
      case ENOENT, ESTALE -> DeviceException.Kind.NOT_FOUND;
      case EACCES, EPERM -> DeviceException.Kind.NO_PERMISSION;
      case EMFILE, ENFILE, ENOMEM -> DeviceException.Kind.EXHAUSTED;
      default -> DeviceException.Kind.OTHER;
    };
  }

  /** The C library's words for an error number. */
  static String describe(int errno) {
    MemorySegment text;
    try {
      text = (MemorySegment) Calls.STRERROR.invokeExact(errno);
    } catch (Throwable failure) {
      throw unchecked(failure);
    }
    return text.equals(MemorySegment.NULL) ? "error " + errno : cString(text);
  }

  @SuppressWarnings("restricted") // strerror's answer ends with a zero byte within a few dozen
  private static String cString(MemorySegment text) {
    return text.reinterpret(256).getString(0);
  }

  private static long call(Frame frame, int number, long a, long b, long c, long d, long e) {
    long result;
    do {
      result = syscall(frame, number, a, b, c, d, e, NOTHING);
    } while (result == -EINTR);
    return result;
  }

  private static long syscall(
      Frame frame, long number, long a, long b, long c, long d, long e, MemorySegment held) {
    long result;
    try {
      result = (long) Calls.SYSCALL.invokeExact(frame.memory, number, a, b, c, d, e, held);
    } catch (Throwable failure) {
      throw unchecked(failure);
    }
    return result >= 0 ? result : -frame.memory.get(JAVA_INT, Calls.ERRNO_OFFSET);
  }

  private static RuntimeException unchecked(Throwable failure) {
    return switch (failure) {
      case RuntimeException known -> known;
      case Error known -> throw known;
      default -> new IllegalStateException("a foreign function throws nothing checked", failure);
    };
  }

  /** The two functions that everything goes through; linked on first use, not with the class. */
  private static final class Calls {
    static final long ERRNO_OFFSET =
        Linker.Option.captureStateLayout()
            .byteOffset(MemoryLayout.PathElement.groupElement("errno"));
    static final MethodHandle SYSCALL =
        link(
            "syscall",
            FunctionDescriptor.of(
                JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                ADDRESS),
            Linker.Option.firstVariadicArg(1),
            Linker.Option.captureCallState("errno"));
    static final MethodHandle STRERROR = link("strerror", FunctionDescriptor.of(ADDRESS, JAVA_INT));

    @SuppressWarnings("restricted") // the C library's own functions, with their own signatures
    private static MethodHandle link(
        String name, FunctionDescriptor signature, Linker.Option... options) {
      Linker linker = Linker.nativeLinker();
      return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), signature, options);
    }
  }

  /** One thread's memory for the calls; freed when the thread is gone. */
  private static final class Frame {
    private static final int IOVEC = 64;
    private static final int STATX = IOVEC + IoVector.BYTES;
    private static final int STATFS = STATX + 256;
    private static final int OPEN_HOW = STATFS + 128;
    private static final int FIRST_NAME = OPEN_HOW + 64;
    private static final int FIRST_NAME_BYTES = 4096 + 1;
    private static final int SECOND_NAME = FIRST_NAME + 4096 + 64;
    private static final int SECOND_NAME_BYTES = 256;
    private static final int BYTES = SECOND_NAME + SECOND_NAME_BYTES;

    final MemorySegment memory = Arena.ofAuto().allocate(BYTES, 64);
    final long address = memory.address();
    final IoVector vector = new IoVector(memory.asSlice(IOVEC, IoVector.BYTES));

    long first(String name) {
      return put(name, FIRST_NAME, FIRST_NAME_BYTES);
    }

    long second(String name) {
      return put(name, SECOND_NAME, SECOND_NAME_BYTES);
    }

    private long put(String name, int offset, int bytes) {
      int length = name.length();
      if (length >= bytes || name.indexOf('\0') >= 0) {
        throw new IllegalArgumentException("no file can have the name '" + name + "'");
      }
      memory.setString(offset, name, StandardCharsets.ISO_8859_1);
      return address + offset;
    }
  }
}
