package io.weft.adapter;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.weft.base.Ticker;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.time.Duration;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * A Linux eventfd: a counter in the kernel whose descriptor any code of the process can poll. It is
 * close-on-exec and never blocks on read or write. The numbers used here are the same on x86-64 and
 * aarch64.
 *
 * <p>Thread-safe. The descriptor is closed only when no call of this class uses it, so that its
 * number, which may soon be another file's, is never touched afterwards.
 */
final class EventFd implements AutoCloseable {
  private static final long DAY_NANOS = Duration.ofDays(1).toNanos();
  private static final int EFD_CLOEXEC = 0x8_0000;
  private static final int EFD_NONBLOCK = 0x800;
  private static final short POLLIN = 1;
  private static final int EINTR = 4;
  private static final int EAGAIN = 11;

  private final int fd;

  /** Shared by the calls that use the descriptor, exclusive for its end. */
  private final ReentrantReadWriteLock use = new ReentrantReadWriteLock();

  /** Nobody waits or signals any more. */
  private volatile boolean closed;

  /** The descriptor is given back; changed under the exclusive lock. */
  private boolean gone;

  private EventFd(int fd) {
    this.fd = fd;
  }

  /**
   * @throws IllegalStateException where the kernel gives none: out of descriptors, or not Linux
   */
  static EventFd open() {
    if (!System.getProperty("os.name", "").equals("Linux")) {
      throw new IllegalStateException("eventfds need Linux");
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = arena.allocate(Calls.ERRNO);
      int fd = Calls.eventfd(errno, 0, EFD_CLOEXEC | EFD_NONBLOCK);
      if (fd < 0) {
        throw new IllegalStateException("eventfd: errno " + Calls.error(errno));
      }
      return new EventFd(fd);
    }
  }

  /** The descriptor's number; of no use once closed. */
  int fd() {
    return fd;
  }

  /** Makes the descriptor readable. Does nothing where it is closed. */
  void signal() {
    use.readLock().lock();
    try (Arena arena = Arena.ofConfined()) {
      if (!closed) {
        add(arena);
      }
    } finally {
      use.readLock().unlock();
    }
  }

  private void add(Arena arena) {
    MemorySegment errno = arena.allocate(Calls.ERRNO);
    MemorySegment one = arena.allocateFrom(JAVA_LONG, 1L);
    while (Calls.write(errno, fd, one) < 0) {
      switch (Calls.error(errno)) {
        case EINTR -> {}
        // The counter is at its limit, and so readable.
        case EAGAIN -> {
          return;
        }
        default -> throw new IllegalStateException("write to eventfd " + fd + ": " + errno(errno));
      }
    }
  }

  /**
   * Waits until the descriptor is readable and reads it. A call in the kernel is not interrupted.
   *
   * @return false at the time-out, and where it is closed
   */
  boolean await(Duration timeout) {
    long begun = Ticker.system().nanoTime();
    long nanos = timeout.compareTo(Duration.ofDays(1)) > 0 ? DAY_NANOS : timeout.toNanos();
    use.readLock().lock();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = arena.allocate(Calls.ERRNO);
      MemorySegment pollFd = arena.allocate(8, 4);
      pollFd.set(JAVA_INT, 0, fd);
      pollFd.set(JAVA_SHORT, 4, POLLIN);
      while (!closed) {
        long left = nanos - (Ticker.system().nanoTime() - begun);
        int millis = (int) Math.max(0, Math.ceilDiv(left, 1_000_000));
        int ready = Calls.poll(errno, pollFd, millis);
        if (ready < 0 && Calls.error(errno) != EINTR) {
          throw new IllegalStateException("poll of eventfd " + fd + ": " + errno(errno));
        }
        if (ready > 0 && take(arena, errno)) {
          if (closed) {
            // It was the closing's signal, which is for all who wait here.
            add(arena);
            return false;
          }
          return true;
        }
        if (left <= 0) {
          return false;
        }
      }
      return false;
    } finally {
      use.readLock().unlock();
    }
  }

  /** Whether there was something; another reader may have been faster. */
  private boolean take(Arena arena, MemorySegment errno) {
    MemorySegment count = arena.allocate(JAVA_LONG);
    while (Calls.read(errno, fd, count) < 0) {
      switch (Calls.error(errno)) {
        case EINTR -> {}
        case EAGAIN -> {
          return false;
        }
        default -> throw new IllegalStateException("read of eventfd " + fd + ": " + errno(errno));
      }
    }
    return true;
  }

  private static String errno(MemorySegment errno) {
    return "errno " + Calls.error(errno);
  }

  /** Wakes those who wait here, waits until they have left, and closes the descriptor. */
  @Override
  public void close() {
    closed = true;
    use.readLock().lock();
    try (Arena arena = Arena.ofConfined()) {
      if (!gone) {
        add(arena);
      }
    } finally {
      use.readLock().unlock();
    }
    use.writeLock().lock();
    try (Arena arena = Arena.ofConfined()) {
      if (!gone) {
        gone = true;
        // Not repeated after EINTR: the number may be another file's by then.
        var _ = Calls.close(arena.allocate(Calls.ERRNO), fd);
      }
    } finally {
      use.writeLock().unlock();
    }
  }

  /** The C library's functions; linked on first use, not with the class. */
  private static final class Calls {
    static final MemoryLayout ERRNO = Linker.Option.captureStateLayout();
    private static final long ERRNO_AT =
        ERRNO.byteOffset(MemoryLayout.PathElement.groupElement("errno"));
    private static final MethodHandle EVENTFD =
        link("eventfd", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle POLL =
        link("poll", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
    private static final MethodHandle READ =
        link("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle WRITE =
        link("write", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle CLOSE =
        link("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));

    @SuppressWarnings("restricted") // the C library's own functions, with their own signatures
    private static MethodHandle link(String name, FunctionDescriptor signature) {
      Linker linker = Linker.nativeLinker();
      return linker.downcallHandle(
          linker.defaultLookup().findOrThrow(name),
          signature,
          Linker.Option.captureCallState("errno"));
    }

    static int error(MemorySegment errno) {
      return errno.get(JAVA_INT, ERRNO_AT);
    }

    static int eventfd(MemorySegment errno, int initial, int flags) {
      try {
        return (int) EVENTFD.invokeExact(errno, initial, flags);
      } catch (Throwable failure) {
        throw unchecked(failure);
      }
    }

    static int poll(MemorySegment errno, MemorySegment pollFd, int millis) {
      try {
        return (int) POLL.invokeExact(errno, pollFd, 1L, millis);
      } catch (Throwable failure) {
        throw unchecked(failure);
      }
    }

    static long read(MemorySegment errno, int fd, MemorySegment to) {
      try {
        return (long) READ.invokeExact(errno, fd, to, (long) Long.BYTES);
      } catch (Throwable failure) {
        throw unchecked(failure);
      }
    }

    static long write(MemorySegment errno, int fd, MemorySegment from) {
      try {
        return (long) WRITE.invokeExact(errno, fd, from, (long) Long.BYTES);
      } catch (Throwable failure) {
        throw unchecked(failure);
      }
    }

    static int close(MemorySegment errno, int fd) {
      try {
        return (int) CLOSE.invokeExact(errno, fd);
      } catch (Throwable failure) {
        throw unchecked(failure);
      }
    }

    private static RuntimeException unchecked(Throwable failure) {
      return switch (failure) {
        case RuntimeException known -> known;
        case Error known -> throw known;
        default -> new IllegalStateException("a foreign function throws nothing checked", failure);
      };
    }
  }
}
