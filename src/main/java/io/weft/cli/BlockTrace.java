package io.weft.cli;

import io.weft.cli.trace.TraceCursor;
import io.weft.cli.trace.TraceRecord;
import io.weft.cli.trace.TraceSource;
import java.io.IOException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/**
 * The block references of a trace and nothing else, for walking them many times: blocks are
 * numbered from 0 in the order in which they first occur.
 */
final class BlockTrace {
  private final int[] references;
  private final int[] requestEnds;
  private final int distinctBlocks;

  private BlockTrace(int[] references, int[] requestEnds, int distinctBlocks) {
    this.references = references;
    this.requestEnds = requestEnds;
    this.distinctBlocks = distinctBlocks;
  }

  static BlockTrace read(TraceSource source) throws IOException {
    Map<Long, Integer> numbers = new HashMap<>();
    int[] references = new int[1 << 16];
    int[] requestEnds = new int[1 << 12];
    int count = 0;
    int requests = 0;
    try (TraceCursor cursor = source.open()) {
      for (TraceRecord request = cursor.next(); request != null; request = cursor.next()) {
        int end = Math.addExact(count, request.blocks());
        if (end > references.length) {
          references =
              Arrays.copyOf(
                  references, (int) Math.min(Integer.MAX_VALUE - 8, Math.max(end, count * 2L)));
        }
        for (int block = 0; block < request.blocks(); block++) {
          Integer known = numbers.putIfAbsent(request.block(block), numbers.size());
          references[count++] = known == null ? numbers.size() - 1 : known;
        }
        if (requests == requestEnds.length) {
          requestEnds = Arrays.copyOf(requestEnds, requests * 2);
        }
        requestEnds[requests++] = count;
      }
    }
    return new BlockTrace(
        Arrays.copyOf(references, count), Arrays.copyOf(requestEnds, requests), numbers.size());
  }

  int requests() {
    return requestEnds.length;
  }

  /** How many blocks the requests name, one by one. */
  int references() {
    return references.length;
  }

  int distinctBlocks() {
    return distinctBlocks;
  }

  /** The block at that place of the whole trace. */
  int reference(int index) {
    return references[index];
  }

  /** The place behind the last block of that request. */
  int requestEnd(int request) {
    return requestEnds[request];
  }

  /** What a cache that never has to give anything up would hit: the bound of every policy. */
  HitRatio infiniteCache() {
    BitSet seen = new BitSet(distinctBlocks);
    HitRatio.Counter counter = new HitRatio.Counter();
    int index = 0;
    for (int end : requestEnds) {
      counter.newRequest();
      for (; index < end; index++) {
        counter.count(seen.get(references[index]));
        seen.set(references[index]);
      }
    }
    return counter.ratio();
  }
}
