package io.weft.device;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.weft.base.DeviceException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * An io_uring: many transfers with the kernel at once, handed over and taken back in batches by one
 * thread, where blocking calls need a thread for each.
 *
 * <p>It belongs to the thread that opened it: all methods are called there, except {@link #wake},
 * which any thread may call at any time. One entry is the ring's own: a read of an event counter,
 * which {@link #wake} ends.
 *
 * <p>Operations in flight are at most {@link #depth}, for which the queues have room: neither
 * overflows.
 *
 * <p>What the kernel may still touch stays: the rings are unmapped, and a prepared transfer's
 * memory is let go of, only when the kernel has said that the operation ended. Nothing waits for an
 * operation that it keeps.
 */
public final class IoRing implements AutoCloseable {

  /** Takes what the kernel is done with. */
  @FunctionalInterface
  public interface Completions {
    /**
     * @param slot where it was put in
     * @param io what was put in there; the slot is free again
     * @param result for {@link PreparedIo#done}
     */
    void completed(int slot, PreparedIo io, long result);
  }

  /** More than any device has queue entries for. */
  public static final int DEPTH_MAX = 4096;

  /** So many are taken back at most before the kernel gets more: it is not to run out of work. */
  private static final int TURN_COMPLETIONS = 8;

  private static final int SETUP_CLAMP = 1 << 4;
  private static final int SETUP_SUBMIT_ALL = 1 << 7;
  private static final int SETUP_COOP_TASKRUN = 1 << 8;
  private static final int SETUP_SINGLE_ISSUER = 1 << 12;
  private static final int SETUP_DEFER_TASKRUN = 1 << 13;

  /** One thread submits, and takes completions only when it asks for them (Linux 6.1). */
  private static final int SETUP =
      SETUP_CLAMP
          | SETUP_SUBMIT_ALL
          | SETUP_COOP_TASKRUN
          | SETUP_SINGLE_ISSUER
          | SETUP_DEFER_TASKRUN;

  private static final int FEATURE_SINGLE_MMAP = 1;
  private static final int ENTER_GETEVENTS = 1;

  private static final long OFFSET_RINGS = 0;
  private static final long OFFSET_ENTRIES = 0x1000_0000;

  private static final byte OP_READV = 1;
  private static final byte OP_WRITEV = 2;
  private static final byte OP_READ = 22;

  private static final int PARAMETERS_BYTES = 120;
  private static final int ENTRY_BYTES = 64;
  private static final int COMPLETION_BYTES = 16;

  /** The user data of the ring's own read; slots count from 0. */
  private static final long WAKE = -1;

  private static final VarHandle INT = JAVA_INT.varHandle();

  /** How one slot's transfer stands. */
  private static final class Slot {
    @Nullable PreparedIo io;
    long moved;
  }

  private final int fd;
  private final int eventFd;
  private final Slot[] slots;
  private final MemorySegment rings;
  private final MemorySegment entries;
  private final MemorySegment counter = Arena.ofAuto().allocate(Long.BYTES, Long.BYTES);
  private final int entriesMask;
  private final int completionsMask;
  private final long submitHead;
  private final long submitTail;
  private final long completeHead;
  private final long completeTail;
  private final long completionsAt;

  /** The next entry's number: what the kernel's tail becomes with the next {@link #enter}. */
  private int nextEntry;

  private int inFlight;
  private boolean listening;
  private boolean closed;
  private final AtomicBoolean asleep = new AtomicBoolean();

  /** Guards the event counter's descriptor: its number may be another file's once it is closed. */
  private final Object eventLock = new Object();

  private boolean released;

  private IoRing(int depth, int fd, int eventFd, MemorySegment parameters, long[] mapped) {
    this.fd = fd;
    this.eventFd = eventFd;
    this.slots = new Slot[depth];
    for (int i = 0; i < depth; i++) {
      slots[i] = new Slot();
    }
    this.rings = mapping(mapped[0], ringsBytes(parameters));
    this.entries = mapping(mapped[1], entriesBytes(parameters));
    this.submitHead = parameters.get(JAVA_INT, 40);
    this.submitTail = parameters.get(JAVA_INT, 44);
    this.entriesMask = rings.get(JAVA_INT, parameters.get(JAVA_INT, 48));
    this.completeHead = parameters.get(JAVA_INT, 80);
    this.completeTail = parameters.get(JAVA_INT, 84);
    this.completionsMask = rings.get(JAVA_INT, parameters.get(JAVA_INT, 88));
    this.completionsAt = parameters.get(JAVA_INT, 100);
    long order = parameters.get(JAVA_INT, 64);
    for (int i = 0; i <= entriesMask; i++) {
      rings.set(JAVA_INT, order + 4L * i, i);
    }
  }

  @SuppressWarnings("restricted") // mapped for as long as the kernel said
  private static MemorySegment mapping(long address, long bytes) {
    return MemorySegment.ofAddress(address).reinterpret(bytes);
  }

  /**
   * Makes a ring for the thread that calls.
   *
   * @param depth operations in flight at once, at most {@link #DEPTH_MAX}
   */
  public static IoRing open(int depth) throws DeviceException {
    if (depth < 1 || depth > DEPTH_MAX) {
      throw new IllegalArgumentException("depth " + depth);
    }
    MemorySegment parameters = Arena.ofAuto().allocate(PARAMETERS_BYTES, Long.BYTES);
    parameters.set(JAVA_INT, 8, SETUP);
    int fd = Posix.ringSetup(depth + 1, parameters);
    if (fd == -Posix.EINVAL) {
      parameters.fill((byte) 0);
      fd = Posix.ringSetup(depth + 1, parameters);
    }
    if (fd < 0) {
      throw failure("io_uring_setup", fd);
    }
    long[] mapped = {0, 0};
    int eventFd = -1;
    boolean whole = false;
    try {
      if ((parameters.get(JAVA_INT, 20) & FEATURE_SINGLE_MMAP) == 0) {
        throw failure("io_uring_setup", -Posix.ENOSYS);
      }
      if (parameters.get(JAVA_INT, 0) <= depth || parameters.get(JAVA_INT, 4) <= depth) {
        throw new IllegalStateException("the kernel made a shorter ring than it was asked for");
      }
      mapped[0] = map(fd, ringsBytes(parameters), OFFSET_RINGS);
      mapped[1] = map(fd, entriesBytes(parameters), OFFSET_ENTRIES);
      eventFd = Posix.eventfd();
      if (eventFd < 0) {
        throw failure("eventfd2", eventFd);
      }
      IoRing ring = new IoRing(depth, fd, eventFd, parameters, mapped);
      whole = true;
      return ring;
    } finally {
      if (!whole) {
        undo(fd, eventFd, parameters, mapped);
      }
    }
  }

  private static void undo(int fd, int eventFd, MemorySegment parameters, long[] mapped) {
    if (eventFd >= 0) {
      Posix.close(eventFd);
    }
    if (mapped[1] > 0) {
      Posix.unmap(mapped[1], entriesBytes(parameters));
    }
    if (mapped[0] > 0) {
      Posix.unmap(mapped[0], ringsBytes(parameters));
    }
    Posix.close(fd);
  }

  private static long map(int fd, long bytes, long offset) throws DeviceException {
    long address = Posix.map(fd, bytes, offset);
    if (address < 0) {
      throw failure("mmap", address);
    }
    return address;
  }

  private static long ringsBytes(MemorySegment parameters) {
    long submissions = parameters.get(JAVA_INT, 64) + 4L * parameters.get(JAVA_INT, 0);
    long completions =
        parameters.get(JAVA_INT, 100) + (long) COMPLETION_BYTES * parameters.get(JAVA_INT, 4);
    return Math.max(submissions, completions);
  }

  private static long entriesBytes(MemorySegment parameters) {
    return (long) ENTRY_BYTES * parameters.get(JAVA_INT, 0);
  }

  private static DeviceException failure(String operation, long result) {
    return Posix.failure(operation, "io_uring", result);
  }

  /**
   * Whether there are rings to be had here: makes one and lets an operation go through it.
   *
   * @return why not, in words; null where there are
   */
  public static @Nullable String unavailable() {
    String unsupported = Posix.unsupported();
    if (unsupported != null) {
      return unsupported;
    }
    try (IoRing ring = open(1)) {
      ring.listen();
      ring.signal();
      while (ring.listening) {
        ring.enter(1);
        ring.takeCompletions((_, _, _) -> {});
      }
      return null;
    } catch (DeviceException refused) {
      return switch (refused.errno()) {
        case Posix.ENOSYS ->
            "the kernel has no io_uring as it is needed (Linux 5.6), or a sandbox hides it";
        case Posix.EPERM, Posix.EACCES -> forbidden();
        default -> String.valueOf(refused.getMessage());
      };
    } catch (IllegalStateException broken) {
      return String.valueOf(broken.getMessage());
    }
  }

  private static String forbidden() {
    Path setting = Path.of("/proc/sys/kernel/io_uring_disabled");
    String disabled;
    try {
      disabled = Files.readString(setting).strip();
    } catch (IOException _) {
      disabled = "0";
    }
    return disabled.equals("0")
        ? "io_uring is forbidden to this process, as by the seccomp profile of a container"
        : "io_uring is switched off: kernel.io_uring_disabled = " + disabled;
  }

  /** How many operations may be in flight. */
  public int depth() {
    return slots.length;
  }

  /** How many are: put in, and not completed. */
  public int inFlight() {
    return inFlight;
  }

  /**
   * Puts a transfer in; the next {@link #turn} hands it to the kernel.
   *
   * @param slot from 0 up to {@link #depth}, and free
   */
  public void add(int slot, PreparedIo io) {
    Slot into = slots[slot];
    if (closed || into.io != null) {
      throw new IllegalStateException(closed ? "the ring is closed" : "slot " + slot + " is taken");
    }
    into.io = io;
    into.moved = 0;
    inFlight++;
    enterTransfer(slot, io, io.offset());
  }

  private void enterTransfer(int slot, PreparedIo io, long offset) {
    IoVector vector = io.vector();
    putEntry(
        io.writes() ? OP_WRITEV : OP_READV,
        io.fd(),
        offset,
        vector.address(),
        vector.count(),
        slot);
  }

  private void putEntry(
      byte operation, int file, long offset, long address, int length, long data) {
    long at = (long) ENTRY_BYTES * (nextEntry & entriesMask);
    entries.asSlice(at, ENTRY_BYTES).fill((byte) 0);
    entries.set(JAVA_BYTE, at, operation);
    entries.set(JAVA_INT, at + 4, file);
    entries.set(JAVA_LONG, at + 8, offset);
    entries.set(JAVA_LONG, at + 16, address);
    entries.set(JAVA_INT, at + 24, length);
    entries.set(JAVA_LONG, at + 32, data);
    nextEntry++;
  }

  /**
   * Hands everything that was put in to the kernel, and takes back what it is done with. Where that
   * is nothing, and {@code idle} holds, it waits until there is something, or {@link #wake}.
   *
   * <p>No wake-up is lost: whoever has work makes it visible first and calls {@link #wake} then;
   * {@code idle} is asked after the ring has said that it sleeps.
   *
   * @param idle whether there is nothing else to do for this thread
   */
  public void turn(BooleanSupplier idle, Completions completions) {
    if (released) {
      throw new IllegalStateException("the ring is closed");
    }
    if (!listening) {
      listen();
    }
    boolean wait = false;
    if (!completed()) {
      asleep.set(true);
      wait = idle.getAsBoolean();
    }
    try {
      enter(wait ? 1 : 0);
    } finally {
      asleep.set(false);
    }
    takeCompletions(completions);
    if (closed && inFlight == 0) {
      release();
    }
  }

  /** Ends the wait of {@link #turn}, where it waits. From any thread. */
  public void wake() {
    if (asleep.get() && asleep.compareAndSet(true, false)) {
      signal();
    }
  }

  private void signal() {
    synchronized (eventLock) {
      if (!released) {
        Posix.signal(eventFd);
      }
    }
  }

  private void listen() {
    listening = true;
    putEntry(OP_READ, eventFd, 0, counter.address(), Long.BYTES, WAKE);
  }

  private boolean completed() {
    return (int) INT.getAcquire(rings, completeTail) != rings.get(JAVA_INT, completeHead);
  }

  private void enter(int completions) {
    INT.setRelease(rings, submitTail, nextEntry);
    int submitted = nextEntry - (int) INT.getAcquire(rings, submitHead);
    int result = Posix.ringEnter(fd, submitted, completions, ENTER_GETEVENTS);
    // The kernel short of memory, or a signal: what it did not take is offered again.
    if (result < 0
        && result != -Posix.EINTR
        && result != -Posix.EAGAIN
        && result != -Posix.ENOMEM
        && result != -Posix.EBUSY) {
      throw new IllegalStateException(failure("io_uring_enter", result));
    }
  }

  private void takeCompletions(Completions completions) {
    int head = rings.get(JAVA_INT, completeHead);
    int tail = (int) INT.getAcquire(rings, completeTail);
    for (int taken = 0; head != tail && taken < TURN_COMPLETIONS; taken++) {
      long at = completionsAt + (long) COMPLETION_BYTES * (head & completionsMask);
      long data = rings.get(JAVA_LONG, at);
      int result = rings.get(JAVA_INT, at + 8);
      // Before anything is done about it: whatever that throws, it is not taken twice.
      INT.setRelease(rings, completeHead, ++head);
      if (data == WAKE) {
        listening = false;
        if (result < 0 && result != -Posix.EINTR && result != -Posix.EAGAIN) {
          throw new IllegalStateException(failure("read of the ring's event counter", result));
        }
      } else {
        completed((int) data, result, completions);
      }
    }
  }

  private void completed(int number, int result, Completions completions) {
    Slot slot = slots[number];
    PreparedIo io = slot.io;
    if (io == null) {
      throw new IllegalStateException("an operation ended twice");
    }
    IoVector vector = io.vector();
    // A short count of direct I/O may end within a block; that block is moved again whole.
    long kept = result & -(long) ChunkFormat.BLOCK_BYTES;
    if (result == -Posix.EINTR || (kept > 0 && result < vector.bytes())) {
      if (kept > 0) {
        vector.advance(kept);
        slot.moved += kept;
      }
      enterTransfer(number, io, io.offset() + slot.moved);
      return;
    }
    if (slot.moved > 0) {
      vector.rewind();
    }
    slot.io = null;
    inFlight--;
    completions.completed(number, io, result < 0 ? result : slot.moved + result);
  }

  /** Whether the ring is closed and the kernel is done with all of it. */
  public boolean released() {
    return released;
  }

  /**
   * Takes nothing more. Where operations are in flight their memory and the rings stay, and go with
   * the {@link #turn} that takes the last of them back. Idempotent.
   */
  @Override
  public void close() {
    closed = true;
    if (inFlight == 0 && !released) {
      release();
    }
  }

  private void release() {
    if (listening) {
      signal();
      while (listening) {
        enter(1);
        takeCompletions((_, _, _) -> {});
      }
    }
    synchronized (eventLock) {
      released = true;
      Posix.close(eventFd);
    }
    Posix.unmap(entries.address(), entries.byteSize());
    Posix.unmap(rings.address(), rings.byteSize());
    Posix.close(fd);
  }
}
