package io.weft.cli.bench;

import io.weft.cli.trace.TraceSource;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/**
 * What a run of the bench does.
 *
 * @param directory there and empty; everything happens below it
 * @param contenders names; empty for all that there are
 * @param rounds how many rounds count
 * @param warmUpsMax how many rounds there may be before
 * @param roundBytes payload that each contender stores in a round, within bounds on the count
 * @param connections of the RESP contenders
 * @param indexChunks chunks of the index that has no files
 * @param restartChunks real chunks of 4 KiB to restart over; 0 for none
 * @param latencySpan how long the loads of the open loop come
 * @param quick a middling depth is taken as it is, and nobody waits for a quiet device
 */
public record BenchPlan(
    Path directory,
    List<Integer> sizes,
    Set<Workload> workloads,
    Set<String> contenders,
    int rounds,
    int warmUpsMax,
    long roundBytes,
    int connections,
    int indexChunks,
    int restartChunks,
    Duration latencySpan,
    boolean quick,
    TraceSource trace,
    WeftSettings settings) {
  private static final int CHUNKS_MIN = 32;
  private static final int CHUNKS_MAX = 16_384;

  public BenchPlan {
    sizes = List.copyOf(sizes);
    workloads = Set.copyOf(workloads);
    contenders = Set.copyOf(contenders);
  }

  /** How many chunks of that size a round stores: enough for a queue, not too many to wait for. */
  int chunks(int chunkBytes) {
    return Math.clamp(roundBytes / chunkBytes, CHUNKS_MIN, CHUNKS_MAX);
  }

  boolean runs(Workload workload) {
    return workloads.contains(workload);
  }
}
