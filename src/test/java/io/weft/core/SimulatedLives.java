package io.weft.core;

import io.weft.sim.SimWorld;
import java.util.Random;
import java.util.function.Consumer;

/** What a world lives through, by its seed. */
enum SimulatedLives {
  /** Faults, but neither the process nor the device goes away. */
  UNDISTURBED {
    @Override
    void live(SimWorld world, Random random) {
      world.run(STEPS);
      world.settle();
    }
  },

  /** Crashes, power failures and restarts, some with less capacity. */
  CRASHES {
    @Override
    void live(SimWorld world, Random random) {
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
    }
  },

  /** The device is lost and comes back, sometimes without what it did last. */
  DEVICE_LOSSES {
    @Override
    void live(SimWorld world, Random random) {
      for (int life = 0; life < 12; life++) {
        world.run(random.nextInt(300));
        world.loseDevice();
        if (random.nextInt(6) == 0) {
          world.crash(1.0);
        }
      }
      world.run(200);
      world.settle();
    }
  };

  static final int STEPS = 2_000;

  abstract void live(SimWorld world, Random random);

  /** One world, which says what happened last where it fails. */
  final void judged(long seed, int traceLines, Consumer<SimWorld> afterwards) {
    SimWorld world = new SimWorld(seed, new MachineInside(), traceLines);
    try {
      live(world, new Random(seed));
    } catch (AssertionError | RuntimeException wrong) {
      throw new AssertionError(this + ": " + wrong + "\n" + world.trace(), wrong);
    }
    afterwards.accept(world);
  }
}
