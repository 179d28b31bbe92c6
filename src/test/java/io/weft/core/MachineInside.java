package io.weft.core;

import io.weft.sim.Inside;

/** The way into the machine for the simulation, which lives in a room of its own. */
final class MachineInside implements Inside {
  @Override
  public String leftovers(StoreMachine machine) {
    return machine.leftovers();
  }

  @Override
  public long usedBytes(StoreMachine machine) {
    return machine.catalog().ledger.used();
  }

  @Override
  public long pooledBytes(StoreMachine machine) {
    return machine.catalog().ledger.used(CapacityLedger.Category.POOLED);
  }

  @Override
  public long takenSlotBytes(StoreMachine machine) {
    Slabs slabs = machine.catalog().slabs;
    return slabs == null ? 0 : slabs.takenBytes();
  }

  @Override
  public int segments(StoreMachine machine) {
    Slabs slabs = machine.catalog().slabs;
    return slabs == null ? 0 : slabs.segments();
  }
}
