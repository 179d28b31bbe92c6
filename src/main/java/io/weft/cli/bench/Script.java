package io.weft.cli.bench;

import io.weft.cli.trace.TraceCursor;
import io.weft.cli.trace.TraceRecord;
import io.weft.cli.trace.TraceSource;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** Operations in the order in which they begin: each stores or loads the chunk of a number. */
public final class Script {
  private final int[] chunks;
  private final BitSet loads;
  private final int partLength;

  private Script(int[] chunks, BitSet loads) {
    this(chunks, loads, chunks.length);
  }

  private Script(int[] chunks, BitSet loads, int partLength) {
    this.chunks = chunks;
    this.loads = loads;
    this.partLength = partLength;
  }

  /** The operations in parts, one to be done before the next begins. */
  List<Script> parts() {
    List<Script> parts = new ArrayList<>();
    for (int from = 0; from < chunks.length; from += partLength) {
      int to = Math.min(chunks.length, from + partLength);
      parts.add(new Script(Arrays.copyOfRange(chunks, from, to), loads.get(from, to)));
    }
    return parts;
  }

  public int length() {
    return chunks.length;
  }

  public int chunk(int operation) {
    return chunks[operation];
  }

  public boolean isLoad(int operation) {
    return loads.get(operation);
  }

  /** How many of the operations are stores. */
  public int stores() {
    return chunks.length - loads.cardinality();
  }

  /** Stores of so many chunks from number 0 on. */
  public static Script stores(int count) {
    return stores(0, count, 0, Integer.MAX_VALUE);
  }

  /** Stores of so many chunks from a number on, going round from {@code low} to {@code high}. */
  public static Script stores(int from, int count, int low, int high) {
    int[] chunks = new int[count];
    for (int i = 0; i < count; i++) {
      chunks[i] = low + (int) ((from - low + (long) i) % (high - low));
    }
    return new Script(chunks, new BitSet());
  }

  /** Loads of the chunks below a number, each once, in random order. */
  public static Script loads(int count, long seed) {
    int[] chunks = new int[count];
    for (int i = 0; i < count; i++) {
      chunks[i] = i;
    }
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = count - 1; i > 0; i--) {
      int other = random.nextInt(i + 1);
      int swapped = chunks[i];
      chunks[i] = chunks[other];
      chunks[other] = swapped;
    }
    BitSet loads = new BitSet();
    loads.set(0, count);
    return new Script(chunks, loads);
  }

  /** Of ten operations seven load a chunk below the number and three store one from it on. */
  public static Script mixed(int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] chunks = new int[count];
    BitSet loads = new BitSet();
    int next = count;
    for (int i = 0; i < count; i++) {
      boolean load = i * 3 / 10 == (i + 1) * 3 / 10;
      loads.set(i, load);
      chunks[i] = load ? random.nextInt(count) : next++;
    }
    return new Script(chunks, loads);
  }

  /**
   * The references of a trace from its beginning, in parts. The first reference to a block stores
   * its chunk, one of a later part loads it; others of the same part are left out, since the store
   * may still be under way.
   *
   * @param from the number of the first chunk
   * @param storesMax no more chunks are stored
   * @param partLength how many operations are a part
   */
  public static Script trace(
      TraceSource source, int from, int storesMax, int operationsMax, int partLength)
      throws IOException {
    Map<Long, Integer> storedAt = new HashMap<>();
    Map<Long, Integer> numbers = new HashMap<>();
    int[] chunks = new int[operationsMax];
    BitSet loads = new BitSet();
    int count = 0;
    try (TraceCursor cursor = source.open()) {
      for (TraceRecord request = cursor.next();
          request != null && count < operationsMax;
          request = cursor.next()) {
        for (int i = 0; i < request.blocks() && count < operationsMax; i++) {
          long block = request.block(i);
          Integer number = numbers.get(block);
          if (number != null) {
            if (count / partLength > storedAt.getOrDefault(block, 0) / partLength) {
              loads.set(count);
              chunks[count++] = number;
            }
          } else if (numbers.size() < storesMax) {
            number = from + numbers.size();
            numbers.put(block, number);
            storedAt.put(block, count);
            chunks[count++] = number;
          }
        }
      }
    }
    return new Script(Arrays.copyOf(chunks, count), loads, partLength);
  }
}
