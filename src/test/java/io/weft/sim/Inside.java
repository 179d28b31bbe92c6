package io.weft.sim;

import io.weft.core.StoreMachine;

/** What of a machine only its own room can see. */
public interface Inside {
  /** What it holds although nothing is under way, in words; empty for nothing. */
  String leftovers(StoreMachine machine);

  /** What it counts as allocated, segments included. */
  long usedBytes(StoreMachine machine);

  /** Of that, free slots and what of a segment is no slot. */
  long pooledBytes(StoreMachine machine);

  /** What is in slots that are not free. */
  long takenSlotBytes(StoreMachine machine);

  /** How many segments it knows. */
  int segments(StoreMachine machine);
}
