package io.weft.actor;

import io.weft.base.DeviceException;
import io.weft.base.Ticker;
import io.weft.device.IoRing;
import io.weft.device.IoScratch;
import io.weft.device.PreparedIo;
import java.lang.foreign.Arena;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs many pieces at once: one thread that gives them to a ring and takes what the kernel is done
 * with, a batch at a time. Checksums are computed here. It waits only where there is nothing to
 * give, to take or to compute.
 *
 * <p>A piece that is no single transfer after all goes on to a blocking thread. One that the kernel
 * keeps takes its slot, and its memory, until the kernel lets go; the others go on.
 *
 * <p>A ring that is left (retired, or for a bug) brings what is in it to its end first, and stays
 * for as long as the kernel keeps any of it.
 */
final class RingThread implements IoExecutor {
  private static final Logger LOG = LoggerFactory.getLogger(RingThread.class);

  /** For self-describing block and the odd tail of a payload; longer ones go to a thread. */
  private static final long BOUNCE_BYTES = IoScratch.ALIGNMENT;

  /** So much is made ready before the kernel gets it: it is not to wait for many checksums. */
  private static final long BATCH_BYTES = 64 << 10;

  /** A piece with the kernel. Guarded by its own monitor: stuck is said before done. */
  private static final class Slot {
    Inbox.@Nullable Job job;
    long sinceNanos;
    boolean givenUp;
  }

  private final Inbox inbox;
  private final Ticker ticker;
  private final Consumer<Inbox.Job> instead;
  private final Observer observer;
  private final Slot[] slots;

  /** The numbers of the free slots: the first {@link #free} of them. */
  private final int[] freeSlots;

  private int free;
  private volatile @Nullable IoRing ring;
  private volatile boolean retired;
  private volatile boolean ending;

  /**
   * @param depth pieces with the kernel at once
   * @param instead takes, on this thread, pieces that the ring cannot run
   * @param observer told of every other piece after its listener, on this thread
   */
  RingThread(
      String name,
      Inbox inbox,
      int depth,
      Ticker ticker,
      Consumer<Inbox.Job> instead,
      Observer observer) {
    this.inbox = inbox;
    this.ticker = ticker;
    this.instead = instead;
    this.observer = observer;
    this.slots = new Slot[depth];
    this.freeSlots = new int[depth];
    for (int i = 0; i < depth; i++) {
      slots[i] = new Slot();
      freeSlots[i] = depth - 1 - i;
    }
    this.free = depth;
    Thread thread = new Thread(this::run, name);
    thread.setDaemon(true);
    thread.start();
    inbox.servedBy(this::wake);
  }

  @Override
  public long busyNanos() {
    long now = ticker.nanoTime();
    long longest = 0;
    for (Slot slot : slots) {
      synchronized (slot) {
        if (slot.job != null && !slot.givenUp) {
          longest = Math.max(longest, now - slot.sinceNanos);
        }
      }
    }
    return longest;
  }

  @Override
  public int giveUp(long stuckNanos, int most) {
    long now = ticker.nanoTime();
    int given = 0;
    for (Slot slot : slots) {
      synchronized (slot) {
        Inbox.Job kept = slot.job;
        if (given < most && kept != null && !slot.givenUp && now - slot.sinceNanos >= stuckNanos) {
          slot.givenUp = true;
          kept.stuck();
          given++;
        }
      }
    }
    return given;
  }

  @Override
  public boolean outlivesStuck() {
    return true;
  }

  @Override
  public void retire() {
    retired = true;
    wake();
  }

  @Override
  public void end() {
    ending = true;
    wake();
  }

  private void wake() {
    IoRing serving = ring;
    if (serving != null) {
      serving.wake();
    }
  }

  private void run() {
    // Closed when the kernel can touch it no more, and never where that does not come.
    Arena arena = Arena.ofShared();
    IoRing opened = null;
    try {
      IoScratch[] scratches = new IoScratch[slots.length];
      for (int i = 0; i < scratches.length; i++) {
        scratches[i] = new IoScratch(arena, BOUNCE_BYTES);
      }
      opened = IoRing.open(slots.length);
      ring = opened;
      while (!retired && !(ending && inbox.isEmpty())) {
        take(opened, scratches);
        opened.turn(this::nothingToDo, this::completed);
      }
    } catch (DeviceException | RuntimeException | Error why) {
      observer.broke(why);
    }
    try {
      if (opened != null) {
        opened.close();
        while (!opened.released()) {
          opened.turn(() -> true, this::completed);
        }
      }
      arena.close();
    } catch (RuntimeException | Error bug) {
      LOG.error("a ring is left with {} operations in it, and their memory", busySlots(), bug);
    }
  }

  private int busySlots() {
    return slots.length - free;
  }

  private boolean nothingToDo() {
    return ((inbox.isEmpty() && !ending) || free == 0) && !retired;
  }

  private void take(IoRing into, IoScratch[] scratches) {
    Inbox.Job job;
    long bytes = 0;
    while (free > 0 && bytes < BATCH_BYTES && !retired && (job = inbox.poll()) != null) {
      int number = freeSlots[free - 1];
      DeviceTransfer.DevicePiece piece = job.piece();
      PreparedIo io = piece.prepare(scratches[number]);
      if (io != null) {
        free--;
        bytes += piece.bytes();
        Slot slot = slots[number];
        synchronized (slot) {
          slot.job = job;
          slot.sinceNanos = ticker.nanoTime();
        }
        into.add(number, io);
      } else if (piece.needsThread()) {
        instead.accept(job);
      } else {
        job.done();
        observer.ended(piece, false);
      }
    }
  }

  private void completed(int number, PreparedIo io, long result) {
    Slot slot = slots[number];
    Inbox.Job job = Objects.requireNonNull(slot.job);
    job.piece().transferred(io, result);
    boolean wasGivenUp;
    synchronized (slot) {
      wasGivenUp = slot.givenUp;
      slot.givenUp = false;
      slot.job = null;
    }
    freeSlots[free++] = number;
    job.done();
    observer.ended(job.piece(), wasGivenUp);
  }
}
