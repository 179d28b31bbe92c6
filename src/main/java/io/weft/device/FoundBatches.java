package io.weft.device;

import java.util.ArrayList;
import java.util.List;

/** Hands over what the threads of a scan find, in batches and one call at a time. */
final class FoundBatches {
  private static final int BATCH = 1024;

  private final ChunkMedium.BatchSink sink;
  private final Object handover = new Object();

  FoundBatches(ChunkMedium.BatchSink sink) {
    this.sink = sink;
  }

  /** What one thread has found and not handed over yet. */
  final class Batch {
    private final List<FoundChunk> found = new ArrayList<>();

    void add(FoundChunk chunk) {
      found.add(chunk);
      if (found.size() == BATCH) {
        handOver();
      }
    }

    void handOver() {
      if (!found.isEmpty()) {
        synchronized (handover) {
          sink.found(List.copyOf(found));
        }
        found.clear();
      }
    }
  }
}
