package io.weft.soak;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/** What the clients of one process saw, by operation and outcome. Thread-safe. */
final class Tally {
  private final Map<String, LongAdder> counts = new ConcurrentHashMap<>();
  private final AtomicLong latestMillis = new AtomicLong();

  void count(String what) {
    counts.computeIfAbsent(what, _ -> new LongAdder()).increment();
  }

  /** An answer came so long after its deadline; less than nothing where it came in time. */
  void answered(long millisAfterDeadline) {
    latestMillis.accumulateAndGet(millisAfterDeadline, Math::max);
  }

  long latestMillis() {
    return latestMillis.get();
  }

  Map<String, Long> counts() {
    Map<String, Long> now = new TreeMap<>();
    counts.forEach((what, count) -> now.put(what, count.sum()));
    return now;
  }
}
