package io.weft.core;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Stores that wait for room on the device. Where chunks lie in slots there is a line for each slot
 * size: room of one size is not what those wait for who need another. Files have one line: any
 * chunk that goes makes room for any other. Of several lines the one whose head came first is next.
 */
final class SpaceWaiters {

  /**
   * A store that waits.
   *
   * @param salt what its bytes are counted for
   * @param physicalBytes what it takes on the device
   * @param turn rises with each that came
   */
  record Waiter(StoreRequest request, int salt, long physicalBytes, long turn) {}

  private static final long ONE_LINE = 0;

  private final boolean lineForEachSize;
  private final Map<Long, ArrayDeque<Waiter>> lines = new HashMap<>();
  private int count;
  private long bytes;
  private long turns;

  SpaceWaiters(boolean lineForEachSize) {
    this.lineForEachSize = lineForEachSize;
  }

  boolean isEmpty() {
    return count == 0;
  }

  int count() {
    return count;
  }

  /** What all of them take on the device. */
  long bytes() {
    return bytes;
  }

  /** How many are in the line of this size. */
  int inLineOf(long physicalBytes) {
    ArrayDeque<Waiter> line = lines.get(lineOf(physicalBytes));
    return line == null ? 0 : line.size();
  }

  void add(StoreRequest request, int salt, long physicalBytes) {
    lines
        .computeIfAbsent(lineOf(physicalBytes), _ -> new ArrayDeque<>())
        .addLast(new Waiter(request, salt, physicalBytes, turns++));
    count++;
    bytes += physicalBytes;
  }

  /**
   * The head that came first; null where no line is left.
   *
   * @param without lines that are left out, as of {@link #lineOf}
   */
  @Nullable Waiter first(Set<Long> without) {
    Waiter first = null;
    for (Map.Entry<Long, ArrayDeque<Waiter>> each : lines.entrySet()) {
      Waiter head = each.getValue().getFirst();
      if ((first == null || head.turn() < first.turn()) && !without.contains(each.getKey())) {
        first = head;
      }
    }
    return first;
  }

  /** The line that a store of this size waits in. */
  long lineOf(long physicalBytes) {
    return lineForEachSize ? physicalBytes : ONE_LINE;
  }

  /** The head of a line leaves it. */
  void leave(Waiter head) {
    long number = lineOf(head.physicalBytes());
    ArrayDeque<Waiter> line = lines.get(number);
    if (line == null || line.getFirst().turn() != head.turn()) {
      throw new IllegalStateException("not the head of its line: " + head);
    }
    line.removeFirst();
    if (line.isEmpty()) {
      lines.remove(number);
    }
    count--;
    bytes -= head.physicalBytes();
  }
}
