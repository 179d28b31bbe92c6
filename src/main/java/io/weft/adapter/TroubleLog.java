package io.weft.adapter;

import io.weft.base.Ticker;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;

/**
 * Counts requests that ended as misses or undone because of trouble, and logs one of them now and
 * then: a device that is away must not fill the host's log. Thread-safe.
 */
final class TroubleLog {
  private static final long INTERVAL_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final Logger log;
  private final Ticker ticker;
  private final LongAdder count = new LongAdder();
  private final AtomicLong quietUntil;

  TroubleLog(Logger log, Ticker ticker) {
    this.log = log;
    this.ticker = ticker;
    this.quietUntil = new AtomicLong(ticker.nanoTime());
  }

  void add(String operation, String detail) {
    count.increment();
    long now = ticker.nanoTime();
    long until = quietUntil.get();
    if (now - until >= 0 && quietUntil.compareAndSet(until, now + INTERVAL_NANOS)) {
      log.warn("{}: {} ({} such answers so far)", operation, detail, count.sum());
    }
  }

  long count() {
    return count.sum();
  }
}
