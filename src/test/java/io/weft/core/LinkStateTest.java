package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.weft.core.LinkState.Effect;
import io.weft.core.LinkState.Event;
import io.weft.core.LinkState.State;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Every event in every state. */
class LinkStateTest {

  private record At(State state, Event event) {}

  private record To(State state, Effect effect) {}

  /** How each state is reached. */
  private static final Map<State, List<Event>> WAYS =
      Map.of(
          State.DOWN, List.of(),
          State.MOUNTING, List.of(Event.START),
          State.UP, List.of(Event.START, Event.OPENED),
          State.DEGRADED, List.of(Event.START, Event.OPENED, Event.PROBE_FAILED),
          State.DRAINING, List.of(Event.START, Event.OPENED, Event.DRAIN));

  /** What happens; everything else changes nothing. */
  private static final Map<At, To> TRANSITIONS =
      Map.ofEntries(
          Map.entry(new At(State.DOWN, Event.START), new To(State.MOUNTING, Effect.OPEN)),
          Map.entry(new At(State.DOWN, Event.DRAIN), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(new At(State.MOUNTING, Event.OPENED), new To(State.UP, Effect.ANNOUNCE_UP)),
          Map.entry(
              new At(State.MOUNTING, Event.OPEN_FAILED), new To(State.DOWN, Effect.RETRY_LATER)),
          Map.entry(new At(State.MOUNTING, Event.DRAIN), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(new At(State.UP, Event.PROBE_FAILED), new To(State.DEGRADED, Effect.NONE)),
          Map.entry(new At(State.UP, Event.DRAIN), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(new At(State.DEGRADED, Event.PROBE_OK), new To(State.UP, Effect.NONE)),
          Map.entry(new At(State.DEGRADED, Event.DRAIN), new To(State.DRAINING, Effect.CLOSE)),
          Map.entry(new At(State.DRAINING, Event.CLOSED), new To(State.DOWN, Effect.NONE)),
          Map.entry(new At(State.DRAINING, Event.OPEN_FAILED), new To(State.DOWN, Effect.NONE)));

  @Test
  void everyEventInEveryState() {
    for (State from : State.values()) {
      for (Event event : Event.values()) {
        LinkState link = new LinkState();
        WAYS.get(from).forEach(link::on);
        assertEquals(from, link.state());
        To expected = TRANSITIONS.getOrDefault(new At(from, event), new To(from, Effect.NONE));
        Effect effect = link.on(event);
        assertEquals(expected, new To(link.state(), effect), from + " " + event);
      }
    }
  }

  @Test
  void everyEffectIsAskedForSomewhere() {
    Set<Effect> effects = new HashSet<>(Set.of(Effect.NONE));
    TRANSITIONS.values().forEach(to -> effects.add(to.effect()));
    assertEquals(EnumSet.allOf(Effect.class), effects);
  }

  @Test
  void afterItIsClosedItCanStartAgain() {
    LinkState link = new LinkState();
    WAYS.get(State.DRAINING).forEach(link::on);
    assertEquals(Effect.NONE, link.on(Event.CLOSED));
    assertEquals(Effect.OPEN, link.on(Event.START));
  }
}
