package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.sim.SimWorld;
import io.weft.testing.Seeds;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The machine against its model in seeded worlds. {@code -Dseed=} replays one seed; {@code
 * scripts/sim} runs many.
 */
class StoreMachineSimulationTest {
  private static final int SEEDS = Integer.getInteger("seeds", 200);
  private static final int TRACE = Integer.getInteger("trace", 80);

  @ParameterizedTest
  @EnumSource
  void keepsItsPromises(SimulatedLives lives) {
    Seeds.forEach(
        SEEDS,
        seed -> {
          try {
            lives.judged(seed, 0, _ -> {});
          } catch (AssertionError failure) {
            lives.judged(seed, TRACE, _ -> {});
            throw failure;
          }
        });
  }

  /** A simulation in which nothing happens would pass. */
  @Test
  void theWorldsAreEventful() {
    Map<String, Integer> happened = new HashMap<>();
    for (long seed = 1; seed <= 30; seed++) {
      SimWorld world = new SimWorld(seed, new MachineInside(), TRACE);
      world.run(SimulatedLives.STEPS);
      for (int i = 0; i < 10; i++) {
        world.loseDevice();
        world.run(SimulatedLives.STEPS / 20);
      }
      world.failPower();
      world.happened.forEach((what, count) -> happened.merge(what, count, Integer::sum));
    }
    for (String what :
        new String[] {
          "Stored",
          "AlreadyStored",
          "NotPresent",
          "Miss",
          "TooSmall",
          "Changed",
          "Absent",
          "Present",
          "rejected FULL",
          "rejected QUOTA",
          "rejected RESERVE",
          "rejected TOO_LARGE",
          "rejected CLOSED",
          "rejected LINK_DOWN",
          "device lost",
          "journal lost",
          "power fails",
          "failed DEVICE",
          "failed NO_SPACE",
          "failed RESTARTED",
          "failed DEADLINE",
          "failed INTERNAL",
          "event: EVICT",
          "event: DELET",
          "event: EXPIR",
          "event: REPLA",
          "event: VANIS",
          "event: quara",
          "written over a victim",
          "a segment made",
          "a segment emptied",
          "walk ends"
        }) {
      assertTrue(happened.getOrDefault(what, 0) > 5, () -> what + " in " + happened);
    }
  }
}
