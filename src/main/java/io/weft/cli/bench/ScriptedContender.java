package io.weft.cli.bench;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.HdrHistogram.Histogram;

/** A contender that runs a script operation by operation. */
public abstract class ScriptedContender implements Contender {

  /** Runs all operations of the script; returns when the last one is done. */
  protected abstract void run(Script script, List<Slot> slots, Tally tally) throws Exception;

  /**
   * Brings what was stored to where the contender keeps it; counts as a part of the run. Nothing to
   * do where a store is there when it is answered.
   */
  protected void finishStores() throws IOException {}

  /** Processes that work for it beside this one. */
  protected List<Long> processes() {
    return List.of();
  }

  /** Begins to look at what {@link #troubles} says. */
  protected void watch() {}

  /** Why what ran since {@link #watch} does not count; empty where it does. */
  protected String troubles(Workload workload, Script script) {
    return "";
  }

  @Override
  public final Measurement measure(Workload workload, Script script, int depth, Equipment equipment)
      throws Exception {
    List<Slot> slots = equipment.slots(depth);
    Tally tally = new Tally(equipment.content(), depth);
    List<Script> parts = script.parts();
    watch();
    Meter meter = Meter.start(processes());
    for (Script part : parts) {
      run(part, slots, tally);
    }
    if (script.stores() > 0) {
      finishStores();
    }
    Map<Measure, Double> values = meter.stop(script.length(), equipment.chunkBytes());
    if (tally.wrong() > 0) {
      throw new WrongBytes(name() + ": " + tally.invalid());
    }
    putLatencies(values, tally.latencies());
    String invalid = tally.invalid();
    return new Measurement(values, invalid.isEmpty() ? troubles(workload, script) : invalid);
  }

  static void putLatencies(Map<Measure, Double> values, Histogram latencies) {
    values.put(Measure.P50, latencies.getValueAtPercentile(50) / 1e3);
    values.put(Measure.P99, latencies.getValueAtPercentile(99) / 1e3);
    values.put(Measure.P999, latencies.getValueAtPercentile(99.9) / 1e3);
  }
}
