package io.weft.cli.trace;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.SplittableRandom;

/**
 * A made-up workload of conversations, the same for the same parameters on every machine. New
 * conversations arrive at random; each starts with one of a few shared system prompts and a first
 * message, and goes on, with a pause for reading and typing, by turns whose input is everything
 * said so far and one message more. So a turn's blocks extend the blocks of the turn before it, but
 * for the last one, which was not full then and has another id now.
 *
 * <p>With the default parameters about four references in ten would hit an infinite cache, as in
 * published traces of chat services.
 */
public final class GeneratedTrace {

  /**
   * What a generated trace is made from.
   *
   * @param seed equal parameters and seed make equal traces
   * @param requests how many requests it has
   * @param distinctBlocks about how many different blocks it has: the messages are as long as that
   *     takes
   * @param turnsMean how many turns a conversation has on average; more turns, more hits
   * @param systemPrompts how many system prompts the conversations share
   * @param systemPromptTokens how long the longest of them is; the others are between half of that
   *     and that
   * @param thinkMillisMean the pause between an answer and the next turn
   * @param durationMillis the time within which conversations arrive; the last turns come later
   */
  public record Parameters(
      long seed,
      int requests,
      long distinctBlocks,
      double turnsMean,
      int systemPrompts,
      int systemPromptTokens,
      long thinkMillisMean,
      long durationMillis) {

    public Parameters {
      check(requests >= 1, "requests", requests, "at least 1");
      check(
          distinctBlocks >= requests,
          "distinct blocks",
          distinctBlocks,
          "at least the number of requests");
      check(turnsMean >= 1 && turnsMean <= 1000, "turns", turnsMean, "from 1 to 1000");
      check(systemPrompts >= 1, "system prompts", systemPrompts, "at least 1");
      check(systemPromptTokens >= 0, "system prompt tokens", systemPromptTokens, "not negative");
      check(thinkMillisMean >= 1, "think time", thinkMillisMean, "at least 1 ms");
      check(durationMillis >= 1, "duration", durationMillis, "at least 1 ms");
    }

    /** Requests at a chat service's usual rate, sixteen new blocks each. */
    public static Parameters of(long seed, int requests) {
      return of(seed, requests, requests * 16L);
    }

    /**
     * Conversations of 1.7 turns on average, forty seconds apart, arriving within fifteen minutes
     * or more; four system prompts, the longest a tenth of what is new in a request.
     */
    public static Parameters of(long seed, int requests, long distinctBlocks) {
      long newTokens = distinctBlocks / Math.max(1, requests) * TraceRecord.BLOCK_TOKENS;
      return new Parameters(
          seed,
          requests,
          distinctBlocks,
          1.7,
          4,
          (int) Math.min(newTokens / 10, 4_000),
          40_000,
          Math.max(900_000, requests * 300L));
    }

    private static void check(boolean holds, String what, Object value, String rule) {
      if (!holds) {
        throw new IllegalArgumentException(
            "a generated trace cannot have " + what + " = " + value + ": it must be " + rule);
      }
    }
  }

  /** The share of a turn's new text that the answer is; the rest is the next message. */
  private static final double ANSWER_SHARE = 0.05;

  /** A first message brings its documents along: how much longer than a later one it is. */
  private static final double FIRST_MESSAGE_FACTOR = 2;

  /** The spread of message lengths (sigma of a lognormal distribution). */
  private static final double LENGTH_SIGMA = 0.9;

  /** An answer comes at about this pace. */
  private static final double ANSWER_MILLIS_PER_TOKEN = 20;

  private static final class Conversation {
    final List<Long> fullBlocks = new ArrayList<>();
    long tokens;
    int turns;
    boolean first = true;
    long dueMillis;
    final int number;

    Conversation(int number, int promptTokens) {
      this.number = number;
      this.tokens = promptTokens;
    }
  }

  private final Parameters parameters;
  private final SplittableRandom random;
  private long nextId;

  private GeneratedTrace(Parameters parameters) {
    this.parameters = parameters;
    this.random = new SplittableRandom(parameters.seed());
  }

  /** Makes the trace, in the order of its timestamps. */
  public static List<TraceRecord> generate(Parameters parameters) {
    return new GeneratedTrace(parameters).run();
  }

  private List<TraceRecord> run() {
    List<List<Long>> promptBlocks = new ArrayList<>();
    int[] promptTokens = new int[parameters.systemPrompts()];
    for (int prompt = 0; prompt < promptTokens.length; prompt++) {
      int half = parameters.systemPromptTokens() / 2;
      promptTokens[prompt] = half + random.nextInt(parameters.systemPromptTokens() - half + 1);
      List<Long> blocks = new ArrayList<>();
      for (int full = 0; full < promptTokens[prompt] / TraceRecord.BLOCK_TOKENS; full++) {
        blocks.add(nextId++);
      }
      promptBlocks.add(blocks);
    }

    PriorityQueue<Conversation> due =
        new PriorityQueue<>(
            Comparator.<Conversation>comparingLong(conversation -> conversation.dueMillis)
                .thenComparingInt(conversation -> conversation.number));
    double conversations = Math.max(1, parameters.requests() / parameters.turnsMean());
    double arrivalMillisMean = parameters.durationMillis() / conversations;
    List<TraceRecord> records = new ArrayList<>(parameters.requests());
    double arrivalMillis = 0;
    int started = 0;
    while (records.size() < parameters.requests()) {
      while (due.isEmpty() || due.element().dueMillis > arrivalMillis) {
        int prompt = prompt(promptTokens.length);
        Conversation conversation = new Conversation(started++, promptTokens[prompt]);
        conversation.fullBlocks.addAll(promptBlocks.get(prompt));
        conversation.turns = turns();
        conversation.dueMillis = (long) arrivalMillis;
        due.add(conversation);
        arrivalMillis += exponential(arrivalMillisMean);
      }
      Conversation conversation = due.remove();
      records.add(turn(conversation, records.size()));
      if (conversation.turns > 0) {
        due.add(conversation);
      }
    }
    return records;
  }

  /** One turn: the message is added to what was said, then the answer. */
  private TraceRecord turn(Conversation conversation, int recordsBefore) {
    // What is left of the wanted blocks, over the requests left, steers the length of messages:
    // whatever chance brings, the sum comes out.
    double blocksLeft = Math.max(0, parameters.distinctBlocks() - nextId);
    double blocksMean = blocksLeft / (parameters.requests() - recordsBefore);
    double firstShare = 1 / parameters.turnsMean();
    double weightMean = firstShare * FIRST_MESSAGE_FACTOR + (1 - firstShare);
    // The unfull last block of each turn is a block of its own that brings no tokens.
    double tokensMean = Math.max(0, blocksMean - 1) * TraceRecord.BLOCK_TOKENS / weightMean;
    double factor = conversation.first ? FIRST_MESSAGE_FACTOR : 1 - ANSWER_SHARE;
    long message = 1 + (long) (tokensMean * factor * lognormal());
    int answer = 1 + (int) Math.min(1 << 20, tokensMean * ANSWER_SHARE * lognormal());
    conversation.first = false;
    conversation.tokens = Math.min(conversation.tokens + message, Integer.MAX_VALUE / 2);

    long full = conversation.tokens / TraceRecord.BLOCK_TOKENS;
    while (conversation.fullBlocks.size() < full) {
      conversation.fullBlocks.add(nextId++);
    }
    boolean rest = conversation.tokens % TraceRecord.BLOCK_TOKENS != 0;
    long[] ids = new long[(int) full + (rest ? 1 : 0)];
    for (int block = 0; block < full; block++) {
      ids[block] = conversation.fullBlocks.get(block);
    }
    if (rest) {
      ids[(int) full] = nextId++;
    }
    TraceRecord made =
        new TraceRecord(conversation.dueMillis, (int) conversation.tokens, answer, ids);

    conversation.tokens += answer;
    conversation.turns--;
    conversation.dueMillis +=
        (long)
            (answer * ANSWER_MILLIS_PER_TOKEN
                + exponential((double) parameters.thinkMillisMean())
                + 1);
    return made;
  }

  /** Few prompts are used much: each half as likely as the one before, roughly. */
  private int prompt(int prompts) {
    double weight = 0;
    for (int prompt = 0; prompt < prompts; prompt++) {
      weight += 1.0 / (prompt + 1);
    }
    double left = random.nextDouble() * weight;
    for (int prompt = 0; prompt < prompts; prompt++) {
      left -= 1.0 / (prompt + 1);
      if (left < 0) {
        return prompt;
      }
    }
    return prompts - 1;
  }

  /** Geometric: after each turn the conversation ends with the same probability. */
  private int turns() {
    int turns = 1;
    while (turns < 10_000 && random.nextDouble() >= 1 / parameters.turnsMean()) {
      turns++;
    }
    return turns;
  }

  private double exponential(double mean) {
    return -mean * StrictMath.log(1 - random.nextDouble());
  }

  /** Lognormal with mean 1. */
  private double lognormal() {
    double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - random.nextDouble()));
    double normal = radius * StrictMath.cos(2 * Math.PI * random.nextDouble());
    return StrictMath.exp(LENGTH_SIGMA * normal - LENGTH_SIGMA * LENGTH_SIGMA / 2);
  }
}
