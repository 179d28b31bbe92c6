package io.weft.cli;

import java.io.Console;
import java.io.PrintWriter;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/**
 * How far a long command has come, on standard error: a bar where a person watches, plain lines
 * where somebody asked for them, nothing where the output goes to a file. Thread-safe.
 */
final class Progress implements AutoCloseable {
  private static final long LINE_INTERVAL_NANOS = 100_000_000;

  /** How progress is shown. */
  enum Mode {
    /** A bar on a terminal, nothing elsewhere. */
    AUTO,
    /** A line now and then, for logs and for programs that wait for it. */
    PLAIN,
    /** Nothing. */
    NONE
  }

  /** The option that chooses. */
  static final class ModeOption {
    @Option(
        names = "--progress",
        paramLabel = "HOW",
        defaultValue = "auto",
        description =
            "auto: a bar on a terminal; plain: a line now and then on standard error; none"
                + " (default: ${DEFAULT-VALUE}).")
    private Mode mode = Mode.AUTO;

    Progress start(CommandLine command, String task, long total, String unit) {
      return Progress.start(mode, command.getErr(), task, total, unit);
    }
  }

  private final @Nullable ProgressBar bar;
  private final @Nullable PrintWriter lines;
  private final String task;
  private final long total;
  private final String unit;
  private long done;
  private long lastLineNanos = System.nanoTime() - LINE_INTERVAL_NANOS;

  private Progress(
      @Nullable ProgressBar bar,
      @Nullable PrintWriter lines,
      String task,
      long total,
      String unit) {
    this.bar = bar;
    this.lines = lines;
    this.task = task;
    this.total = total;
    this.unit = unit;
  }

  /**
   * A bar on a terminal.
   *
   * @param total how many steps there will be; -1 where that is not known
   * @param unit what is counted, in the plural
   */
  static Progress start(String task, long total, String unit) {
    return new Progress(watched() ? bar(task, total, unit) : null, null, task, total, unit);
  }

  private static Progress start(Mode mode, PrintWriter err, String task, long total, String unit) {
    return switch (mode) {
      case AUTO -> start(task, total, unit);
      case PLAIN -> new Progress(null, err, task, total, unit);
      case NONE -> new Progress(null, null, task, total, unit);
    };
  }

  @SuppressWarnings("SystemConsoleNull") // since 25 it is null again where there is no terminal
  private static boolean watched() {
    Console console = System.console();
    return console != null && console.isTerminal();
  }

  private static ProgressBar bar(String task, long total, String unit) {
    return new ProgressBarBuilder()
        .setTaskName(task)
        .setInitialMax(total)
        .setUnit(" " + unit, 1)
        .setStyle(ProgressBarStyle.UNICODE_BLOCK)
        .setUpdateIntervalMillis(200)
        .setConsumer(new ConsoleProgressBarConsumer(System.err))
        .clearDisplayOnFinish()
        .build();
  }

  synchronized void advance(long steps) {
    to(done + steps);
  }

  /** So many steps are done, all in all. */
  synchronized void to(long steps) {
    done = steps;
    if (bar != null) {
      bar.stepTo(steps);
    }
    if (lines != null && System.nanoTime() - lastLineNanos >= LINE_INTERVAL_NANOS) {
      lastLineNanos = System.nanoTime();
      printLine(lines);
    }
  }

  private void printLine(PrintWriter out) {
    out.println(task + ": " + done + (total < 0 ? " " : " of " + total + " ") + unit);
    out.flush();
  }

  /** What is being done now, beside the bar. */
  void note(String text) {
    if (bar != null) {
      bar.setExtraMessage(text);
    }
  }

  @Override
  public synchronized void close() {
    if (bar != null) {
      bar.close();
    }
    if (lines != null) {
      printLine(lines);
    }
  }
}
