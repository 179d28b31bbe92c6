package io.weft.actor;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.DeviceException;
import io.weft.base.Metric;
import io.weft.base.Metrics;
import io.weft.base.StoreSettings;
import io.weft.core.Lane;
import io.weft.core.Order;
import io.weft.core.PiecePlan;
import io.weft.core.Transfer;
import io.weft.device.IoScratch;
import io.weft.device.PreparedIo;
import io.weft.device.RawIo;
import io.weft.sim.SimTicker;
import io.weft.stream.PieceRunner;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.ActorRef;
import org.awaitility.core.ConditionFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The worker with a ring, on real files and pipes. */
class RingWorkerTest {
  private static final int BLOCK = 4096;
  private static ActorTestKit kit;

  @TempDir Path folder;

  @BeforeAll
  static void startSystem() {
    kit = TestStore.kit("ring-worker");
  }

  @AfterAll
  static void stopSystem() {
    kit.shutdownTestKit();
  }

  private static ConditionFactory soon() {
    return await().atMost(20, SECONDS).pollInterval(Duration.ofMillis(2));
  }

  /** How a step of the test's goes to the ring. */
  @FunctionalInterface
  private interface Preparing {
    @Nullable PreparedIo prepare(IoScratch scratch) throws DeviceException;
  }

  /** One step, prepared as the test says. */
  private static final class Step extends DeviceTransfer {
    private final Preparing preparing;
    private final boolean tryRing;
    volatile @Nullable Thread ranOn;
    volatile boolean transferred;

    Step(boolean tryRing, Preparing preparing) {
      super(
          new Order.ReadBlock(new ChunkAddress(TestStore.key("k"), 1, 0), 0, 0, _ -> {}),
          null,
          Long.MAX_VALUE,
          new PiecePlan(1, 1, 1),
          (_, _) -> {});
      this.tryRing = tryRing;
      this.preparing = preparing;
    }

    DevicePiece piece() {
      return (DevicePiece) takePiece();
    }

    @Override
    public Lane lane() {
      return Lane.LOAD;
    }

    @Override
    boolean mayBePrepared(PiecePlan.Step step, long offset, long length) {
      return tryRing;
    }

    @Override
    @Nullable PreparedIo prepare(PiecePlan.Step step, long offset, long length, IoScratch scratch)
        throws DeviceException {
      return preparing.prepare(scratch);
    }

    @Override
    void transferred(PiecePlan.Step step) {
      transferred = true;
    }

    @Override
    void run(PiecePlan.Step step, long offset, long length, IoScratch scratch) {
      ranOn = Thread.currentThread();
    }

    @Override
    boolean completed() {
      return transferred || ranOn != null;
    }
  }

  /** Hears what becomes of pieces. */
  private static final class Heard implements PieceRunner.Listener {
    final ConcurrentLinkedQueue<Transfer.Piece> done = new ConcurrentLinkedQueue<>();
    final ConcurrentLinkedQueue<Transfer.Piece> stuck = new ConcurrentLinkedQueue<>();

    @Override
    public void done(Transfer.Piece piece) {
      done.add(piece);
    }

    @Override
    public void stuck(Transfer.Piece piece) {
      stuck.add(piece);
    }
  }

  /** A worker with a ring, and one with a thread, as a store has them. */
  private final class Workers implements AutoCloseable {
    final SimTicker ticker = new SimTicker();
    final Metrics metrics = new Metrics();
    final AtomicInteger stuck = new AtomicInteger();
    final List<String> troubles = Collections.synchronizedList(new ArrayList<>());
    final ConcurrentLinkedQueue<String> rings = new ConcurrentLinkedQueue<>();
    final WorkerPool pool;
    private final ActorRef<IoWorkerActor.Command> ringWorker;
    private final ActorRef<IoWorkerActor.Command> threadWorker;

    Workers(int depth, String... settings) {
      StoreSettings.Io io = StoreSettings.from(TestStore.config(folder, settings)).io();
      IoWorkerActor.Surroundings around =
          new IoWorkerActor.Surroundings(
              io,
              metrics,
              ticker,
              stuck,
              new IoWorkerActor.Trouble() {
                @Override
                public void errorStreak(String lastError) {
                  troubles.add("streak");
                }

                @Override
                public void stuck(String operation) {
                  troubles.add("stuck");
                }
              });
      Inbox deep = new Inbox(true);
      Inbox thread = new Inbox(false);
      pool = new WorkerPool(List.of(thread), 2, deep, depth, io.pieceBytes());
      ringWorker =
          kit.spawn(
              IoWorkerActor.create(
                  "ring",
                  (name, observer) -> {
                    rings.add(name);
                    return new RingThread(name, deep, depth, ticker, pool::runOnThread, observer);
                  },
                  around));
      threadWorker =
          kit.spawn(
              IoWorkerActor.create(
                  "thread",
                  (name, observer) -> new IoThread(name, thread, io.pieceBytes(), ticker, observer),
                  around));
    }

    @Override
    public void close() {
      kit.stop(ringWorker);
      kit.stop(threadWorker);
    }
  }

  private static MemorySegment memory(long bytes) {
    return Arena.ofAuto().allocate(bytes, BLOCK);
  }

  private static Step reading(int fd, long offset, MemorySegment target) {
    return new Step(true, _ -> RawIo.read(fd, offset, _ -> {}, target));
  }

  private int fifo() throws Exception {
    Path pipe = folder.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    return RawIo.open(pipe, false);
  }

  private static List<String> threadsNamed(String start) {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> name.startsWith(start))
        .toList();
  }

  @Test
  void manyPiecesGoThroughTheRingAndWhatCannotGoesToAThread() throws Exception {
    byte[] content = TestStore.bytes("content", 64 * BLOCK);
    int fd = RawIo.open(Files.write(folder.resolve("file"), content), true);
    Heard heard = new Heard();
    List<Step> read = new ArrayList<>();
    List<MemorySegment> targets = new ArrayList<>();
    List<Step> onThreads = new ArrayList<>();
    try (Workers workers = new Workers(8)) {
      assertEquals(8, workers.pool.capacity());
      for (int i = 0; i < 500; i++) {
        MemorySegment target = memory(BLOCK);
        Step step = reading(fd, (long) (i % 64) * BLOCK, target);
        targets.add(target);
        read.add(step);
        workers.pool.run(step.piece(), heard);
        if (i % 5 == 0) {
          // The first sort is known not to suit; the second shows it when it is tried.
          Step other = new Step(i % 10 == 0, _ -> null);
          onThreads.add(other);
          workers.pool.run(other.piece(), heard);
        }
        int given = read.size() + onThreads.size();
        soon().until(() -> given - heard.done.size() < 8);
      }
      soon().until(() -> heard.done.size() == read.size() + onThreads.size());
      assertEquals(0, workers.stuck.get());
    } finally {
      RawIo.close(fd);
    }
    for (int i = 0; i < read.size(); i++) {
      assertTrue(read.get(i).transferred);
      assertNull(read.get(i).ranOn);
      assertArrayEquals(
          Arrays.copyOfRange(content, i % 64 * BLOCK, (i % 64 + 1) * BLOCK),
          targets.get(i).toArray(ValueLayout.JAVA_BYTE));
    }
    onThreads.forEach(each -> assertTrue(each.completed() && !each.transferred));
    assertTrue(heard.done.stream().allMatch(piece -> piece.failure() == null));
    assertEquals(heard.done.size(), Set.copyOf(heard.done).size(), "each once");
  }

  /** Beyond its slots the ring takes nothing: threads do, and nothing waits for a slot. */
  @Test
  void aStuckOperationKeepsItsSlotAndNothingElse() throws Exception {
    int pipe = fifo();
    int fd = RawIo.open(Files.write(folder.resolve("file"), new byte[BLOCK]), true);
    Heard heard = new Heard();
    try (Workers workers = new Workers(2, "weft.io.stuck-after = 40ms")) {
      Transfer.Piece kept = reading(pipe, 0, memory(BLOCK)).piece();
      workers.pool.run(kept, heard);
      Step first = reading(fd, 0, memory(BLOCK));
      workers.pool.run(first.piece(), heard);
      soon().until(() -> heard.done.size() == 1);
      workers.ticker.advance(Duration.ofMillis(41));
      soon().until(() -> heard.stuck.contains(kept) && workers.stuck.get() == 1);
      soon().until(() -> workers.troubles.contains("stuck"));
      assertEquals(1, workers.metrics.snapshot().get(Metric.STUCK_THREADS));
      // The other slot goes on, on the same ring.
      for (int i = 2; i < 20; i++) {
        int count = i;
        Step step = reading(fd, 0, memory(BLOCK));
        workers.pool.run(step.piece(), heard);
        soon().until(() -> heard.done.size() == count);
        assertTrue(step.transferred);
      }
      Transfer.Piece second = reading(pipe, 0, memory(BLOCK)).piece();
      workers.pool.run(second, heard);
      Step beside = reading(fd, 0, memory(BLOCK));
      workers.pool.run(beside.piece(), heard);
      soon().until(() -> beside.ranOn != null);
      assertEquals(1, workers.rings.size());
      assertFalse(heard.done.contains(kept));
      // The kernel lets go.
      Files.write(folder.resolve("pipe"), new byte[2 * BLOCK]);
      soon().until(() -> heard.done.contains(kept) && heard.done.contains(second));
      soon().until(() -> workers.stuck.get() == 0);
      assertEquals(1, heard.stuck.size());
    } finally {
      RawIo.close(fd);
      RawIo.close(pipe);
    }
  }

  @Test
  void asManyStuckOnesAsThereMayBe() throws Exception {
    int pipe = fifo();
    Heard heard = new Heard();
    try (Workers workers =
        new Workers(4, "weft.io { stuck-after = 40ms, stuck-threads-max = 2 }")) {
      for (int i = 0; i < 3; i++) {
        workers.pool.run(reading(pipe, 0, memory(BLOCK)).piece(), heard);
      }
      soon()
          .until(
              () -> {
                workers.ticker.advance(Duration.ofMillis(41));
                return workers.troubles.size() >= 3;
              });
      assertEquals(2, heard.stuck.size());
      assertEquals(2, workers.stuck.get());
      Files.write(folder.resolve("pipe"), new byte[3 * BLOCK]);
      soon().until(() -> heard.done.size() == 3 && workers.stuck.get() == 0);
    } finally {
      RawIo.close(pipe);
    }
  }

  /** The ring that is left keeps what the kernel keeps; the fresh one takes what comes. */
  @Test
  void afterAnErrorStreakAFreshRingGoesOn() throws Exception {
    int pipe = fifo();
    Heard heard = new Heard();
    try (Workers workers = new Workers(8, "weft.io.errors-before-probe = 3")) {
      Transfer.Piece kept = reading(pipe, 0, memory(BLOCK)).piece();
      workers.pool.run(kept, heard);
      for (int i = 0; i < 3; i++) {
        workers.pool.run(failing().piece(), heard);
      }
      soon().until(() -> workers.rings.size() == 2 && workers.troubles.contains("streak"));
      assertEquals(3, heard.done.size());
      int fd = RawIo.open(Files.write(folder.resolve("file"), new byte[BLOCK]), true);
      Step next = reading(fd, 0, memory(BLOCK));
      workers.pool.run(next.piece(), heard);
      soon().until(() -> next.transferred);
      RawIo.close(fd);
      assertEquals(2, threadsNamed("weft-ring-").size());
      Files.write(folder.resolve("pipe"), new byte[BLOCK]);
      soon().until(() -> heard.done.contains(kept));
      soon().until(() -> threadsNamed("weft-ring-").size() == 1);
    } finally {
      RawIo.close(pipe);
    }
    soon().until(() -> threadsNamed("weft-ring-").isEmpty());
  }

  private static Step failing() {
    return new Step(
        true,
        _ -> {
          throw new DeviceException(
              DeviceException.Kind.IO_ERROR, "read", "file", 0, 0, 5, "by the test", null);
        });
  }

  /** A bug in the thread itself: here, in who listens to it. */
  @Test
  void aRingThreadThatDiesIsReplacedAndWhatItHadComesBack() throws Exception {
    int pipe = fifo();
    int fd = RawIo.open(Files.write(folder.resolve("file"), new byte[BLOCK]), true);
    Heard heard = new Heard();
    try (Workers workers = new Workers(4)) {
      Transfer.Piece kept = reading(pipe, 0, memory(BLOCK)).piece();
      workers.pool.run(kept, heard);
      workers.pool.run(
          reading(fd, 0, memory(BLOCK)).piece(),
          new PieceRunner.Listener() {
            @Override
            public void done(Transfer.Piece piece) {
              throw new IllegalStateException("a bug, by the test");
            }

            @Override
            public void stuck(Transfer.Piece piece) {}
          });
      soon().until(() -> workers.rings.size() == 2);
      Step next = reading(fd, 0, memory(BLOCK));
      workers.pool.run(next.piece(), heard);
      soon().until(() -> next.transferred);
      assertFalse(heard.done.contains(kept));
      Files.write(folder.resolve("pipe"), new byte[BLOCK]);
      soon().until(() -> heard.done.contains(kept));
      assertEquals(1, workers.metrics.snapshot().get(Metric.WORKER_RESTARTS));
    } finally {
      RawIo.close(fd);
      RawIo.close(pipe);
    }
  }

  /** Many threads hand over while rings are replaced: each piece comes back once. */
  @Test
  void nothingIsLostWhileRingsAreReplaced() throws Exception {
    int fd = RawIo.open(Files.write(folder.resolve("file"), new byte[BLOCK]), true);
    Heard heard = new Heard();
    int each = 2_000;
    try (Workers workers = new Workers(16, "weft.io.errors-before-probe = 5")) {
      List<Thread> producers = new ArrayList<>();
      for (int t = 0; t < 3; t++) {
        Thread producer =
            new Thread(
                () -> {
                  for (int i = 0; i < each; i++) {
                    Step step = i % 7 == 0 ? failing() : reading(fd, 0, memory(BLOCK));
                    if (i % 70 < 7) {
                      step = failing();
                    }
                    workers.pool.run(step.piece(), heard);
                  }
                });
        producer.start();
        producers.add(producer);
      }
      for (Thread producer : producers) {
        producer.join();
      }
      soon().until(() -> heard.done.size() == 3 * each);
      assertEquals(3 * each, Set.copyOf(heard.done).size());
      assertTrue(workers.rings.size() > 1);
    } finally {
      RawIo.close(fd);
    }
  }

  /** A worker may have ended with something in its inbox. */
  @Test
  void whatNobodyTookComesBackWhenThePoolCloses() {
    Inbox thread = new Inbox(false);
    Inbox ring = new Inbox(true);
    WorkerPool pool = new WorkerPool(List.of(thread), 4, ring, 4, BLOCK);
    Heard heard = new Heard();
    Step onThread = new Step(false, _ -> null);
    Step onRing = new Step(true, _ -> null);
    pool.run(onThread.piece(), heard);
    pool.run(onRing.piece(), heard);
    assertEquals(1, thread.outstanding());
    assertEquals(1, ring.outstanding());
    pool.close();
    assertEquals(2, heard.done.size());
    assertFalse(onThread.completed() || onRing.completed(), "nobody waits for it any more");
    assertEquals(0, thread.outstanding() + ring.outstanding());

    Step afterwards = new Step(false, _ -> null);
    pool.run(afterwards.piece(), heard);
    soon().until(() -> heard.done.size() == 3);
    assertTrue(afterwards.completed());
  }
}
