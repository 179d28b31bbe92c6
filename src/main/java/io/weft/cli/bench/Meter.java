package io.weft.cli.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Time, processor time, allocation and resident memory between two moments: of this process, and of
 * others that work for a contender. Peak memory is of this stretch alone where the kernel lets us
 * reset it, else of the process's life.
 */
final class Meter {
  /** Ticks a second of the kernel's accounting ({@code USER_HZ}), 100 on every Linux. */
  private static final double TICKS = 100;

  private static final com.sun.management.OperatingSystemMXBean SYSTEM =
      (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  private static final com.sun.management.ThreadMXBean THREADS =
      (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

  private final List<Long> others;
  private final double cpuSeconds;
  private final long allocated;
  private final long nanos;

  private Meter(List<Long> others) {
    this.others = others;
    resetPeak("self");
    others.forEach(pid -> resetPeak(String.valueOf(pid)));
    this.allocated = THREADS.getTotalThreadAllocatedBytes();
    this.cpuSeconds = cpuSeconds(others);
    this.nanos = System.nanoTime();
  }

  /**
   * @param others processes beside this one
   */
  static Meter start(List<Long> others) {
    return new Meter(others);
  }

  /** The figures of so many operations of so many payload bytes each. */
  Map<Measure, Double> stop(long operations, long chunkBytes) {
    double seconds = (System.nanoTime() - nanos) / 1e9;
    double cpu = cpuSeconds(others) - cpuSeconds;
    double allocatedNow = THREADS.getTotalThreadAllocatedBytes() - allocated;
    double peak = peakMebibytes("self");
    for (long pid : others) {
      peak = Math.max(peak, peakMebibytes(String.valueOf(pid)));
    }
    double bytes = (double) operations * chunkBytes;
    Map<Measure, Double> values = new EnumMap<>(Measure.class);
    values.put(Measure.SECONDS, seconds);
    values.put(Measure.OPERATIONS, operations / seconds);
    values.put(Measure.MEGABYTES, bytes / 1e6 / seconds);
    values.put(Measure.CPU, cpu / (bytes / 1e9));
    values.put(Measure.ALLOCATION, allocatedNow / operations);
    if (peak > 0) {
      values.put(Measure.PEAK, peak);
    }
    return values;
  }

  private static double cpuSeconds(List<Long> others) {
    double seconds = SYSTEM.getProcessCpuTime() / 1e9;
    for (long pid : others) {
      seconds += cpuSeconds(pid);
    }
    return seconds;
  }

  /** Of a process and the children that it has waited for; 0 where it is gone. */
  static double cpuSeconds(long pid) {
    try {
      String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
      // The name in brackets may hold spaces; state is the first field behind it.
      String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
      long ticks = 0;
      for (int field = 11; field <= 14; field++) {
        ticks += Long.parseLong(fields[field]);
      }
      return ticks / TICKS;
    } catch (IOException gone) {
      return 0;
    }
  }

  private static void resetPeak(String process) {
    try {
      Files.writeString(Path.of("/proc/" + process + "/clear_refs"), "5");
    } catch (IOException notPermitted) {
      // The peak is then that of the process's life.
    }
  }

  private static double peakMebibytes(String process) {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/" + process + "/status"))) {
        if (line.startsWith("VmHWM:")) {
          return Long.parseLong(line.replaceAll("[^0-9]", "")) / 1024.0;
        }
      }
    } catch (IOException gone) {
      return 0;
    }
    return 0;
  }
}
