package io.weft.device;

import io.weft.base.DeviceException;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * The directories that chunk files lie in: two levels below {@code chunks}, made when first needed.
 * Once opened they stay open, as far as the process's limit of descriptors allows; beyond that each
 * use opens its own.
 */
final class LeafDirectories {
  static final String CHUNKS = "chunks";

  private static final int EXDEV = 18;
  private static final int OPEN_FLAGS =
      Posix.O_RDONLY | Posix.O_DIRECTORY | Posix.O_NOFOLLOW | Posix.O_NONBLOCK;

  private final Directory root;
  private final Directory chunks;
  private final boolean resolvesBeneath;
  private final boolean syncsParents;
  private final int keptMax;

  private final AtomicReferenceArray<@Nullable Leaf> kept =
      new AtomicReferenceArray<>(ChunkName.LEAVES);
  private final AtomicInteger keptCount = new AtomicInteger();

  /** 1 for each leaf whose own name and whose branch's name are known to be durable. */
  private final AtomicIntegerArray parentsSynced = new AtomicIntegerArray(ChunkName.LEAVES);

  /** Kept directories that turned out to be removed: closed with the rest, others may use them. */
  private final Queue<Leaf> removed = new ConcurrentLinkedQueue<>();

  /**
   * @param resolvesBeneath whether the kernel has openat2
   * @param syncsParents whether the directory that a chunk is created in is made durable first
   * @param keptMax how many directories may stay open
   */
  LeafDirectories(
      Directory root,
      Directory chunks,
      boolean resolvesBeneath,
      boolean syncsParents,
      int keptMax) {
    this.root = root;
    this.chunks = chunks;
    this.resolvesBeneath = resolvesBeneath;
    this.syncsParents = syncsParents;
    this.keptMax = keptMax;
  }

  /**
   * One of them, open.
   *
   * @param kept whether it stays open when its user is done
   */
  record Leaf(int number, Directory directory, boolean kept) {
    /** Ends its use. */
    void release() {
      if (!kept) {
        directory.close();
      }
    }
  }

  /** The leaf directory, to be released after use; null where it is not there. */
  @Nullable Leaf open(int number) throws DeviceException {
    Leaf present = kept.get(number);
    if (present != null) {
      return present;
    }
    Directory opened = openNew(number);
    if (opened == null) {
      return null;
    }
    if (keptCount.get() >= keptMax) {
      return new Leaf(number, opened, false);
    }
    Leaf leaf = new Leaf(number, opened, true);
    if (kept.compareAndSet(number, null, leaf)) {
      keptCount.incrementAndGet();
      return leaf;
    }
    opened.close();
    return open(number);
  }

  /** The leaf directory, made if need be; to be released after use. */
  Leaf openOrCreate(int number) throws DeviceException {
    Leaf leaf = open(number);
    if (leaf == null) {
      create(number);
      leaf = open(number);
      if (leaf == null) {
        throw Posix.failure("open", path(number), -Posix.ENOENT);
      }
    }
    if (syncsParents && parentsSynced.get(number) == 0) {
      try {
        syncParents(number);
      } catch (DeviceException failure) {
        leaf.release();
        throw failure;
      }
    }
    return leaf;
  }

  private void syncParents(int number) throws DeviceException {
    Directory branch = openBranch(number);
    try {
      branch.sync();
    } finally {
      branch.close();
    }
    chunks.sync();
    parentsSynced.set(number, 1);
  }

  /** Somebody removed the directory under us: the next use makes or opens another. */
  void forget(Leaf leaf) {
    if (kept.compareAndSet(leaf.number, leaf, null)) {
      keptCount.decrementAndGet();
      parentsSynced.set(leaf.number, 0);
      removed.add(leaf);
    }
  }

  static String path(int number) {
    return CHUNKS + "/" + ChunkName.branchName(number) + "/" + ChunkName.leafName(number);
  }

  private void create(int number) throws DeviceException {
    String branchName = ChunkName.branchName(number);
    chunks.makeDirectory(branchName);
    Directory branch = openBranch(number);
    try {
      branch.makeDirectory(ChunkName.leafName(number));
    } finally {
      branch.close();
    }
  }

  private Directory openBranch(int number) throws DeviceException {
    String name = ChunkName.branchName(number);
    int fd = Posix.openat(chunks.fd(), name, OPEN_FLAGS, 0);
    if (fd < 0) {
      throw refusal(chunks.pathOf(name), fd);
    }
    return new Directory(fd, chunks.pathOf(name));
  }

  private @Nullable Directory openNew(int number) throws DeviceException {
    String path = path(number);
    int fd = resolvesBeneath ? Posix.openBeneath(root.fd(), path, OPEN_FLAGS) : walk(number);
    if (fd == -Posix.ENOENT) {
      return null;
    }
    if (fd < 0) {
      throw refusal(path, fd);
    }
    return new Directory(fd, path);
  }

  /** The same without openat2: component by component, no link followed. */
  private int walk(int number) {
    int branch = Posix.openat(chunks.fd(), ChunkName.branchName(number), OPEN_FLAGS, 0);
    if (branch < 0) {
      return branch;
    }
    int fd = Posix.openat(branch, ChunkName.leafName(number), OPEN_FLAGS, 0);
    Posix.close(branch);
    return fd;
  }

  /** A link, a file or another mount where a directory of the store should be is not followed. */
  static DeviceException refusal(String path, int result) {
    int errno = -result;
    if (errno != Posix.ELOOP && errno != Posix.ENOTDIR && errno != EXDEV) {
      return Posix.failure("open", path, result);
    }
    return new DeviceException(
        DeviceException.Kind.NO_PERMISSION,
        "open",
        path,
        -1,
        -1,
        errno,
        "the store's own directory is needed here, and this is a symbolic link, a file or a mount"
            + " point: move it away",
        null);
  }

  void close() {
    for (int number = 0; number < ChunkName.LEAVES; number++) {
      Leaf leaf = kept.getAndSet(number, null);
      if (leaf != null) {
        leaf.directory.close();
      }
    }
    removed.forEach(leaf -> leaf.directory.close());
    removed.clear();
  }
}
