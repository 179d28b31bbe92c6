package io.weft.cli;

import io.weft.base.DeviceException;
import io.weft.device.UsageSampler;
import java.nio.file.Path;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Asks the filesystem, now and then while a store is at work, what the store's files take: the
 * store's own account is not believed.
 */
final class DiskWatch implements AutoCloseable {
  private static final long PAUSE_MILLIS = 200;

  /**
   * How many times longer than a walk the pause after it is: watching costs a tenth at the most.
   */
  private static final long PAUSE_FACTOR = 9;

  /**
   * What was seen.
   *
   * @param maxSeenBytes the largest sum of a walk; while files come and go, it may count some that
   *     were not there at once
   * @param maxCoexistingBytes the largest sum of files that were there at once
   */
  record Summary(int samples, long maxFiles, long maxSeenBytes, long maxCoexistingBytes) {}

  private final UsageSampler sampler;
  private final ScheduledThreadPoolExecutor thread =
      new ScheduledThreadPoolExecutor(
          1, Thread.ofPlatform().daemon().name("weft-disk-watch").factory());
  private final Object lock = new Object();
  private Summary summary = new Summary(0, 0, 0, 0);

  private DiskWatch(Path directory) {
    this.sampler = new UsageSampler(directory);
    thread.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
  }

  static DiskWatch start(Path directory) {
    DiskWatch watch = new DiskWatch(directory);
    watch.thread.execute(watch::walk);
    return watch;
  }

  private void walk() {
    long begin = System.nanoTime();
    sample();
    long tookMillis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin);
    long pauseMillis = Math.max(PAUSE_MILLIS, PAUSE_FACTOR * tookMillis);
    try {
      var _ = thread.schedule(this::walk, pauseMillis, TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException finished) {
      // It was the last walk.
    }
  }

  private void sample() {
    synchronized (lock) {
      try {
        UsageSampler.Sample sample = sampler.sample();
        summary =
            new Summary(
                summary.samples() + 1,
                Math.max(summary.maxFiles(), sample.files()),
                Math.max(summary.maxSeenBytes(), sample.seenBytes()),
                Math.max(summary.maxCoexistingBytes(), sample.coexistingBytes()));
      } catch (DeviceException unreadable) {
        // No sample now; the number of samples says how many there were.
      }
    }
  }

  /** Stops watching. Two walks at the end, while nothing changes, are exact. */
  Summary finish() {
    close();
    sample();
    sample();
    synchronized (lock) {
      return summary;
    }
  }

  @Override
  public void close() {
    thread.shutdown();
  }
}
