package io.weft.device;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.weft.base.ChunkKey;
import io.weft.base.DeviceException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Measures from outside what a store takes of the device: walks its directory and adds up the
 * blocks that the filesystem says its files have. Needs no lock; the store may be at work.
 *
 * <p>While the store writes and removes, a walk is no picture of one moment: it may count a file
 * that is removed before it comes to the next one. So it also says how much the files take that the
 * walk before had seen, too. All of those were there at once, between the two walks: so much, at
 * the least, the store did take at that moment.
 */
public final class UsageSampler {

  /**
   * @param files all that were seen
   * @param seenBytes what those take
   * @param coexistingBytes what those take that the walk before had seen; 0 in the first walk
   */
  public record Sample(long files, long seenBytes, long coexistingBytes) {}

  private final Path root;

  /** Hashes of the names that the last walk has seen, in order. */
  private long[] before = new long[0];

  private long[] names = new long[1024];
  private int files;
  private long seenBytes;
  private long coexistingBytes;

  public UsageSampler(Path root) {
    this.root = root;
  }

  /** Walks once. One walk at a time. */
  public synchronized Sample sample() throws DeviceException {
    files = 0;
    seenBytes = 0;
    coexistingBytes = 0;
    int fd =
        Posix.openat(
            Posix.AT_FDCWD,
            Posix.name(root.toAbsolutePath()),
            Posix.O_RDONLY | Posix.O_DIRECTORY,
            0);
    if (fd < 0) {
      throw Posix.failure("open", root.toString(), fd);
    }
    Directory directory = new Directory(fd, ".");
    try {
      walk(directory, true);
    } finally {
      directory.close();
    }
    before = Arrays.copyOf(names, files);
    Arrays.sort(before);
    return new Sample(files, seenBytes, coexistingBytes);
  }

  private void walk(Directory directory, boolean top) throws DeviceException {
    for (Directory.Entry entry : directory.list()) {
      switch (entry.type()) {
        case DIRECTORY -> enter(directory, entry.name());
        case FILE -> {
          if (!top || !StoreDirectory.CONTROL_FILES.contains(entry.name())) {
            count(directory, entry.name());
          }
        }
        case OTHER -> {}
      }
    }
  }

  private void enter(Directory parent, String name) throws DeviceException {
    int flags = Posix.O_RDONLY | Posix.O_DIRECTORY | Posix.O_NOFOLLOW;
    int fd = Posix.openat(parent.fd(), name, flags, 0);
    if (fd == -Posix.ENOENT) {
      return;
    }
    if (fd < 0) {
      throw Posix.failure("open", parent.pathOf(name), fd);
    }
    Directory directory = new Directory(fd, parent.pathOf(name));
    try {
      walk(directory, false);
    } finally {
      directory.close();
    }
  }

  private void count(Directory directory, String name) throws DeviceException {
    long bytes = directory.physicalBytes(name);
    byte[] text = name.getBytes(ISO_8859_1);
    long hash = ChunkKey.hash(text, 0, text.length);
    if (files == names.length) {
      names = Arrays.copyOf(names, files * 2);
    }
    names[files++] = hash;
    seenBytes += bytes;
    if (Arrays.binarySearch(before, hash) >= 0) {
      coexistingBytes += bytes;
    }
  }
}
