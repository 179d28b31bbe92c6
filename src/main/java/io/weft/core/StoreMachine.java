package io.weft.core;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.ExpireOutcome;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.KeysPage;
import io.weft.base.LoadOutcome;
import io.weft.base.Metric;
import io.weft.base.Metrics;
import io.weft.base.Rejected;
import io.weft.base.RemovalCause;
import io.weft.base.SaltRule;
import io.weft.base.StatOutcome;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.base.Ticker;
import io.weft.base.Usage;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Everything that the store decides about chunks, as one deterministic single-threaded machine:
 * which store wins, who waits for whom, what is evicted, when bytes are free, what a completed
 * device order means. It asks for device work through {@link Order.Door} and is told of its end
 * through {@link #completed}; it answers requests directly. The actor around it only carries
 * messages and time.
 *
 * <p><b>One write per key.</b> A key with a write or an expiry change on the device has a flight. A
 * store of such a key waits for the flight and is then decided anew: an IF_ABSENT finds the chunk
 * and is a duplicate, or finds that the write failed and becomes the write.
 *
 * <p><b>Publication.</b> An entry exists for published chunks only: it is made when the write order
 * came back done, so no lookup can see a chunk earlier.
 *
 * <p><b>Space.</b> A write starts only with its physical bytes reserved. Bytes of a victim are free
 * when its file is unlinked and its last reader is gone, not when it is chosen; a store that needs
 * them waits, first come first served.
 *
 * <p><b>Races.</b> A load whose file was gone because the chunk was replaced, deleted or given
 * another expiry in the meantime is looked up again; while the file is being renamed nothing is
 * concluded from its absence. A chunk that fails verification is quarantined only while the index
 * still names that very generation.
 */
public final class StoreMachine {

  /**
   * What bounds the machine.
   *
   * @param capacityBytes of the device, block rounding included
   * @param reserveBytes what the filesystem must keep free
   * @param maxChunkBytes the longest payload taken
   * @param quotaBytes physical bytes by salt
   * @param segments how the device is divided into slots; null where every chunk has a file
   */
  public record Limits(
      long capacityBytes,
      long reserveBytes,
      long maxChunkBytes,
      Map<String, Long> quotaBytes,
      @Nullable Segments segments) {

    /** Every chunk has a file of its own. */
    public Limits(
        long capacityBytes, long reserveBytes, long maxChunkBytes, Map<String, Long> quotaBytes) {
      this(capacityBytes, reserveBytes, maxChunkBytes, quotaBytes, null);
    }
  }

  /**
   * The segments whose slots hold the chunks.
   *
   * @param bytes what each takes
   * @param headerBytes what of it lies before the first slot
   * @param spareBytes what of the capacity they leave to quarantine and snapshots
   */
  public record Segments(long bytes, long headerBytes, long spareBytes) {}

  private static final int LOAD_ATTEMPTS = 16;
  private static final int SWEEP_STEPS = 2_000;
  private static final int LIST_STEPS = 4_000;
  private static final int REMOVES_OUT_MAX = 1_024;
  private static final int LAST_TRY_ROUNDS = 3;
  private static final long SEGMENT_LATE_NANOS = 2_000_000_000L;
  private static final long RETRY_NANOS = 1_000_000_000L;

  private static final Order.Result LOST =
      new Order.Result.DeviceFailed(
          new DeviceException(
              DeviceException.Kind.CLOSED,
              "finish",
              "an operation",
              -1,
              -1,
              0,
              "the device was lost meanwhile",
              null));

  /** A key with device work that other stores of the key wait for. */
  private static final class Flight {
    boolean changesExpiry;

    /** Null where nothing has waited, as mostly. */
    private @Nullable ArrayDeque<Runnable> waiting;

    void waits(Runnable next) {
      if (waiting == null) {
        waiting = new ArrayDeque<>();
      }
      waiting.add(next);
    }

    void runWaiting() {
      if (waiting != null) {
        waiting.forEach(Runnable::run);
      }
    }
  }

  /**
   * A store that tries once more when the removes asked for until now are done. What they freed may
   * or may not be in a sample of the space that was under way: it gives up only on a sample that
   * was asked for afterwards.
   */
  private static final class LastTry {
    final StoreRequest request;
    final int salt;
    final long physicalBytes;
    final StoreOutcome otherwise;
    long whenDone;
    long decidingSample = Long.MAX_VALUE;
    int rounds;

    LastTry(
        StoreRequest request, int salt, long physicalBytes, StoreOutcome otherwise, long whenDone) {
      this.request = request;
      this.salt = salt;
      this.physicalBytes = physicalBytes;
      this.otherwise = otherwise;
      this.whenDone = whenDone;
    }
  }

  private final Limits limits;
  private final Catalog catalog;
  private final CapacityLedger ledger;
  private final @Nullable Slabs slabs;
  private final Room room;
  private final Order.Door device;
  private final Order.Door door;
  private final StoreListener listener;
  private final Metrics metrics;
  private final Ticker ticker;

  private final Map<ChunkKey, Flight> flights = new HashMap<>();
  private final SpaceWaiters spaceWaiters;

  /** What {@link #reserveQuota} found for the store that is being decided. */
  private @Nullable ChunkAddress recycledOfQuota;

  private boolean makingSegment;
  private long makingSinceNanos;
  private long nextSegmentNanos;
  private int segmentsTried;

  /** Of chunks and of segments. */
  private final ArrayDeque<Order> failedRemoves = new ArrayDeque<>();

  /** The first is with the device: one at a time, so that each says what all of them take. */
  private final ArrayDeque<Order.Quarantine> quarantines = new ArrayDeque<>();

  /** Files that were there when the last sample of the space was taken. */
  private final Set<Order.Remove> removesSinceSample = new HashSet<>();

  /** Removes beyond those that may be with the device at once. */
  private final ArrayDeque<Order.Remove> removesQueued = new ArrayDeque<>();

  private int removesOut;
  private long nextRemoveRetryNanos;
  private final ArrayDeque<LastTry> lastTries = new ArrayDeque<>();
  private long lastTriesBytes;
  private long samplesAsked;
  private long samplesTaken;
  private boolean sampleAsked;
  private long removesDone;
  private long removesAsked;

  /** In the order in which the device got them. */
  private final Set<Order> ordersOut = new LinkedHashSet<>();

  private int sweepAt;
  private int clearAt = -1;
  private long clearBelowGeneration;
  private long cleared;
  private final List<Consumer<Long>> clearWaiting = new ArrayList<>();

  private @Nullable Rejected closed;
  private boolean loadsMiss;

  public StoreMachine(
      Limits limits,
      Function<PolicyContext, EvictionPolicy> policies,
      SaltRule saltRule,
      LongUnaryOperator physicalSize,
      Order.Door door,
      StoreListener listener,
      Metrics metrics,
      Ticker ticker) {
    this.limits = limits;
    this.device = door;
    this.door = this::order;
    this.ledger = new CapacityLedger(limits.capacityBytes(), limits.reserveBytes());
    Segments segments = limits.segments();
    this.slabs = segments == null ? null : new Slabs(segments.bytes(), segments.headerBytes());
    this.spaceWaiters = new SpaceWaiters(slabs != null);
    this.catalog =
        new Catalog(
            policies, ledger, slabs, saltRule, physicalSize, limits.quotaBytes(), this.door);
    this.room = catalog.room;
    this.listener = listener;
    this.metrics = metrics;
    this.ticker = ticker;
  }

  private void order(Order order) {
    if (order instanceof Order.Remove remove) {
      removesAsked++;
      if (removesOut == REMOVES_OUT_MAX) {
        removesQueued.add(remove);
      } else {
        submitRemove(remove);
      }
      return;
    }
    ordersOut.add(order);
    device.submit(order);
  }

  private void submitRemove(Order.Remove remove) {
    removesOut++;
    removesSinceSample.add(remove);
    ordersOut.add(remove);
    device.submit(remove);
  }

  Catalog catalog() {
    return catalog;
  }

  // ---------------------------------------------------------------- stores

  /** Decides a store; its answer comes now or when the device is done. */
  public void store(StoreRequest request) {
    if (request.abandoned()) {
      request.answer(Failed.deadline());
      return;
    }
    if (closed != null) {
      reject(request, closed);
      return;
    }
    long physical = catalog.physicalBytes(request.length());
    if (request.length() > limits.maxChunkBytes()) {
      reject(
          request,
          Rejected.Reason.TOO_LARGE,
          "the chunk has %d bytes, weft.max-chunk (and in the slab layout a segment) allows %d"
              .formatted(request.length(), limits.maxChunkBytes()));
      return;
    }
    if (physical > limits.capacityBytes()) {
      reject(
          request,
          Rejected.Reason.TOO_LARGE,
          "the chunk takes %d bytes on the device, weft.capacity is %d"
              .formatted(physical, limits.capacityBytes()));
      return;
    }
    Flight flight = flights.get(request.key());
    if (flight != null) {
      flight.waits(() -> store(request));
      return;
    }
    int entry = findLive(request.key());
    if (entry >= 0 && request.mode() == StoreMode.IF_ABSENT) {
      catalog.touch(entry);
      metrics.add(Metric.STORES_DUPLICATE);
      request.answer(new StoreOutcome.AlreadyStored());
      return;
    }
    if (entry < 0 && request.mode() == StoreMode.IF_PRESENT) {
      request.answer(new StoreOutcome.NotPresent());
      return;
    }
    int salt = catalog.saltOf(request.key());
    if (!reserveQuota(request, salt, physical)) {
      catalog.salts.dropIfUnused(salt);
      return;
    }
    flights.put(request.key(), new Flight());
    if (recycledOfQuota != null) {
      startRecycling(request, physical, recycledOfQuota);
      return;
    }
    if (nobodyIsAhead(physical) && tryStartWrite(request, salt, physical)) {
      return;
    }
    if (tryRecycle(request, physical)) {
      return;
    }
    if (!makeRoom(physical)) {
      endWithoutWrite(request, salt, physical);
      rejectFull(request);
      return;
    }
    spaceWaiters.add(request, salt, physical);
    admitSpaceWaiters();
  }

  /** Whether what is free is not what others wait for: slots of another size are none of theirs. */
  private boolean nobodyIsAhead(long physical) {
    return spaceWaiters.isEmpty()
        || (slabs != null && spaceWaiters.inLineOf(physical) == 0 && slabs.hasFree(physical));
  }

  /**
   * Writes the chunk into the room of the next victim, where that has the same size: nothing is
   * freed and nothing allocated. Who waits for room waits for other victims' and loses nothing.
   */
  private boolean tryRecycle(StoreRequest request, long physical) {
    boolean coming =
        slabs == null
            ? freeSoon() >= spaceWaiters.bytes() + physical
            : slotsSoon(slabs, physical) > spaceWaiters.inLineOf(physical);
    if (coming || overCapacity()) {
      return false;
    }
    int victim = catalog.takeVictim(-1);
    if (victim < 0) {
      return false;
    }
    if (catalog.physicalOf(victim) != physical) {
      catalog.restoreVictim(victim);
      return false;
    }
    announceEvicted(victim);
    startRecycling(request, physical, catalog.recycleVictim(victim));
    return true;
  }

  private void startRecycling(StoreRequest request, long physical, ChunkAddress recycled) {
    door.submit(
        new Order.Write(
            request, newAddress(request, recycled.location()), physical, recycled, 0, false));
  }

  private ChunkAddress newAddress(StoreRequest request, long location) {
    return new ChunkAddress(
        request.key(), catalog.takeGeneration(), request.expiresAtMillis(), location);
  }

  /**
   * Charges the salt for the chunk; answers the request, and returns false, where its quota has no
   * room. At the quota, chunks of the salt itself make room; the first of the same size gives its
   * place to the new one.
   */
  private boolean reserveQuota(StoreRequest request, int salt, long physical) {
    recycledOfQuota = null;
    long quota = catalog.salts.quotaBytes(salt);
    while (quota != Salts.NO_QUOTA && catalog.salts.usedBytes(salt) + physical > quota) {
      int victim = physical > quota ? -1 : catalog.takeVictim(salt);
      if (victim < 0) {
        reject(
            request,
            Rejected.Reason.QUOTA,
            "the salt holds %d bytes of a quota of %d, the chunk takes %d"
                .formatted(catalog.salts.usedBytes(salt), quota, physical));
        ChunkAddress unused = recycledOfQuota;
        if (unused != null) {
          room.dirty(unused.location(), physical);
          door.submit(new Order.Remove(unused, null, physical));
        }
        return false;
      }
      if (recycledOfQuota == null && catalog.physicalOf(victim) == physical && !overCapacity()) {
        announceEvicted(victim);
        recycledOfQuota = catalog.recycleVictim(victim);
      } else {
        evict(victim);
      }
    }
    catalog.salts.add(salt, physical);
    return true;
  }

  /** Evicts until the bytes that are, or will be, free suffice for all that wait and this. */
  private boolean makeRoom(long physical) {
    if (slabs != null) {
      return makeSlot(slabs, physical, 1);
    }
    while (freeSoon() < spaceWaiters.bytes() + physical) {
      int victim = catalog.takeVictim(-1);
      if (victim < 0) {
        return false;
      }
      evict(victim);
    }
    return true;
  }

  /**
   * Evicts until the slots of this size that are, or will be, free suffice for all that wait and so
   * many more. Where a slot's worth of victims of other sizes was given up in vain, a whole segment
   * of them is emptied: so the sizes share the segments as their chunks are used. Where no segment
   * can be emptied, victims of other sizes stay, and chunks of this size go out of their turn.
   */
  private boolean makeSlot(Slabs slabs, long slotBytes, int more) {
    makeSegments();
    long others = 0;
    // Giving a chunk up does not change it; emptying a segment does. It is dear to find out.
    Boolean canEmpty = null;
    while (slotsSoon(slabs, slotBytes) < spaceWaiters.inLineOf(slotBytes) + more) {
      if (others >= slotBytes && emptySegment(slabs, slotBytes, false)) {
        others = 0;
        canEmpty = null;
        continue;
      }
      int victim = catalog.takeVictim(-1);
      if (victim < 0) {
        return emptySegment(slabs, slotBytes, false);
      }
      long bytes = catalog.physicalOf(victim);
      if (bytes == slotBytes) {
        evict(victim);
        continue;
      }
      if (canEmpty == null) {
        canEmpty = slabs.canEmpty(slotBytes, this::mustStay);
      }
      if (canEmpty) {
        long location = catalog.address(victim).location();
        others += bytes;
        evict(victim);
        if (slabs.emptyIfVacated(location)) {
          others = 0;
          canEmpty = null;
        }
      } else {
        catalog.restoreVictim(victim);
        int other = slabs.anyChunk(slotBytes, this::mustStay);
        if (other < 0) {
          return false;
        }
        announceEvicted(other);
        catalog.retire(other);
      }
    }
    return true;
  }

  /** Slots of this size that are free, or will be without anything more being given up. */
  private long slotsSoon(Slabs slabs, long slotBytes) {
    return slabs.soon(slotBytes) + segmentsToCome() * slabs.slotsPerSegment(slotBytes);
  }

  /** Gives every chunk of one segment up, which then gets another slot size, or goes. */
  private boolean emptySegment(Slabs slabs, long exceptSlotBytes, boolean leaving) {
    List<Integer> entries = slabs.beginEmptying(exceptSlotBytes, leaving, this::mustStay);
    if (entries == null) {
      return false;
    }
    for (int entry : entries) {
      announceEvicted(entry);
      catalog.retire(entry);
    }
    return true;
  }

  private boolean mustStay(int entry) {
    return catalog.held(entry) || flights.containsKey(catalog.index.key(entry));
  }

  /** Whether more is taken than the capacity, which was lowered, and no removal will mend it. */
  private boolean overCapacity() {
    long leaving =
        slabs == null ? ledger.used(CapacityLedger.Category.RETIRED) : slabs.leavingBytes();
    return ledger.used() - leaving > ledger.capacity();
  }

  /** What is free once everything that is being removed is gone. */
  private long freeSoon() {
    return ledger.free() + ledger.used(CapacityLedger.Category.RETIRED);
  }

  private void evict(int victim) {
    announceEvicted(victim);
    catalog.retireVictim(victim);
  }

  private void announceEvicted(int victim) {
    metrics.add(Metric.EVICTIONS);
    metrics.add(Metric.EVICTED_BYTES, catalog.physicalOf(victim));
    announceRemoved(victim, RemovalCause.EVICTED);
  }

  private boolean tryStartWrite(StoreRequest request, int salt, long physical) {
    long location = room.take(physical);
    if (location == Room.NONE) {
      return false;
    }
    // Not with what those who gave chunks up for it are waiting for.
    if (slabs != null || ledger.mayStart(physical + lastTriesBytes)) {
      startWrite(request, physical, location, false);
      return true;
    }
    room.free(CapacityLedger.Category.STAGING, location, physical);
    retryAfterEviction(
        request,
        salt,
        physical,
        new Rejected(
            Rejected.Reason.RESERVE,
            "the filesystem would be left with less than weft.reserve = %d bytes free"
                .formatted(limits.reserveBytes())));
    return true;
  }

  private void startWrite(StoreRequest request, long physical, long location, boolean lastTry) {
    long claimed = slabs == null ? physical : 0;
    ledger.started(claimed);
    door.submit(
        new Order.Write(request, newAddress(request, location), physical, null, claimed, lastTry));
  }

  /** Starts what waited, in turn, for as long as there is room. */
  private void admitSpaceWaiters() {
    Set<Long> blocked = Set.of();
    SpaceWaiters.Waiter next;
    while ((next = spaceWaiters.first(blocked)) != null) {
      long physical = next.physicalBytes();
      boolean givenUp = next.request().abandoned() || closed != null;
      boolean hasRoom = !givenUp && room.has(physical);
      // Somebody else may have taken what was on its way to be free.
      if (!givenUp && !hasRoom && roomIsComing(physical)) {
        blocked = blocked.isEmpty() ? new HashSet<>(2) : blocked;
        blocked.add(spaceWaiters.lineOf(physical));
        continue;
      }
      spaceWaiters.leave(next);
      if (hasRoom) {
        tryStartWrite(next.request(), next.salt(), physical);
        continue;
      }
      endWithoutWrite(next.request(), next.salt(), physical);
      if (closed != null) {
        reject(next.request(), closed);
      } else if (givenUp) {
        next.request().answer(Failed.deadline());
      } else {
        rejectFull(next.request());
      }
    }
  }

  private boolean roomIsComing(long physical) {
    if (slabs != null) {
      return makeSlot(slabs, physical, 0) || slotsSoon(slabs, physical) > 0;
    }
    return makeRoom(0) || freeSoon() >= physical;
  }

  /**
   * The filesystem is fuller than the capacity says: gives chunks of the same size up, waits until
   * they are unlinked, and tries once more; answers {@code otherwise} where nothing can be given
   * up.
   */
  private void retryAfterEviction(
      StoreRequest request, int salt, long physical, StoreOutcome otherwise) {
    long before = ledger.used(CapacityLedger.Category.RETIRED);
    if (otherwise instanceof Rejected
        && physical - ledger.headroom() > before + ledger.used(CapacityLedger.Category.CHUNKS)) {
      // Giving up everything would not be enough: nothing is given up.
      endWithoutWrite(request, salt, physical);
      metrics.add(Metric.STORES_REJECTED);
      request.answer(otherwise);
      return;
    }
    long victimsBytes = 0;
    while (victimsBytes < physical || headroomSoon() < lastTriesBytes + physical) {
      int victim = catalog.takeVictim(-1);
      if (victim < 0) {
        break;
      }
      victimsBytes += catalog.physicalOf(victim);
      evict(victim);
    }
    if (before + victimsBytes == 0) {
      endWithoutWrite(request, salt, physical);
      metrics.add(Metric.STORES_REJECTED);
      request.answer(otherwise);
      return;
    }
    lastTries.add(new LastTry(request, salt, physical, otherwise, removesAsked));
    lastTriesBytes += physical;
  }

  /** What may be written once everything that is being removed is gone. */
  private long headroomSoon() {
    return ledger.headroom() + ledger.used(CapacityLedger.Category.RETIRED);
  }

  private void runLastTries() {
    while (!lastTries.isEmpty()
        && (closed != null || lastTries.getFirst().whenDone <= removesDone)) {
      LastTry next = lastTries.getFirst();
      boolean wanted = !next.request.abandoned() && closed == null;
      if (wanted && !ledger.mayStart(next.physicalBytes) && samplesTaken < next.decidingSample) {
        next.decidingSample = Math.min(next.decidingSample, samplesAsked + 1);
        return;
      }
      if (wanted && !ledger.mayStart(next.physicalBytes) && evictAgain(next)) {
        continue;
      }
      lastTries.removeFirst();
      lastTriesBytes -= next.physicalBytes;
      if (wanted
          && ledger.mayStart(next.physicalBytes)
          && room.take(next.physicalBytes) != Room.NONE) {
        startWrite(next.request, next.physicalBytes, ChunkAddress.FILE, true);
        continue;
      }
      endWithoutWrite(next.request, next.salt, next.physicalBytes);
      metrics.add(Metric.STORES_REJECTED);
      next.request.answer(next.otherwise);
    }
  }

  /** The filesystem took more than what was given up, as for its directories: some more goes. */
  private boolean evictAgain(LastTry next) {
    if (next.rounds == LAST_TRY_ROUNDS) {
      return false;
    }
    boolean any = false;
    while (headroomSoon() < lastTriesBytes) {
      int victim = catalog.takeVictim(-1);
      if (victim < 0) {
        break;
      }
      evict(victim);
      any = true;
    }
    if (any) {
      next.rounds++;
      next.whenDone = removesAsked;
      next.decidingSample = Long.MAX_VALUE;
      lastTries.add(lastTries.removeFirst());
    }
    return any;
  }

  /** Whether something waits to know what the filesystem has free now. */
  public boolean wantsSample() {
    LastTry head = lastTries.peekFirst();
    return head != null && head.decidingSample != Long.MAX_VALUE;
  }

  private void endWithoutWrite(StoreRequest request, int salt, long physical) {
    catalog.salts.remove(salt, physical);
    endFlight(request.key());
  }

  private void endFlight(ChunkKey key) {
    Flight flight = flights.remove(key);
    if (flight != null) {
      flight.runWaiting();
    }
  }

  private void written(Order.Write order, Order.Result result) {
    ledger.finished(order.claimedBytes);
    int salt = catalog.saltOf(order.address.key());
    switch (result) {
      case Order.Result.Done _ -> {
        publish(order, salt);
        endFlight(order.address.key());
      }
      case Order.Result.DeviceFailed failed -> {
        clearUp(order);
        Failed outcome = Failed.device(failed.error());
        if (failed.error().kind() == DeviceException.Kind.NO_SPACE) {
          metrics.add(Metric.NO_SPACE);
          if (slabs == null && !order.lastTry && !order.request.abandoned()) {
            retryAfterEviction(order.request, salt, order.physicalBytes, outcome);
            admitSpaceWaiters();
            return;
          }
        }
        fail(order, salt, outcome);
      }
      case Order.Result.Cancelled cancelled -> {
        clearUp(order);
        fail(order, salt, cancelled(cancelled.why()));
      }
      case Order.Result.Broken broken -> {
        clearUp(order);
        fail(order, salt, bug(broken.bug()));
      }
    }
    admitSpaceWaiters();
  }

  /**
   * The room of a write that failed is free again, once nothing of it, nor of the chunk that it was
   * to recycle, can be found there.
   */
  private void clearUp(Order.Write order) {
    long location = order.address.location();
    if (slabs == null && order.recycled == null) {
      room.free(CapacityLedger.Category.STAGING, location, order.physicalBytes);
    } else {
      room.dirty(location, order.physicalBytes);
      door.submit(new Order.Remove(order.address, order.recycled, order.physicalBytes));
    }
  }

  private void fail(Order.Write order, int salt, Failed outcome) {
    metrics.add(Metric.STORES_FAILED);
    order.request.answer(outcome);
    endWithoutWrite(order.request, salt, order.physicalBytes);
  }

  private void publish(Order.Write order, int salt) {
    room.published(order.physicalBytes);
    int entry = catalog.index.find(order.address.key());
    if (entry >= 0) {
      announceRemoved(entry, RemovalCause.REPLACED);
      catalog.retireReplaced(entry);
      catalog.describe(entry, order.address, order.request.length(), order.request.hasMetadata());
    } else {
      entry =
          catalog.enter(order.address, salt, order.request.length(), order.request.hasMetadata());
    }
    catalog.addToPolicy(entry);
    metrics.add(Metric.STORES);
    metrics.add(Metric.STORE_BYTES, order.request.length());
    if (listener.active()) {
      listener.stored(order.address.key(), order.address.generation(), order.request.length());
    }
    order.request.answer(new StoreOutcome.Stored(order.address.generation(), order.physicalBytes));
  }

  private void rejectFull(StoreRequest request) {
    reject(
        request,
        Rejected.Reason.FULL,
        slabs != null && slabs.segments() == 0
            ? "there is no segment yet: one of weft.slab.segment bytes has no room in"
                + " weft.capacity, or on the filesystem beyond weft.reserve"
            : "every chunk that could make room is locked, pinned or in use");
  }

  private void reject(StoreRequest request, Rejected.Reason reason, String detail) {
    reject(request, new Rejected(reason, detail));
  }

  private void reject(StoreRequest request, Rejected why) {
    metrics.add(Metric.STORES_REJECTED);
    request.answer(why);
  }

  // ---------------------------------------------------------------- loads

  /** Decides a load; a hit is answered when the device is done. */
  public void load(LoadRequest request) {
    load(request, 1);
  }

  private void load(LoadRequest request, int attempt) {
    if (request.abandoned()) {
      request.answer(Failed.deadline());
      return;
    }
    if (closed != null) {
      if (loadsMiss) {
        miss(request, LoadOutcome.Miss.Why.UNAVAILABLE);
      } else {
        request.answer(closed);
      }
      return;
    }
    int entry = catalog.index.find(request.key());
    if (entry < 0) {
      miss(request, LoadOutcome.Miss.Why.ABSENT);
      return;
    }
    if (expired(entry)) {
      removeExpired(entry);
      miss(request, LoadOutcome.Miss.Why.EXPIRED);
      return;
    }
    long length = catalog.index.payloadLength(entry);
    if (request.capacityBytes() < length) {
      request.answer(new LoadOutcome.TooSmall(length));
      return;
    }
    if (waitsForExpiryChange(request.key(), () -> load(request, attempt))) {
      return;
    }
    catalog.index.incrementReaders(entry);
    door.submit(
        new Order.Read(request, catalog.address(entry), entry, length, attempt, catalog.renames()));
  }

  private void read(Order.Read order, Order.Result result) {
    boolean current = !catalog.retiredReaderLeft(order.address.generation());
    boolean names = current && names(order.entry, order.address, order.renamesBefore);
    if (current) {
      catalog.readerLeft(order.entry);
    }
    switch (result) {
      case Order.Result.Done _ -> {
        metrics.add(Metric.LOADS_HIT);
        metrics.add(Metric.LOAD_BYTES, order.length);
        if (current && order.request.touches()) {
          catalog.touch(order.entry);
          if (listener.active()) {
            listener.accessed(order.address.key());
          }
        }
        order.request.loaded(order.length);
      }
      case Order.Result.DeviceFailed failed -> {
        switch (failed.error().kind()) {
          case CORRUPT -> {
            if (names) {
              quarantine(order.entry, String.valueOf(failed.error().getMessage()));
              miss(order.request, LoadOutcome.Miss.Why.CORRUPT);
            } else {
              lookAgain(order, Failed.device(failed.error()));
            }
          }
          case NOT_FOUND -> {
            if (names) {
              vanished(order.entry);
              miss(order.request, LoadOutcome.Miss.Why.ABSENT);
            } else {
              lookAgain(order, Failed.device(failed.error()));
            }
          }
          default -> {
            metrics.add(Metric.LOADS_FAILED);
            order.request.answer(Failed.device(failed.error()));
          }
        }
      }
      case Order.Result.Cancelled cancelled -> order.request.answer(cancelled(cancelled.why()));
      case Order.Result.Broken broken -> {
        metrics.add(Metric.LOADS_FAILED);
        order.request.answer(bug(broken.bug()));
      }
    }
  }

  private void lookAgain(Order.Read order, Failed otherwise) {
    metrics.add(Metric.LOST_RACES);
    if (order.attempt >= LOAD_ATTEMPTS) {
      order.request.answer(otherwise);
    } else {
      load(order.request, order.attempt + 1);
    }
  }

  private void miss(LoadRequest request, LoadOutcome.Miss.Why why) {
    metrics.add(Metric.LOADS_MISS);
    request.answer(new LoadOutcome.Miss(why));
  }

  /**
   * Whether the entry names exactly this file, and has done so ever since its reader came. To be
   * asked before the reader has left.
   */
  private boolean names(int entry, ChunkAddress address, long renamesBefore) {
    return catalog.index.occupied(entry)
        && catalog.index.generation(entry) == address.generation()
        && !catalog.index.flag(entry, Catalog.BUSY)
        && !catalog.renamedSince(entry, renamesBefore);
  }

  private void quarantine(int entry, String detail) {
    ChunkAddress address = catalog.address(entry);
    long bytes = catalog.physicalOf(entry);
    metrics.add(Metric.CORRUPT);
    if (listener.active()) {
      listener.quarantined(address.key(), detail);
    }
    if (catalog.index.readers(entry) > 0) {
      // Other readers of the same bytes will fail the same way; the file goes with the last of
      // them.
      catalog.retire(entry);
      return;
    }
    if (slabs == null) {
      ledger.move(CapacityLedger.Category.CHUNKS, CapacityLedger.Category.QUARANTINE, bytes);
    } else if (ledger.mayStart(bytes)
        && ledger.tryReserve(CapacityLedger.Category.QUARANTINE, bytes)) {
      // What is put aside is a copy: the slot is cleared, and free again.
      room.retired(address.location(), bytes);
      ledger.started(bytes);
    } else {
      catalog.retire(entry);
      return;
    }
    catalog.dropWithoutFile(entry);
    quarantines.add(new Order.Quarantine(address, bytes));
    if (quarantines.size() == 1) {
      startNextQuarantine();
    }
  }

  /** A chunk that is not on the device any more, after the device was away. */
  void lost(int entry) {
    vanished(entry);
  }

  /** Ends every order that is out; nobody will say what became of them. */
  void endOrders() {
    for (Order order : List.copyOf(ordersOut)) {
      completed(order, LOST);
    }
  }

  /** The files that are on their way out already. */
  Set<ChunkAddress> removing() {
    Set<ChunkAddress> files = new HashSet<>();
    ordersOut.forEach(
        each -> {
          switch (each) {
            case Order.Remove remove -> addRemoving(remove, files);
            case Order.OnChunk onChunk -> files.add(onChunk.address());
            case Order.MakeSegment _, Order.RemoveSegment _ -> {}
          }
        });
    for (Order order : failedRemoves) {
      if (order instanceof Order.Remove remove) {
        addRemoving(remove, files);
      }
    }
    for (Order.Remove remove : removesQueued) {
      addRemoving(remove, files);
    }
    quarantines.forEach(each -> files.add(each.address()));
    return files;
  }

  private static void addRemoving(Order.Remove remove, Set<ChunkAddress> files) {
    files.add(remove.address());
    if (remove.before() != null) {
      files.add(remove.before());
    }
  }

  private void vanished(int entry) {
    metrics.add(Metric.VANISHED);
    announceRemoved(entry, RemovalCause.VANISHED);
    long bytes = catalog.physicalOf(entry);
    if (catalog.index.readers(entry) > 0) {
      catalog.retire(entry);
      return;
    }
    freeRoom(CapacityLedger.Category.CHUNKS, catalog.index.location(entry), bytes);
    catalog.dropWithoutFile(entry);
    admitSpaceWaiters();
  }

  // ---------------------------------------------------------------- keys

  /** Which of the keys are there, published and not expired. Does not count as a use. */
  public KeysOutcome lookup(List<ChunkKey> keys) {
    if (closed != null) {
      return loadsMiss ? new KeysOutcome.Done(keys.size(), new BitSet(), new BitSet()) : closed;
    }
    BitSet hits = new BitSet(keys.size());
    int[] entries = new int[keys.size()];
    catalog.index.findAll(keys, entries);
    long now = catalog.expiring() > 0 ? ticker.epochMillis() : 0;
    for (int i = 0; i < entries.length; i++) {
      if (entries[i] >= 0 && !Chunks.expired(catalog.index.expiresAtMillis(entries[i]), now)) {
        hits.set(i);
      }
    }
    metrics.add(Metric.LOOKUP_KEYS, keys.size());
    metrics.add(Metric.LOOKUP_HITS, hits.cardinality());
    return new KeysOutcome.Done(keys.size(), hits, new BitSet());
  }

  /** {@link #lookup}, and one lock on each hit, in the same step. */
  public KeysOutcome lookupAndLock(List<ChunkKey> keys) {
    return onHits(keys, catalog.index::incrementLocks);
  }

  /** Takes one lock of each key away. Unknown and unlocked keys are tolerated. */
  public KeysOutcome unlock(List<ChunkKey> keys) {
    return change(keys, catalog.index::decrementLocks);
  }

  /** One pin more on each key that is there. */
  public KeysOutcome pin(List<ChunkKey> keys) {
    return onHits(keys, catalog.index::incrementPins);
  }

  /** One pin less on each key; never below none. */
  public KeysOutcome unpin(List<ChunkKey> keys) {
    return change(keys, catalog.index::decrementPins);
  }

  /** Counts as a use of each key, last to first: the head of a prefix outlives its tail. */
  public KeysOutcome touch(List<ChunkKey> keys) {
    BitSet hits = new BitSet(keys.size());
    for (int i = keys.size() - 1; i >= 0; i--) {
      int entry = findLive(keys.get(i));
      if (entry >= 0) {
        catalog.touch(entry);
        hits.set(i);
        if (listener.active()) {
          listener.accessed(keys.get(i));
        }
      }
    }
    return new KeysOutcome.Done(keys.size(), hits, new BitSet());
  }

  /**
   * Removes the keys from the index at once and their files in the DELETE lane. Locked and pinned
   * chunks are left, and said, unless {@code force}; a chunk that is being read goes when its last
   * reader is done.
   */
  public KeysOutcome delete(List<ChunkKey> keys, boolean force) {
    if (closed != null) {
      return closed;
    }
    BitSet hits = new BitSet(keys.size());
    BitSet held = new BitSet();
    for (int i = 0; i < keys.size(); i++) {
      int entry = findLive(keys.get(i));
      if (entry < 0) {
        continue;
      }
      if (!force && (catalog.index.locks(entry) > 0 || catalog.index.pins(entry) > 0)) {
        held.set(i);
        continue;
      }
      hits.set(i);
      delete(entry);
    }
    return new KeysOutcome.Done(keys.size(), hits, held);
  }

  private void delete(int entry) {
    ChunkKey key = catalog.index.key(entry);
    Flight flight = flights.get(key);
    if (flight != null && flight.changesExpiry) {
      // The file has one of two names until the change is done: hide the chunk now, remove it then.
      catalog.changeExpiry(entry, 1);
      return;
    }
    metrics.add(Metric.DELETED);
    announceRemoved(entry, RemovalCause.DELETED);
    catalog.retire(entry);
  }

  private interface EntryTest {
    boolean apply(int entry);
  }

  private KeysOutcome onHits(List<ChunkKey> keys, EntryTest change) {
    KeysOutcome outcome = lookup(keys);
    if (outcome instanceof KeysOutcome.Done done) {
      for (int i = done.hits().nextSetBit(0); i >= 0; i = done.hits().nextSetBit(i + 1)) {
        change.apply(catalog.index.find(keys.get(i)));
      }
    }
    return outcome;
  }

  private KeysOutcome change(List<ChunkKey> keys, EntryTest change) {
    BitSet changed = new BitSet(keys.size());
    for (int i = 0; i < keys.size(); i++) {
      int entry = catalog.index.find(keys.get(i));
      if (entry >= 0 && change.apply(entry)) {
        changed.set(i);
        catalog.released(entry);
      }
    }
    return new KeysOutcome.Done(keys.size(), changed, new BitSet());
  }

  /** What is known of one chunk; metadata is read from the device where there is any. */
  public void stat(ChunkKey key, Consumer<StatOutcome> answer) {
    if (closed != null) {
      answer.accept(closed);
      return;
    }
    int entry = findLive(key);
    if (entry < 0) {
      answer.accept(new StatOutcome.Absent());
    } else if (!catalog.index.flag(entry, ChunkIndex.HAS_METADATA)) {
      answer.accept(present(entry, io.weft.base.ChunkMetadata.EMPTY));
    } else if (!waitsForExpiryChange(key, () -> stat(key, answer))) {
      catalog.index.incrementReaders(entry);
      door.submit(new Order.ReadBlock(catalog.address(entry), entry, catalog.renames(), answer));
    }
  }

  private StatOutcome.Present present(int entry, io.weft.base.ChunkMetadata metadata) {
    ChunkIndex index = catalog.index;
    return new StatOutcome.Present(
        index.payloadLength(entry),
        catalog.physicalOf(entry),
        index.generation(entry),
        index.expiresAtMillis(entry),
        metadata,
        index.locks(entry),
        index.pins(entry));
  }

  private void blockRead(Order.ReadBlock order, Order.Result result) {
    int entry = order.entry();
    boolean current = !catalog.retiredReaderLeft(order.address().generation());
    boolean names = current && names(entry, order.address(), order.renamesBefore());
    if (current) {
      catalog.readerLeft(entry);
    }
    switch (result) {
      case Order.Result.Done done -> {
        if (!current) {
          stat(order.address().key(), order.answer());
        } else if (expired(entry)) {
          order.answer().accept(new StatOutcome.Absent());
        } else {
          order.answer().accept(present(entry, done.metadata()));
        }
      }
      case Order.Result.DeviceFailed failed -> {
        switch (failed.error().kind()) {
          case NOT_FOUND, CORRUPT -> {
            if (!names) {
              stat(order.address().key(), order.answer());
              return;
            }
            if (failed.error().kind() == DeviceException.Kind.NOT_FOUND) {
              vanished(entry);
            } else {
              quarantine(entry, String.valueOf(failed.error().getMessage()));
            }
            order.answer().accept(new StatOutcome.Absent());
          }
          default -> order.answer().accept(Failed.device(failed.error()));
        }
      }
      case Order.Result.Cancelled cancelled -> order.answer().accept(cancelled(cancelled.why()));
      case Order.Result.Broken broken -> order.answer().accept(bug(broken.bug()));
    }
  }

  /** Gives the chunk another expiry time, on the device first: it holds after a crash. */
  public void expire(ChunkKey key, long expiresAtMillis, Consumer<ExpireOutcome> answer) {
    if (closed != null) {
      answer.accept(closed);
      return;
    }
    Flight flight = flights.get(key);
    if (flight != null) {
      flight.waits(() -> expire(key, expiresAtMillis, answer));
      return;
    }
    int entry = findLive(key);
    if (entry < 0) {
      answer.accept(new ExpireOutcome.Absent());
      return;
    }
    if (catalog.index.expiresAtMillis(entry) == expiresAtMillis) {
      answer.accept(new ExpireOutcome.Changed());
      return;
    }
    Flight change = new Flight();
    change.changesExpiry = true;
    flights.put(key, change);
    catalog.index.setFlag(entry, Catalog.BUSY);
    door.submit(new Order.ChangeExpiry(catalog.address(entry), expiresAtMillis, answer));
  }

  private void expiryChanged(Order.ChangeExpiry order, Order.Result result) {
    ChunkKey key = order.address().key();
    int entry = catalog.index.find(key);
    boolean deleted = catalog.index.expiresAtMillis(entry) != order.address().expiresAtMillis();
    ExpireOutcome outcome =
        switch (result) {
          case Order.Result.Done _ -> {
            catalog.changeExpiry(entry, order.expiresAtMillis());
            catalog.renamed(entry);
            yield new ExpireOutcome.Changed();
          }
          case Order.Result.DeviceFailed failed -> Failed.device(failed.error());
          case Order.Result.Cancelled cancelled -> cancelled(cancelled.why());
          case Order.Result.Broken broken -> bug(broken.bug());
        };
    if (!(outcome instanceof ExpireOutcome.Changed)) {
      catalog.changeExpiry(entry, order.address().expiresAtMillis());
    }
    catalog.index.clearFlag(entry, Catalog.BUSY);
    catalog.released(entry);
    boolean gone =
        result instanceof Order.Result.DeviceFailed failed
            && failed.error().kind() == DeviceException.Kind.NOT_FOUND;
    Flight flight = flights.get(key);
    if (flight != null) {
      flight.changesExpiry = false;
    }
    if (gone) {
      vanished(entry);
      outcome = new ExpireOutcome.Absent();
    } else if (deleted) {
      delete(entry);
    }
    order.answer().accept(outcome);
    endFlight(key);
  }

  private boolean waitsForExpiryChange(ChunkKey key, Runnable again) {
    Flight flight = flights.get(key);
    if (flight != null && flight.changesExpiry) {
      flight.waits(again);
      return true;
    }
    return false;
  }

  /** Removes every chunk that is there now, in bounded steps; locks and pins do not save them. */
  public void deleteAll(Consumer<Long> answer) {
    clearWaiting.add(answer);
    clearAt = 0;
    clearBelowGeneration = catalog.nextGeneration();
  }

  /**
   * Lists keys from a cursor on. A chunk that is there during the whole walk is listed exactly
   * once. A page may be short or empty before the end, because each call looks at a bounded number
   * of entries.
   *
   * @param cursor 0 to begin, then the page's
   * @param prefix the bytes that listed keys begin with; empty for all
   */
  public KeysPage list(byte[] prefix, long cursor, int pageSize) {
    List<KeysPage.ListedKey> keys = new ArrayList<>();
    long now = ticker.epochMillis();
    int at = (int) Math.min(cursor, Integer.MAX_VALUE);
    for (int step = 0; step < LIST_STEPS && keys.size() < pageSize; step++) {
      at = catalog.index.nextOccupied(at);
      if (at < 0) {
        return new KeysPage(keys, KeysPage.END);
      }
      if (!Chunks.expired(catalog.index.expiresAtMillis(at), now)) {
        ChunkKey key = catalog.index.key(at);
        if (key.length() >= prefix.length && startsWith(key, prefix)) {
          keys.add(new KeysPage.ListedKey(key, catalog.index.payloadLength(at)));
        }
      }
      at++;
    }
    return new KeysPage(keys, at);
  }

  private static boolean startsWith(ChunkKey key, byte[] prefix) {
    return prefix.length == 0
        || java.util.Arrays.equals(key.toBytes(), 0, prefix.length, prefix, 0, prefix.length);
  }

  /** What the store holds. */
  public Usage usage() {
    return new Usage(
        catalog.index.size(),
        ledger.used() - ledger.used(CapacityLedger.Category.POOLED),
        ledger.used(CapacityLedger.Category.CHUNKS),
        ledger.capacity(),
        usageBySalt());
  }

  private Map<String, Long> usageBySalt() {
    Map<String, Long> bySalt = new java.util.TreeMap<>();
    for (Salts.SaltUsage salt : catalog.salts.usage()) {
      if (salt.usedBytes() > 0) {
        bySalt.put(salt.salt(), salt.usedBytes());
      }
    }
    return bySalt;
  }

  // ---------------------------------------------------------------- the device's answers

  /** An order came back. */
  public void completed(Order order, Order.Result result) {
    ordersOut.remove(order);
    if (result instanceof Order.Result.DeviceFailed failed && failed.error().deviceInDoubt()) {
      metrics.add(Metric.DEVICE_ERRORS);
    }
    switch (order) {
      case Order.Write write -> written(write, result);
      case Order.Read read -> read(read, result);
      case Order.Remove remove -> removed(remove, result);
      case Order.Quarantine quarantine -> quarantined(quarantine, result);
      case Order.ChangeExpiry change -> expiryChanged(change, result);
      case Order.ReadBlock block -> blockRead(block, result);
      case Order.MakeSegment make -> segmentMade(make, result);
      case Order.RemoveSegment remove -> segmentRemoved(remove, result);
    }
  }

  // ---------------------------------------------------------------- segments

  /** These segments are on the device, and no others. To be said before any chunk of them is. */
  public void segmentsFound(Collection<Integer> numbers) {
    if (slabs == null) {
      return;
    }
    for (int number : numbers) {
      if (!slabs.hasSegment(number)) {
        slabs.add(number);
        ledger.charge(CapacityLedger.Category.POOLED, slabs.segmentBytes());
      }
    }
    slabs.keepOnly(numbers);
    removeEmptied();
  }

  /** Makes the next segment, one at a time, as long as there is room for one. */
  private void makeSegments() {
    if (slabs == null || makingSegment || segmentsToCome() == 0) {
      return;
    }
    ledger.charge(CapacityLedger.Category.POOLED, slabs.segmentBytes());
    makingSegment = true;
    makingSinceNanos = ticker.nanoTime();
    ledger.started(slabs.segmentBytes());
    door.submit(new Order.MakeSegment(slabs.unusedNumber(segmentsTried)));
  }

  /** How many segments there is room for, the one that is being made included. */
  private long segmentsToCome() {
    Segments segments = limits.segments();
    if (segments == null || slabs == null || closed != null) {
      return 0;
    }
    // One that takes its time, or that the kernel keeps, holds nobody up who can do without it.
    boolean late =
        slabs.segments() > 0 && ticker.nanoTime() - makingSinceNanos >= SEGMENT_LATE_NANOS;
    long making = makingSegment && !late ? 1 : 0;
    if (ticker.nanoTime() - nextSegmentNanos < 0) {
      return making;
    }
    long spare = slabs.segments() + making == 0 ? 0 : segments.spareBytes() - spareUsed();
    long free = Math.min(ledger.free() - spare, ledger.headroom());
    return making + Math.max(0, free / segments.bytes());
  }

  /** What of the bytes that segments leave to others is taken. */
  private long spareUsed() {
    long others =
        ledger.used(CapacityLedger.Category.QUARANTINE)
            + ledger.used(CapacityLedger.Category.SNAPSHOT);
    return limits.segments() == null ? 0 : Math.min(others, limits.segments().spareBytes());
  }

  private void segmentMade(Order.MakeSegment order, Order.Result result) {
    Slabs slabs = java.util.Objects.requireNonNull(this.slabs);
    makingSegment = false;
    ledger.finished(slabs.segmentBytes());
    if (result instanceof Order.Result.Done) {
      slabs.add(order.number());
      admitSpaceWaiters();
      makeSegments();
      return;
    }
    ledger.release(CapacityLedger.Category.POOLED, slabs.segmentBytes());
    // Something may be there under this number.
    segmentsTried = order.number() + 1;
    nextSegmentNanos = ticker.nanoTime() + RETRY_NANOS;
    admitSpaceWaiters();
  }

  private void removeEmptied() {
    if (slabs != null) {
      for (int number : slabs.takeLeft()) {
        door.submit(new Order.RemoveSegment(number));
      }
    }
  }

  /** The room is free, and the segment that was emptied with it goes, or gets another size. */
  private void freeRoom(CapacityLedger.Category from, long location, long physical) {
    room.free(from, location, physical);
    removeEmptied();
  }

  private void segmentRemoved(Order.RemoveSegment order, Order.Result result) {
    Slabs slabs = java.util.Objects.requireNonNull(this.slabs);
    if (result instanceof Order.Result.Done) {
      slabs.remove(order.number());
      ledger.release(CapacityLedger.Category.POOLED, slabs.segmentBytes());
      admitSpaceWaiters();
    } else {
      failedRemoves.add(order);
    }
  }

  private void removed(Order.Remove order, Order.Result result) {
    removesDone++;
    removesOut--;
    Order.Remove queued = removesQueued.poll();
    if (queued != null) {
      submitRemove(queued);
    }
    // What was asked for before the sample may be in the sample already.
    boolean notInSample = removesSinceSample.remove(order);
    if (result instanceof Order.Result.Done done) {
      freeRoom(CapacityLedger.Category.RETIRED, order.address().location(), order.physicalBytes());
      if (notInSample && slabs == null) {
        ledger.freed(done.detail());
      }
    } else {
      failedRemoves.add(order);
    }
    runLastTries();
    admitSpaceWaiters();
  }

  private void quarantined(Order.Quarantine order, Order.Result result) {
    quarantines.removeFirst();
    boolean done = result instanceof Order.Result.Done;
    if (slabs != null) {
      ledger.finished(order.physicalBytes());
      if (done) {
        freeRoom(
            CapacityLedger.Category.RETIRED, order.address().location(), order.physicalBytes());
      } else {
        ledger.release(CapacityLedger.Category.QUARANTINE, order.physicalBytes());
      }
    } else if (!done) {
      ledger.move(
          CapacityLedger.Category.QUARANTINE,
          CapacityLedger.Category.RETIRED,
          order.physicalBytes());
    }
    if (result instanceof Order.Result.Done(long quarantinedBytes, var _)) {
      account(CapacityLedger.Category.QUARANTINE, quarantinedBytes);
    } else {
      failedRemoves.add(new Order.Remove(order.address(), null, order.physicalBytes()));
    }
    startNextQuarantine();
    admitSpaceWaiters();
  }

  /** A copy that others have left no room for since it was asked for is not made. */
  private void startNextQuarantine() {
    while (!quarantines.isEmpty()) {
      Order.Quarantine next = quarantines.getFirst();
      if (slabs == null || ledger.headroom() >= 0) {
        door.submit(next);
        return;
      }
      quarantines.removeFirst();
      ledger.finished(next.physicalBytes());
      ledger.release(CapacityLedger.Category.QUARANTINE, next.physicalBytes());
      door.submit(new Order.Remove(next.address(), null, next.physicalBytes()));
    }
  }

  // ---------------------------------------------------------------- time and background

  /**
   * One bounded step of background work: removing expired chunks, emptying the store, retrying
   * failed removes. To be called a few times a second, and again at once while it returns true.
   */
  public boolean step() {
    retryFailedRemoves();
    makeSegments();
    if (slabs != null && overCapacity()) {
      var _ = giveSegmentsUp(slabs);
    }
    admitSpaceWaiters();
    boolean more = clearStep();
    if (catalog.expiring() > 0) {
      sweepExpired();
    } else {
      sweepAt = 0;
    }
    return more;
  }

  private void retryFailedRemoves() {
    long now = ticker.nanoTime();
    if (failedRemoves.isEmpty() || now - nextRemoveRetryNanos < 0) {
      return;
    }
    nextRemoveRetryNanos = now + RETRY_NANOS;
    List<Order> again = List.copyOf(failedRemoves);
    failedRemoves.clear();
    again.forEach(door::submit);
  }

  private boolean clearStep() {
    if (clearAt < 0) {
      return false;
    }
    List<Integer> entries = new ArrayList<>();
    clearAt = catalog.walk(clearAt, SWEEP_STEPS, entries);
    for (int entry : entries) {
      if (catalog.index.generation(entry) < clearBelowGeneration) {
        cleared++;
        delete(entry);
      }
    }
    if (clearAt >= 0) {
      return true;
    }
    List<Consumer<Long>> answers = List.copyOf(clearWaiting);
    clearWaiting.clear();
    long count = cleared;
    cleared = 0;
    answers.forEach(answer -> answer.accept(count));
    return false;
  }

  private void sweepExpired() {
    List<Integer> entries = new ArrayList<>();
    int next = catalog.walk(sweepAt, SWEEP_STEPS, entries);
    sweepAt = Math.max(0, next);
    for (int entry : entries) {
      if (expired(entry) && !catalog.held(entry)) {
        removeExpired(entry);
      }
    }
  }

  private void removeExpired(int entry) {
    Flight flight = flights.get(catalog.index.key(entry));
    if (flight != null && flight.changesExpiry) {
      return;
    }
    metrics.add(Metric.EXPIRED);
    announceRemoved(entry, RemovalCause.EXPIRED);
    catalog.retire(entry);
  }

  /** The filesystem is about to be asked what it has free. */
  public void spaceSamplingStarts() {
    ledger.samplingStarts();
    samplesAsked++;
    sampleAsked = true;
  }

  /** It did not answer. */
  public void spaceSamplingFailed() {
    ledger.samplingFailed();
    sampleAsked = false;
  }

  /** What statvfs said, to the question asked or just now. */
  public void spaceSampled(long usableBytes) {
    ledger.spaceSampled(usableBytes);
    removesSinceSample.clear();
    if (!sampleAsked) {
      samplesAsked++;
    }
    sampleAsked = false;
    samplesTaken = samplesAsked;
    runLastTries();
    admitSpaceWaiters();
  }

  // ---------------------------------------------------------------- opening and closing

  /**
   * From now on requests are rejected; what is on the device goes on.
   *
   * @param misses whether loads and lookups are misses instead
   */
  public void close(Rejected why, boolean misses) {
    closed = why;
    loadsMiss = misses;
    runLastTries();
    admitSpaceWaiters();
  }

  /** Requests are taken again. */
  public void open() {
    closed = null;
    makeSegments();
    admitSpaceWaiters();
  }

  /** Evicts until the usage is within quotas and capacity, which may have been lowered. */
  long enforceCapacity() {
    long evicted = 0;
    for (Salts.SaltUsage salt : catalog.salts.usage()) {
      int number = catalog.salts.find(salt.salt());
      while (salt.quotaBytes() != Salts.NO_QUOTA
          && catalog.salts.usedBytes(number) > salt.quotaBytes()) {
        int victim = catalog.takeVictim(number);
        if (victim < 0) {
          break;
        }
        evict(victim);
        evicted++;
      }
    }
    if (slabs != null) {
      return evicted + giveSegmentsUp(slabs);
    }
    while (overCapacity()) {
      int victim = catalog.takeVictim(-1);
      if (victim < 0) {
        break;
      }
      evict(victim);
      evicted++;
    }
    return evicted;
  }

  private long giveSegmentsUp(Slabs slabs) {
    long before = catalog.index.size();
    while (overCapacity()) {
      int empty = slabs.letEmptyGo();
      if (empty >= 0) {
        door.submit(new Order.RemoveSegment(empty));
      } else if (!emptySegment(slabs, 0, true)) {
        break;
      }
    }
    removeEmptied();
    return before - catalog.index.size();
  }

  /**
   * Bytes of files that are not chunks but count: later format versions, the quarantine, the
   * snapshot. What was said before of the category is replaced.
   */
  public void account(CapacityLedger.Category category, long bytes) {
    ledger.release(category, ledger.used(category));
    ledger.charge(category, bytes);
    if (category == CapacityLedger.Category.QUARANTINE) {
      quarantines.forEach(waiting -> ledger.charge(category, waiting.physicalBytes()));
    }
  }

  /** Whether files of a later format version were found. */
  public boolean hasLaterVersions() {
    return ledger.used(CapacityLedger.Category.LATER_VERSION) > 0;
  }

  public long chunks() {
    return catalog.index.size();
  }

  public long keyBytes() {
    return catalog.index.keyBytes();
  }

  public long nextGeneration() {
    return catalog.nextGeneration();
  }

  /** Reserves room for a snapshot beside the present one; gives chunks up for it where it must. */
  public boolean reserveSnapshot(long bytes) {
    // Who waits for a slot does not wait for bytes.
    if ((slabs != null || spaceWaiters.isEmpty())
        && ledger.mayStart(bytes)
        && ledger.tryReserve(CapacityLedger.Category.SNAPSHOT, bytes)) {
      return true;
    }
    if (slabs != null) {
      return false;
    }
    makeRoom(bytes);
    // The filesystem may be fuller than the capacity says.
    while (headroomSoon() < lastTriesBytes + bytes) {
      int victim = catalog.takeVictim(-1);
      if (victim < 0) {
        break;
      }
      evict(victim);
    }
    return false;
  }

  /** Whether a snapshot of this size can ever have room, once what is being removed is gone. */
  public boolean snapshotMayFit(long bytes) {
    if (slabs != null) {
      return ledger.free() >= bytes && ledger.headroom() >= bytes;
    }
    return freeSoon() >= bytes
        && headroomSoon() + ledger.used(CapacityLedger.Category.CHUNKS) >= bytes;
  }

  /**
   * The snapshot was written, or given up.
   *
   * @param bytes what it takes now; negative where nobody knows, and the reservation stays
   */
  public void snapshotWritten(long bytes) {
    if (bytes >= 0) {
      account(CapacityLedger.Category.SNAPSHOT, bytes);
      admitSpaceWaiters();
    }
  }

  /** Whether no device order is out and nothing waits for one. */
  public boolean quiet() {
    return ordersOut.isEmpty()
        && spaceWaiters.isEmpty()
        && lastTries.isEmpty()
        && failedRemoves.isEmpty();
  }

  /** What is held for work that is not done, in words; empty where all is at rest. */
  String leftovers() {
    StringBuilder left = new StringBuilder();
    if (!flights.isEmpty()) {
      left.append("flights of ").append(flights.keySet());
    }
    if (!spaceWaiters.isEmpty() || spaceWaiters.bytes() != 0) {
      left.append(" %d wait for %d bytes".formatted(spaceWaiters.count(), spaceWaiters.bytes()));
    }
    if (!lastTries.isEmpty() || !failedRemoves.isEmpty() || !ordersOut.isEmpty()) {
      left.append(
          " %d last tries, %d failed removes, %d orders out"
              .formatted(lastTries.size(), failedRemoves.size(), ordersOut.size()));
    }
    if (!quarantines.isEmpty()) {
      left.append(" %d on the way to quarantine".formatted(quarantines.size()));
    }
    return left.append(catalog.leftovers()).toString();
  }

  // ---------------------------------------------------------------- small helpers

  /** The entry of the key, expired ones removed on the way; -1 where there is none. */
  private int findLive(ChunkKey key) {
    int entry = catalog.index.find(key);
    if (entry >= 0 && expired(entry)) {
      removeExpired(entry);
      return -1;
    }
    return entry;
  }

  private boolean expired(int entry) {
    long expiry = catalog.index.expiresAtMillis(entry);
    return expiry != Chunks.NEVER && Chunks.expired(expiry, ticker.epochMillis());
  }

  private void announceRemoved(int entry, RemovalCause cause) {
    if (listener.active()) {
      listener.removed(catalog.index.key(entry), catalog.index.payloadLength(entry), cause);
    }
  }

  private static Failed cancelled(Transfer.Cancelled why) {
    return switch (why) {
      case DEADLINE -> Failed.deadline();
      case CLOSED -> new Failed(Failed.Cause.CLOSED, "the store was closed first", null);
      case RESTARTED -> new Failed(Failed.Cause.RESTARTED, "the device queue restarted", null);
    };
  }

  private static Failed bug(@Nullable Throwable bug) {
    return new Failed(Failed.Cause.INTERNAL, String.valueOf(bug), null);
  }
}
