package io.weft.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class UseCountTest {
  @Test
  void theLastOneOutCloses() {
    AtomicInteger closed = new AtomicInteger();
    UseCount uses = new UseCount(closed::incrementAndGet);
    assertTrue(uses.enter());
    assertTrue(uses.enter());
    uses.close();
    uses.close();
    assertFalse(uses.enter());
    uses.exit();
    assertEquals(0, closed.get());
    uses.exit();
    assertEquals(1, closed.get());
  }

  @Test
  void withoutUsersClosingIsImmediateAndOnce() {
    AtomicInteger closed = new AtomicInteger();
    UseCount uses = new UseCount(closed::incrementAndGet);
    assertTrue(uses.enter());
    uses.exit();
    assertEquals(0, closed.get());
    uses.close();
    uses.close();
    assertEquals(1, closed.get());
    assertTrue(uses.isClosed());
  }

  @Test
  void nobodyIsInsideAfterTheClosingAction() throws Exception {
    for (int round = 0; round < 200; round++) {
      AtomicInteger inside = new AtomicInteger();
      AtomicInteger insideAtEnd = new AtomicInteger(-1);
      AtomicInteger closings = new AtomicInteger();
      UseCount uses =
          new UseCount(
              () -> {
                insideAtEnd.set(inside.get());
                closings.incrementAndGet();
              });
      try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
        List<Future<?>> runs = new ArrayList<>();
        for (int t = 0; t < 3; t++) {
          runs.add(
              threads.submit(
                  () -> {
                    while (uses.enter()) {
                      inside.incrementAndGet();
                      inside.decrementAndGet();
                      uses.exit();
                    }
                  }));
        }
        runs.add(threads.submit(uses::close));
        for (Future<?> run : runs) {
          run.get();
        }
      }
      assertEquals(0, insideAtEnd.get());
      assertEquals(1, closings.get());
    }
  }
}
