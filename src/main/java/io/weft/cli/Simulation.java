package io.weft.cli;

import io.weft.core.EvictionPolicy;
import java.util.BitSet;
import java.util.function.IntConsumer;

/**
 * A policy alone over a trace: a block that is present is used, one that is absent is added, and
 * where the capacity is full a victim goes first. Every chunk weighs 1. No bytes, no I/O.
 */
final class Simulation {
  /** So many references are reported as one step of progress. */
  private static final int PROGRESS_STEP = 1 << 14;

  private Simulation() {}

  /**
   * @param ratio what was hit
   * @param evictions how many chunks were given up
   */
  record Result(HitRatio ratio, long evictions) {}

  /**
   * Walks the whole trace.
   *
   * @param policy empty; its context's capacity is {@code capacityChunks}
   * @param progress told how many more references are done
   * @throws IllegalStateException where the policy gives up what it does not hold
   */
  static Result run(
      BlockTrace trace, EvictionPolicy policy, int capacityChunks, IntConsumer progress) {
    BitSet present = new BitSet(trace.distinctBlocks());
    HitRatio.Counter counter = new HitRatio.Counter();
    int held = 0;
    long evictions = 0;
    int index = 0;
    for (int request = 0; request < trace.requests(); request++) {
      counter.newRequest();
      for (int end = trace.requestEnd(request); index < end; index++) {
        int block = trace.reference(index);
        boolean hit = present.get(block);
        counter.count(hit);
        if (hit) {
          policy.access(block);
        } else {
          if (held == capacityChunks) {
            int victim = policy.evict();
            if (victim < 0 || !present.get(victim)) {
              throw new IllegalStateException(
                  policy.getClass().getName()
                      + " holds "
                      + held
                      + " chunks and gives up number "
                      + victim
                      + ", which is none of them");
            }
            present.clear(victim);
            held--;
            evictions++;
          }
          policy.add(block, block, 1);
          present.set(block);
          held++;
        }
        if (index % PROGRESS_STEP == PROGRESS_STEP - 1) {
          progress.accept(PROGRESS_STEP);
        }
      }
    }
    progress.accept(index % PROGRESS_STEP);
    return new Result(counter.ratio(), evictions);
  }
}
