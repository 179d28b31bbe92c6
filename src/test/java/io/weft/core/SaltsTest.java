package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.core.Salts.SaltUsage;
import io.weft.testing.Seeds;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SaltsTest {

  @Test
  void agreesWithAModel() {
    Seeds.forEach(
        20,
        seed -> {
          SplittableRandom random = new SplittableRandom(seed);
          Salts salts = new Salts();
          Map<String, List<Long>> chunks = new HashMap<>();
          Map<String, Long> quotas = new HashMap<>();
          for (int step = 0; step < 20_000; step++) {
            String salt = "tenant-" + random.nextInt(12);
            List<Long> own = chunks.computeIfAbsent(salt, key -> new ArrayList<>());
            switch (random.nextInt(5)) {
              case 0, 1 -> {
                long bytes = random.nextLong(1_000);
                salts.add(salts.intern(salt), bytes);
                own.add(bytes);
              }
              case 2 -> {
                for (int i = random.nextInt(20); i > 0 && !own.isEmpty(); i--) {
                  salts.remove(salts.find(salt), own.removeLast());
                }
              }
              case 3 -> {
                long quota = random.nextInt(3) == 0 ? 5_000 : Salts.NO_QUOTA;
                salts.setQuota(salt, quota);
                quotas.put(salt, quota);
              }
              default -> salts.dropIfUnused(salts.intern(salt));
            }
            long used = own.stream().mapToLong(bytes -> bytes).sum();
            long quota = quotas.getOrDefault(salt, Salts.NO_QUOTA);
            int number = salts.find(salt);
            assertEquals(own.isEmpty() && quota == Salts.NO_QUOTA, number == -1);
            if (number != -1) {
              assertEquals(salt, salts.salt(number));
              assertEquals(used, salts.usedBytes(number));
              assertEquals(own.size(), salts.chunks(number));
              assertEquals(quota, salts.quotaBytes(number));
            }
          }
          Map<String, SaltUsage> usage = new HashMap<>();
          salts.usage().forEach(one -> usage.put(one.salt(), one));
          assertEquals(salts.size(), usage.size());
          usage.forEach(
              (salt, one) -> {
                assertEquals(chunks.getOrDefault(salt, List.of()).size(), one.chunks());
                assertEquals(quotas.getOrDefault(salt, Salts.NO_QUOTA), one.quotaBytes());
              });
        });
  }

  @Test
  void numbersAreDistinctAndReused() {
    Salts salts = new Salts();
    HashSet<Integer> numbers = new HashSet<>();
    for (int i = 0; i < 100; i++) {
      assertTrue(numbers.add(salts.intern("salt" + i)));
    }
    assertEquals(salts.find("salt7"), salts.intern("salt7"));
    int freed = salts.find("salt42");
    salts.dropIfUnused(freed);
    assertThrows(IllegalStateException.class, () -> salts.salt(freed));
    assertEquals(freed, salts.intern("another"));
    assertEquals(-1, salts.find("salt42"));
  }

  @Test
  void aQuotaMayBeBelowWhatIsUsed() {
    Salts salts = new Salts();
    int number = salts.intern("");
    salts.add(number, 100);
    salts.setQuota("", 40);
    assertEquals(100, salts.usedBytes(number));
    salts.remove(number, 100);
    assertEquals(40, salts.quotaBytes(number));
    assertThrows(IllegalArgumentException.class, () -> salts.setQuota("", -2));
  }

  @Test
  void takingWhatIsNotThereIsABug() {
    Salts salts = new Salts();
    int number = salts.intern("tenant");
    assertThrows(IllegalStateException.class, () -> salts.remove(number, 0));
    salts.add(number, 10);
    assertThrows(IllegalStateException.class, () -> salts.remove(number, 11));
    assertThrows(IllegalStateException.class, () -> salts.remove(number, 9), "bytes would leak");
    salts.add(number, 10);
    assertThrows(IllegalStateException.class, () -> salts.remove(number, 21));
    salts.remove(number, 9);
    assertEquals(11, salts.usedBytes(number));
    assertThrows(IllegalArgumentException.class, () -> salts.add(number, -1));
  }
}
