package io.weft.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.BufferLease;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AlignedBufferPoolTest {
  private static BufferLease lease(AlignedBufferPool pool, long length) {
    BufferLease lease = pool.tryLease(length);
    assertNotNull(lease, () -> "no room for " + length + " beside " + pool.leasedBytes());
    return lease;
  }

  @ParameterizedTest
  @CsvSource({
    "0, 4096",
    "1, 4096",
    "4096, 4096",
    "4097, 8192",
    "8192, 8192",
    "100000, 131072",
    "2097152, 2097152",
    "2097153, 4194304",
  })
  void memoryComesInPowersOfTwo(long length, long classBytes) {
    try (AlignedBufferPool pool = new AlignedBufferPool(16 << 20);
        BufferLease lease = lease(pool, length)) {
      assertEquals(classBytes, BufferLease.pooledBytes(length));
      assertEquals(classBytes, pool.leasedBytes());
      assertEquals(length, lease.memory().byteSize());
      assertEquals(classBytes, lease.wholeMemory().byteSize());
      assertEquals(0, lease.wholeMemory().address() % 4096);
      assertTrue(
          lease.wholeMemory().elements(ValueLayout.JAVA_BYTE).allMatch(AlignedBufferPoolTest::zero),
          "new memory is zero");
    }
  }

  private static boolean zero(MemorySegment value) {
    return value.get(ValueLayout.JAVA_BYTE, 0) == 0;
  }

  @Test
  void theBoundHolds() {
    try (AlignedBufferPool pool = new AlignedBufferPool(3 << 20)) {
      BufferLease first = lease(pool, 1 << 20);
      BufferLease second = lease(pool, 2 << 20);
      assertNull(pool.tryLease(1));
      assertEquals(3 << 20, pool.leasedBytes());
      second.release();
      assertNull(pool.tryLease((2 << 20) + 1));
      BufferLease third = lease(pool, 2 << 20);
      first.release();
      third.release();
      assertEquals(0, pool.leasedBytes());
      assertEquals(3 << 20, pool.heldBytes());
    }
  }

  @Test
  void freeMemoryOfOneClassMakesRoomForAnother() {
    try (AlignedBufferPool pool = new AlignedBufferPool(1 << 20)) {
      List<BufferLease> small = new ArrayList<>();
      for (int i = 0; i < 256; i++) {
        small.add(lease(pool, 4096));
      }
      assertNull(pool.tryLease(4096));
      small.forEach(BufferLease::release);
      assertEquals(1 << 20, pool.heldBytes());
      lease(pool, 1 << 20).release();
      assertEquals(1 << 20, pool.heldBytes());
      lease(pool, 4096).release();
      assertEquals(4096, pool.heldBytes());
    }
  }

  @Test
  void memoryIsReusedAndTheRestOfItsLastBlockIsZeroed() {
    try (AlignedBufferPool pool = new AlignedBufferPool(1 << 20)) {
      BufferLease first = lease(pool, 16384);
      first.wholeMemory().fill((byte) 0x55);
      MemorySegment memory = first.wholeMemory();
      first.release();
      BufferLease second = lease(pool, 8193);
      assertSame(memory, second.wholeMemory());
      for (long at = 8193; at < 12288; at++) {
        assertEquals(0, second.wholeMemory().get(ValueLayout.JAVA_BYTE, at), "at " + at);
      }
      second.release();
    }
  }

  @Test
  void aSecondReleaseIsABugAndChangesNothing() {
    try (AlignedBufferPool pool = new AlignedBufferPool(1 << 20)) {
      BufferLease lease = lease(pool, 1);
      lease.release();
      assertThrows(IllegalStateException.class, lease::release);
      assertEquals(0, pool.leasedBytes());
      assertEquals(4096, pool.heldBytes());
    }
  }

  @Test
  void closingFreesWhatIsFreeAndTheRestWhenItComesBack() {
    AlignedBufferPool pool = new AlignedBufferPool(1 << 20);
    BufferLease out = lease(pool, 4096);
    lease(pool, 8192).release();
    pool.close();
    pool.close();
    assertNull(pool.tryLease(1));
    assertEquals(4096, pool.heldBytes());
    MemorySegment memory = out.wholeMemory();
    memory.fill((byte) 1);
    out.release();
    assertEquals(0, pool.heldBytes());
    assertFalse(memory.scope().isAlive());
  }

  @Test
  void manyThreadsNeverShareMemoryNorPassTheBound() throws Exception {
    long bound = 1 << 20;
    try (AlignedBufferPool pool = new AlignedBufferPool(bound);
        ExecutorService threads = Executors.newFixedThreadPool(8)) {
      List<Future<Integer>> runs = new ArrayList<>();
      for (int t = 0; t < 8; t++) {
        long mark = 0x0101010101010101L * (t + 1);
        Random random = new Random(t);
        runs.add(
            threads.submit(
                () -> {
                  int had = 0;
                  for (int i = 0; i < 5_000; i++) {
                    try (BufferLease lease = pool.tryLease(8 + random.nextInt(1 << 17))) {
                      assertTrue(pool.leasedBytes() <= bound);
                      assertTrue(pool.heldBytes() <= bound);
                      if (lease != null) {
                        had++;
                        lease.memory().set(ValueLayout.JAVA_LONG, 0, mark);
                        Thread.onSpinWait();
                        assertEquals(mark, lease.memory().get(ValueLayout.JAVA_LONG, 0));
                      }
                    }
                  }
                  return had;
                }));
      }
      for (Future<Integer> run : runs) {
        assertTrue(run.get() > 0);
      }
      assertEquals(0, pool.leasedBytes());
    }
  }
}
