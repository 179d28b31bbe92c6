package io.weft.resp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.ChunkStore;
import io.weft.base.BufferLease;
import io.weft.device.AlignedBufferPool;
import io.weft.sim.SimTicker;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** One connection's memory for values comes in the order of its commands. */
class ValueMemoryTest {
  private static final long KIB = 1 << 10;

  private final SimTicker ticker = new SimTicker();
  private final AlignedBufferPool pool = new AlignedBufferPool(256 * KIB);
  private final BytePermits permits = new BytePermits(128 * KIB, ticker);
  private final ArrayDeque<Runnable> turns = new ArrayDeque<>();
  private final ValueMemory memory = memory(64 * KIB);
  private final List<String> served = new ArrayList<>();
  private final Map<String, ValueMemory.Held> held = new HashMap<>();

  private ValueMemory memory(long bound) {
    return new ValueMemory(store(), permits, bound, (inTurn, _) -> turns.add(inTurn), ticker);
  }

  private ChunkStore store() {
    return (ChunkStore)
        Proxy.newProxyInstance(
            ChunkStore.class.getClassLoader(),
            new Class<?>[] {ChunkStore.class},
            (_, method, arguments) -> {
              if (!method.getName().equals("lease")) {
                throw new UnsupportedOperationException(method.getName());
              }
              return pool.tryLease((Long) arguments[0]);
            });
  }

  private ValueMemory.Want want() {
    return memory.want(ticker.nanoTime() + Duration.ofSeconds(10).toNanos());
  }

  private void need(ValueMemory.Want want, String who, long bytes) {
    want.need(
        bytes,
        got -> {
          served.add(got == null ? who + " not" : who);
          if (got != null) {
            held.put(who, got);
          }
        });
  }

  private void takeTurns() {
    Runnable turn;
    while ((turn = turns.poll()) != null) {
      turn.run();
    }
  }

  private void release(String who) {
    held.remove(who).release();
    takeTurns();
  }

  @AfterEach
  void nothingIsHeld() {
    List.copyOf(held.keySet()).forEach(this::release);
    takeTurns();
    assertEquals(0, permits.held());
    BufferLease all = pool.tryLease(256 * KIB);
    all.release();
    pool.close();
  }

  @Test
  void whoCameFirstIsServedFirst() {
    ValueMemory.Want first = want();
    ValueMemory.Want second = want();
    ValueMemory.Want third = want();
    need(third, "third", 1);
    need(second, "second", 1);
    assertEquals(List.of(), served, "the first has not said what it needs");
    assertTrue(memory.isWaiting());
    first.nothing();
    assertEquals(List.of("second", "third"), served);
    assertFalse(memory.isWaiting());
  }

  @Test
  void aConnectionHoldsItsBoundOrOneLargerValue() {
    need(want(), "a", 32 * KIB);
    need(want(), "b", 33 * KIB);
    need(want(), "c", 1);
    assertEquals(List.of("a"), served);
    release("a");
    assertEquals(List.of("a", "b"), served, "buffers are powers of two");
    release("b");
    need(want(), "d", 100 * KIB);
    assertEquals(List.of("a", "b", "c"), served);
    release("c");
    assertEquals(List.of("a", "b", "c", "d"), served);
  }

  @Test
  void itIsGivenUpAtItsDeadline() {
    need(want(), "a", 64 * KIB);
    need(want(), "b", 64 * KIB);
    ValueMemory.Want late = want();
    ticker.advance(Duration.ofSeconds(9));
    need(want(), "c", 4 * KIB);
    memory.tick();
    assertEquals(List.of("a"), served);
    ticker.advance(Duration.ofSeconds(1));
    memory.tick();
    assertEquals(List.of("a", "b not"), served);
    release("a");
    assertEquals(List.of("a", "b not"), served, "one before c has not said what it needs");
    late.nothing();
    assertEquals(List.of("a", "b not", "c"), served);
  }

  @Test
  void whoIsGivenUpMayTakeAnotherPlaceAtOnce() {
    need(want(), "a", 64 * KIB);
    for (int i = 0; i < 40; i++) {
      String who = "b" + i;
      want()
          .need(
              64 * KIB,
              got -> {
                served.add(got == null ? who + " not" : who);
                need(want(), who + " again", 64 * KIB);
                want().nothing();
              });
    }
    ticker.advance(Duration.ofSeconds(10));
    memory.tick();
    assertEquals(41, served.size());
    release("a");
    assertEquals("b0 again", served.getLast());
    memory.close();
  }

  @Test
  void whoGoesFirstGetsPermitsForWhatHeNeeds() {
    BytePermits.Ticket others = permits.take(124 * KIB, () -> {});
    assertFalse(others.cancel());
    need(want(), "later", 8 * KIB);
    need(memory.wantFirst(ticker.nanoTime() + Duration.ofSeconds(10).toNanos()), "first", 32 * KIB);
    assertEquals(List.of(), served);
    permits.release(124 * KIB);
    takeTurns();
    assertEquals(List.of("first", "later"), served);
    assertEquals(40 * KIB, permits.held());
  }

  @Test
  void itComesWhenOtherConnectionsGiveTheirsBack() {
    BytePermits.Ticket others = permits.take(100 * KIB, () -> {});
    assertFalse(others.cancel());
    need(want(), "a", 64 * KIB);
    assertEquals(List.of(), served);
    permits.release(100 * KIB);
    assertEquals(List.of(), served, "not on the other's thread");
    takeTurns();
    assertEquals(List.of("a"), served);
  }

  @Test
  void aPoolThatIsUsedUpIsAskedAgain() {
    BufferLease all = pool.tryLease(256 * KIB);
    need(want(), "a", 4 * KIB);
    assertEquals(List.of(), served);
    memory.tick();
    assertEquals(List.of(), served);
    all.release();
    memory.tick();
    assertEquals(List.of("a"), served);
  }

  @Test
  void itsPermitsGoBackWhereThePoolStaysUsedUp() {
    BufferLease all = pool.tryLease(256 * KIB);
    need(want(), "a", 4 * KIB);
    assertEquals(4 * KIB, permits.held());
    ticker.advance(Duration.ofSeconds(10));
    memory.tick();
    assertEquals(List.of("a not"), served);
    assertEquals(0, permits.held());
    all.release();
  }

  @Test
  void aConnectionThatIsGoneHoldsAndGetsNothing() {
    need(want(), "a", 64 * KIB);
    need(want(), "b", 64 * KIB);
    BytePermits.Ticket others = permits.take(64 * KIB, () -> {});
    memory.close();
    held.remove("a").release();
    takeTurns();
    assertEquals(List.of("a"), served);
    assertFalse(others.cancel());
    permits.release(64 * KIB);
  }

  @Test
  void permitsThatAreGrantedToSomeoneWhoIsGoneGoBack() {
    BytePermits.Ticket others = permits.take(128 * KIB, () -> {});
    need(want(), "a", 4 * KIB);
    assertFalse(others.cancel());
    permits.release(128 * KIB);
    assertEquals(4 * KIB, permits.held());
    memory.close();
    assertEquals(0, permits.held());
    takeTurns();
    assertEquals(List.of(), served);
  }

  @Test
  void itGoesBackOnce() {
    need(want(), "a", 1);
    ValueMemory.Held mine = held.remove("a");
    mine.release();
    assertThrows(IllegalStateException.class, mine::permitsBack);
  }
}
