package io.weft.cli;

import io.weft.api.StoreStatus;
import io.weft.base.Metric;
import io.weft.base.Usage;
import io.weft.cli.trace.TraceSource;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.HdrHistogram.Histogram;

/** The report of a replay, and what it means for the exit code. */
final class ReplayReport {
  private static final double[] PERCENTILES = {50, 99, 99.9};

  private final Report report = new Report();
  private final ReplayTotals totals;
  private final DiskWatch.Summary disk;
  private final long capacityBytes;

  /**
   * @param end the store's status when the last request was done
   * @param usage what it held then, as its index says
   * @param fileBytes what a chunk takes of the device
   */
  ReplayReport(
      TraceSource source,
      OpenStore open,
      StoreStatus end,
      Usage usage,
      Replayer.Plan plan,
      long fileBytes,
      Replayer replayer,
      Duration took,
      DiskWatch.Summary disk) {
    this.totals = replayer.totals();
    this.disk = disk;
    this.capacityBytes = usage.capacityBytes();
    workload(source, plan, replayer, took);
    hits();
    traffic(took);
    latencies();
    correctness();
    store(open, end, usage, fileBytes);
    disk();
  }

  /** Chunks that hold other bytes than they should, or more bytes on the device than allowed. */
  boolean wrong() {
    return totals.wrongBytes.sum() > 0
        || totals.loadsCorrupt.sum() > 0
        || disk.maxCoexistingBytes() > capacityBytes;
  }

  int exitCode() {
    if (wrong()) {
      return ExitCodes.WRONG_DATA;
    }
    return totals.failed.sum() > 0 ? ExitCodes.FAILURE : ExitCodes.OK;
  }

  Report report() {
    return report;
  }

  private void workload(TraceSource source, Replayer.Plan plan, Replayer replayer, Duration took) {
    report
        .section("workload", "workload")
        .text("trace", source.description(), "trace")
        .count("requests", totals.requests.sum(), "requests")
        .count("blockReferences", totals.references.sum(), "block references")
        .bytes("chunkBytes", plan.chunkBytes(), "chunk")
        .count("concurrency", plan.concurrency(), "requests at once")
        .add(
            "seconds",
            Figures.rounded(Figures.seconds(took), 3),
            "time",
            Figures.seconds(Figures.seconds(took)));
    if (plan.speed() > 0) {
      double lag = Figures.seconds(replayer.lag());
      report
          .add("speed", plan.speed(), "speed", plan.speed() + " x the trace's clock")
          .add(
              "lagMaxSeconds",
              Figures.rounded(lag, 3),
              "latest start of a request",
              Figures.seconds(lag) + " behind the clock");
    }
  }

  private void hits() {
    double references = Math.max(1, totals.references.sum());
    report
        .section("hits", "hits")
        .ratio("blockHitRatio", totals.hits.sum() / references, "block hit ratio")
        .ratio("prefixHitRatio", totals.prefixHits.sum() / references, "prefix hit ratio")
        .addSilently("blockHits", totals.hits.sum())
        .addSilently("prefixHits", totals.prefixHits.sum())
        .count("lost", totals.loadsLost.sum(), "evicted between lookup and load");
  }

  private void traffic(Duration took) {
    double seconds = Math.max(1e-9, Figures.seconds(took));
    report.section("traffic", "traffic");
    rate("load", totals.loads.sum(), totals.loadedBytes.sum(), seconds, "loaded");
    rate("store", totals.stores.sum(), totals.storedBytes.sum(), seconds, "stored");
    report
        .count("duplicates", totals.duplicates.sum(), "stores of chunks that were there")
        .count("rejected", totals.rejected.sum(), "operations rejected")
        .count("failed", totals.failed.sum(), "operations failed");
    Map<String, Object> reasons = new LinkedHashMap<>();
    totals.reasons.forEach((reason, times) -> reasons.put(reason, times.sum()));
    report.addSilently("reasons", reasons);
    totals.reasons.forEach(
        (reason, times) ->
            report.add("reasons", reasons, "  of them", times.sum() + " x " + reason));
  }

  private void rate(String key, long chunks, long bytes, double seconds, String label) {
    report
        .addSilently(key + "s", chunks)
        .addSilently(key + "Bytes", bytes)
        .addSilently(key + "sPerSecond", Figures.rounded(chunks / seconds, 1))
        .add(
            key + "BytesPerSecond",
            Figures.rounded(bytes / seconds, 0),
            label,
            "%s chunks, %s; %s chunks/s, %s"
                .formatted(
                    Figures.count(chunks),
                    Figures.bytes(bytes),
                    Figures.count((long) (chunks / seconds)),
                    Figures.bytesPerSecond(bytes / seconds)));
  }

  private void latencies() {
    report.section("latency", "latency, from the call to its end");
    latency("load", totals.loadNanos);
    latency("store", totals.storeNanos);
  }

  private void latency(String key, Histogram nanos) {
    Map<String, Object> values = new LinkedHashMap<>();
    StringBuilder text = new StringBuilder();
    boolean any = nanos.getTotalCount() > 0;
    for (double percentile : PERCENTILES) {
      String name = "p" + (percentile % 1 == 0 ? "" + (int) percentile : "" + percentile);
      long value = any ? nanos.getValueAtPercentile(percentile) : 0;
      values.put(name + "Micros", value / 1000);
      text.append(name).append(' ').append(Figures.nanos(value)).append(", ");
    }
    long max = any ? nanos.getMaxValue() : 0;
    values.put("maxMicros", max / 1000);
    text.append("max ").append(Figures.nanos(max));
    report.add(key, values, key, any ? text.toString() : "none");
  }

  private void correctness() {
    report
        .section("correctness", "correctness")
        .bytes("verifiedBytes", totals.loadedBytes.sum(), "bytes verified")
        .count("wrongBytes", totals.wrongBytes.sum(), "wrong bytes")
        .count("wrongChunks", totals.wrongChunks.sum(), "chunks with wrong bytes")
        .count("corruptChunks", totals.loadsCorrupt.sum(), "chunks damaged on the device");
  }

  private void store(OpenStore open, StoreStatus end, Usage usage, long fileBytes) {
    report
        .section("store", "store")
        .text("directory", end.directory(), "directory")
        .text("filesystem", end.filesystem(), "filesystem")
        .add(
            "directIo",
            end.directIo(),
            "O_DIRECT",
            end.directIo() ? "yes" : "no: " + end.directIoDetail())
        .text("durability", open.setting("weft.durability"), "durability")
        .text("policy", open.setting("weft.eviction.policy"), "eviction policy")
        .text("recovery", open.ready().recovery(), "found at start")
        .count("chunksAtStart", open.ready().usage().chunks(), "chunks at start")
        .count("chunks", usage.chunks(), "chunks at the end")
        .count("evictions", end.counters().getOrDefault(Metric.EVICTIONS, 0L), "evictions")
        .add(
            "capacityBytes",
            capacityBytes,
            "capacity",
            "%s, %s chunks of %s on the device"
                .formatted(
                    Figures.exactBytes(capacityBytes),
                    Figures.count(capacityBytes / fileBytes),
                    Figures.bytes(fileBytes)));
  }

  private void disk() {
    report
        .section("disk", "what the filesystem says")
        .count("samples", disk.samples(), "samples")
        .count("filesMax", disk.maxFiles(), "files, at the most")
        .add(
            "physicalBytesMax",
            disk.maxCoexistingBytes(),
            "files that were there at once",
            "at the most %s, %s of the capacity"
                .formatted(
                    Figures.exactBytes(disk.maxCoexistingBytes()),
                    Figures.percent((double) disk.maxCoexistingBytes() / capacityBytes)))
        .bytes("walkBytesMax", disk.maxSeenBytes(), "largest sum of one walk")
        .add(
            "aboveCapacity",
            disk.maxCoexistingBytes() > capacityBytes,
            "above the capacity",
            disk.maxCoexistingBytes() > capacityBytes ? "YES" : "never");
  }
}
