package io.weft.cli.trace;

import java.util.Arrays;

/**
 * One request of a trace: when it came, how long its input and output were, and the blocks of its
 * input in order, one id for each {@link #BLOCK_TOKENS} tokens. Equal ids are equal prefixes.
 */
public final class TraceRecord {
  /** The tokens that one id stands for; the last block of a request may have fewer. */
  public static final int BLOCK_TOKENS = 512;

  private final long timestampMillis;
  private final int inputLength;
  private final int outputLength;
  private final long[] hashIds;

  /**
   * @param timestampMillis since the first request of the trace
   * @param inputLength in tokens
   * @param outputLength in tokens
   * @param hashIds one id for each block of the input; copied
   */
  public TraceRecord(long timestampMillis, int inputLength, int outputLength, long[] hashIds) {
    this.timestampMillis = timestampMillis;
    this.inputLength = inputLength;
    this.outputLength = outputLength;
    this.hashIds = hashIds.clone();
  }

  public long timestampMillis() {
    return timestampMillis;
  }

  public int inputLength() {
    return inputLength;
  }

  public int outputLength() {
    return outputLength;
  }

  /** How many blocks the input has. */
  public int blocks() {
    return hashIds.length;
  }

  /** The id of the block at that place of the input. */
  public long block(int index) {
    return hashIds[index];
  }

  /** A copy of all ids. */
  public long[] hashIds() {
    return hashIds.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TraceRecord that
        && timestampMillis == that.timestampMillis
        && inputLength == that.inputLength
        && outputLength == that.outputLength
        && Arrays.equals(hashIds, that.hashIds);
  }

  @Override
  public int hashCode() {
    return Long.hashCode(timestampMillis) * 31 + Arrays.hashCode(hashIds);
  }

  /** The record as a line of a trace file has it. */
  @Override
  public String toString() {
    return "{\"timestamp\": "
        + timestampMillis
        + ", \"input_length\": "
        + inputLength
        + ", \"output_length\": "
        + outputLength
        + ", \"hash_ids\": "
        + Arrays.toString(hashIds)
        + "}";
  }
}
