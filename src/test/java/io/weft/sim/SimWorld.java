package io.weft.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.ExpireOutcome;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.KeysPage;
import io.weft.base.LoadOutcome;
import io.weft.base.Metrics;
import io.weft.base.Rejected;
import io.weft.base.RemovalCause;
import io.weft.base.StatOutcome;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.base.Usage;
import io.weft.core.CapacityLedger;
import io.weft.core.Lane;
import io.weft.core.LoadRequest;
import io.weft.core.Order;
import io.weft.core.Policies;
import io.weft.core.Recovery;
import io.weft.core.StoreListener;
import io.weft.core.StoreMachine;
import io.weft.core.StoreRequest;
import io.weft.core.Transfer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * One machine in a world made of a seed: random clients, a device that does its orders in random
 * order, late, wrongly or not at all, a clock that is turned by hand, and a reference model that
 * judges every answer and every order.
 *
 * <p>The machine is the one point at which things happen, so the model can be exact: after every
 * step it knows which chunks are there, and a load may return only the bytes of a generation that
 * was current at some moment between its beginning and its end.
 *
 * <p>An order has two moments: when the device does it, and when the machine hears of it. Between
 * the two the machine's picture is out of date; that is where the races are.
 */
public final class SimWorld {
  private static final long BLOCK = SimMedium.BLOCK;
  private static final long QUARANTINE_KEEP = 6 * BLOCK;

  /** What segments leave to the quarantine. */
  private static final long SPARE = 8 * BLOCK;

  /** What of a world its seed decides. */
  private record Shape(
      int keys,
      long capacity,
      long reserve,
      String policy,
      Map<String, Long> quotas,
      int faultPercent,
      int maxBlocks,
      boolean tightFilesystem,
      long segmentBytes) {

    static Shape of(long seed, Random random) {
      int maxBlocks = 1 + random.nextInt(8);
      long segmentBytes = 0;
      long capacity = (8 + random.nextInt(60)) * BLOCK;
      if (seed % 2 == 0) {
        int slots = (maxBlocks + 1) * (1 + random.nextInt(3)) + random.nextInt(3);
        segmentBytes = (1 + slots) * BLOCK;
        capacity = (1 + random.nextInt(5)) * segmentBytes + SPARE;
      }
      Map<String, Long> quotas =
          random.nextBoolean()
              ? Map.of()
              : Map.of(
                  "b", (2 + random.nextInt(10)) * BLOCK, "c", (2 + random.nextInt(20)) * BLOCK);
      return new Shape(
          3 + random.nextInt(30),
          capacity,
          2 * BLOCK,
          Policies.NAMES.get((int) Math.floorMod(seed, (long) Policies.NAMES.size())),
          quotas,
          random.nextInt(3) == 0 ? 0 : random.nextInt(25),
          maxBlocks,
          random.nextInt(3) == 0,
          segmentBytes);
    }
  }

  /** What the model knows of a key. */
  private static final class Known {
    final ChunkKey key;
    final String salt;

    /** In the index, as far as the answers and events say. */
    boolean present;

    /** Deleted while its file was being renamed: no answer shows it, its entry is still there. */
    boolean hidden;

    boolean replacing;
    long generation;
    long length;
    long expiry;
    boolean metadata;
    int locks;
    int pins;
    long lastPublished;

    /** No load that begins now may return an older generation. */
    long least;

    Known(ChunkKey key, String salt) {
      this.key = key;
      this.salt = salt;
    }

    void gone() {
      present = false;
      locks = 0;
      pins = 0;
      least = Math.max(least, generation + 1);
    }
  }

  private abstract static sealed class Asked permits Storing, Loading, Asking {
    final Known known;
    boolean abandoned;
    int answers;

    Asked(Known known) {
      this.known = known;
    }
  }

  private record Named(ChunkKey key, long generation) {}

  /** An order on its way: {@code result} is set when the device has done it. */
  private static final class Out {
    final Order order;
    Order.Result result;

    Out(Order order) {
      this.order = order;
    }
  }

  private record SnapshotLine(
      ChunkAddress address, long length, boolean hasMetadata, long stamp, int state) {}

  private final Random random;
  private final Shape shape;
  private final Inside inside;
  private final int traceLines;
  private final SimTicker ticker = new SimTicker();
  private final SimMedium medium;
  private final List<Known> all = new ArrayList<>();
  private final Map<ChunkKey, Known> byKey = new HashMap<>();
  private final Map<Named, Long> tags = new HashMap<>();

  /** What the slots of each segment were at the last write. */
  private final Map<Integer, Long> sizes = new HashMap<>();

  /** How long the payload of each generation is. */
  private final Map<Named, Long> lengths = new HashMap<>();

  /** Where each generation was written. */
  private final Map<Named, Long> locations = new HashMap<>();

  private final List<Out> out = new ArrayList<>();
  private final Set<Asked> open = new LinkedHashSet<>();
  private final ArrayDeque<String> trace = new ArrayDeque<>();

  private StoreMachine machine;
  private long capacity;
  private boolean faults;
  private boolean closed;

  /** The device is away: orders fail, and it was said that loads and lookups are misses, or not. */
  private boolean away;

  private boolean missesWhileAway;
  private boolean overCapacity;
  private long filesystemBytes;
  private long othersBytes;
  private long nextTag = 1;
  private int step;
  private int deleting;
  private int clearing;
  private long clearBelow;
  private List<SnapshotLine> snapshot = List.of();

  private long walkCursor = KeysPage.END;
  private final Set<ChunkKey> walkThroughout = new HashSet<>();
  private final Map<ChunkKey, Integer> walkSeen = new HashMap<>();

  /**
   * How much of what happened, where a trace is kept: a world in which nothing happens proves
   * nothing.
   */
  public final Map<String, Integer> happened = new HashMap<>();

  /**
   * @param traceLines how much {@link #trace} keeps
   */
  public SimWorld(long seed, Inside inside, int traceLines) {
    this.traceLines = traceLines;
    this.random = new Random(seed * 0x9E3779B97F4A7C15L);
    this.shape = Shape.of(seed, random);
    this.inside = inside;
    this.medium = new SimMedium(shape.segmentBytes());
    this.capacity = shape.capacity();
    this.filesystemBytes = shape.tightFilesystem() ? capacity + 4 * BLOCK : capacity * 4;
    for (int i = 0; i < shape.keys(); i++) {
      String salt = List.of("a", "b", "c").get(i % 3);
      Known known = new Known(ChunkKey.of(salt + "/key-" + i), salt);
      all.add(known);
      byKey.put(known.key, known);
    }
    this.machine = machine(capacity);
    this.faults = shape.faultPercent() > 0;
    machine.spaceSampled(filesystemBytes);
  }

  private StoreMachine machine(long capacityBytes) {
    return new StoreMachine(
        new StoreMachine.Limits(
            capacityBytes,
            shape.reserve(),
            shape.maxBlocks() * BLOCK,
            shape.quotas(),
            slots() ? new StoreMachine.Segments(shape.segmentBytes(), BLOCK, SPARE) : null),
        context -> Policies.create(shape.policy(), context),
        key -> new String(key.toBytes(), 0, 1, java.nio.charset.StandardCharsets.UTF_8),
        SimMedium::physicalBytes,
        this::submit,
        new Events(),
        new Metrics(),
        ticker);
  }

  private boolean slots() {
    return shape.segmentBytes() > 0;
  }

  /** What happened last, for a failure's message. */
  public String trace() {
    return shape + "\n  " + String.join("\n  ", trace);
  }

  // ---------------------------------------------------------------- running

  /** Takes so many random steps, judging after each. */
  public void run(int steps) {
    for (int i = 0; i < steps; i++) {
      step++;
      act(random.nextInt(1000));
      judge();
    }
  }

  private void act(int dice) {
    if (dice < 230) {
      store();
    } else if (dice < 400) {
      load();
    } else if (dice < 620) {
      if (!out.isEmpty()) {
        execute(out.get(random.nextInt(out.size())));
      }
    } else if (dice < 830) {
      List<Out> done = out.stream().filter(each -> each.result != null).toList();
      if (!done.isEmpty()) {
        deliver(done.get(random.nextInt(done.size())));
      }
    } else if (dice < 860) {
      note("time");
      ticker.advance(Duration.ofMillis(random.nextInt(400)));
      walkThroughout.removeIf(key -> !live(known(key)));
    } else if (dice < 885) {
      step();
    } else if (dice < 935) {
      keys();
    } else if (dice < 955) {
      expire();
    } else if (dice < 968) {
      stat();
    } else if (dice < 978) {
      walk();
    } else if (dice < 984) {
      abandon();
    } else if (dice < 988) {
      sample();
    } else if (dice < 989) {
      deleteAll();
    } else if (dice < 991) {
      takeSnapshot();
    } else if (dice < 993) {
      toggle();
    } else if (faults) {
      damage();
    }
    if (closed && random.nextInt(20) == 0) {
      toggle();
    }
  }

  /** The device does everything well from now on; in the end nothing may be left over. */
  public void settle() {
    note("settle");
    boolean before = faults;
    faults = false;
    othersBytes = 0;
    filesystemBytes = Math.max(filesystemBytes, capacity * 4);
    if (closed) {
      toggle();
    }
    drain();
    // Whatever is damaged is found by loading it.
    for (Known known : all) {
      load(known, Long.MAX_VALUE);
    }
    drain();
    assertTrue(machine.quiet(), "quiet");
    assertEquals("", inside.leftovers(machine), "left over");
    assertTrue(open.isEmpty(), () -> "requests without an answer: " + open);
    Set<ChunkAddress> expected = new HashSet<>();
    for (Known known : all) {
      assertFalse(known.hidden, () -> known.key + " is still hidden");
      if (known.present) {
        expected.add(address(known));
      }
    }
    if (slots()) {
      assertEquals(medium.bytes(), inside.usedBytes(machine), "bytes on the device");
      assertTrue(
          inside.usedBytes(machine) <= capacity
              || all.stream().anyMatch(known -> known.locks > 0 || known.pins > 0),
          "more segments than the capacity has room for");
      // What the power failure brought back, in slots that are free or of another size now.
      assertTrue(medium.files().keySet().containsAll(expected), "chunks on the device");
      assertTrue(
          powerFailed || expected.size() == medium.files().size(),
          () -> "cleared, and there: " + medium.files().keySet() + ", not only " + expected);
    } else {
      assertEquals(expected, medium.files().keySet(), "files on the device");
      assertEquals(medium.bytes(), machine.usage().usedBytes(), "bytes on the device");
    }
    faults = before;
  }

  private ChunkAddress address(Known known) {
    Long location = locations.get(new Named(known.key, known.generation));
    return new ChunkAddress(
        known.key, known.generation, known.expiry, location == null ? 0 : location);
  }

  private void drain() {
    for (int round = 0; round < 500; round++) {
      machine.spaceSampled(usable(true));
      while (!out.isEmpty()) {
        Out next = out.get(random.nextInt(out.size()));
        execute(next);
        deliver(next);
        judge();
      }
      ticker.advance(Duration.ofMillis(1_100));
      walkThroughout.removeIf(key -> !live(known(key)));
      step();
      judge();
      if (out.isEmpty() && machine.quiet() && open.isEmpty()) {
        return;
      }
    }
    fail("after 500 rounds without a fault the machine is not quiet: " + inside.leftovers(machine));
  }

  /**
   * The process dies: what the device has not done is lost, what it has done and the machine did
   * not hear of is there. A new machine is rebuilt.
   *
   * @param newCapacity the capacity from now on
   */
  public void crash(double newCapacity) {
    note("crash");
    die();
    medium.sync();
    recover(newCapacity, false, false);
  }

  /** The power fails: of what was not synced some is lost too. A new machine is rebuilt. */
  public void failPower() {
    note("power fails");
    die();
    powerFailed = true;
    note("effects lost: " + medium.cutPower(random));
    recover(1.0, false, true);
  }

  private void die() {
    for (Out each : out) {
      if (each.result == null && each.order instanceof Order.Write write) {
        halfWritten(write);
      }
    }
    out.clear();
    open.clear();
    medium.stagingBytes = 0;
    endWalk();
    clearing = 0;
  }

  /** What a write that nobody will hear of has done: nothing, or something, or all. */
  private void halfWritten(Order.Write write) {
    int part = random.nextInt(4);
    if (write.address().location() == ChunkAddress.FILE) {
      if (write.recycled() != null && part == 0) {
        medium.remove(write.recycled());
      }
    } else if (part == 0) {
      medium.tear(write.address(), write.request().length());
    } else if (part == 1) {
      put(write);
    }
  }

  private void put(Order.Write write) {
    Storing storing = (Storing) write.request();
    if (write.recycled() != null) {
      medium.remove(write.recycled());
    }
    medium.publish(
        write.address(), new SimMedium.SimFile(storing.tag, storing.length, storing.metadata));
    tags.put(new Named(write.address().key(), write.address().generation()), storing.tag);
  }

  /** An orderly shutdown and a start that believes the snapshot. */
  public void restart(double newCapacity) {
    settle();
    medium.sync();
    note("restart");
    takeSnapshot();
    endWalk();
    recover(newCapacity, true, false);
  }

  /**
   * The device goes away and comes back: of what it had been told some took effect and some did
   * not, and of what took effect lately some may be lost with the journal of its filesystem.
   */
  public void loseDevice() {
    note("device lost");
    away = true;
    closed = true;
    missesWhileAway = random.nextBoolean();
    machine.close(
        new Rejected(Rejected.Reason.LINK_DOWN, "away, by the simulation"), missesWhileAway);
    while (!out.isEmpty() && random.nextInt(8) > 0) {
      Out one = out.get(random.nextInt(out.size()));
      if (random.nextInt(3) > 0) {
        execute(one);
      }
      one.result =
          random.nextBoolean()
              ? failed(DeviceException.Kind.IO_ERROR)
              : new Order.Result.Cancelled(Transfer.Cancelled.RESTARTED);
      deliver(one);
      whileAway();
    }
    // What is left is with the kernel, and the machine never hears of it.
    out.stream().filter(_ -> random.nextBoolean()).toList().forEach(this::execute);
    out.clear();
    medium.stagingBytes = 0;
    if (random.nextBoolean()) {
      powerFailed = true;
      note("journal lost, effects: " + medium.cutPower(random));
    }
    medium.sync();
    Recovery recovery = Recovery.revalidating(machine);
    machine.segmentsFound(medium.segments());
    List<ChunkAddress> found = medium.scan();
    Collections.shuffle(found, random);
    boolean interrupted = random.nextInt(4) == 0;
    for (ChunkAddress address : found.subList(0, interrupted ? found.size() / 2 : found.size())) {
      found(recovery, address);
    }
    if (interrupted) {
      note("device lost again");
      // Removals can be under way, and a copy for the quarantine.
      out.stream().filter(_ -> random.nextBoolean()).toList().forEach(this::execute);
      out.clear();
      medium.stagingBytes = 0;
      recovery = Recovery.revalidating(machine);
      machine.segmentsFound(medium.segments());
      found = medium.scan();
      Collections.shuffle(found, random);
      for (ChunkAddress address : found) {
        found(recovery, address);
      }
    }
    machine.account(CapacityLedger.Category.QUARANTINE, medium.pruneQuarantine(QUARANTINE_KEEP));
    othersBytes = Math.min(othersBytes, filesystemBytes - medium.bytes());
    machine.spaceSampled(usable(true));
    overCapacity = true;
    var _ = recovery.finish();
    away = false;
    closed = false;
    machine.open();
    assertEquals(0, open.stream().filter(each -> !each.toString().equals("delete all")).count());
    judge();
    for (Known known : all) {
      if (!live(known)) {
        walkThroughout.remove(known.key);
      }
      assertEquals(live(known), isHit(known), () -> "after the loss: " + known.key);
    }
  }

  private void found(Recovery recovery, ChunkAddress address) {
    SimMedium.SimFile file = medium.files().get(address);
    recovery.found(address, file.length, file.hasMetadata);
    Known known = known(address.key());
    if (known.present && known.generation == address.generation()) {
      known.expiry = address.expiresAtMillis();
    }
  }

  private void whileAway() {
    switch (random.nextInt(6)) {
      case 0 -> store();
      case 1 -> load();
      case 2 -> keys();
      case 3 -> stat();
      case 4 -> expire();
      default -> ticker.advance(Duration.ofMillis(random.nextInt(400)));
    }
  }

  private boolean mayFail() {
    return away || shape.faultPercent() > 0;
  }

  /**
   * @param lossy whether what was not synced may be gone, and what it replaced be there
   */
  private void recover(double newCapacity, boolean clean, boolean lossy) {
    List<ChunkAddress> found = medium.scan();
    if (clean) {
      found.removeIf(address -> known(address.key()).generation != address.generation());
    }
    Collections.shuffle(found, random);
    if (!clean) {
      found.removeIf(
          address -> {
            SimMedium.SimFile file = medium.files().get(address);
            if (file.corrupt && file.tag % 2 == 0) {
              // Its block does not verify: the scan sees that.
              medium.toQuarantine(address);
              lost.add(new Named(address.key(), address.generation()));
              return true;
            }
            return false;
          });
    }
    Map<ChunkKey, ChunkAddress> best = new HashMap<>();
    for (ChunkAddress address : found) {
      best.merge(address.key(), address, (a, b) -> a.generation() > b.generation() ? a : b);
    }
    for (Known known : all) {
      ChunkAddress newest = best.get(known.key);
      if (known.present && !known.hidden && !lossy && !wasDamaged(known)) {
        assertNotNull(newest, () -> "acknowledged, and lost by the crash: " + known.key);
        assertTrue(
            newest.generation() >= known.generation,
            () -> "an older value came back: " + newest + ", it was " + known.generation);
      }
      known.locks = 0;
      known.pins = 0;
      known.hidden = false;
      known.replacing = false;
      known.present = newest != null;
      known.least = 0;
      known.lastPublished = 0;
      if (newest != null) {
        SimMedium.SimFile file = medium.files().get(newest);
        known.generation = newest.generation();
        known.length = file.length;
        known.expiry = newest.expiresAtMillis();
        known.metadata = file.hasMetadata;
        known.least = newest.generation();
        known.lastPublished = newest.generation();
      }
    }
    capacity = Math.max(4 * BLOCK, (long) (shape.capacity() * newCapacity) / BLOCK * BLOCK);
    overCapacity = true;
    closed = false;
    machine = machine(capacity);
    machine.segmentsFound(medium.segments());
    Recovery recovery = new Recovery(machine);
    for (SnapshotLine line : snapshot) {
      recovery.snapshotEntry(
          line.address(), line.length(), line.hasMetadata(), line.stamp(), line.state());
    }
    if (clean) {
      recovery.trustSnapshot();
    } else {
      for (ChunkAddress address : found) {
        SimMedium.SimFile file = medium.files().get(address);
        recovery.found(address, file.length, file.hasMetadata);
      }
    }
    machine.account(CapacityLedger.Category.QUARANTINE, medium.pruneQuarantine(QUARANTINE_KEEP));
    // What the scan put aside may have been copied.
    othersBytes = Math.min(othersBytes, filesystemBytes - medium.bytes());
    machine.spaceSampled(usable(true));
    Recovery.Report report = recovery.finish();
    if (!clean) {
      assertEquals(found.size() - best.size(), report.superseded(), "older generations removed");
    }
    assertEquals(best.size(), report.chunks() + report.evicted(), "chunks found");
    judge();
    for (Known known : all) {
      assertEquals(live(known), isHit(known), () -> "after the crash: " + known.key);
    }
    happened.merge("chunks recovered", best.size(), Integer::sum);
  }

  private boolean wasDamaged(Known known) {
    SimMedium.SimFile file = medium.find(known.key, known.generation);
    return lost.contains(new Named(known.key, known.generation)) || (file != null && file.corrupt);
  }

  private final Set<Named> lost = new HashSet<>();

  /** Slots may hold what was cleared, since the clearing was lost. */
  private boolean powerFailed;

  // ---------------------------------------------------------------- clients

  private final class Storing extends Asked implements StoreRequest {
    final long length;
    final StoreMode mode;
    final long expiry;
    final boolean metadata;
    final long tag = nextTag++;

    Storing(Known known, long length, StoreMode mode, long expiry, boolean metadata) {
      super(known);
      this.length = length;
      this.mode = mode;
      this.expiry = expiry;
      this.metadata = metadata;
    }

    @Override
    public ChunkKey key() {
      return known.key;
    }

    @Override
    public long length() {
      return length;
    }

    @Override
    public StoreMode mode() {
      return mode;
    }

    @Override
    public long expiresAtMillis() {
      return expiry;
    }

    @Override
    public boolean hasMetadata() {
      return metadata;
    }

    @Override
    public boolean abandoned() {
      return abandoned;
    }

    @Override
    public void answer(StoreOutcome outcome) {
      answered(this, outcome);
      switch (outcome) {
        case StoreOutcome.Stored(long generation, long physicalBytes) -> {
          assertEquals(SimMedium.physicalBytes(length), physicalBytes);
          assertTrue(generation > known.lastPublished, "generations of a key grow");
          if (!known.replacing) {
            known.locks = 0;
            known.pins = 0;
          }
          assertFalse(known.present, "the value before was announced as replaced");
          known.replacing = false;
          known.present = true;
          known.generation = generation;
          known.lastPublished = generation;
          known.least = generation;
          known.length = length;
          known.expiry = expiry;
          known.metadata = metadata;
          assertEquals(tag, tags.get(new Named(known.key, generation)), "these very bytes");
          if (!live(known)) {
            walkThroughout.remove(known.key);
          }
        }
        case StoreOutcome.AlreadyStored() -> {
          assertEquals(StoreMode.IF_ABSENT, mode);
          assertTrue(live(known), "a duplicate of a chunk that is not there");
        }
        case StoreOutcome.NotPresent() -> {
          assertEquals(StoreMode.IF_PRESENT, mode);
          assertFalse(live(known), "the chunk is there");
        }
        case Rejected rejected -> {
          long physical = SimMedium.physicalBytes(length);
          switch (rejected.reason()) {
            case TOO_LARGE ->
                assertTrue(
                    length > shape.maxBlocks() * BLOCK || physical > capacity, "not too large");
            case QUOTA -> assertTrue(shape.quotas().containsKey(known.salt), "no quota");
            case FULL, RESERVE -> {}
            case CLOSED -> assertTrue(closed && !away, "open");
            case LINK_DOWN -> assertTrue(away, "the device is there");
            case BUSY, BREAKER_OPEN, INVALID -> fail("rejected: " + rejected);
          }
        }
        case Failed failed -> {
          if (failed.cause() == Failed.Cause.DEADLINE) {
            assertTrue(abandoned || shape.faultPercent() > 0, "no deadline passed");
          } else {
            assertTrue(mayFail(), () -> "failed without a fault: " + failed);
          }
        }
      }
    }

    @Override
    public String toString() {
      return "store " + known.key + " " + mode + " " + length + " bytes, tag " + tag;
    }
  }

  private void store() {
    Known known = any();
    int most = shape.maxBlocks();
    long length =
        switch (random.nextInt(20)) {
          case 0 -> 0;
          case 1 -> most * BLOCK;
          case 2 -> most * BLOCK + 1;
          default -> random.nextInt((int) (most * BLOCK)) + 1;
        };
    int mode = random.nextInt(20);
    long expiry =
        random.nextInt(4) > 0 ? Chunks.NEVER : ticker.epochMillis() + random.nextInt(3_000) - 100;
    Storing request =
        new Storing(
            known,
            length,
            mode < 11 ? StoreMode.IF_ABSENT : mode < 18 ? StoreMode.REPLACE : StoreMode.IF_PRESENT,
            expiry,
            random.nextInt(3) == 0);
    begin(request);
    machine.store(request);
  }

  private final class Loading extends Asked implements LoadRequest {
    final long capacityBytes;
    final boolean touches = random.nextBoolean();
    final long least;
    final long expiredGeneration;
    Named read;
    long readTag;
    long readLength;

    Loading(Known known, long capacityBytes) {
      super(known);
      this.capacityBytes = capacityBytes;
      this.least = known.least;
      this.expiredGeneration =
          known.present && !live(known) && !changesExpiry(known.key) ? known.generation : -1;
    }

    @Override
    public ChunkKey key() {
      return known.key;
    }

    @Override
    public long capacityBytes() {
      return capacityBytes;
    }

    @Override
    public Lane lane() {
      return Lane.LOAD;
    }

    @Override
    public boolean touches() {
      return touches;
    }

    @Override
    public boolean abandoned() {
      return abandoned;
    }

    @Override
    public void loaded(long length) {
      answered(this, "loaded " + read);
      assertNotNull(read, "loaded without a read");
      assertEquals(readLength, length);
      assertTrue(length <= capacityBytes, "more than the target holds");
      assertEquals(tags.get(read), readTag, "the bytes that were stored");
      assertTrue(
          read.generation() >= least,
          () -> "generation " + read.generation() + " was over when the load began: " + least);
      assertTrue(read.generation() <= known.lastPublished, "published");
      assertTrue(read.generation() != expiredGeneration, "it had expired");
    }

    @Override
    public void answer(LoadOutcome outcome) {
      answered(this, outcome);
      switch (outcome) {
        case LoadOutcome.Miss(LoadOutcome.Miss.Why why) -> {
          if (why == LoadOutcome.Miss.Why.UNAVAILABLE) {
            assertTrue(away && missesWhileAway, "the device is there");
          } else {
            assertFalse(live(known), () -> known.key + " is there");
          }
        }
        case LoadOutcome.TooSmall(long needed) -> {
          assertEquals(known.length, needed);
          assertTrue(needed > capacityBytes);
        }
        case LoadOutcome.Loaded _, LoadOutcome.Leased _ -> fail("the machine says loaded()");
        case Rejected rejected -> {
          assertEquals(
              away ? Rejected.Reason.LINK_DOWN : Rejected.Reason.CLOSED, rejected.reason());
          assertTrue(closed);
          assertFalse(away && missesWhileAway, "that is a miss");
        }
        case Failed failed -> {
          if (failed.cause() == Failed.Cause.DEADLINE) {
            assertTrue(abandoned || shape.faultPercent() > 0, "no deadline passed");
          } else {
            assertTrue(mayFail(), () -> "failed without a fault: " + failed);
            DeviceException error = failed.error();
            assertFalse(
                error != null
                    && (error.kind() == DeviceException.Kind.NOT_FOUND
                        || error.kind() == DeviceException.Kind.CORRUPT),
                () -> "that is a miss: " + failed);
          }
        }
      }
    }

    @Override
    public String toString() {
      return "load " + known.key;
    }
  }

  private void load() {
    load(any(), random.nextInt(10) == 0 ? random.nextInt((int) BLOCK) : Long.MAX_VALUE);
  }

  private void load(Known known, long capacityBytes) {
    Loading request = new Loading(known, capacityBytes);
    begin(request);
    machine.load(request);
  }

  /** A question that has one answer. */
  private static final class Asking extends Asked {
    final String what;

    Asking(Known known, String what) {
      super(known);
      this.what = what;
    }

    @Override
    public String toString() {
      return what + (known == null ? "" : " " + known.key);
    }
  }

  private void stat() {
    Known known = any();
    Asking asking = new Asking(known, "stat");
    begin(asking);
    machine.stat(
        known.key,
        outcome -> {
          answered(asking, outcome);
          switch (outcome) {
            case StatOutcome.Present present -> {
              assertTrue(live(known), "it is not there");
              assertEquals(known.generation, present.generation());
              assertEquals(known.length, present.length());
              assertEquals(known.locks, present.locks());
              assertEquals(known.pins, present.pins());
              assertEquals(known.metadata, !present.metadata().isEmpty());
              if (known.present) {
                assertEquals(known.expiry, present.expiresAtMillis());
              }
            }
            case StatOutcome.Absent() -> assertFalse(live(known), () -> known.key + " is there");
            case Rejected rejected -> assertTrue(closed, rejected::toString);
            case Failed failed -> assertTrue(mayFail(), () -> "failed without a fault: " + failed);
          }
        });
  }

  private void expire() {
    Known known = any();
    long when =
        random.nextInt(4) == 0 ? Chunks.NEVER : ticker.epochMillis() + random.nextInt(3_000) - 50;
    Asking asking = new Asking(known, "expire at " + when);
    begin(asking);
    machine.expire(
        known.key,
        when,
        outcome -> {
          answered(asking, outcome);
          switch (outcome) {
            case ExpireOutcome.Changed() -> {
              if (known.present) {
                known.expiry = when;
              }
              if (!live(known)) {
                walkThroughout.remove(known.key);
              }
            }
            case ExpireOutcome.Absent() -> assertFalse(live(known), () -> known.key + " is there");
            case Rejected rejected -> assertTrue(closed, rejected::toString);
            case Failed failed -> assertTrue(mayFail(), () -> "failed without a fault: " + failed);
          }
        });
  }

  private void keys() {
    List<Known> some = new ArrayList<>(all);
    Collections.shuffle(some, random);
    some = some.subList(0, 1 + random.nextInt(Math.min(6, some.size())));
    List<ChunkKey> keys = some.stream().map(known -> known.key).toList();
    BitSet live = new BitSet();
    for (int i = 0; i < some.size(); i++) {
      live.set(i, live(some.get(i)));
    }
    int what = random.nextInt(12);
    note("keys " + what + " " + keys);
    switch (what) {
      case 0, 1 -> {
        if (hits(machine.lookupAndLock(keys), live)) {
          live.stream().mapToObj(some::get).forEach(known -> known.locks++);
        }
      }
      case 2 -> {
        if (hits(machine.pin(keys), live)) {
          live.stream().mapToObj(some::get).forEach(known -> known.pins++);
        }
      }
      case 3, 4, 5 -> {
        for (int i = 0; i < some.size(); i++) {
          live.set(i, some.get(i).locks > 0);
        }
        assertEquals(live, ((KeysOutcome.Done) machine.unlock(keys)).hits(), "unlocked");
        live.stream().mapToObj(some::get).forEach(known -> known.locks--);
      }
      case 6, 7 -> {
        for (int i = 0; i < some.size(); i++) {
          live.set(i, some.get(i).pins > 0);
        }
        assertEquals(live, ((KeysOutcome.Done) machine.unpin(keys)).hits(), "unpinned");
        live.stream().mapToObj(some::get).forEach(known -> known.pins--);
      }
      case 8, 9 -> {
        if (!closed) {
          assertTrue(hits(machine.touch(keys), live));
        }
      }
      case 10, 11 -> delete(some, keys, live, what == 11);
      default -> {}
    }
  }

  private void delete(List<Known> some, List<ChunkKey> keys, BitSet live, boolean force) {
    BitSet held = new BitSet();
    for (int i = live.nextSetBit(0); i >= 0; i = live.nextSetBit(i + 1)) {
      if (!force && (some.get(i).locks > 0 || some.get(i).pins > 0)) {
        held.set(i);
        live.clear(i);
      }
    }
    deleting++;
    KeysOutcome outcome = machine.delete(keys, force);
    deleting--;
    if (!hits(outcome, live)) {
      return;
    }
    assertEquals(held, ((KeysOutcome.Done) outcome).held(), "held");
    live.stream().mapToObj(some::get).forEach(this::hide);
  }

  /** A chunk that is deleted while its file is being renamed gives no event yet. */
  private void hide(Known known) {
    if (known.present) {
      assertTrue(changesExpiry(known.key), "deleted, and no event");
      known.hidden = true;
      known.present = false;
      known.least = Math.max(known.least, known.generation + 1);
    }
    walkThroughout.remove(known.key);
  }

  private boolean hits(KeysOutcome outcome, BitSet expected) {
    if (closed) {
      if (outcome instanceof KeysOutcome.Done done) {
        assertTrue(away && missesWhileAway && done.hits().isEmpty(), "closed");
      }
      return false;
    }
    assertEquals(expected, ((KeysOutcome.Done) outcome).hits(), "hits");
    return true;
  }

  private void deleteAll() {
    Asking asking = new Asking(null, "delete all");
    begin(asking);
    clearing++;
    long below = machine.nextGeneration();
    clearBelow = below;
    machine.deleteAll(
        _ -> {
          answered(asking, "all deleted");
          clearing--;
          for (Known known : all) {
            if (known.present && known.generation < below && changesExpiry(known.key)) {
              hide(known);
            }
            assertFalse(
                live(known) && known.generation < below, () -> known.key + " is still there");
          }
        });
  }

  private void step() {
    note("step");
    if (random.nextInt(10) == 0) {
      medium.sync();
    }
    var _ = machine.step();
    if (clearing > 0) {
      for (Known known : all) {
        if (known.present && known.generation < clearBelow && live(known) && !isHit(known)) {
          hide(known);
        }
      }
    }
  }

  private void walk() {
    if (walkCursor == KeysPage.END) {
      note("walk begins");
      walkCursor = KeysPage.START;
      walkSeen.clear();
      walkThroughout.clear();
      all.stream().filter(this::live).forEach(known -> walkThroughout.add(known.key));
    }
    KeysPage page = machine.list(new byte[0], walkCursor, 1 + random.nextInt(5));
    page.keys().forEach(each -> walkSeen.merge(each.key(), 1, Integer::sum));
    for (KeysPage.ListedKey each : page.keys()) {
      assertTrue(live(known(each.key())), "listed, and not there");
      assertEquals(known(each.key()).length, each.length());
    }
    walkCursor = page.nextCursor();
    if (page.last()) {
      note("walk ends");
      for (ChunkKey key : walkThroughout) {
        assertEquals(1, walkSeen.get(key), () -> key + " listed, being there throughout");
      }
    }
  }

  private void endWalk() {
    walkCursor = KeysPage.END;
    walkThroughout.clear();
  }

  private void abandon() {
    List<Asked> some =
        open.stream().filter(each -> !(each instanceof Asking) && !each.abandoned).toList();
    if (!some.isEmpty()) {
      Asked one = some.get(random.nextInt(some.size()));
      note("deadline of " + one);
      one.abandoned = true;
    }
  }

  private void sample() {
    long most = Math.min(filesystemBytes / 2, filesystemBytes - medium.bytes());
    othersBytes = shape.tightFilesystem() ? random.nextInt((int) most + 1) : 0;
    long usable = usable(random.nextBoolean());
    note(
        "usable "
            + usable
            + " of "
            + filesystemBytes
            + ", others "
            + othersBytes
            + ", ours "
            + medium.bytes()
            + ", staging "
            + medium.stagingBytes);
    machine.spaceSampled(usable);
  }

  /** What statvfs says; files being written may have their room already, or not. */
  private long usable(boolean stagingAllocated) {
    return filesystemBytes
        - othersBytes
        - medium.bytes()
        + (stagingAllocated ? 0 : medium.stagingBytes);
  }

  private void toggle() {
    closed = !closed;
    note(closed ? "close" : "open");
    if (closed) {
      machine.close(new Rejected(Rejected.Reason.CLOSED, "by the simulation"), false);
    } else {
      machine.open();
    }
  }

  private void takeSnapshot() {
    List<SnapshotLine> lines = new ArrayList<>();
    long cursor = KeysPage.START;
    do {
      cursor =
          Recovery.snapshotStep(
              machine,
              cursor,
              1 + random.nextInt(4),
              (address, length, hasMetadata, stamp, state) ->
                  lines.add(new SnapshotLine(address, length, hasMetadata, stamp, state)));
    } while (cursor != KeysPage.END);
    snapshot = lines;
    note("snapshot of " + lines.size());
  }

  private void damage() {
    ChunkAddress address = medium.random(random);
    if (address == null) {
      return;
    }
    if (random.nextBoolean()) {
      note("bit flip in " + address);
      medium.files().get(address).corrupt = true;
    } else {
      note("lost: " + address);
      medium.lose(address);
      lost.add(new Named(address.key(), address.generation()));
    }
  }

  // ---------------------------------------------------------------- the device

  private void submit(Order order) {
    note("order " + words(order));
    switch (order) {
      case Order.OnChunk chunk -> submitted(chunk);
      case Order.MakeSegment make -> {
        assertTrue(
            out.stream().noneMatch(each -> each.order instanceof Order.MakeSegment),
            "one segment at a time");
        assertFalse(medium.segments().contains(make.number()), "the segment is there");
        medium.stagingBytes += shape.segmentBytes();
        checkReserve();
      }
      case Order.RemoveSegment remove -> {
        for (Known known : all) {
          assertFalse(
              (known.present || known.hidden)
                  && ChunkAddress.segmentOf(address(known).location()) == remove.number(),
              "removed, and a chunk is in it");
        }
      }
    }
    out.add(new Out(order));
  }

  private void checkReserve() {
    assertTrue(
        filesystemBytes - othersBytes - medium.bytes() >= shape.reserve(),
        () ->
            "a write that touches the reserve: "
                + medium.bytes()
                + " of "
                + filesystemBytes
                + ", others "
                + othersBytes
                + ", staging "
                + medium.stagingBytes);
  }

  /** A slot that is written holds nothing that anybody wants, and nothing else is done to it. */
  private void checkSlot(Order.Write write) {
    long size = SimMedium.physicalBytes(write.request().length());
    Long before = sizes.put(ChunkAddress.segmentOf(write.address().location()), size);
    if (before != null && before != size) {
      happened("a segment emptied");
    }
    long location = write.address().location();
    long bytes = SimMedium.physicalBytes(write.request().length());
    assertTrue(
        medium.segments().contains(ChunkAddress.segmentOf(location)), "a slot of no segment");
    for (Known known : all) {
      assertFalse(
          (known.present || known.hidden)
              && SimMedium.overlap(
                  location,
                  bytes,
                  address(known).location(),
                  SimMedium.physicalBytes(known.length)),
          () -> "the slot holds " + known.key + " " + known.generation);
    }
    for (Out each : out) {
      if (each.order instanceof Order.OnChunk other) {
        Long length = lengths.get(new Named(other.address().key(), other.address().generation()));
        assertFalse(
            length != null
                && SimMedium.overlap(
                    location, bytes, other.address().location(), SimMedium.physicalBytes(length)),
            () -> "in the slot of " + words(write) + " there is yet " + words(other));
      } else if (each.order instanceof Order.RemoveSegment remove) {
        assertTrue(remove.number() != ChunkAddress.segmentOf(location), "the segment is leaving");
      }
    }
  }

  private void submitted(Order.OnChunk order) {
    ChunkAddress address = order.address();
    ChunkKey key = address.key();
    Known known = known(key);
    Named file = new Named(key, address.generation());
    assertEquals(slots(), address.location() != ChunkAddress.FILE, "a slot");
    switch (order) {
      case Order.Write write -> {
        locations.put(file, address.location());
        assertFalse(writes(key) || changesExpiry(key), "one write a key at a time");
        if (write.recycled() != null) {
          assertFalse(
              isRead(new Named(write.recycled().key(), write.recycled().generation())),
              "recycled while it is being read");
          happened("written over a victim");
        }
        if (slots()) {
          checkSlot(write);
        }
        lengths.put(file, write.request().length());
        if (slots() || write.recycled() != null) {
          break;
        }
        medium.stagingBytes += SimMedium.physicalBytes(write.request().length());
        checkReserve();
      }
      case Order.ChangeExpiry _ ->
          assertFalse(writes(key) || changesExpiry(key), "one write a key at a time");
      case Order.Read _, Order.ReadBlock _ -> {
        assertTrue(known.present, "a read of what is not there");
        assertEquals(known.generation, file.generation(), "a read of what is over");
      }
      case Order.Remove _, Order.Quarantine _ -> {
        assertFalse(isRead(file), "removed while it is being read");
        assertFalse(
            known.present && known.generation == file.generation(), "removed, and still named");
        if (slots() && order instanceof Order.Quarantine quarantine) {
          medium.stagingBytes += quarantine.physicalBytes();
          checkReserve();
        }
      }
    }
  }

  private void execute(Out each) {
    if (each.result != null) {
      return;
    }
    boolean fault = faults && random.nextInt(100) < shape.faultPercent();
    ChunkAddress address = each.order instanceof Order.OnChunk chunk ? chunk.address() : null;
    each.result =
        switch (each.order) {
          case Order.MakeSegment make -> {
            medium.stagingBytes -= shape.segmentBytes();
            if (fault) {
              yield trouble(false, true);
            }
            medium.makeSegment(make.number());
            happened("a segment made");
            yield Order.Result.Done.PLAIN;
          }
          case Order.RemoveSegment remove -> {
            if (fault) {
              yield trouble(false, false);
            }
            medium.removeSegment(remove.number());
            yield Order.Result.Done.PLAIN;
          }
          case Order.Write write -> {
            long length = write.request().length();
            if (write.recycled() == null && !slots()) {
              medium.stagingBytes -= SimMedium.physicalBytes(length);
            }
            if (fault) {
              Order.Result trouble = trouble(write.request().abandoned(), true);
              if (!(trouble instanceof Order.Result.Cancelled)) {
                halfWritten(write);
              }
              yield trouble;
            }
            if (write.request().abandoned() && random.nextBoolean()) {
              yield new Order.Result.Cancelled(Transfer.Cancelled.DEADLINE);
            }
            if (!slots()
                && write.recycled() != null
                && !medium.files().containsKey(write.recycled())) {
              // Nobody reserved what a file of its own would allocate.
              yield failed(DeviceException.Kind.NOT_FOUND);
            }
            put(write);
            yield Order.Result.Done.PLAIN;
          }
          case Order.Read read -> {
            if (fault) {
              yield trouble(read.request().abandoned(), false);
            }
            if (read.request().abandoned() && random.nextBoolean()) {
              yield new Order.Result.Cancelled(Transfer.Cancelled.DEADLINE);
            }
            SimMedium.SimFile file = medium.files().get(address);
            if (file == null) {
              yield failed(DeviceException.Kind.NOT_FOUND);
            }
            if (file.corrupt) {
              yield failed(DeviceException.Kind.CORRUPT);
            }
            Loading loading = (Loading) read.request();
            assertEquals(file.length, read.length());
            loading.read = new Named(address.key(), address.generation());
            loading.readTag = file.tag;
            loading.readLength = file.length;
            yield Order.Result.Done.PLAIN;
          }
          case Order.Remove remove -> {
            if (fault) {
              yield trouble(false, false);
            }
            SimMedium.SimFile before =
                remove.before() == null ? null : medium.remove(remove.before());
            SimMedium.SimFile file = medium.remove(address);
            file = before == null ? file : before;
            yield new Order.Result.Done(
                file == null ? 0 : SimMedium.physicalBytes(file.length), ChunkMetadata.EMPTY);
          }
          case Order.Quarantine quarantine -> {
            if (slots()) {
              medium.stagingBytes -= quarantine.physicalBytes();
            }
            if (fault) {
              yield trouble(false, false);
            }
            medium.toQuarantine(address);
            yield new Order.Result.Done(
                medium.pruneQuarantine(QUARANTINE_KEEP), ChunkMetadata.EMPTY);
          }
          case Order.ChangeExpiry change -> {
            if (fault) {
              yield trouble(false, false);
            }
            yield medium.rename(
                    address,
                    new ChunkAddress(
                        address.key(),
                        address.generation(),
                        change.expiresAtMillis(),
                        address.location()))
                ? Order.Result.Done.PLAIN
                : failed(DeviceException.Kind.NOT_FOUND);
          }
          case Order.ReadBlock _ -> {
            if (fault) {
              yield trouble(false, false);
            }
            SimMedium.SimFile file = medium.files().get(address);
            if (file == null) {
              yield failed(DeviceException.Kind.NOT_FOUND);
            }
            if (file.corrupt && file.tag % 2 == 0) {
              yield failed(DeviceException.Kind.CORRUPT);
            }
            yield new Order.Result.Done(
                0, file.hasMetadata ? ChunkMetadata.of(new byte[] {1}) : ChunkMetadata.EMPTY);
          }
        };
    note("device did " + words(each.order) + ": " + each.result);
  }

  private Order.Result trouble(boolean late, boolean write) {
    return switch (random.nextInt(8)) {
      case 0, 1 -> failed(DeviceException.Kind.IO_ERROR);
      case 2 -> failed(write ? DeviceException.Kind.NO_SPACE : DeviceException.Kind.SHORT_TRANSFER);
      case 3 -> write ? failed(DeviceException.Kind.NO_SPACE) : failed(DeviceException.Kind.CLOSED);
      case 4 -> failed(DeviceException.Kind.EXHAUSTED);
      case 5 -> new Order.Result.Broken(new IllegalStateException("a bug, by the simulation"));
      case 6 -> failed(DeviceException.Kind.READ_ONLY);
      default ->
          new Order.Result.Cancelled(
              late ? Transfer.Cancelled.DEADLINE : Transfer.Cancelled.RESTARTED);
    };
  }

  private static Order.Result failed(DeviceException.Kind kind) {
    return new Order.Result.DeviceFailed(
        new DeviceException(kind, "simulated", "file", -1, -1, 5, "by the simulation", null));
  }

  private void deliver(Out each) {
    note("heard of " + words(each.order));
    out.remove(each);
    machine.completed(each.order, each.result);
  }

  private boolean writes(ChunkKey key) {
    return out.stream()
        .anyMatch(
            each -> each.order instanceof Order.Write write && write.address().key().equals(key));
  }

  private boolean changesExpiry(ChunkKey key) {
    return out.stream()
        .anyMatch(
            each ->
                each.order instanceof Order.ChangeExpiry change
                    && change.address().key().equals(key));
  }

  private boolean isRead(Named file) {
    return out.stream()
        .anyMatch(
            each ->
                (each.order instanceof Order.Read || each.order instanceof Order.ReadBlock)
                    && ((Order.OnChunk) each.order).address().key().equals(file.key())
                    && ((Order.OnChunk) each.order).address().generation() == file.generation());
  }

  // ---------------------------------------------------------------- the judge

  private final class Events implements StoreListener {
    @Override
    public void stored(ChunkKey key, long generation, long length) {
      note("event: stored " + key + " " + generation);
    }

    @Override
    public void accessed(ChunkKey key) {}

    @Override
    public void removed(ChunkKey key, long length, RemovalCause cause) {
      note("event: " + cause + " " + key);
      Known known = known(key);
      Named file = new Named(key, known.generation);
      assertEquals(known.length, length);
      if (known.hidden && (cause == RemovalCause.DELETED || cause == RemovalCause.VANISHED)) {
        known.hidden = false;
        known.gone();
        return;
      }
      assertTrue(known.present, "removed, and not there");
      switch (cause) {
        case EVICTED -> {
          assertEquals(0, known.locks, "locked chunks are not evicted");
          assertEquals(0, known.pins, "pinned chunks are not evicted");
          assertFalse(isRead(file), "chunks being read are not evicted");
          assertFalse(changesExpiry(key), "chunks being renamed are not evicted");
        }
        case DELETED -> assertTrue(deleting > 0 || clearing > 0, "nobody deleted it");
        case EXPIRED -> assertTrue(expired(known), "its time is not over");
        case REPLACED -> {}
        case VANISHED ->
            assertNull(medium.find(key, known.generation), "its file is on the device");
      }
      if (cause == RemovalCause.REPLACED) {
        known.replacing = true;
        known.present = false;
        return;
      }
      walkThroughout.remove(key);
      known.gone();
    }

    @Override
    public void quarantined(ChunkKey key, String detail) {
      note("event: quarantined " + key);
      Known known = known(key);
      assertTrue(known.present, "quarantined, and not there");
      SimMedium.SimFile file = medium.find(key, known.generation);
      assertTrue(file == null || file.corrupt, "its file is in order");
      walkThroughout.remove(key);
      known.gone();
    }

    @Override
    public boolean active() {
      return true;
    }
  }

  private void judge() {
    long bytes = medium.bytes();
    Usage usage = machine.usage();
    long used = inside.usedBytes(machine);
    if (used <= capacity) {
      overCapacity = false;
    }
    assertTrue(overCapacity || bytes <= capacity, () -> bytes + " bytes of " + capacity);
    assertTrue(used >= bytes, () -> bytes + " on the device, accounted for " + used);
    assertTrue(overCapacity || used <= capacity, "accounted for beyond the capacity");
    if (slots()) {
      long making =
          out.stream().filter(each -> each.order instanceof Order.MakeSegment).count()
              * shape.segmentBytes();
      assertEquals(
          inside.segments(machine) * shape.segmentBytes() + making,
          inside.pooledBytes(machine) + inside.takenSlotBytes(machine),
          "free slots and taken ones are all there are");
    }
    long chunks = 0;
    long chunkBytes = 0;
    for (Known known : all) {
      if (known.present || known.hidden) {
        chunks++;
        chunkBytes += SimMedium.physicalBytes(known.length);
      }
    }
    assertEquals(chunks, usage.chunks(), "chunks");
    assertEquals(chunkBytes, usage.chunkBytes(), "bytes of chunks");
    if (!overCapacity) {
      shape
          .quotas()
          .forEach(
              (salt, quota) ->
                  assertTrue(
                      usage.bySalt().getOrDefault(salt, 0L) <= quota, () -> "quota of " + salt));
    }
    Known one = any();
    if (!closed) {
      assertEquals(live(one), isHit(one), () -> "lookup of " + one.key);
    }
  }

  private boolean isHit(Known known) {
    return machine.lookup(List.of(known.key)) instanceof KeysOutcome.Done done
        && done.hits().get(0);
  }

  private boolean live(Known known) {
    return known.present && !expired(known);
  }

  private boolean expired(Known known) {
    return Chunks.expired(known.expiry, ticker.epochMillis());
  }

  private void begin(Asked asked) {
    note(asked.toString());
    open.add(asked);
  }

  private void answered(Asked asked, Object outcome) {
    note("answer to " + asked + ": " + outcome);
    assertEquals(1, ++asked.answers, () -> "answers to " + asked);
    assertTrue(open.remove(asked), "answered, and never asked");
    String kind =
        outcome instanceof Rejected rejected
            ? "rejected " + rejected.reason()
            : outcome instanceof Failed failed
                ? "failed " + failed.cause()
                : outcome.getClass().getSimpleName();
    happened(kind);
  }

  private Known any() {
    return all.get(random.nextInt(all.size()));
  }

  private Known known(ChunkKey key) {
    return byKey.get(key);
  }

  private static String words(Order order) {
    return order instanceof Order.OnChunk chunk
        ? order.getClass().getSimpleName()
            + " "
            + chunk.address().key()
            + " "
            + chunk.address().generation()
        : order.toString();
  }

  private void note(String what) {
    if (traceLines > 0) {
      if (trace.size() == traceLines) {
        trace.removeFirst();
      }
      trace.addLast(step + " " + what);
      happened(what.substring(0, Math.min(12, what.length())));
    }
  }

  private void happened(String what) {
    happened.merge(what, 1, Integer::sum);
  }
}
