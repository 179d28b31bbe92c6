package io.weft.cli.bench;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.HdrHistogram.Histogram;

/**
 * What the operations of one run came to. Each slot records into a histogram of its own, which one
 * thread at a time uses. Made before the run is timed: it allocates all it needs.
 */
public final class Tally {
  private static final long LONGEST_NANOS = TimeUnit.MINUTES.toNanos(10);

  /** Of so many loads, one is compared byte by byte. */
  private static final int WHOLE_CHECKS = 64;

  private final Content content;
  private final Histogram[] latencies;
  private final int[] loads;
  private final LongAdder failed = new LongAdder();
  private final LongAdder wrong = new LongAdder();
  private final AtomicReference<String> firstFailure = new AtomicReference<>("");

  Tally(Content content, int slots) {
    this.content = content;
    this.latencies = new Histogram[slots];
    this.loads = new int[slots];
    for (int i = 0; i < slots; i++) {
      latencies[i] = new Histogram(1, LONGEST_NANOS, 2);
    }
  }

  public Content content() {
    return content;
  }

  /** An operation of that slot is done. */
  public void done(int slot, long nanos) {
    latencies[slot].recordValue(Math.clamp(nanos, 1, LONGEST_NANOS));
  }

  /** A load of that slot is done: looks at what it brought. */
  public void loaded(int slot, int chunk, Slot memory) {
    boolean right =
        loads[slot]++ % WHOLE_CHECKS == 0
            ? content.isWhole(chunk, memory.payload())
            : content.isMarked(chunk, memory.payload());
    if (!right) {
      wrong.increment();
      failed("chunk " + chunk + " was loaded with bytes that are not its own");
      content.fill(memory.payload());
    }
  }

  /** An operation did not do what it should. */
  public void failed(String how) {
    failed.increment();
    firstFailure.compareAndSet("", how);
  }

  long wrong() {
    return wrong.sum();
  }

  /** Why the run does not count; empty where it does. */
  String invalid() {
    long count = failed.sum();
    return count == 0 ? "" : count + " operations failed, first: " + firstFailure.get();
  }

  Histogram latencies() {
    Histogram all = new Histogram(1, LONGEST_NANOS, 2);
    for (Histogram each : latencies) {
      all.add(each);
    }
    return all;
  }
}
