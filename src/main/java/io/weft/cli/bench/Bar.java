package io.weft.cli.bench;

import io.weft.cli.bench.Results.Cell;
import java.util.Arrays;
import java.util.List;

/**
 * A figure that a contender is to reach. Where it is held against others it is the median of the
 * rounds' own ratios to the least of them.
 *
 * @param against whom it is held against, each by a factor; nobody for an absolute figure
 * @param bound what is to be reached
 * @param atMost whether the figure is to stay at or below the bound
 */
public record Bar(
    String what,
    Cell cell,
    Measure measure,
    List<Reference> against,
    double bound,
    boolean atMost) {

  /** Another's figure of the same round, workload, size and kind. */
  public record Reference(String contender, double factor) {}

  /** How it came out. */
  public enum State {
    MET("met"),
    MISSED("missed"),
    /** Operations failed, of the contender or of whom it is held against. */
    INVALID("does not count"),
    NOT_MEASURED("not measured");

    private final String label;

    State(String label) {
      this.label = label;
    }

    public String label() {
      return label;
    }
  }

  /**
   * @param value NaN where it was not measured
   */
  public record Verdict(Bar bar, double value, State state) {}

  public Bar {
    against = List.copyOf(against);
  }

  /** Holds the results against it. */
  public Verdict judge(Results results) {
    double[] values = results.values(cell, measure);
    boolean valid = results.invalid(cell).isEmpty();
    double[] least = new double[values.length];
    Arrays.fill(least, against.isEmpty() ? 1 : Double.POSITIVE_INFINITY);
    for (Reference reference : against) {
      Cell other = new Cell(cell.workload(), cell.chunkBytes(), reference.contender());
      double[] others = results.values(other, measure);
      valid &= results.invalid(other).isEmpty();
      for (int round = 0; round < least.length; round++) {
        // NaN wins: a round in which one of them is missing has no ratio.
        double theirs = round < others.length ? others[round] * reference.factor() : Double.NaN;
        least[round] = Math.min(least[round], theirs);
      }
    }
    double value = Statistics.median(Statistics.ratios(values, least));
    State state;
    if (Double.isNaN(value)) {
      state = State.NOT_MEASURED;
    } else if (!valid) {
      state = State.INVALID;
    } else {
      state = (atMost ? value <= bound : value >= bound) ? State.MET : State.MISSED;
    }
    return new Verdict(this, value, state);
  }
}
