package io.weft.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.DeviceException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The ring on real files and pipes. A wake-up that gets lost shows as a time-out. */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class IoRingTest {
  private static final int BLOCK = 4096;

  @TempDir Path folder;

  /** What came back, by slot. */
  private final Map<Integer, Long> results = new HashMap<>();

  private void take(int slot, PreparedIo io, long result) {
    assertNull(results.put(slot, result), "once for each");
    try {
      io.done(result);
    } catch (DeviceException expected) {
      assertTrue(result < 0);
    }
  }

  private void finish(IoRing ring) {
    while (ring.inFlight() > 0) {
      ring.turn(() -> true, this::take);
    }
  }

  private static MemorySegment memory(long bytes) {
    return Arena.ofAuto().allocate(bytes, BLOCK);
  }

  private static MemorySegment random(long bytes, long seed) {
    byte[] content = new byte[(int) bytes];
    new Random(seed).nextBytes(content);
    MemorySegment memory = memory(bytes);
    MemorySegment.copy(MemorySegment.ofArray(content), 0, memory, 0, bytes);
    return memory;
  }

  private static RawIo read(int fd, long offset, MemorySegment... areas) {
    return RawIo.read(fd, offset, _ -> {}, areas);
  }

  private static RawIo write(int fd, long offset, MemorySegment... areas) {
    return RawIo.write(fd, offset, _ -> {}, areas);
  }

  private Path fifo() throws Exception {
    Path pipe = folder.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    return pipe;
  }

  @Test
  void thereAreRingsHere() {
    assertNull(IoRing.unavailable());
    assertNull(IoRing.unavailable(), "and again");
  }

  @Test
  void whatIsWrittenIsReadFromSeveralAreas() throws Exception {
    Path file = Files.createFile(folder.resolve("file"));
    int fd = RawIo.open(file, true);
    MemorySegment block = random(BLOCK, 1);
    MemorySegment payload = random(16 * BLOCK, 2);
    try (IoRing ring = IoRing.open(4)) {
      ring.add(2, write(fd, 8 * BLOCK, block, payload));
      assertEquals(1, ring.inFlight());
      finish(ring);
      assertEquals(Map.of(2, 17L * BLOCK), results);
      assertEquals(25L * BLOCK, Files.size(file));
      results.clear();
      MemorySegment whole = memory(17 * BLOCK);
      ring.add(0, read(fd, 8 * BLOCK, whole));
      MemorySegment hole = memory(BLOCK);
      ring.add(3, read(fd, 0, hole));
      finish(ring);
      assertEquals(Map.of(0, 17L * BLOCK, 3, (long) BLOCK), results);
      assertEquals(-1, whole.asSlice(0, BLOCK).mismatch(block));
      assertEquals(-1, whole.asSlice(BLOCK).mismatch(payload));
    } finally {
      RawIo.close(fd);
    }
  }

  @Test
  void errorsComeBackAsTheirNumbers() throws Exception {
    Path file = Files.write(folder.resolve("file"), new byte[3 * BLOCK]);
    int fd = RawIo.open(file, true);
    try (IoRing ring = IoRing.open(4)) {
      ring.add(0, read(-1, 0, memory(BLOCK)));
      ring.add(1, read(fd, 1, memory(BLOCK)));
      ring.add(2, read(fd, 64 * BLOCK, memory(BLOCK)));
      ring.add(3, read(fd, 2 * BLOCK, memory(2 * BLOCK)));
      finish(ring);
      assertEquals(
          Map.of(0, -9L, 1, -(long) Posix.EINVAL, 2, 0L, 3, (long) BLOCK),
          results,
          "a bad descriptor, a crooked offset, beyond the end, up to the end");
    } finally {
      RawIo.close(fd);
    }
  }

  /** A pipe moves what it has: the rest is asked for again, until all is there. */
  @Test
  void aShortTransferGoesOnUntilItsEnd() throws Exception {
    int fd = RawIo.open(fifo(), false);
    MemorySegment sent = random(3 * BLOCK, 5);
    MemorySegment target = memory(3 * BLOCK);
    try (IoRing ring = IoRing.open(2)) {
      ring.add(0, read(fd, 0, target));
      for (int i = 0; i < 3; i++) {
        ring.add(1, write(fd, 0, sent.asSlice((long) i * BLOCK, BLOCK)));
        while (!results.containsKey(1)) {
          ring.turn(() -> true, this::take);
        }
        results.remove(1);
      }
      finish(ring);
      assertEquals(Map.of(0, 3L * BLOCK), results);
      assertEquals(-1, target.mismatch(sent));
    } finally {
      RawIo.close(fd);
    }
  }

  /** Always as many as there is room for, and far more than the queues have entries for. */
  @Test
  void theRingKeepsItsDepthForLong() throws Exception {
    int depth = 37;
    int blocks = 256;
    MemorySegment content = random((long) blocks * BLOCK, 7);
    Path file = Files.write(folder.resolve("file"), content.toArray(ValueLayout.JAVA_BYTE));
    int fd = RawIo.open(file, true);
    MemorySegment memory = memory((long) depth * BLOCK);
    int[] reading = new int[depth];
    ArrayDeque<Integer> free = new ArrayDeque<>();
    AtomicInteger ended = new AtomicInteger();
    try (IoRing ring = IoRing.open(depth)) {
      for (int i = 0; i < depth; i++) {
        free.add(i);
      }
      Random random = new Random(11);
      int begun = 0;
      while (ended.get() < 20_000) {
        while (!free.isEmpty() && begun < 20_000) {
          int slot = free.remove();
          reading[slot] = random.nextInt(blocks);
          MemorySegment into = memory.asSlice((long) slot * BLOCK, BLOCK);
          ring.add(slot, read(fd, (long) reading[slot] * BLOCK, into));
          begun++;
        }
        ring.turn(
            () -> true,
            (slot, io, result) -> {
              assertEquals(BLOCK, result);
              MemorySegment wanted = content.asSlice((long) reading[slot] * BLOCK, BLOCK);
              assertEquals(-1, wanted.mismatch(((RawIo) io).area(0)));
              ended.incrementAndGet();
              free.add(slot);
            });
      }
      assertEquals(0, ring.inFlight());
      assertThrows(
          IllegalStateException.class,
          () -> {
            ring.add(0, read(fd, 0, memory(BLOCK)));
            ring.add(0, read(fd, 0, memory(BLOCK)));
          });
      finish(ring);
    } finally {
      RawIo.close(fd);
    }
  }

  /** Each waits for an answer before it goes on: one lost wake-up, and this never ends. */
  @Test
  void noWakeUpIsLost() throws Exception {
    int producers = 4;
    int rounds = 5_000;
    ConcurrentLinkedQueue<Thread> asked = new ConcurrentLinkedQueue<>();
    AtomicInteger[] answers = new AtomicInteger[producers];
    List<Thread> threads = new ArrayList<>();
    try (IoRing ring = IoRing.open(1)) {
      for (int p = 0; p < producers; p++) {
        AtomicInteger answered = new AtomicInteger();
        answers[p] = answered;
        Thread thread =
            new Thread(
                () -> {
                  for (int i = 1; i <= rounds; i++) {
                    asked.add(Thread.currentThread());
                    ring.wake();
                    while (answered.get() < i) {
                      Thread.onSpinWait();
                    }
                  }
                });
        thread.setName(Integer.toString(p));
        thread.setDaemon(true);
        threads.add(thread);
      }
      threads.forEach(Thread::start);
      int answered = 0;
      while (answered < producers * rounds) {
        Thread next;
        while ((next = asked.poll()) != null) {
          answers[Integer.parseInt(next.getName())].incrementAndGet();
          answered++;
        }
        int soFar = answered;
        ring.turn(() -> asked.isEmpty() && soFar < producers * rounds, this::take);
      }
      for (Thread thread : threads) {
        thread.join();
      }
    }
  }

  /** What the kernel keeps keeps the ring, and nobody waits for it. */
  @Test
  void aClosedRingGoesWithItsLastOperation() throws Exception {
    int fd = RawIo.open(fifo(), false);
    MemorySegment target = memory(BLOCK);
    IoRing ring = IoRing.open(2);
    ring.add(0, read(fd, 0, target));
    ring.turn(() -> false, this::take);
    ring.close();
    ring.close();
    assertFalse(ring.released());
    assertEquals(1, ring.inFlight());
    assertThrows(IllegalStateException.class, () -> ring.add(1, read(fd, 0, memory(1))));
    ring.turn(() -> false, this::take);
    assertFalse(ring.released());
    MemorySegment sent = random(BLOCK, 3);
    try (IoRing other = IoRing.open(1)) {
      other.add(0, write(fd, 0, sent));
      while (other.inFlight() > 0) {
        other.turn(() -> true, (_, _, _) -> {});
      }
    }
    while (!ring.released()) {
      ring.turn(() -> true, this::take);
    }
    assertEquals(Map.of(0, (long) BLOCK), results);
    assertEquals(-1, target.mismatch(sent));
    ring.wake();
    ring.close();
    assertThrows(IllegalStateException.class, () -> ring.turn(() -> false, this::take));
    RawIo.close(fd);
  }

  /** No descriptor and no mapping stays behind. */
  @Test
  void aClosedRingLeavesNothing() throws Exception {
    long before = descriptors();
    for (int i = 0; i < 50; i++) {
      IoRing.open(16).close();
      assertNull(IoRing.unavailable());
    }
    assertTrue(descriptors() <= before + 2, "other threads of this process may open a few");
    assertTrue(
        Files.readAllLines(Path.of("/proc/self/maps")).stream()
            .noneMatch(line -> line.contains("io_uring")));
  }

  private static long descriptors() throws Exception {
    try (var all = Files.list(Path.of("/proc/self/fd"))) {
      return all.count();
    }
  }
}
