package io.weft.cli.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * fio beside the limit, as a check from outside: blocks of the same size at random places of a file
 * that was written before. It runs no script; its figures are of as many blocks.
 */
final class FioContender implements Contender {
  private final String engine;
  private @Nullable Space space;

  /**
   * @param engine {@code io_uring} or {@code psync}
   */
  FioContender(String engine) {
    this.engine = engine;
  }

  @Override
  public String name() {
    return "fio-" + engine;
  }

  @Override
  public boolean runs(Workload workload, int chunkBytes) {
    return workload == Workload.STORE || workload == Workload.LOAD || workload == Workload.MIXED;
  }

  @Override
  public List<Integer> depths() {
    return List.of();
  }

  @Override
  public void prepare(Space wanted) throws IOException, InterruptedException {
    space = wanted;
    fio(wanted, "write", 1, wanted.places(), List.of("--ioengine=psync"));
  }

  @Override
  public void empty() {}

  @Override
  public Measurement measure(Workload workload, Script script, int depth, Equipment equipment)
      throws IOException, InterruptedException {
    Space here = Objects.requireNonNull(space);
    String pattern =
        switch (workload) {
          case STORE -> "randwrite";
          case LOAD -> "randread";
          default -> "randrw";
        };
    // One thread with a deep queue, or as many threads as operations in flight.
    boolean ring = engine.equals("io_uring");
    int jobs = ring ? 1 : depth;
    List<String> how = new ArrayList<>(List.of("--ioengine=" + engine, "--rwmixread=70"));
    how.add("--iodepth=" + (ring ? depth : 1));
    JsonNode job = fio(here, pattern, jobs, Math.max(1, script.length() / jobs), how);
    return Measurement.of(figures(job, here));
  }

  private Map<Measure, Double> figures(JsonNode job, Space here) {
    double operations = 0;
    double seconds = 0;
    JsonNode slower = job.path("read");
    for (String side : List.of("read", "write")) {
      JsonNode each = job.path(side);
      operations += each.path("total_ios").asDouble();
      seconds = Math.max(seconds, each.path("runtime").asDouble() / 1e3);
      if (percentile(each, "99.000000") > percentile(slower, "99.000000")) {
        slower = each;
      }
    }
    seconds = Math.max(seconds, 1e-3);
    double bytes = operations * here.chunkBytes();
    Map<Measure, Double> values = new EnumMap<>(Measure.class);
    values.put(Measure.SECONDS, seconds);
    values.put(Measure.OPERATIONS, operations / seconds);
    values.put(Measure.MEGABYTES, bytes / 1e6 / seconds);
    values.put(Measure.P50, percentile(slower, "50.000000") / 1e3);
    values.put(Measure.P99, percentile(slower, "99.000000") / 1e3);
    values.put(Measure.P999, percentile(slower, "99.900000") / 1e3);
    double share = (job.path("usr_cpu").asDouble() + job.path("sys_cpu").asDouble()) / 100;
    values.put(Measure.CPU, share * job.path("job_runtime").asDouble() / 1e3 / (bytes / 1e9));
    return values;
  }

  private static double percentile(JsonNode side, String which) {
    return side.path("clat_ns").path("percentile").path(which).asDouble();
  }

  /** Runs fio on the contender's file; so many blocks a job. */
  private static JsonNode fio(Space space, String pattern, int jobs, long blocks, List<String> how)
      throws IOException, InterruptedException {
    Path file = space.directory().resolve("fio");
    List<String> command =
        new ArrayList<>(
            List.of(
                "fio",
                "--name=limit",
                "--filename=" + file,
                "--filesize=" + (long) space.places() * space.physicalBytes(),
                "--bs=" + space.physicalBytes(),
                "--rw=" + pattern,
                "--direct=1",
                "--thread",
                "--norandommap",
                "--numjobs=" + jobs,
                "--io_size=" + blocks * space.physicalBytes(),
                "--group_reporting",
                "--output-format=json"));
    command.addAll(how);
    String out = Tools.run(command);
    // Warnings may come before the object.
    return new ObjectMapper()
        .readTree(out.substring(Math.max(0, out.indexOf('{'))))
        .path("jobs")
        .path(0);
  }

  @Override
  public void close() throws IOException {
    if (space != null) {
      Trees.clear(space.directory());
    }
  }
}
