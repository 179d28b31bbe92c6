package io.weft.cli.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.cli.bench.Bar.Reference;
import io.weft.cli.bench.Bar.State;
import io.weft.cli.bench.Results.Cell;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class BarTest {
  private static final Cell WEFT = new Cell(Workload.LOAD, 4096, "weft");
  private static final Cell LIMIT = new Cell(Workload.LOAD, 4096, "limit");
  private static final Cell PEER = new Cell(Workload.LOAD, 4096, "peer");

  private final Results results = new Results();

  private void rounds(Cell cell, double... rates) {
    for (double rate : rates) {
      results.add(cell, Measurement.of(Map.of(Measure.OPERATIONS, rate)));
    }
  }

  private static Bar bar(double bound, boolean atMost, Reference... against) {
    return new Bar("a bar", WEFT, Measure.OPERATIONS, List.of(against), bound, atMost);
  }

  @Test
  void mediansLeaveOutWhatIsNotThere() {
    assertEquals(2, Statistics.median(new double[] {3, 1, 2}));
    assertEquals(2.5, Statistics.median(new double[] {4, 1, Double.NaN, 2, 3}));
    assertTrue(Double.isNaN(Statistics.median(new double[] {Double.NaN})));
    assertArrayEquals(
        new double[] {0.5, 2},
        Statistics.ratios(new double[] {1, Double.NaN, 4, 7}, new double[] {2, 5, 2}));
  }

  @Test
  void aRatioIsTheMedianOfTheRoundsOwnRatiosAndNotOfTheMedians() {
    rounds(WEFT, 10, 90, 100);
    rounds(LIMIT, 10, 100, 1000);

    // The medians' ratio would be 0.9 as well only by chance of another order.
    assertEquals(0.9, bar(0.9, false, new Reference("limit", 1)).judge(results).value(), 1e-12);

    Results other = new Results();
    for (double[] pair : new double[][] {{50, 100}, {60, 40}, {70, 50}}) {
      other.add(WEFT, Measurement.of(Map.of(Measure.OPERATIONS, pair[0])));
      other.add(LIMIT, Measurement.of(Map.of(Measure.OPERATIONS, pair[1])));
    }
    // 0.5, 1.5, 1.4; the medians' ratio is 60 / 50 = 1.2.
    assertEquals(1.4, bar(1, false, new Reference("limit", 1)).judge(other).value(), 1e-12);
  }

  @Test
  void aBarIsMetAtItsBoundFromEitherSide() {
    rounds(WEFT, 95);
    rounds(LIMIT, 100);
    Reference limit = new Reference("limit", 1);

    assertEquals(State.MET, bar(0.95, false, limit).judge(results).state());
    assertEquals(State.MISSED, bar(0.96, false, limit).judge(results).state());
    assertEquals(State.MET, bar(0.95, true, limit).judge(results).state());
    assertEquals(State.MISSED, bar(0.94, true, limit).judge(results).state());
    assertEquals(95, bar(90, false).judge(results).value());
  }

  @Test
  void theLesserReferenceOfEachRoundCounts() {
    rounds(WEFT, 100, 100, 100);
    rounds(PEER, 40, 60, 45);
    rounds(LIMIT, 100, 100, 100);
    Bar bar = bar(1, false, new Reference("peer", 2), new Reference("limit", 0.9));

    // 100/80, 100/90, 100/90.
    assertEquals(100 / 90.0, bar.judge(results).value(), 1e-12);
  }

  @Test
  void whatWasNotMeasuredIsNeitherMetNorMissed() {
    rounds(WEFT, 100);

    assertEquals(
        State.NOT_MEASURED, bar(1, false, new Reference("limit", 1)).judge(results).state());
    assertTrue(Double.isNaN(bar(1, false, new Reference("limit", 1)).judge(results).value()));
  }

  @Test
  void aFailedOperationOfEitherSideVoidsTheBar() {
    rounds(WEFT, 100);
    rounds(LIMIT, 10);
    results.add(LIMIT, new Measurement(Map.of(Measure.OPERATIONS, 10.0), "1 operations failed"));

    assertEquals(State.INVALID, bar(1, false, new Reference("limit", 1)).judge(results).state());
  }

  @Test
  void everyBarIsOfAContenderThatRunsItsWorkload() {
    Set<String> names =
        new HashSet<>(Bench.names().stream().filter(n -> !n.equals("rocksdb")).toList());
    names.add(Bars.INDEX);
    names.add(Bars.ROCKSDB);
    for (Bar bar : Bars.all()) {
      assertTrue(names.contains(bar.cell().contender()), bar::toString);
      bar.against().forEach(other -> assertTrue(names.contains(other.contender()), bar::toString));
    }
    // No two bars say the same.
    assertEquals(
        Bars.all().size(),
        Bars.all().stream().map(Bar::toString).collect(Collectors.toSet()).size());
  }
}
