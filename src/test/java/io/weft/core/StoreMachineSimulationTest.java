package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.sim.SimWorld;
import io.weft.testing.Seeds;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The machine against its model in seeded worlds. {@code -Dseed=} replays one seed. */
class StoreMachineSimulationTest {
  private static final int STEPS = 2_000;
  private static final int SEEDS = Integer.getInteger("seeds", 150);

  @Test
  void keepsItsPromises() {
    Seeds.forEach(
        SEEDS,
        seed ->
            judged(
                seed,
                world -> {
                  world.run(STEPS);
                  world.settle();
                }));
  }

  @Test
  void comesBackFromCrashesAndRestarts() {
    Seeds.forEach(
        SEEDS,
        seed -> {
          Random random = new Random(seed);
          judged(
              seed,
              world -> {
                for (int life = 0; life < 6; life++) {
                  world.run(random.nextInt(500));
                  double capacity = random.nextInt(4) == 0 ? 0.5 : 1.0;
                  switch (random.nextInt(4)) {
                    case 0 -> world.restart(capacity);
                    case 1 -> world.failPower();
                    default -> world.crash(capacity);
                  }
                }
                world.run(200);
                world.settle();
              });
        });
  }

  @Test
  void keepsItsPromisesWhenTheDeviceIsLostAndComesBack() {
    Seeds.forEach(
        SEEDS,
        seed -> {
          Random random = new Random(seed);
          judged(
              seed,
              world -> {
                for (int life = 0; life < 12; life++) {
                  world.run(random.nextInt(300));
                  world.loseDevice();
                  if (random.nextInt(6) == 0) {
                    world.crash(1.0);
                  }
                }
                world.run(200);
                world.settle();
              });
        });
  }

  /** A simulation in which nothing happens would pass. */
  @Test
  void theWorldsAreEventful() {
    Map<String, Integer> happened = new HashMap<>();
    for (long seed = 1; seed <= 30; seed++) {
      SimWorld world = new SimWorld(seed, new MachineInside());
      world.run(STEPS);
      for (int i = 0; i < 10; i++) {
        world.loseDevice();
        world.run(STEPS / 20);
      }
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
          "walk ends"
        }) {
      assertTrue(happened.getOrDefault(what, 0) > 5, () -> what + " in " + happened);
    }
  }

  private interface Life {
    void live(SimWorld world);
  }

  private static void judged(long seed, Life life) {
    SimWorld world = new SimWorld(seed, new MachineInside());
    try {
      life.live(world);
    } catch (AssertionError | RuntimeException wrong) {
      throw new AssertionError(wrong.getMessage() + "\n" + world.trace(), wrong);
    }
  }
}
