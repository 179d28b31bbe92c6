package io.weft.testing;

import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.StressOptions;
import org.jetbrains.lincheck.util.LoggingLevel;

/**
 * Runs the operations of a class from several threads and asks of each outcome whether some order
 * of the operations, one after the other, gives it too (Lincheck). The failure shows the schedule.
 *
 * <p>{@code scripts/interleavings N} runs N times as many. A test of this has the tag {@code
 * interleavings} and runs in a JVM with others of its kind: Lincheck rewrites every class that is
 * loaded there.
 */
public final class Interleavings {
  private static final int TIMES = Integer.getInteger("weft.interleavings", 1);

  private Interleavings() {}

  /** Tries schedules one by one: switches threads at every access to what they share. */
  public static void explore(Class<?> operations) {
    new ModelCheckingOptions()
        .iterations(4 * TIMES)
        .invocationsPerIteration(150)
        .threads(2)
        .actorsPerThread(3)
        .actorsBefore(1)
        .actorsAfter(1)
        .logLevel(LoggingLevel.ERROR)
        .check(operations);
  }

  /** {@link #explore} in the long form only: for classes on which it takes minutes. */
  public static void exploreWhenLong(Class<?> operations) {
    if (TIMES > 1) {
      explore(operations);
    }
  }

  /** On real threads: for what cannot be switched at will, such as memory outside the heap. */
  public static void stress(Class<?> operations) {
    new StressOptions()
        .iterations(5 * TIMES)
        .invocationsPerIteration(400)
        .threads(3)
        .actorsPerThread(3)
        .actorsBefore(1)
        .actorsAfter(1)
        .logLevel(LoggingLevel.ERROR)
        .check(operations);
  }
}
