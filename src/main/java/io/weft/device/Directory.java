package io.weft.device;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.weft.base.DeviceException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An open directory of the store. Everything in it is reached by one name relative to the open
 * descriptor and never through a symbolic link, so neither a planted link nor a vanished mount can
 * lead elsewhere.
 */
final class Directory {
  private static final int LIST_BUFFER_BYTES = 64 << 10;
  private static final int DT_UNKNOWN = 0;
  private static final int DT_DIR = 4;
  private static final int DT_REG = 8;

  private final int fd;
  private final String path;

  /** Whether files may be opened without touching their access time: only their owner may. */
  private volatile boolean noAtime = true;

  /**
   * @param path relative to the store's root; "." for the root itself
   */
  Directory(int fd, String path) {
    this.fd = fd;
    this.path = path;
  }

  /** What a name in the directory is. */
  enum Type {
    FILE,
    DIRECTORY,
    OTHER
  }

  record Entry(String name, Type type) {}

  int fd() {
    return fd;
  }

  String path() {
    return path;
  }

  /** The path of a name in here, for messages. */
  String pathOf(String name) {
    return path.equals(".") ? name : path + "/" + name;
  }

  /** Creates a file that must not be there yet, for writing. */
  DataFile create(String name, boolean direct) throws DeviceException {
    int flags = Posix.O_WRONLY | Posix.O_CREAT | Posix.O_EXCL | Posix.O_NOFOLLOW;
    int file = Posix.openat(fd, name, direct ? flags | Posix.O_DIRECT : flags, 0600);
    if (file < 0) {
      throw Posix.failure("create", pathOf(name), file);
    }
    return new DataFile(this, name, file, direct);
  }

  /**
   * Opens what is there for writing in place; whether it is a regular file is to be asked of the
   * descriptor.
   *
   * @return null where the name is something that cannot be opened so, as a link or a directory
   */
  @Nullable DataFile openToOverwrite(String name, boolean direct) throws DeviceException {
    return openInPlace(name, Posix.O_WRONLY, direct);
  }

  private @Nullable DataFile openInPlace(String name, int access, boolean direct)
      throws DeviceException {
    int flags = access | Posix.O_NOFOLLOW | Posix.O_NONBLOCK;
    int file = Posix.openat(fd, name, direct ? flags | Posix.O_DIRECT : flags, 0);
    if (file >= 0) {
      return new DataFile(this, name, file, direct);
    }
    if (Posix.statx(fd, name) == 0 && Posix.statIsRegularFile()) {
      throw Posix.failure("open", pathOf(name), file);
    }
    return null;
  }

  /** Opens what is there for reading and for writing in place; as {@link #openToOverwrite}. */
  @Nullable DataFile openForUpdate(String name, boolean direct) throws DeviceException {
    return openInPlace(name, Posix.O_RDWR, direct);
  }

  /**
   * Opens a regular file for reading.
   *
   * @throws DeviceException NOT_FOUND where there is none, CORRUPT where the name is something else
   */
  DataFile open(String name, boolean direct) throws DeviceException {
    // Without O_NONBLOCK, opening a FIFO that somebody left there would wait for a writer.
    int flags = Posix.O_RDONLY | Posix.O_NOFOLLOW | Posix.O_NONBLOCK;
    if (direct) {
      flags |= Posix.O_DIRECT;
    }
    int file = Posix.openat(fd, name, noAtime ? flags | Posix.O_NOATIME : flags, 0);
    if (file == -Posix.EPERM && noAtime) {
      noAtime = false;
      file = Posix.openat(fd, name, flags, 0);
    }
    if (file < 0) {
      if (file != -Posix.ENOENT && Posix.statx(fd, name) == 0 && !Posix.statIsRegularFile()) {
        throw notRegular(name);
      }
      throw Posix.failure("open", pathOf(name), file);
    }
    return new DataFile(this, name, file, direct);
  }

  DeviceException notRegular(String name) {
    return new DeviceException(
        DeviceException.Kind.CORRUPT,
        "open",
        pathOf(name),
        -1,
        -1,
        0,
        "it is no regular file; symbolic links are not followed",
        null);
  }

  /** Renames a file of this directory; what has the other name already is never replaced. */
  void rename(String from, Directory target, String to) throws DeviceException {
    int result = Posix.renameat2(fd, from, target.fd, to, Posix.RENAME_NOREPLACE);
    if (result == -Posix.EINVAL || result == -Posix.ENOSYS) {
      // A filesystem without RENAME_NOREPLACE. The store's lock keeps other writers out, and names
      // are unique within it, so looking first is as good.
      result =
          Posix.statx(target.fd, to) == 0
              ? -Posix.EEXIST
              : Posix.renameat2(fd, from, target.fd, to, 0);
    }
    if (result < 0) {
      throw Posix.failure("rename", pathOf(from) + " to " + target.pathOf(to), result);
    }
  }

  /**
   * As {@link #rename}; false where that failed and the file has its name still, or is not there.
   * What failed because of the device throws.
   */
  boolean moved(String from, Directory target, String to) throws DeviceException {
    try {
      rename(from, target, to);
      return true;
    } catch (DeviceException failure) {
      if (failure.kind() == DeviceException.Kind.IO_ERROR
          || failure.kind() == DeviceException.Kind.READ_ONLY) {
        throw failure;
      }
      return false;
    }
  }

  /** Renames a file within this directory, over what has the other name. */
  void replace(String from, String to) throws DeviceException {
    int result = Posix.renameat2(fd, from, fd, to, 0);
    if (result < 0) {
      throw Posix.failure("rename", pathOf(from) + " to " + to, result);
    }
  }

  /** Removes a file; whether it was there. */
  boolean unlink(String name) throws DeviceException {
    int result = Posix.unlinkat(fd, name, 0);
    if (result < 0 && result != -Posix.ENOENT) {
      throw Posix.failure("unlink", pathOf(name), result);
    }
    return result == 0;
  }

  /** Makes the names in this directory durable. */
  void sync() throws DeviceException {
    int result = Posix.fsync(fd);
    if (result < 0) {
      throw Posix.failure("fsync", path, result);
    }
  }

  /** Makes a directory in here unless there is one. */
  void makeDirectory(String name) throws DeviceException {
    int result = Posix.mkdirat(fd, name, 0700);
    if (result < 0 && result != -Posix.EEXIST) {
      throw Posix.failure("mkdir", pathOf(name), result);
    }
  }

  /** What the name takes of the device; 0 where it is gone. */
  long physicalBytes(String name) throws DeviceException {
    int result = Posix.statx(fd, name);
    if (result < 0 && result != -Posix.ENOENT) {
      throw Posix.failure("statx", pathOf(name), result);
    }
    return result == 0 ? Posix.statPhysicalBytes() : 0;
  }

  /** Everything in the directory, in no order. */
  List<Entry> list() throws DeviceException {
    // A descriptor of its own: reading entries moves the descriptor's position.
    int listed = Posix.openat(fd, ".", Posix.O_RDONLY | Posix.O_DIRECTORY, 0);
    if (listed < 0) {
      throw Posix.failure("open", path, listed);
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(LIST_BUFFER_BYTES, 8);
      List<Entry> entries = new ArrayList<>();
      long filled = read(listed, buffer);
      while (filled > 0) {
        for (long at = 0; at < filled; ) {
          int recordBytes = Short.toUnsignedInt(buffer.get(JAVA_SHORT_UNALIGNED, at + 16));
          String name = buffer.getString(at + 19, StandardCharsets.ISO_8859_1);
          if (!name.equals(".") && !name.equals("..")) {
            entries.add(new Entry(name, type(name, buffer.get(JAVA_BYTE, at + 18))));
          }
          at += recordBytes;
        }
        filled = read(listed, buffer);
      }
      return entries;
    } finally {
      Posix.close(listed);
    }
  }

  private long read(int listed, MemorySegment buffer) throws DeviceException {
    long filled = Posix.getdents64(listed, buffer);
    if (filled < 0) {
      throw Posix.failure("getdents", path, filled);
    }
    return filled;
  }

  private Type type(String name, int kernelType) {
    if (kernelType == DT_UNKNOWN) {
      boolean known = Posix.statx(fd, name) == 0;
      return known && Posix.statIsRegularFile()
          ? Type.FILE
          : known && Posix.statIsDirectory() ? Type.DIRECTORY : Type.OTHER;
    }
    return kernelType == DT_REG ? Type.FILE : kernelType == DT_DIR ? Type.DIRECTORY : Type.OTHER;
  }

  void close() {
    Posix.close(fd);
  }
}
