package io.weft.cli;

import io.weft.base.Failed;
import io.weft.base.Rejected;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;

/** What a replay counts while it runs: sums and histograms, no results. Thread-safe. */
final class ReplayTotals {
  private static final long LONGEST_NANOS = TimeUnit.HOURS.toNanos(1);

  final LongAdder requests = new LongAdder();
  final LongAdder references = new LongAdder();
  final LongAdder hits = new LongAdder();
  final LongAdder prefixHits = new LongAdder();

  final LongAdder loads = new LongAdder();

  /** Of them, chunks that were there at the lookup and gone at the load. */
  final LongAdder loadsLost = new LongAdder();

  /** Of them, chunks whose bytes the store itself found damaged. */
  final LongAdder loadsCorrupt = new LongAdder();

  final LongAdder loadedBytes = new LongAdder();
  final LongAdder wrongBytes = new LongAdder();
  final LongAdder wrongChunks = new LongAdder();

  final LongAdder stores = new LongAdder();
  final LongAdder storedBytes = new LongAdder();
  final LongAdder duplicates = new LongAdder();

  final LongAdder rejected = new LongAdder();
  final LongAdder failed = new LongAdder();

  /** Why operations were not done, and how often. */
  final Map<String, LongAdder> reasons = new ConcurrentSkipListMap<>();

  final Histogram loadNanos = new ConcurrentHistogram(LONGEST_NANOS, 3);
  final Histogram storeNanos = new ConcurrentHistogram(LONGEST_NANOS, 3);

  static void record(Histogram histogram, long nanos) {
    histogram.recordValue(Math.clamp(nanos, 0, LONGEST_NANOS));
  }

  void count(String operation, Rejected refusal) {
    rejected.increment();
    count(operation + " rejected, " + refusal.reason() + ": " + refusal.detail());
  }

  void count(String operation, Failed failure) {
    failed.increment();
    // Without the detail: it names the file, and there may be as many as chunks.
    count(operation + " failed, " + failure.cause());
  }

  private void count(String reason) {
    reasons.computeIfAbsent(reason, _ -> new LongAdder()).increment();
  }
}
