package io.weft.cli.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What all rounds gave, and what is to be said about them. */
public final class Results {

  /**
   * A contender under a workload.
   *
   * @param chunkBytes the payload of a chunk
   */
  public record Cell(Workload workload, int chunkBytes, String contender) {}

  /** Operations in flight that calibration found best. */
  public record Depths(int store, int load) {
    int of(Workload workload) {
      return switch (workload) {
        case LOAD -> load;
        case MIXED, TRACE -> Math.max(store, load);
        default -> store;
      };
    }
  }

  private final Map<Cell, List<Measurement>> cells = new LinkedHashMap<>();
  private final Map<Integer, Map<String, Depths>> depths = new LinkedHashMap<>();
  private final Map<Integer, Integer> warmUps = new LinkedHashMap<>();
  private final Set<String> notes = new LinkedHashSet<>();

  /** Adds a round. */
  public void add(Cell cell, Measurement measurement) {
    cells.computeIfAbsent(cell, _ -> new ArrayList<>()).add(measurement);
  }

  void depths(int chunkBytes, String contender, Depths found) {
    depths.computeIfAbsent(chunkBytes, _ -> new LinkedHashMap<>()).put(contender, found);
  }

  void warmUps(int chunkBytes, int rounds) {
    warmUps.merge(chunkBytes, rounds, Math::max);
  }

  /** Adds what a reader must know; once. */
  public void note(String text) {
    notes.add(text);
  }

  public List<Cell> cells() {
    return List.copyOf(cells.keySet());
  }

  /** The rounds of a cell, first to last; empty where it was not run. */
  public List<Measurement> rounds(Cell cell) {
    return List.copyOf(cells.getOrDefault(cell, List.of()));
  }

  /** By chunk size and contender. */
  public Map<Integer, Map<String, Depths>> depths() {
    return depths;
  }

  /** By chunk size, how many rounds did not count because code was still being compiled. */
  public Map<Integer, Integer> warmUps() {
    return warmUps;
  }

  public List<String> notes() {
    return List.copyOf(notes);
  }

  /** A figure of each round; NaN where it was not taken. */
  public double[] values(Cell cell, Measure measure) {
    return rounds(cell).stream().mapToDouble(round -> round.value(measure)).toArray();
  }

  public double median(Cell cell, Measure measure) {
    return Statistics.median(values(cell, measure));
  }

  /** The median of the rounds' own rates, as shares of the limit's; NaN where that has none. */
  public double toLimit(Cell cell) {
    Cell limit = new Cell(cell.workload(), cell.chunkBytes(), Bars.LIMIT);
    return Statistics.median(
        Statistics.ratios(values(cell, Measure.OPERATIONS), values(limit, Measure.OPERATIONS)));
  }

  /** Why the cell does not count; empty where it does. */
  public String invalid(Cell cell) {
    return rounds(cell).stream()
        .map(Measurement::invalid)
        .filter(text -> !text.isEmpty())
        .findFirst()
        .orElse("");
  }

  /** Whether every cell counts. */
  public boolean valid() {
    return cells.keySet().stream().allMatch(cell -> invalid(cell).isEmpty());
  }
}
