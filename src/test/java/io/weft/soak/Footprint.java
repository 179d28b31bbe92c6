package io.weft.soak;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * What this process holds at a moment: what its descriptors lead to, without what classes are
 * loaded from, and the names of its Java threads.
 */
record Footprint(List<String> descriptors, List<String> threads) {
  private static final Path DESCRIPTORS = Path.of("/proc/self/fd");

  static Footprint now() {
    return new Footprint(openFiles(), threadNames());
  }

  /** What is there beyond what was there before, as a sentence; empty where nothing is. */
  String beyond(Footprint before) {
    List<String> moreFiles = new ArrayList<>(descriptors);
    before.descriptors.forEach(moreFiles::remove);
    List<String> moreThreads = new ArrayList<>(threads);
    before.threads.forEach(moreThreads::remove);
    String said = "";
    if (descriptors.size() > before.descriptors.size()) {
      said += "descriptors " + moreFiles;
    }
    if (threads.size() > before.threads.size()) {
      said += (said.isEmpty() ? "" : ", ") + "threads " + moreThreads;
    }
    return said;
  }

  private static List<String> openFiles() {
    List<String> open = new ArrayList<>();
    try (Stream<Path> entries = Files.list(DESCRIPTORS)) {
      for (Path entry : entries.toList()) {
        try {
          String target = Files.readSymbolicLink(entry).toString();
          if (!target.endsWith(".jar")
              && !target.endsWith("/modules")
              && !target.startsWith("/proc/")) {
            open.add(target);
          }
        } catch (IOException closed) {
          // It was the one of the listing itself.
        }
      }
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
    return open;
  }

  /** Without those that the JDK starts for itself and keeps. */
  private static List<String> threadNames() {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> !name.startsWith("ForkJoinPool.commonPool"))
        .filter(name -> !name.startsWith("CompletableFutureDelayScheduler"))
        .sorted()
        .toList();
  }

  /** The heap in use after a collection, in bytes. */
  static long heapBytes() {
    System.gc();
    Runtime runtime = Runtime.getRuntime();
    return runtime.totalMemory() - runtime.freeMemory();
  }

  /** The process's resident memory, in bytes. */
  static long residentBytes() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
          .sum();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }
}
