package io.weft.adapter;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

class EventFdTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  @Test
  void nativeCodeCanPollAndReadIt() throws Exception {
    try (EventFd event = EventFd.open();
        EventFd other = EventFd.open()) {
      Path link = Path.of("/proc/self/fd/" + event.fd());
      assertEquals("anon_inode:[eventfd]", Files.readSymbolicLink(link).toString());
      assertNotEquals(event.fd(), other.fd());
      assertEquals(List.of(), NativePoll.readable(0, event.fd(), other.fd()));
      assertEquals(-1, NativePoll.take(event.fd()), "it does not block");
      event.signal();
      event.signal();
      assertEquals(List.of(event.fd()), NativePoll.readable(0, event.fd(), other.fd()));
      assertEquals(2, NativePoll.take(event.fd()));
      assertEquals(List.of(), NativePoll.readable(0, event.fd()));
    }
  }

  @Test
  void itIsNotHandedToOtherPrograms() throws Exception {
    try (EventFd event = EventFd.open()) {
      String flags =
          Files.readAllLines(Path.of("/proc/self/fdinfo/" + event.fd())).stream()
              .filter(line -> line.startsWith("flags:"))
              .findFirst()
              .orElseThrow();
      int bits = Integer.parseInt(flags.substring("flags:".length()).strip(), 8);
      assertEquals(0x8_0000 | 0x800, bits & (0x8_0000 | 0x800), flags);
    }
  }

  @Test
  void aSignalIsTakenOnceAndATimeOutIsNone() {
    try (EventFd event = EventFd.open()) {
      assertFalse(event.await(Duration.ZERO));
      event.signal();
      assertTrue(event.await(LONG));
      assertFalse(event.await(Duration.ofMillis(2)));
    }
  }

  @Test
  void aSignalWakesWhoWaits() {
    try (EventFd event = EventFd.open()) {
      CompletableFuture<Boolean> woken = new CompletableFuture<>();
      Thread.ofPlatform().daemon().start(() -> woken.complete(event.await(LONG)));
      event.signal();
      assertTrue(woken.orTimeout(20, SECONDS).join());
    }
  }

  /** The number may be another file's by then: nobody may touch it, nobody may wait for ever. */
  @Test
  void closingWakesAllWhoWaitAndEndsTheDescriptor() {
    EventFd event = EventFd.open();
    List<CompletableFuture<Boolean>> waiting = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      CompletableFuture<Boolean> woken = new CompletableFuture<>();
      Thread.ofPlatform().daemon().start(() -> woken.complete(event.await(LONG)));
      waiting.add(woken);
    }
    event.close();
    for (CompletableFuture<Boolean> each : waiting) {
      assertFalse(each.orTimeout(20, SECONDS).join());
    }
    assertFalse(Files.exists(Path.of("/proc/self/fd/" + event.fd())) && isOurs(event));
    event.signal();
    event.close();
    assertFalse(event.await(LONG));
  }

  private static boolean isOurs(EventFd event) {
    // Another thread of the test run may have the number already; a readable eventfd it is not.
    return !NativePoll.readable(0, event.fd()).isEmpty();
  }

  @Test
  void signalsFromManyThreadsAndCloseDoNotMeetAClosedDescriptor() {
    for (int round = 0; round < 50; round++) {
      EventFd event = EventFd.open();
      CompletableFuture<Void> signals =
          CompletableFuture.runAsync(
              () -> {
                for (int i = 0; i < 200; i++) {
                  event.signal();
                }
              });
      CompletableFuture<Void> waits =
          CompletableFuture.runAsync(
              () -> {
                while (event.await(LONG)) {
                  Thread.onSpinWait();
                }
              });
      signals.orTimeout(20, SECONDS).join();
      event.close();
      Awaitility.await().atMost(20, SECONDS).until(waits::isDone);
      waits.join();
    }
  }
}
