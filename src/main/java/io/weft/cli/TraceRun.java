package io.weft.cli;

import io.weft.api.StoreStatus;
import io.weft.base.Usage;
import io.weft.cli.trace.TraceCursor;
import io.weft.cli.trace.TraceFormatException;
import io.weft.cli.trace.TraceRecord;
import io.weft.cli.trace.TraceSource;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** One replay from beginning to end: what {@code weft run} and {@code weft replay} share. */
final class TraceRun {
  private final CommandLine command;
  private final ReplayOptions options;
  private final Progress.ModeOption progressOption;
  private final TraceSource source;
  private final double speed;
  private long requests;

  private TraceRun(
      CommandLine command,
      ReplayOptions options,
      Progress.ModeOption progressOption,
      TraceSource source,
      double speed) {
    this.command = command;
    this.options = options;
    this.progressOption = progressOption;
    this.source = source;
    this.speed = speed;
  }

  /**
   * Reads the trace through once, so that one that cannot be replayed to its end is refused before
   * anything is written.
   *
   * @param speed 0 for as fast as possible
   */
  static TraceRun prepare(
      CommandLine command,
      ReplayOptions options,
      Progress.ModeOption progressOption,
      TraceSource source,
      double speed) {
    options.check(command);
    TraceRun run = new TraceRun(command, options, progressOption, source, speed);
    try (TraceCursor cursor = source.open()) {
      for (TraceRecord request = cursor.next(); request != null; request = cursor.next()) {
        run.requests++;
      }
    } catch (TraceFormatException e) {
      throw new ParameterException(command, "no trace: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new ParameterException(command, "the trace cannot be read: " + e, e);
    }
    if (run.requests == 0) {
      throw new ParameterException(command, source.description() + " has no requests");
    }
    return run;
  }

  /**
   * Replays, prints the report and returns the exit code.
   *
   * @param directory there, on the filesystem of the store
   */
  int run(Path directory, @Nullable Capacity capacity, Runnable afterInterrupt)
      throws IOException, CommandFailed {
    Replayer.Plan plan =
        new Replayer.Plan(
            options.chunkBytes(),
            options.concurrency(),
            speed,
            options.loadsAtOnce(),
            options.storesAtOnce());
    long fileBytes = Capacity.physicalBytes(plan.chunkBytes(), directory);
    Long capacityBytes = capacity == null ? null : capacity.bytes(plan.chunkBytes(), directory);
    ReplayReport report;
    try (OpenStore open = options.openStore(command, directory, capacityBytes, afterInterrupt);
        Progress progress = progressOption.start(command, "replay", requests, "requests");
        DiskWatch disk = DiskWatch.start(directory)) {
      Replayer replayer = new Replayer(open.store(), plan, progress);
      Duration took;
      try (TraceCursor cursor = source.open()) {
        took = replayer.run(cursor);
      }
      Usage usage = OpenStore.await(open.store().usage());
      StoreStatus status = OpenStore.await(open.store().status());
      report =
          new ReplayReport(
              source, open, status, usage, plan, fileBytes, replayer, took, disk.finish());
    }
    report.report().print(command.getOut(), options.json());
    return report.exitCode();
  }
}
