package io.weft.device;

import io.weft.base.BufferLease;
import io.weft.testing.Interleavings;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.ThreadIdGen;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The pool of aligned memory and the count of a descriptor's users, in any order of events. */
@Tag("interleavings")
class PoolAndUseCountInterleavingsTest {
  private static final int THREADS_MAX = 8;

  /** A pool of four blocks; each thread gives back what it leased itself. */
  @Param(name = "thread", gen = ThreadIdGen.class)
  @Param(name = "blocks", gen = IntGen.class, conf = "1:3")
  public static final class SmallPool {
    private final AlignedBufferPool pool = new AlignedBufferPool(4 * IoScratch.ALIGNMENT);
    private final List<ArrayDeque<BufferLease>> leases =
        Stream.generate(ArrayDeque<BufferLease>::new).limit(THREADS_MAX).toList();

    /** The owner's mark stays in the memory for as long as it is leased. */
    @Operation
    public boolean lease(@Param(name = "thread") int thread, @Param(name = "blocks") int blocks) {
      BufferLease lease = pool.tryLease((long) blocks * IoScratch.ALIGNMENT);
      if (lease == null) {
        return false;
      }
      ArrayDeque<BufferLease> own = leases.get(thread);
      lease.memory().fill(mark(thread, own.size()));
      own.push(lease);
      return true;
    }

    @Operation
    public boolean release(@Param(name = "thread") int thread) {
      ArrayDeque<BufferLease> own = leases.get(thread);
      if (own.isEmpty()) {
        return false;
      }
      BufferLease lease = own.pop();
      MemorySegment memory = lease.memory();
      byte mark = mark(thread, own.size());
      for (long at = 0; at < memory.byteSize(); at += 512) {
        if (memory.get(ValueLayout.JAVA_BYTE, at) != mark) {
          throw new AssertionError("somebody else wrote into a lease");
        }
      }
      lease.release();
      return true;
    }

    @Operation
    public long leasedBytes() {
      return pool.leasedBytes();
    }

    @Operation
    public long heldBytes() {
      return pool.heldBytes();
    }

    @Operation
    public void close() {
      pool.close();
    }

    @Validate
    public void withinTheBound() {
      if (pool.heldBytes() > 4 * IoScratch.ALIGNMENT || pool.leasedBytes() > pool.heldBytes()) {
        throw new AssertionError(pool.heldBytes() + " held, " + pool.leasedBytes() + " leased");
      }
    }

    private static byte mark(int thread, int depth) {
      return (byte) (1 + thread * 16 + depth);
    }
  }

  @Test
  void thePoolLendsNoMemoryTwiceAndNeverMoreThanItsBound() {
    Interleavings.stress(SmallPool.class);
  }

  /** A descriptor that is closed while threads come and go. */
  @Param(name = "thread", gen = ThreadIdGen.class)
  public static final class Descriptor {
    private final AtomicInteger ended = new AtomicInteger();
    private final UseCount uses = new UseCount(ended::incrementAndGet);
    private final int[] own = new int[THREADS_MAX];

    @Operation
    public boolean enter(@Param(name = "thread") int thread) {
      boolean entered = uses.enter();
      own[thread] += entered ? 1 : 0;
      requireOpen(thread);
      return entered;
    }

    @Operation
    public boolean exit(@Param(name = "thread") int thread) {
      if (own[thread] == 0) {
        return false;
      }
      requireOpen(thread);
      own[thread]--;
      uses.exit();
      return true;
    }

    @Operation
    public void close() {
      uses.close();
    }

    @Operation
    public boolean isClosed() {
      return uses.isClosed();
    }

    @Validate
    public void endedOnceByTheLast() {
      int users = 0;
      for (int each : own) {
        users += each;
      }
      if (ended.get() != (uses.isClosed() && users == 0 ? 1 : 0)) {
        throw new AssertionError("ended " + ended + " times with " + users + " users");
      }
    }

    private void requireOpen(int thread) {
      if (own[thread] > 0 && ended.get() > 0) {
        throw new AssertionError("the descriptor ended under a user");
      }
    }
  }

  @Test
  void aDescriptorEndsOnceAndUnderNobody() {
    Interleavings.explore(Descriptor.class);
    Interleavings.stress(Descriptor.class);
  }
}
