package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.weft.core.LinkState.Effect;
import io.weft.core.LinkState.Event;
import io.weft.core.LinkState.State;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Every event in every state, and the counters behind two of them. */
class LinkStateTest {
  private static final int FAILED_PROBES_MAX = 2;
  private static final int ERROR_STREAKS_MAX = 2;

  private record At(State state, Event event) {}

  private record To(State state, Effect effect) {}

  /** How each state is reached. */
  private static final Map<State, List<Event>> WAYS =
      Map.of(
          State.DOWN, List.of(),
          State.CONNECTING, List.of(Event.START),
          State.MOUNTING, List.of(Event.START, Event.CONNECTED),
          State.UP, List.of(Event.START, Event.CONNECTED, Event.OPENED),
          State.DEGRADED, List.of(Event.START, Event.CONNECTED, Event.OPENED, Event.UNRESPONSIVE),
          State.DRAINING, List.of(Event.START, Event.CONNECTED, Event.OPENED, Event.UNUSABLE));

  /** What happens; everything else changes nothing. */
  private static final Map<At, To> TRANSITIONS =
      Map.ofEntries(
          Map.entry(new At(State.DOWN, Event.START), new To(State.CONNECTING, Effect.CONNECT)),
          Map.entry(new At(State.DOWN, Event.SHUTDOWN), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(new At(State.CONNECTING, Event.CONNECTED), new To(State.MOUNTING, Effect.OPEN)),
          Map.entry(
              new At(State.CONNECTING, Event.CONNECT_FAILED),
              new To(State.DOWN, Effect.RETRY_LATER)),
          Map.entry(new At(State.CONNECTING, Event.SHUTDOWN), new To(State.DRAINING, Effect.NONE)),
          Map.entry(new At(State.MOUNTING, Event.OPENED), new To(State.UP, Effect.SERVE)),
          Map.entry(
              new At(State.MOUNTING, Event.OPEN_FAILED), new To(State.DOWN, Effect.RETRY_LATER)),
          Map.entry(new At(State.MOUNTING, Event.SHUTDOWN), new To(State.DRAINING, Effect.NONE)),
          Map.entry(new At(State.UP, Event.ERROR_STREAK), new To(State.DEGRADED, Effect.SPARE)),
          Map.entry(new At(State.UP, Event.UNRESPONSIVE), new To(State.DEGRADED, Effect.SPARE)),
          Map.entry(new At(State.UP, Event.PROBE_FAILED), new To(State.DEGRADED, Effect.SPARE)),
          Map.entry(new At(State.UP, Event.UNUSABLE), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(new At(State.UP, Event.SHUTDOWN), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(new At(State.DEGRADED, Event.PROBE_GOOD), new To(State.UP, Effect.RESUME)),
          Map.entry(new At(State.DEGRADED, Event.UNUSABLE), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(new At(State.DEGRADED, Event.SHUTDOWN), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(new At(State.DRAINING, Event.CLOSED), new To(State.DOWN, Effect.RETRY_LATER)),
          // A step of attaching that ends after the shutdown came: what it brought is taken down.
          Map.entry(new At(State.DRAINING, Event.CONNECTED), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(
              new At(State.DRAINING, Event.CONNECT_FAILED), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(new At(State.DRAINING, Event.OPENED), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(
              new At(State.DRAINING, Event.OPEN_FAILED), new To(State.DRAINING, Effect.CLOSE)));

  private static LinkState in(State state) {
    LinkState link = new LinkState(true, FAILED_PROBES_MAX, ERROR_STREAKS_MAX);
    WAYS.get(state).forEach(link::on);
    assertEquals(state, link.state());
    return link;
  }

  @Test
  void everyEventInEveryState() {
    for (State from : State.values()) {
      for (Event event : Event.values()) {
        LinkState link = in(from);
        To expected = TRANSITIONS.getOrDefault(new At(from, event), new To(from, Effect.NONE));
        Effect effect = link.on(event);
        assertEquals(expected, new To(link.state(), effect), from + " " + event);
      }
    }
  }

  @Test
  void aPlainDirectoryIsOpenedWithoutConnecting() {
    LinkState link = new LinkState(false, 1, 1);
    assertEquals(Effect.OPEN, link.on(Event.START));
    assertEquals(State.MOUNTING, link.state());
  }

  @Test
  void failedProbesInARowTakeTheDeviceDown() {
    LinkState link = in(State.UP);
    assertEquals(Effect.SPARE, link.on(Event.PROBE_FAILED));
    assertEquals(Effect.RESUME, link.on(Event.PROBE_GOOD));
    assertEquals(Effect.SPARE, link.on(Event.PROBE_FAILED), "a good probe began the count anew");
    assertEquals(Effect.CLOSE, link.on(Event.PROBE_FAILED));
  }

  @Test
  void silenceAloneNeverTakesTheDeviceDown() {
    LinkState link = in(State.UP);
    for (int i = 0; i < 100; i++) {
      link.on(Event.UNRESPONSIVE);
    }
    assertEquals(State.DEGRADED, link.state());
  }

  @Test
  void errorStreaksBetweenGoodProbesTakeTheDeviceDown() {
    LinkState link = in(State.UP);
    for (int i = 1; i < ERROR_STREAKS_MAX; i++) {
      assertEquals(Effect.SPARE, link.on(Event.ERROR_STREAK));
      assertEquals(Effect.RESUME, link.on(Event.PROBE_GOOD));
    }
    assertEquals(Effect.CLOSE, link.on(Event.ERROR_STREAK));
  }

  @Test
  void aProbeThatIsGoodWhileAllIsWellForgetsTheStreaks() {
    LinkState link = in(State.UP);
    for (int i = 0; i < 10 * ERROR_STREAKS_MAX; i++) {
      assertEquals(Effect.SPARE, link.on(Event.ERROR_STREAK));
      link.on(Event.PROBE_GOOD);
      link.on(Event.PROBE_GOOD);
    }
    assertEquals(State.UP, link.state());
  }

  @Test
  void afterAShutdownNothingBeginsAgain() {
    for (State from : EnumSet.allOf(State.class)) {
      LinkState link = in(from);
      link.on(Event.SHUTDOWN);
      Set<Event> ends = Set.of(Event.CONNECTED, Event.OPENED, Event.CONNECT_FAILED);
      ends.forEach(link::on);
      assertEquals(State.DRAINING, link.state(), from.name());
      assertEquals(Effect.NONE, link.on(Event.SHUTDOWN), "once is enough");
      assertEquals(Effect.END, link.on(Event.CLOSED), from.name());
      assertEquals(Effect.NONE, link.on(Event.START));
      assertEquals(State.DOWN, link.state());
    }
  }
}
