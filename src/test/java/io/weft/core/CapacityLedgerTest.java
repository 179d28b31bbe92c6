package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.core.CapacityLedger.Category;
import io.weft.testing.Seeds;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class CapacityLedgerTest {

  @Test
  void accountsAgreeWithAModelAndNeverExceedTheCapacity() {
    Seeds.forEach(
        20,
        seed -> {
          SplittableRandom random = new SplittableRandom(seed);
          long capacity = 10_000;
          CapacityLedger ledger = new CapacityLedger(capacity, 0);
          Map<Category, Long> model = new EnumMap<>(Category.class);
          for (int step = 0; step < 20_000; step++) {
            Category category = any(random);
            Category other = any(random);
            long used = model.values().stream().mapToLong(bytes -> bytes).sum();
            long own = model.getOrDefault(category, 0L);
            long bytes = random.nextLong(2_500);
            switch (random.nextInt(3)) {
              case 0 -> {
                boolean fits = used + bytes <= capacity;
                assertEquals(fits, ledger.tryReserve(category, bytes));
                model.merge(category, fits ? bytes : 0L, Long::sum);
              }
              case 1 -> {
                if (bytes > own) {
                  assertThrows(
                      IllegalStateException.class, () -> ledger.move(category, other, bytes));
                } else {
                  ledger.move(category, other, bytes);
                  model.put(category, own - bytes);
                  model.merge(other, bytes, Long::sum);
                }
              }
              default -> {
                if (bytes > own) {
                  assertThrows(IllegalStateException.class, () -> ledger.release(category, bytes));
                } else {
                  ledger.release(category, bytes);
                  model.put(category, own - bytes);
                }
              }
            }
            long now = model.values().stream().mapToLong(each -> each).sum();
            assertEquals(now, ledger.used());
            assertEquals(capacity - now, ledger.free());
            assertTrue(ledger.used() <= ledger.capacity());
            for (Category each : Category.values()) {
              assertEquals(model.getOrDefault(each, 0L), ledger.used(each));
            }
          }
        });
  }

  @Test
  void whatAStartFindsMayExceedTheCapacity() {
    CapacityLedger ledger = new CapacityLedger(100, 0);
    ledger.charge(Category.CHUNKS, 130);
    assertEquals(0, ledger.free());
    assertFalse(ledger.tryReserve(Category.STAGING, 0));
    ledger.release(Category.CHUNKS, 50);
    assertTrue(ledger.tryReserve(Category.STAGING, 20));
    assertFalse(ledger.tryReserve(Category.STAGING, 1));
    assertThrows(IllegalArgumentException.class, () -> ledger.tryReserve(Category.STAGING, -1));
    assertFalse(ledger.tryReserve(Category.STAGING, Long.MAX_VALUE));
  }

  @Test
  void nothingStartsBeforeTheFirstSample() {
    CapacityLedger ledger = new CapacityLedger(100, 0);
    assertFalse(ledger.mayStart(0));
    ledger.spaceSampled(10);
    assertTrue(ledger.mayStart(10));
    assertFalse(ledger.mayStart(11));
  }

  @Test
  void aWriteThatEndsAfterTheSampleGoesOnCounting() {
    CapacityLedger ledger = new CapacityLedger(1_000, 50);
    ledger.spaceSampled(200);
    ledger.started(100);
    ledger.spaceSampled(190);
    assertEquals(40, ledger.headroom());
    ledger.finished(100);
    assertEquals(40, ledger.headroom(), "of the 100, 90 may have been written after the sample");
    ledger.spaceSampled(100);
    assertEquals(50, ledger.headroom());
    assertThrows(IllegalStateException.class, () -> ledger.finished(1));
  }

  @Test
  void aWriteThatEndsWhileTheFilesystemIsAskedGoesOnCounting() {
    CapacityLedger ledger = new CapacityLedger(1_000, 0);
    ledger.spaceSampled(200);
    ledger.started(60);
    ledger.samplingStarts();
    assertThrows(IllegalStateException.class, ledger::samplingStarts);
    ledger.started(30);
    ledger.finished(60);
    ledger.finished(30);
    ledger.spaceSampled(200);
    assertEquals(110, ledger.headroom());
    ledger.samplingStarts();
    ledger.samplingFailed();
    assertEquals(110, ledger.headroom());
    ledger.spaceSampled(110);
    assertEquals(110, ledger.headroom());
  }

  /** A filesystem that writes as late as it may, asked over a slow path: the reserve stays free. */
  @Test
  void theReserveStaysFree() {
    Seeds.forEach(
        20,
        seed -> {
          SplittableRandom random = new SplittableRandom(seed);
          long reserve = 500;
          CapacityLedger ledger = new CapacityLedger(Long.MAX_VALUE, reserve);
          long free = 20_000;
          List<long[]> writes = new ArrayList<>();
          long answer = -1;
          int writesStarted = 0;
          for (int step = 0; step < 20_000; step++) {
            switch (random.nextInt(6)) {
              case 0, 1 -> {
                long bytes = random.nextLong(1, 1_000);
                if (ledger.mayStart(bytes)) {
                  ledger.started(bytes);
                  writes.add(new long[] {bytes, bytes});
                  writesStarted++;
                }
              }
              case 2 -> {
                if (!writes.isEmpty()) {
                  long[] write = writes.get(random.nextInt(writes.size()));
                  long part = random.nextLong(write[1] + 1);
                  write[1] -= part;
                  free -= part;
                }
              }
              case 3 -> {
                if (!writes.isEmpty()) {
                  long[] write = writes.remove(random.nextInt(writes.size()));
                  free -= random.nextBoolean() ? write[1] : 0;
                  ledger.finished(write[0]);
                }
              }
              case 4 -> {
                if (answer == -1) {
                  ledger.samplingStarts();
                  answer = free;
                } else {
                  ledger.spaceSampled(answer);
                  answer = -1;
                }
              }
              default -> free += random.nextLong(200);
            }
            assertTrue(free >= reserve, "step " + step + " leaves " + free);
          }
          assertTrue(writesStarted > 100, "the guard lets writes through");
        });
  }

  private static Category any(SplittableRandom random) {
    Category[] all = Category.values();
    return all[random.nextInt(all.length)];
  }
}
