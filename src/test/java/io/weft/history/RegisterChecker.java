package io.weft.history;

import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Whether the history of one key is that of a register: whether there is an order of the events, in
 * which each lies between its call and its return, and in which each outcome is right. The search
 * is Wing and Gong's, and remembers which sets of events it has tried with which value.
 *
 * <p>A register of a cache may lose its value at any time; then a miss is right at once, and stays
 * right until the next store. What was replaced, deleted or lost never comes back.
 */
public final class RegisterChecker {
  private static final int IMPOSSIBLE = -1;
  private static final int STEPS_MAX = 3_000_000;

  private final List<Event> events;
  private final boolean mayLose;
  private final Set<Tried> tried = new HashSet<>();

  private record Tried(BitSet done, int value) {}

  private RegisterChecker(List<Event> events, boolean mayLose) {
    this.events = events.stream().sorted(Comparator.comparingLong(Event::called)).toList();
    this.mayLose = mayLose;
  }

  /**
   * @param mayLose whether the store evicts
   * @throws AssertionError where no order explains the events
   */
  public static void check(String key, List<Event> events, boolean mayLose) {
    RegisterChecker checker = new RegisterChecker(events, mayLose);
    if (!checker.hasOrder()) {
      StringBuilder said = new StringBuilder("no order explains what was seen of " + key + ":\n");
      checker.events.forEach(event -> said.append(event).append('\n'));
      throw new AssertionError(said);
    }
  }

  private boolean hasOrder() {
    Deque<Tried> open = new ArrayDeque<>();
    open.push(new Tried(new BitSet(), Event.NO_VALUE));
    while (!open.isEmpty()) {
      Tried state = open.pop();
      if (!tried.add(state)) {
        continue;
      }
      if (tried.size() > STEPS_MAX) {
        throw new AssertionError("the history is too long to be searched");
      }
      int first = state.done().nextClearBit(0);
      long mustComeBefore = Event.NEVER;
      boolean allDone = true;
      for (int i = first; i < events.size(); i++) {
        if (!state.done().get(i) && !events.get(i).mayNeverHappen()) {
          allDone = false;
          mustComeBefore = Math.min(mustComeBefore, events.get(i).returned());
        }
      }
      if (allDone) {
        return true;
      }
      // The last pushed is tried first: the earliest call is the likeliest.
      for (int i = events.size() - 1; i >= first; i--) {
        if (state.done().get(i) || events.get(i).called() > mustComeBefore) {
          continue;
        }
        int after = apply(events.get(i), state.value());
        if (after != IMPOSSIBLE) {
          BitSet done = (BitSet) state.done().clone();
          done.set(i);
          open.push(new Tried(done, after));
        }
      }
    }
    return false;
  }

  private int apply(Event event, int value) {
    boolean absent = value == Event.NO_VALUE;
    return switch (event.kind()) {
      case STORED, MAYBE_STORED -> event.value();
      case WAS_THERE, PRESENT -> absent ? IMPOSSIBLE : value;
      case LOADED -> value == event.value() ? value : IMPOSSIBLE;
      case ABSENT -> absent || mayLose ? Event.NO_VALUE : IMPOSSIBLE;
      case DELETED -> absent ? IMPOSSIBLE : Event.NO_VALUE;
      case MAYBE_DELETED -> Event.NO_VALUE;
    };
  }
}
