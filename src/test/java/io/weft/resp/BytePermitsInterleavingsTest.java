package io.weft.resp;

import io.weft.sim.SimTicker;
import io.weft.testing.Interleavings;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.ThreadIdGen;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Permits are granted in the order of the line, once each, and all come back. */
@Tag("interleavings")
class BytePermitsInterleavingsTest {
  private static final int THREADS_MAX = 8;

  /**
   * Three bytes for all. What a thread sees is whether a ticket was still waiting when it left: the
   * bytes held are in between while one thread gives back and lets the next one in.
   */
  @Param(name = "thread", gen = ThreadIdGen.class)
  @Param(name = "bytes", gen = IntGen.class, conf = "1:4")
  public static final class Line {
    private record Taken(BytePermits.Ticket ticket, int bytes, AtomicInteger granted) {}

    private final BytePermits permits = new BytePermits(3, new SimTicker());
    private final AtomicLong heldByUsers = new AtomicLong();
    private final List<ArrayDeque<Taken>> taken =
        Stream.generate(ArrayDeque<Taken>::new).limit(THREADS_MAX).toList();

    @Operation
    public void take(@Param(name = "thread") int thread, @Param(name = "bytes") int bytes) {
      AtomicInteger granted = new AtomicInteger();
      BytePermits.Ticket ticket =
          permits.take(
              bytes,
              () -> {
                granted.incrementAndGet();
                heldByUsers.addAndGet(bytes);
              });
      taken.get(thread).add(new Taken(ticket, bytes, granted));
    }

    @Operation
    public String leave(@Param(name = "thread") int thread) {
      Taken first = taken.get(thread).poll();
      if (first == null) {
        return "nothing taken";
      }
      if (first.ticket().cancel()) {
        return "was waiting";
      }
      heldByUsers.addAndGet(-first.bytes());
      permits.release(first.bytes());
      return "was granted";
    }

    @Validate
    public void whatIsHeldIsGranted() {
      long held = 0;
      for (ArrayDeque<Taken> each : taken) {
        for (Taken one : each) {
          if (one.granted().get() > 1) {
            throw new AssertionError("granted twice");
          }
          held += (long) one.granted().get() * one.bytes();
        }
      }
      if (permits.held() != held || heldByUsers.get() != held) {
        throw new AssertionError(
            "%d held, %d granted, %d with users"
                .formatted(permits.held(), held, heldByUsers.get()));
      }
    }
  }

  @Test
  void inEverySchedule() {
    Interleavings.explore(Line.class);
  }

  @Test
  void onRealThreads() {
    Interleavings.stress(Line.class);
  }
}
