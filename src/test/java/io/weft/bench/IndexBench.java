package io.weft.bench;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.weft.base.ChunkKey;
import io.weft.core.ChunkIndex;
import io.weft.core.EvictionPolicy;
import io.weft.core.PolicyContext;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;

/**
 * Memory and speed of an index of many chunks, with an eviction policy beside it where one is
 * named.
 *
 * <p>Arguments: {@code [entries] [policy class]}, 1,000,000 and none by default. The policy is made
 * through its constructor of a {@link PolicyContext}.
 */
public final class IndexBench {
  private static final int KEY_BYTES = 120;
  private static final byte[] KEY_HEAD =
      "meta-llama/Llama-3.3-70B-Instruct@8@3@bfloat16@tenant-0@".getBytes(US_ASCII);
  private static final byte[] HEX = "0123456789abcdef".getBytes(US_ASCII);
  private static final long CHUNK_BYTES = 2L << 20;
  private static final int LOOKUP_BATCH = 1_000;
  private static final int DISTINCT_LOOKUPS_MAX = 1_000_000;
  private static final int ROUNDS = 20;

  private IndexBench() {}

  public static void main(String[] arguments) throws ReflectiveOperationException {
    int entries = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 1_000_000;
    String policyClass = arguments.length > 1 ? arguments[1] : "";

    // Once at a small size, so that the figures are of compiled code.
    for (int warmUp = 0; warmUp < 3; warmUp++) {
      measure(200_000, policyClass, false);
    }
    measure(entries, policyClass, true);
  }

  private static void measure(int entries, String policyClass, boolean report)
      throws ReflectiveOperationException {
    long usedBefore = report ? usedHeap() : 0;
    ChunkIndex index = new ChunkIndex();
    EvictionPolicy policy = policyClass.isEmpty() ? null : policy(policyClass, entries);
    long inserting = 0;
    for (int chunk = 0; chunk < entries; chunk++) {
      ChunkKey key = key(chunk);
      long begin = System.nanoTime();
      int entry = index.insert(key, 0);
      index.setGeneration(entry, chunk);
      index.setPayloadLength(entry, CHUNK_BYTES);
      if (policy != null) {
        policy.add(entry, key.hash64(), CHUNK_BYTES);
      }
      inserting += System.nanoTime() - begin;
    }
    if (report) {
      System.out.printf(
          "entries                      %,d, keys of %d bytes, policy %s%n",
          entries, KEY_BYTES, policyClass.isEmpty() ? "none" : policyClass);
      long heap = usedHeap() - usedBefore;
      System.out.printf(
          "heap per entry beyond key    %.1f bytes (measured), %.1f (index alone, by its"
              + " account)%n",
          (heap - index.keyBytes()) / (double) entries,
          (index.memoryBytes() - index.keyBytes()) / (double) entries);
      System.out.printf("insert                       %s%n", rate(entries, inserting));
      System.out.printf(
          "longest insert               %,.1f us of the thread's CPU time%n",
          longestInsertNanos(entries) / 1e3);
    }
    lookUp(index, entries, report);
    churn(index, policy, entries, report);
  }

  /** In CPU time, which neither the collector nor other processes add to. */
  private static long longestInsertNanos(int entries) {
    ChunkIndex index = new ChunkIndex();
    long longest = 0;
    for (int chunk = 0; chunk < entries; chunk++) {
      ChunkKey key = key(chunk);
      long begin = cpuNanos();
      index.insert(key, 0);
      longest = Math.max(longest, cpuNanos() - begin);
    }
    return longest;
  }

  /**
   * The chunks looked up are of random places in the index; the keys themselves lie in memory in
   * the order of the lookup, as those of a batch do that was just built.
   */
  private static void lookUp(ChunkIndex index, int entries, boolean report) {
    int distinct = Math.min(entries, DISTINCT_LOOKUPS_MAX);
    int stride = entries / distinct;
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < distinct; i++) {
      order.add(i * stride);
    }
    Collections.shuffle(order, new Random(7));
    List<ChunkKey> keys = new ArrayList<>();
    for (int chunk : order) {
      keys.add(key(chunk));
    }
    int[] found = new int[LOOKUP_BATCH];
    long single = Long.MAX_VALUE;
    long batched = Long.MAX_VALUE;
    for (int round = 0; round < ROUNDS; round++) {
      long begin = cpuNanos();
      for (ChunkKey key : keys) {
        check(index.find(key));
      }
      single = Math.min(single, cpuNanos() - begin);
      begin = cpuNanos();
      for (int from = 0; from + LOOKUP_BATCH <= distinct; from += LOOKUP_BATCH) {
        index.findAll(keys.subList(from, from + LOOKUP_BATCH), found);
        check(found[round]);
      }
      batched = Math.min(batched, cpuNanos() - begin);
    }
    if (report) {
      int inBatches = distinct / LOOKUP_BATCH * LOOKUP_BATCH;
      System.out.printf("lookup, one by one           %s%n", rate(distinct, single));
      System.out.printf("lookup, %,d in a call       %s%n", LOOKUP_BATCH, rate(inBatches, batched));
    }
  }

  /** A steady state at capacity: the oldest goes, a new one comes, its key eight bytes longer. */
  private static void churn(ChunkIndex index, EvictionPolicy policy, int entries, boolean report) {
    SplittableRandom random = new SplittableRandom(11);
    long longest = 0;
    long churning = 0;
    long most = 0;
    int turns = entries * 2;
    for (int chunk = 0; chunk < turns; chunk++) {
      ChunkKey key = key(entries + (long) chunk, KEY_BYTES + 8);
      long begin = cpuNanos();
      int victim =
          policy != null ? policy.evict() : index.nextOccupied(random.nextInt(entries / 2));
      index.remove(victim);
      int entry = index.insert(key, 0);
      if (policy != null) {
        policy.add(entry, key.hash64(), CHUNK_BYTES);
      }
      long took = cpuNanos() - begin;
      churning += took;
      longest = Math.max(longest, took);
      most = Math.max(most, index.memoryBytes() - index.keyBytes());
    }
    if (report) {
      System.out.printf(
          "remove and insert            %s, key sizes drifting%n", rate(turns, churning));
      System.out.printf(
          "longest of these             %,.1f us of the thread's CPU time%n", longest / 1e3);
      System.out.printf(
          "bytes per entry beyond key   %.1f at most (index alone, by its account)%n",
          (double) most / entries);
    }
  }

  private static EvictionPolicy policy(String className, int entries)
      throws ReflectiveOperationException {
    return Class.forName(className)
        .asSubclass(EvictionPolicy.class)
        .getConstructor(PolicyContext.class)
        .newInstance(new PolicyContext(entries * CHUNK_BYTES));
  }

  /** Like an object key of LMCache: model, parallelism, and the hash of the tokens in hex. */
  private static ChunkKey key(long number) {
    return key(number, KEY_BYTES);
  }

  private static ChunkKey key(long number, int length) {
    SplittableRandom random = new SplittableRandom(number);
    byte[] text = Arrays.copyOf(KEY_HEAD, length);
    for (int at = KEY_HEAD.length; at < length; at++) {
      text[at] = HEX[random.nextInt(HEX.length)];
    }
    return ChunkKey.of(text);
  }

  private static void check(int entry) {
    if (entry == ChunkIndex.NONE) {
      throw new AssertionError("a chunk of the index was not found");
    }
  }

  private static long cpuNanos() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }

  private static String rate(long count, long nanos) {
    return "%,.2f M/s (%,.0f ns each)".formatted(count * 1e3 / nanos, (double) nanos / count);
  }

  private static long usedHeap() {
    long used = Long.MAX_VALUE;
    for (int attempt = 0; attempt < 4; attempt++) {
      System.gc();
      used = Math.min(used, ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed());
    }
    return used;
  }
}
