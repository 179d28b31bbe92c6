package io.weft.soak;

import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreProtocol.KeyOperation;
import io.weft.base.BufferLease;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.cli.trace.TraceRecord;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/**
 * Clients that send a trace's requests through a store, as serving engines would, and are no better
 * than those: some give up, hold leases for seconds, pin, lock, delete and replace. Every byte of
 * every load is compared, and every answer's time.
 */
final class SoakClients {
  /** The longest chunk. */
  static final int LONGEST = 256 << 10;

  private static final int CLIENTS = 6;
  private static final int AT_ONCE = 8;
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  /**
   * Beyond its deadline a request is answered within a quarter of a second; the rest is the
   * machine's.
   */
  private static final long LATE_MILLIS = 5_000;

  private static final long NEVER_SECONDS = 60;

  private final ChunkStore store;
  private final Ledger ledger;
  private final Tally tally;
  private final List<TraceRecord> trace;
  private final AtomicInteger place;
  private final Consumer<String> broken;
  private final List<Thread> threads = new ArrayList<>();

  /** Memory that the store has not given back yet. */
  private final AtomicInteger lent = new AtomicInteger();

  /** Pins and locks of which nobody knows whether they were taken. */
  private final AtomicInteger doubtfulHolds = new AtomicInteger();

  private volatile boolean stopping;

  /**
   * @param place where in the trace the next request is; goes round
   * @param broken hears of every promise that was not kept
   */
  SoakClients(
      ChunkStore store,
      Ledger ledger,
      Tally tally,
      List<TraceRecord> trace,
      AtomicInteger place,
      Consumer<String> broken) {
    this.store = store;
    this.ledger = ledger;
    this.tally = tally;
    this.trace = trace;
    this.place = place;
    this.broken = broken;
  }

  void start(long seed) {
    for (int client = 0; client < CLIENTS; client++) {
      Client each = new Client(new Random(seed * CLIENTS + client));
      threads.add(Thread.ofPlatform().daemon().name("client-" + client).start(each::run));
    }
  }

  /** Done when every client has its answers and has given back what it held. */
  void stop() throws InterruptedException {
    stopping = true;
    for (Thread thread : threads) {
      thread.join(TimeUnit.SECONDS.toMillis(2 * NEVER_SECONDS));
      if (thread.isAlive()) {
        broken.accept("never answered: " + thread.getName() + " still waits");
      }
    }
  }

  int lent() {
    return lent.get();
  }

  int doubtfulHolds() {
    return doubtfulHolds.get();
  }

  private record HeldLease(ChunkKey key, BufferLease lease, long number, long untilNanos) {}

  private record HeldPins(List<ChunkKey> keys, long untilNanos) {}

  private final class Client {
    final Random random;
    final Semaphore storing = new Semaphore(AT_ONCE);
    final Deque<HeldLease> leases = new ArrayDeque<>();
    final Deque<HeldPins> pins = new ArrayDeque<>();

    Client(Random random) {
      this.random = random;
    }

    void run() {
      try {
        while (!stopping) {
          replay(trace.get(Math.floorMod(place.getAndIncrement(), trace.size())));
          letGo(false);
        }
        storing.acquireUninterruptibly(AT_ONCE);
        letGo(true);
      } catch (RuntimeException | Error bug) {
        broken.accept("a client ended: " + bug);
      }
    }

    boolean oneIn(int many) {
      return random.nextInt(many) == 0;
    }

    void replay(TraceRecord request) {
      List<ChunkKey> keys = new ArrayList<>(request.blocks());
      for (int block = 0; block < request.blocks(); block++) {
        keys.add(ChunkKey.of("soak@%016x".formatted(request.block(block))));
      }
      Duration patience = oneIn(20) ? Duration.ofMillis(1 + random.nextInt(15)) : PATIENCE;
      boolean lock = oneIn(10);
      KeysOutcome looked =
          keys(lock ? KeyOperation.LOOKUP_AND_LOCK : KeyOperation.LOOKUP, keys, PATIENCE);
      int leading = looked instanceof KeysOutcome.Done done ? done.leadingHits() : 0;
      int loaded = load(keys.subList(0, leading), patience);
      if (lock && looked instanceof KeysOutcome.Done done) {
        release(KeyOperation.UNLOCK, done.hits().stream().mapToObj(keys::get).toList());
      } else if (lock && looked instanceof Failed) {
        doubtfulHolds.incrementAndGet();
      }
      for (ChunkKey key : keys.subList(loaded, keys.size())) {
        store(key, StoreMode.IF_ABSENT, patience);
      }
      if (oneIn(10)) {
        for (ChunkKey key : keys.subList(0, Math.min(keys.size(), 4))) {
          store(key, StoreMode.REPLACE, patience);
        }
      }
      if (oneIn(20)) {
        delete(keys.subList(0, Math.min(keys.size(), 1 + random.nextInt(3))));
      }
      if (oneIn(30) && loaded > 0 && pins.size() < 4) {
        pin(keys.subList(0, Math.min(loaded, 4)));
      }
    }

    /** Returns how many of them, from the first, were hits. */
    int load(List<ChunkKey> keys, Duration patience) {
      int hits = 0;
      for (int from = 0; from < keys.size(); from += AT_ONCE) {
        List<ChunkKey> some = keys.subList(from, Math.min(keys.size(), from + AT_ONCE));
        boolean all = true;
        List<StoreProtocol.LoadItem> items = new ArrayList<>();
        List<Long> oldest = new ArrayList<>();
        for (ChunkKey key : some) {
          oldest.add(ledger.oldest(key));
          items.add(new StoreProtocol.LoadItem(key, lend(target())));
        }
        List<LoadOutcome> outcomes =
            await(patience, d -> store.loadAll(items, StoreProtocol.Urgency.LOAD, d));
        for (int i = 0; i < outcomes.size(); i++) {
          tally.count("load: " + name(outcomes.get(i)));
          boolean hit = check(items.get(i), oldest.get(i), outcomes.get(i));
          all &= hit;
          hits += all ? 1 : 0;
        }
        if (!all) {
          return hits;
        }
      }
      return hits;
    }

    private LoadTarget target() {
      return oneIn(8)
          ? LoadTarget.into(Arena.ofAuto().allocate(LONGEST, 4096))
          : LoadTarget.lease();
    }

    private boolean check(StoreProtocol.LoadItem item, long oldest, LoadOutcome outcome) {
      switch (outcome) {
        case LoadOutcome.Leased(BufferLease lease) -> {
          long number = check(item.key(), oldest, lease.memory());
          if (oneIn(40) && leases.size() < 4) {
            long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(random.nextInt(3_000));
            leases.add(new HeldLease(item.key(), lease, number, until));
          } else {
            lease.release();
          }
          return true;
        }
        case LoadOutcome.Loaded(long length) -> {
          check(item.key(), oldest, item.target().memory().asSlice(0, length));
          return true;
        }
        case LoadOutcome.Miss _ -> {
          return false;
        }
        case LoadOutcome.TooSmall _ -> {
          broken.accept("wrong bytes: a chunk is longer than any that was stored: " + item.key());
          return false;
        }
        case Rejected _ -> {
          return false;
        }
        case Failed failed -> {
          checkNoBug(failed);
          return false;
        }
      }
    }

    private long check(ChunkKey key, long oldest, MemorySegment memory) {
      long number = Values.read(key, memory, LONGEST);
      if (number == Values.NONE) {
        broken.accept("wrong bytes: of %s, %d of them".formatted(key, memory.byteSize()));
      } else if (!ledger.allows(oldest, number)) {
        broken.accept(
            "wrong value: of %s, %x although %x was acknowledged".formatted(key, number, oldest));
      }
      return number;
    }

    void store(ChunkKey key, StoreMode mode, Duration patience) {
      if (!ledger.take(key)) {
        return;
      }
      storing.acquireUninterruptibly();
      long number = ledger.nextNumber();
      int length = Values.length(key, number, LONGEST);
      BufferLease lease = store.lease(length);
      MemorySegment memory = lease == null ? Arena.ofAuto().allocate(length, 4096) : lease.memory();
      Values.fill(key, number, memory);
      Payload payload = lease == null ? Payload.of(memory) : Payload.of(lease);
      lent.incrementAndGet();
      var _ = payload.released().thenRun(lent::decrementAndGet);
      long end = System.nanoTime() + patience.toNanos();
      var _ =
          store
              .store(key, payload, StoreOptions.DEFAULT.withMode(mode), new Deadline(end))
              .whenComplete(
                  (outcome, bug) -> {
                    answered(end);
                    if (bug != null) {
                      broken.accept("a store ended with " + bug);
                    } else {
                      tally.count("store: " + name(outcome));
                      if (outcome instanceof StoreOutcome.Stored) {
                        ledger.stored(key, number);
                      } else if (outcome instanceof Failed failed) {
                        checkNoBug(failed);
                      }
                    }
                    ledger.giveBack(key);
                    storing.release();
                  });
    }

    void delete(List<ChunkKey> keys) {
      List<ChunkKey> taken = keys.stream().filter(ledger::take).toList();
      KeyOperation how = oneIn(2) ? KeyOperation.DELETE : KeyOperation.DELETE_FORCED;
      if (keys(how, taken, PATIENCE) instanceof KeysOutcome.Done done) {
        done.hits().stream().forEach(i -> ledger.deleted(taken.get(i)));
      }
      taken.forEach(ledger::giveBack);
    }

    void pin(List<ChunkKey> keys) {
      switch (keys(KeyOperation.PIN, keys, PATIENCE)) {
        case KeysOutcome.Done done -> {
          long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(random.nextInt(3_000));
          pins.add(new HeldPins(done.hits().stream().mapToObj(keys::get).toList(), until));
        }
        case Failed _ -> doubtfulHolds.incrementAndGet();
        case Rejected _ -> {}
      }
    }

    /** Tried until it is done: whoever took a hold gives it back. */
    void release(KeyOperation how, List<ChunkKey> keys) {
      for (int attempt = 0; attempt < 100; attempt++) {
        switch (keys(how, keys, PATIENCE)) {
          case KeysOutcome.Done _ -> {
            return;
          }
          case Failed _ -> doubtfulHolds.incrementAndGet();
          case Rejected _ -> {}
        }
      }
      doubtfulHolds.incrementAndGet();
    }

    void letGo(boolean all) {
      long now = System.nanoTime();
      leases.removeIf(
          held -> {
            boolean due = all || now - held.untilNanos() >= 0;
            if (due) {
              if (Values.read(held.key(), held.lease().memory(), LONGEST) != held.number()) {
                broken.accept("wrong bytes: a lease of %s changed".formatted(held.key()));
              }
              held.lease().release();
            }
            return due;
          });
      pins.removeIf(
          held -> {
            boolean due = all || now - held.untilNanos() >= 0;
            if (due) {
              release(KeyOperation.UNPIN, held.keys());
            }
            return due;
          });
    }

    private KeysOutcome keys(KeyOperation operation, List<ChunkKey> keys, Duration patience) {
      KeysOutcome outcome = await(patience, deadline -> store.keys(operation, keys, deadline));
      tally.count(
          "%s: %s".formatted(operation.name().toLowerCase(java.util.Locale.ROOT), name(outcome)));
      if (outcome instanceof Failed failed) {
        checkNoBug(failed);
      }
      return outcome;
    }

    private LoadTarget lend(LoadTarget target) {
      lent.incrementAndGet();
      var _ = target.released().thenRun(lent::decrementAndGet);
      return target;
    }
  }

  private interface Question<T> {
    CompletionStage<T> ask(Deadline deadline);
  }

  private <T> T await(Duration patience, Question<T> question) {
    long end = System.nanoTime() + patience.toNanos();
    try {
      T outcome =
          question
              .ask(new Deadline(end))
              .whenComplete((_, _) -> answered(end))
              .toCompletableFuture()
              .get(patience.toSeconds() + NEVER_SECONDS, TimeUnit.SECONDS);
      if (outcome instanceof Rejected || outcome instanceof Failed) {
        // Who is told to stay away does so for a moment.
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
      }
      return outcome;
    } catch (TimeoutException never) {
      broken.accept("never answered");
      throw new IllegalStateException(never);
    } catch (InterruptedException | ExecutionException bug) {
      throw new IllegalStateException(bug);
    }
  }

  private void answered(long deadlineNanos) {
    long late = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - deadlineNanos);
    tally.answered(late);
    if (late > LATE_MILLIS) {
      broken.accept("late: an answer %d ms after its deadline".formatted(late));
    }
  }

  private void checkNoBug(Failed failed) {
    if (failed.cause() == Failed.Cause.INTERNAL) {
      broken.accept("a bug of the store: " + failed.detail());
    }
  }

  /** An outcome in words, without what differs from one to the next. */
  private static String name(Object outcome) {
    return switch (outcome) {
      case Rejected rejected -> "rejected, " + rejected.reason();
      case Failed failed -> "failed, " + failed.cause();
      case LoadOutcome.Miss(var why) -> "miss, " + why;
      case LoadOutcome.Leased _ -> "hit";
      case LoadOutcome.Loaded _ -> "hit";
      default -> outcome.getClass().getSimpleName().toLowerCase(java.util.Locale.ROOT);
    };
  }
}
