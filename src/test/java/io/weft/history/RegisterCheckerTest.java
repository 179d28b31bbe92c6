package io.weft.history;

import static org.junit.jupiter.api.Assertions.assertThrows;

import io.weft.history.Event.Kind;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The checker finds what it is there to find, and nothing else. */
class RegisterCheckerTest {
  private final List<Event> events = new ArrayList<>();

  private RegisterCheckerTest saw(long called, long returned, Kind kind, int value) {
    events.add(new Event(events.size(), called, returned, kind, value));
    return this;
  }

  private void right(boolean mayLose) {
    RegisterChecker.check("k", events, mayLose);
  }

  private void wrong(boolean mayLose) {
    assertThrows(AssertionError.class, () -> RegisterChecker.check("k", events, mayLose));
  }

  @Test
  void aValueThatWasNeverStored() {
    saw(0, 1, Kind.STORED, 1).saw(2, 3, Kind.LOADED, 2).wrong(true);
  }

  @Test
  void aValueFromBeforeAReplacement() {
    saw(0, 1, Kind.STORED, 1).saw(2, 3, Kind.STORED, 2).saw(4, 5, Kind.LOADED, 1).wrong(true);
  }

  @Test
  void eitherValueDuringAReplacementButNotBackAgain() {
    saw(0, 1, Kind.STORED, 1).saw(2, 9, Kind.STORED, 2);
    saw(3, 4, Kind.LOADED, 1).saw(5, 6, Kind.LOADED, 2).right(false);
    saw(7, 8, Kind.LOADED, 1).wrong(true);
  }

  @Test
  void aDeletedValue() {
    saw(0, 1, Kind.STORED, 1).saw(2, 5, Kind.DELETED, 0).saw(3, 6, Kind.LOADED, 1).right(false);
    saw(7, 8, Kind.LOADED, 1).wrong(true);
  }

  @Test
  void aMissWithoutReason() {
    saw(0, 1, Kind.STORED, 1).saw(2, 3, Kind.ABSENT, 0).right(true);
    wrong(false);
  }

  @Test
  void aValueThatComesBackAfterItWasLost() {
    saw(0, 1, Kind.STORED, 1).saw(2, 3, Kind.ABSENT, 0).saw(4, 5, Kind.PRESENT, 0).wrong(true);
  }

  @Test
  void aStoreWithoutAnAnswerMayComeLateOrNever() {
    saw(0, Event.NEVER, Kind.MAYBE_STORED, 1).saw(1, 2, Kind.ABSENT, 0).right(false);
    saw(3, 4, Kind.LOADED, 1).right(false);
    saw(5, 6, Kind.DELETED, 0).saw(7, 8, Kind.LOADED, 1).wrong(true);
  }

  @Test
  void aDuplicateOfNothing() {
    saw(0, 1, Kind.WAS_THERE, 0).wrong(true);
  }
}
