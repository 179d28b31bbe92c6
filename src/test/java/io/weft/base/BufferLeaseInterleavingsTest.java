package io.weft.base;

import io.weft.testing.Interleavings;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** However its users interleave, a lease goes home once, and every further release is refused. */
@Tag("interleavings")
class BufferLeaseInterleavingsTest {

  /** One lease that several threads have. */
  public static final class SharedLease {
    private final AtomicInteger home = new AtomicInteger();
    private final BufferLease lease =
        new BufferLease(MemorySegment.ofArray(new byte[16]), 8, _ -> home.incrementAndGet());

    @Operation
    public boolean release() {
      try {
        lease.release();
        return true;
      } catch (IllegalStateException releasedBefore) {
        return false;
      }
    }

    @Operation
    public boolean usable() {
      try {
        return lease.wholeMemory().byteSize() == 16;
      } catch (IllegalStateException released) {
        return false;
      }
    }

    @Operation
    public boolean isReleased() {
      return lease.isReleased();
    }

    @Validate
    public void homeOnce() {
      if (home.get() != (lease.isReleased() ? 1 : 0)) {
        throw new AssertionError("the memory went home " + home.get() + " times");
      }
    }
  }

  @Test
  void inEverySchedule() {
    Interleavings.explore(SharedLease.class);
  }

  @Test
  void onRealThreads() {
    Interleavings.stress(SharedLease.class);
  }
}
