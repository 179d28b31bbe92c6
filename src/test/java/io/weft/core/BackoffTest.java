package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BackoffTest {
  @Test
  void doublesUpToItsMostAndVariesByAFifth() {
    Backoff backoff = new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(30), new Random(1));
    for (int round = 0; round < 2; round++) {
      for (double expected : new double[] {1, 2, 4, 8, 16, 30, 30, 30}) {
        double seconds = backoff.next().toNanos() / 1e9;
        assertEquals(expected, seconds, expected * 0.2);
        assertNotEquals(expected, seconds, "without jitter all hosts come at once");
      }
      backoff.reset();
    }
  }
}
