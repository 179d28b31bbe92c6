package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.DeviceException;
import io.weft.base.ExpireOutcome;
import io.weft.base.KeysOutcome;
import io.weft.base.LoadOutcome;
import io.weft.base.Metrics;
import io.weft.base.RemovalCause;
import io.weft.base.StatOutcome;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.sim.SimTicker;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * One machine, whose orders the test does by hand. Sizes are in blocks: a chunk of n blocks takes n
 * on the device, its describing block included.
 */
final class MachineRig {
  static final long BLOCK = 4096;

  final SimTicker ticker = new SimTicker();
  final Metrics metrics = new Metrics();

  /** Orders that the device has, first to last. */
  final List<Order> orders = new ArrayList<>();

  final List<String> events = new ArrayList<>();
  final StoreMachine machine;

  MachineRig(long capacityBlocks) {
    this(capacityBlocks, "lru", Map.of());
  }

  MachineRig(long capacityBlocks, String policy, Map<String, Long> quotaBlocks) {
    this(capacityBlocks, 0, policy, quotaBlocks);
    machine.spaceSampled(1L << 40);
  }

  /** Before the first sample of the filesystem's space. */
  MachineRig(
      long capacityBlocks, long reserveBlocks, String policy, Map<String, Long> quotaBlocks) {
    this(capacityBlocks, reserveBlocks, policy, quotaBlocks, null);
  }

  /** Chunks lie in slots: each segment has this many blocks for them, and one before them. */
  static MachineRig withSlots(long capacityBlocks, int segmentBlocks, long spareBlocks) {
    return withSlots(capacityBlocks, segmentBlocks, spareBlocks, Map.of());
  }

  static MachineRig withSlots(
      long capacityBlocks, int segmentBlocks, long spareBlocks, Map<String, Long> quotaBlocks) {
    MachineRig rig = beforeSlots(capacityBlocks, segmentBlocks, spareBlocks, quotaBlocks);
    rig.machine.spaceSampled(1L << 40);
    return rig;
  }

  /** Before the first sample. */
  static MachineRig beforeSlots(
      long capacityBlocks, int segmentBlocks, long spareBlocks, Map<String, Long> quotaBlocks) {
    return new MachineRig(
        capacityBlocks,
        0,
        "lru",
        quotaBlocks,
        new StoreMachine.Segments((segmentBlocks + 1) * BLOCK, BLOCK, spareBlocks * BLOCK));
  }

  private MachineRig(
      long capacityBlocks,
      long reserveBlocks,
      String policy,
      Map<String, Long> quotaBlocks,
      StoreMachine.Segments segments) {
    Map<String, Long> quotas = new java.util.HashMap<>();
    quotaBlocks.forEach((salt, blocks) -> quotas.put(salt, blocks * BLOCK));
    machine =
        new StoreMachine(
            new StoreMachine.Limits(
                capacityBlocks * BLOCK,
                reserveBlocks * BLOCK,
                1 << 20,
                Map.copyOf(quotas),
                segments),
            context -> Policies.create(policy, context),
            MachineRig::salt,
            MachineRig::physicalBytes,
            orders::add,
            new Events(),
            metrics,
            ticker);
  }

  static long physicalBytes(long length) {
    return (length + BLOCK - 1) / BLOCK * BLOCK + BLOCK;
  }

  /** What stands before the slash. */
  private static String salt(ChunkKey key) {
    String text = new String(key.toBytes(), StandardCharsets.UTF_8);
    return text.contains("/") ? text.substring(0, text.indexOf('/')) : "";
  }

  static ChunkKey key(String name) {
    return ChunkKey.of(name);
  }

  static List<ChunkKey> keys(String... names) {
    return java.util.Arrays.stream(names).map(MachineRig::key).toList();
  }

  /** A request, and its one answer. */
  static final class Storing implements StoreRequest {
    final ChunkKey key;
    final long length;
    final StoreMode mode;
    final long expiry;
    final boolean metadata;
    boolean abandoned;
    StoreOutcome outcome;

    Storing(ChunkKey key, long length, StoreMode mode, long expiry, boolean metadata) {
      this.key = key;
      this.length = length;
      this.mode = mode;
      this.expiry = expiry;
      this.metadata = metadata;
    }

    @Override
    public ChunkKey key() {
      return key;
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
    public void answer(StoreOutcome answer) {
      assertEquals(null, outcome, "answered once");
      outcome = answer;
    }

    long generation() {
      return ((StoreOutcome.Stored) outcome).generation();
    }
  }

  /** A load, and its one answer. */
  static final class Loading implements LoadRequest {
    final ChunkKey key;
    final long capacityBytes;
    boolean abandoned;
    LoadOutcome outcome;

    Loading(ChunkKey key, long capacityBytes) {
      this.key = key;
      this.capacityBytes = capacityBytes;
    }

    @Override
    public ChunkKey key() {
      return key;
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
      return true;
    }

    @Override
    public boolean abandoned() {
      return abandoned;
    }

    @Override
    public void loaded(long length) {
      answer(new LoadOutcome.Loaded(length));
    }

    @Override
    public void answer(LoadOutcome answer) {
      assertEquals(null, outcome, "answered once");
      outcome = answer;
    }
  }

  /** An answer that comes once. */
  static final class Answer<T> implements Consumer<T> {
    T outcome;

    @Override
    public void accept(T answer) {
      assertEquals(null, outcome, "answered once");
      outcome = Objects.requireNonNull(answer);
    }
  }

  Storing store(String name, int blocks) {
    return store(name, blocks, StoreMode.IF_ABSENT);
  }

  Storing replace(String name, int blocks) {
    return store(name, blocks, StoreMode.REPLACE);
  }

  Storing store(String name, int blocks, StoreMode mode) {
    return store(name, blocks, mode, Chunks.NEVER, false);
  }

  Storing store(String name, int blocks, StoreMode mode, long expiry, boolean metadata) {
    Storing request = new Storing(key(name), (blocks - 1) * BLOCK, mode, expiry, metadata);
    machine.store(request);
    return request;
  }

  /** Stored, with everything done that this takes. */
  Storing stored(String name, int blocks) {
    Storing request = replace(name, blocks);
    doAll();
    assertTrue(request.outcome instanceof StoreOutcome.Stored, () -> name + ": " + request.outcome);
    return request;
  }

  Loading load(String name) {
    Loading request = new Loading(key(name), Long.MAX_VALUE);
    machine.load(request);
    return request;
  }

  Loading loaded(String name) {
    Loading request = load(name);
    doAll();
    assertTrue(request.outcome instanceof LoadOutcome.Loaded, () -> name + ": " + request.outcome);
    return request;
  }

  Answer<StatOutcome> stat(String name) {
    Answer<StatOutcome> answer = new Answer<>();
    machine.stat(key(name), answer);
    return answer;
  }

  Answer<ExpireOutcome> expire(String name, long when) {
    Answer<ExpireOutcome> answer = new Answer<>();
    machine.expire(key(name), when, answer);
    return answer;
  }

  boolean present(String name) {
    return ((KeysOutcome.Done) machine.lookup(keys(name))).hits().get(0);
  }

  /** Which of the names are there, in their order. */
  String present(String... names) {
    StringBuilder present = new StringBuilder();
    for (String name : names) {
      if (present(name)) {
        present.append(name);
      }
    }
    return present.toString();
  }

  /** The one order of this kind for the key. */
  <T extends Order.OnChunk> T order(Class<T> kind, String name) {
    List<T> found =
        orders.stream()
            .filter(kind::isInstance)
            .map(kind::cast)
            .filter(order -> order.address().key().equals(key(name)))
            .toList();
    assertEquals(1, found.size(), () -> kind.getSimpleName() + " " + name + " in " + orders);
    return found.getFirst();
  }

  boolean ordered(Class<? extends Order.OnChunk> kind, String name) {
    return orders.stream()
        .anyMatch(
            order -> kind.isInstance(order) && kind.cast(order).address().key().equals(key(name)));
  }

  void complete(Order order, Order.Result result) {
    assertTrue(orders.remove(order), "the device has it");
    machine.completed(order, result);
  }

  void done(Order order) {
    complete(
        order,
        switch (order) {
          case Order.Remove remove ->
              new Order.Result.Done(remove.physicalBytes(), ChunkMetadata.EMPTY);
          case Order.ReadBlock _ -> new Order.Result.Done(0, ChunkMetadata.of(new byte[] {7}));
          default -> Order.Result.Done.PLAIN;
        });
  }

  void done(Class<? extends Order.OnChunk> kind, String name) {
    done(order(kind, name));
  }

  void fail(Order order, DeviceException.Kind kind) {
    complete(
        order,
        new Order.Result.DeviceFailed(
            new DeviceException(kind, "test", "file", -1, -1, 5, "by the test", null)));
  }

  void fail(Class<? extends Order.OnChunk> kind, String name, DeviceException.Kind how) {
    fail(order(kind, name), how);
  }

  /** Does everything that is ordered, and what follows from it. */
  void doAll() {
    while (!orders.isEmpty()) {
      done(orders.getFirst());
    }
  }

  /** The one order to make a segment; null where there is none. */
  Order.MakeSegment makeSegment() {
    List<Order.MakeSegment> found =
        orders.stream()
            .filter(Order.MakeSegment.class::isInstance)
            .map(Order.MakeSegment.class::cast)
            .toList();
    assertTrue(found.size() <= 1, () -> "one at a time: " + found);
    return found.isEmpty() ? null : found.getFirst();
  }

  long usedBlocks() {
    return machine.usage().usedBytes() / BLOCK;
  }

  long usedBlocks(CapacityLedger.Category category) {
    return machine.catalog().ledger.used(category) / BLOCK;
  }

  /** Every byte of every segment is pooled, or in a slot that is not free. */
  void assertSlotsAddUp() {
    Slabs slabs = machine.catalog().slabs;
    CapacityLedger ledger = machine.catalog().ledger;
    long making = makeSegment() == null ? 0 : slabs.segmentBytes();
    assertEquals(
        slabs.segments() * slabs.segmentBytes() - slabs.takenBytes() + making,
        ledger.used(CapacityLedger.Category.POOLED),
        "pooled bytes");
    assertTrue(ledger.used() <= ledger.capacity(), "within the capacity");
  }

  /** Nothing is under way and nothing is kept for it. */
  void assertAtRest() {
    assertTrue(orders.isEmpty(), orders::toString);
    assertTrue(machine.quiet());
    assertEquals("", machine.leftovers());
    assertNotNull(machine.usage());
  }

  private final class Events implements StoreListener {
    @Override
    public void stored(ChunkKey key, long generation, long length) {
      events.add("stored " + key);
    }

    @Override
    public void accessed(ChunkKey key) {
      events.add("accessed " + key);
    }

    @Override
    public void removed(ChunkKey key, long length, RemovalCause cause) {
      events.add(cause + " " + key);
    }

    @Override
    public void quarantined(ChunkKey key, String detail) {
      events.add("quarantined " + key);
    }

    @Override
    public boolean active() {
      return true;
    }
  }
}
