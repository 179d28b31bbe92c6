package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.base.StoreMode;
import io.weft.testing.Seeds;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Every crash point of every sequence of operations, with every subset of the effects that may be
 * lost, up to three operations; and of longer sequences from seeds, with a sample of the subsets
 * where there are many. The device is block by block: a chunk is a describing block and its
 * payload, a recycled file is renamed and overwritten, a slot is overwritten where it lies.
 *
 * <p>What a power failure may lose: of block writes any that were not synced; of names (creations,
 * renames, removals) the last ones, in the order of the journal.
 *
 * <p>{@code -Dweft.crash.seeds=N} runs more seeds.
 */
class CrashPointsTest {
  private static final int BLOCKS = 4;
  private static final long BLOCK = MachineRig.BLOCK;

  /** Sequences up to this length are all taken. */
  private static final int ALL_STEPS = 3;

  private static final int STEPS_MAX = 8;

  /** Of a crash point with more losses than this, so many are drawn. */
  private static final int LOSSES_MAX = 64;

  private enum Step {
    STORE,
    STORE_LARGE,
    REPLACE,
    DELETE,
    SNAPSHOT,
    QUARANTINE
  }

  /** One block of a chunk; the first describes it. */
  private record Block(ChunkAddress address, int index, int count) {}

  private record Line(ChunkAddress address, long length, boolean metadata, long stamp, int state) {}

  private static final class Area {
    final Block[] blocks;

    Area(int count) {
      blocks = new Block[count];
    }

    Area copy() {
      Area copy = new Area(blocks.length);
      System.arraycopy(blocks, 0, copy.blocks, 0, blocks.length);
      return copy;
    }
  }

  /** What is on the device: areas by number, and files, which are areas with names. */
  private static final class Disk {
    final Map<Integer, Area> areas = new TreeMap<>();
    final Map<String, Integer> names = new TreeMap<>();
    List<Line> snapshot = List.of();

    Disk copy() {
      Disk copy = new Disk();
      areas.forEach((number, area) -> copy.areas.put(number, area.copy()));
      copy.names.putAll(names);
      copy.snapshot = snapshot;
      return copy;
    }
  }

  private interface Change {
    void apply(Disk disk);
  }

  /**
   * One effect.
   *
   * @param block whether it is lost on its own; else with all names after it
   * @param present what the index named when it was made
   */
  private record Effect(boolean block, Change change, Map<ChunkKey, Long> present) {}

  /** One run of a sequence: its effects, and how many of them were synced when each was made. */
  private static final class Run {
    final boolean slots;
    final boolean full;
    final MachineRig rig;
    final Disk disk;
    Disk base;
    final List<Effect> effects = new ArrayList<>();
    final List<Integer> syncedBefore = new ArrayList<>();
    int synced;
    int nextArea = 1;
    int nextName;
    int firstCrash = Integer.MAX_VALUE;

    Run(boolean slots, boolean full) {
      this.slots = slots;
      this.full = full;
      this.rig = rig(slots);
      this.disk = new Disk();
      disk.areas.put(0, new Area(BLOCKS));
      rig.store("a", 2, StoreMode.IF_ABSENT);
      execute();
      rig.store("b", 2, StoreMode.IF_ABSENT);
      execute();
      effects.clear();
      syncedBefore.clear();
      synced = 0;
      base = disk.copy();
    }

    void effect(boolean block, Change change) {
      effects.add(new Effect(block, change, present()));
      syncedBefore.add(synced);
      change.apply(disk);
    }

    /** What the index names now. */
    Map<ChunkKey, Long> present() {
      Map<ChunkKey, Long> present = new HashMap<>();
      ChunkIndex index = rig.machine.catalog().index;
      for (int at = index.nextOccupied(0); at >= 0; at = index.nextOccupied(at + 1)) {
        present.put(index.key(at), index.generation(at));
      }
      return present;
    }

    void sync() {
      synced = full ? effects.size() : synced;
    }

    void take(Step step) {
      switch (step) {
        case STORE -> rig.store("n" + nextName++, 2, StoreMode.IF_ABSENT);
        case STORE_LARGE -> rig.store("l" + nextName++, 4, StoreMode.IF_ABSENT);
        case REPLACE -> rig.store("a", 2, StoreMode.REPLACE);
        case DELETE -> rig.machine.delete(MachineRig.keys("a"), true);
        case SNAPSHOT -> {
          List<Line> lines = new ArrayList<>();
          assertEquals(
              io.weft.base.KeysPage.END,
              Recovery.snapshotStep(
                  rig.machine,
                  0,
                  100,
                  (address, length, metadata, stamp, state) ->
                      lines.add(new Line(address, length, metadata, stamp, state))));
          effect(false, disk -> disk.snapshot = lines);
          sync();
        }
        case QUARANTINE -> {
          int entry = rig.machine.catalog().index.find(MachineRig.key("b"));
          if (entry >= 0) {
            rig.load("b");
            rig.fail(Order.Read.class, "b", DeviceException.Kind.CORRUPT);
          }
        }
      }
      execute();
      rig.assertAtRest();
    }

    /** Does what is ordered, first come first served, and what follows from it. */
    void execute() {
      while (!rig.orders.isEmpty()) {
        Order order = rig.orders.getFirst();
        switch (order) {
          case Order.Write write -> write(write);
          case Order.Remove remove -> {
            if (remove.before() != null) {
              remove(remove.before());
            }
            remove(remove.address());
          }
          case Order.Quarantine quarantine -> remove(quarantine.address());
          case Order.MakeSegment _ -> {}
          case Order.RemoveSegment _, Order.Read _, Order.ReadBlock _, Order.ChangeExpiry _ ->
              throw new AssertionError("no step asks for it: " + order);
        }
        rig.complete(
            order,
            order instanceof Order.Remove remove
                ? new Order.Result.Done(remove.physicalBytes(), ChunkMetadata.EMPTY)
                : Order.Result.Done.PLAIN);
      }
    }

    void write(Order.Write write) {
      ChunkAddress address = write.address();
      int count = (int) (write.physicalBytes / BLOCK);
      if (slots) {
        int offset = ChunkAddress.placeOf(address.location()) * count;
        writeBlocks(0, offset, address, 1, count);
        sync();
        writeBlocks(0, offset, address, 0, 1, count);
        sync();
        return;
      }
      String staging = "%" + address.generation();
      int area;
      if (write.recycled() != null) {
        String victim = name(write.recycled());
        area = disk.names.get(victim);
        effect(
            false,
            now -> {
              Integer file = now.names.remove(victim);
              if (file != null) {
                now.names.put(staging, file);
              }
            });
      } else {
        area = nextArea++;
        effect(
            false,
            now -> {
              now.areas.computeIfAbsent(area, _ -> new Area(count));
              now.names.put(staging, area);
            });
      }
      writeBlocks(area, 0, address, 0, count);
      sync();
      effect(
          false,
          now -> {
            Integer file = now.names.remove(staging);
            if (file != null) {
              now.names.put(name(address), file);
            }
          });
      sync();
    }

    void writeBlocks(int area, int offset, ChunkAddress address, int from, int count) {
      writeBlocks(area, offset, address, from, count, count);
    }

    void writeBlocks(int area, int offset, ChunkAddress address, int from, int to, int count) {
      for (int i = from; i < to; i++) {
        int index = i;
        effect(
            true,
            now -> {
              Area file = now.areas.computeIfAbsent(area, _ -> new Area(count));
              file.blocks[offset + index] = new Block(address, index, count);
            });
      }
    }

    void remove(ChunkAddress address) {
      if (!slots) {
        effect(false, now -> now.names.remove(name(address)));
        sync();
        return;
      }
      for (int i = 0; i < BLOCKS; i++) {
        Block block = disk.areas.get(0).blocks[i];
        if (block != null && block.index() == 0 && block.address().equals(address)) {
          int at = i;
          effect(true, now -> now.areas.get(0).blocks[at] = null);
        }
      }
      sync();
    }
  }

  private static String name(ChunkAddress address) {
    return address.key() + "~" + address.generation();
  }

  /** Room for two chunks of two blocks, or one of four. */
  private static MachineRig rig(boolean slots) {
    return slots ? MachineRig.withSlots(BLOCKS + 3, BLOCKS, 2) : new MachineRig(BLOCKS);
  }

  @ParameterizedTest
  @CsvSource({"false, false", "false, true", "true, false", "true, true"})
  void whateverIsLostNothingIsWrong(boolean slots, boolean full) {
    long recovered = 0;
    Step[] steps = Step.values();
    int sequences = Math.powExact(steps.length, ALL_STEPS);
    for (int number = 0; number < sequences; number++) {
      List<Step> sequence =
          List.of(
              steps[number % steps.length],
              steps[number / steps.length % steps.length],
              steps[number / steps.length / steps.length]);
      Run run = new Run(slots, full);
      for (int i = 0; i < sequence.size(); i++) {
        boolean last = i == sequence.size() - 1;
        boolean shorterWasTaken = number >= Math.powExact(steps.length, i + 1);
        if (last || !shorterWasTaken) {
          // Crashes in the first two steps are those of every sequence that begins with them.
          run.firstCrash = Math.min(run.firstCrash, run.effects.size());
        }
        run.take(sequence.get(i));
      }
      recovered += crashEverywhere(run, sequence, CrashPointsTest::allLosses);
    }
    assertTrue(recovered > 500, "crashes: " + recovered);
  }

  @Test
  void whateverIsLostOfALongerSequenceNothingIsWrong() {
    int seeds = Integer.getInteger("weft.crash.seeds", 100);
    AtomicLong recovered = new AtomicLong();
    Seeds.forEach(
        seeds,
        seed -> {
          Random random = new Random(seed);
          Step[] steps = Step.values();
          List<Step> sequence =
              random
                  .ints(random.nextInt(ALL_STEPS + 1, STEPS_MAX + 1), 0, steps.length)
                  .mapToObj(step -> steps[step])
                  .toList();
          for (boolean slots : new boolean[] {false, true}) {
            for (boolean full : new boolean[] {false, true}) {
              Run run = new Run(slots, full);
              sequence.subList(0, ALL_STEPS).forEach(run::take);
              run.firstCrash = run.effects.size();
              sequence.subList(ALL_STEPS, sequence.size()).forEach(run::take);
              recovered.addAndGet(
                  crashEverywhere(
                      run, sequence, (names, blocks) -> someLosses(names, blocks, random)));
            }
          }
        });
    System.out.printf("Crash points from seeds: %,d recoveries%n", recovered.get());
    assertTrue(recovered.get() > 0, "no crash was tried");
  }

  /**
   * What is lost of the effects that were not synced.
   *
   * @param names how many of the last names
   * @param blocks which of the blocks, a bit for each
   */
  private record Loss(int names, long blocks) {
    static final Loss NOTHING = new Loss(0, 0);
  }

  /** What may be lost at a crash point with so many names and blocks that were not synced. */
  private interface Losses {
    List<Loss> of(int names, int blocks);
  }

  private static List<Loss> allLosses(int names, int blocks) {
    List<Loss> losses = new ArrayList<>();
    for (int lostNames = 0; lostNames <= names; lostNames++) {
      for (long lostBlocks = 0; lostBlocks < 1L << blocks; lostBlocks++) {
        losses.add(new Loss(lostNames, lostBlocks));
      }
    }
    return losses;
  }

  /** All, where they are few; else a sample with nothing, everything, and each one alone in it. */
  private static List<Loss> someLosses(int names, int blocks, Random random) {
    assertTrue(blocks < Long.SIZE - 1, "a bit for each of " + blocks);
    if ((names + 1) * Math.pow(2, blocks) <= LOSSES_MAX) {
      return allLosses(names, blocks);
    }
    long allBlocks = (1L << blocks) - 1;
    Set<Loss> losses = new LinkedHashSet<>(List.of(Loss.NOTHING, new Loss(names, allBlocks)));
    for (int lostNames = 1; lostNames <= names; lostNames++) {
      losses.add(new Loss(lostNames, 0));
    }
    for (int block = 0; block < blocks; block++) {
      losses.add(new Loss(0, 1L << block));
    }
    while (losses.size() < LOSSES_MAX) {
      // Few of them as often as many.
      long lostBlocks = random.nextLong();
      switch (random.nextInt(3)) {
        case 0 -> lostBlocks &= random.nextLong();
        case 1 -> lostBlocks |= random.nextLong();
        default -> {}
      }
      losses.add(new Loss(random.nextInt(names + 1), lostBlocks & allBlocks));
    }
    return List.copyOf(losses);
  }

  private long crashEverywhere(Run run, List<Step> sequence, Losses losses) {
    long recovered = 0;
    for (int point = run.firstCrash; point <= run.effects.size(); point++) {
      int synced = point == run.effects.size() ? run.synced : run.syncedBefore.get(point);
      List<Integer> blocks = new ArrayList<>();
      List<Integer> names = new ArrayList<>();
      for (int i = synced; i < point; i++) {
        (run.effects.get(i).block() ? blocks : names).add(i);
      }
      for (Loss loss : losses.of(names.size(), blocks.size())) {
        boolean[] lost = new boolean[point];
        for (int i = 0; i < loss.names(); i++) {
          lost[names.get(names.size() - 1 - i)] = true;
        }
        for (int i = 0; i < blocks.size(); i++) {
          lost[blocks.get(i)] = (loss.blocks() >> i & 1) != 0;
        }
        Disk disk = run.base.copy();
        for (int i = 0; i < point; i++) {
          if (!lost[i]) {
            run.effects.get(i).change().apply(disk);
          }
        }
        // What the index named when the next effect was made.
        Map<ChunkKey, Long> kept =
            !(run.full || loss.equals(Loss.NOTHING))
                ? Map.of()
                : point < run.effects.size() ? run.effects.get(point).present() : run.present();
        try {
          recover(run, disk, kept);
        } catch (AssertionError | RuntimeException wrong) {
          throw new AssertionError(
              "%s, %s, %s, crash after effect %d, lost %s: %s"
                  .formatted(
                      run.slots ? "slots" : "files",
                      run.full ? "full" : "relaxed",
                      sequence,
                      point,
                      Arrays.toString(lost),
                      wrong),
              wrong);
        }
        recovered++;
      }
    }
    return recovered;
  }

  private void recover(Run run, Disk disk, Map<ChunkKey, Long> kept) {
    MachineRig rig = rig(run.slots);
    if (run.slots) {
      rig.machine.segmentsFound(List.of(0));
    }
    Recovery recovery = new Recovery(rig.machine);
    for (Line line : disk.snapshot) {
      recovery.snapshotEntry(
          line.address(), line.length(), line.metadata(), line.stamp(), line.state());
    }
    Map<ChunkAddress, Block[]> found = run.slots ? scanSlots(disk) : scanFiles(disk);
    found.forEach((address, blocks) -> recovery.found(address, (blocks.length - 1) * BLOCK, false));
    Recovery.Report report = recovery.finish();
    assertEquals(
        found.keySet().stream().map(ChunkAddress::key).distinct().count(),
        report.chunks() + report.evicted(),
        "chunks found");
    if (run.slots) {
      rig.assertSlotsAddUp();
    }
    for (Map.Entry<ChunkKey, Long> each : kept.entrySet()) {
      int entry = rig.machine.catalog().index.find(each.getKey());
      assertTrue(entry >= 0, () -> "acknowledged, and lost: " + each);
      ChunkAddress address = rig.machine.catalog().address(entry);
      assertTrue(address.generation() >= each.getValue(), () -> "an older value of " + each);
      Block[] blocks = found.get(address);
      assertNotNull(blocks, "the index names what was found");
      for (int i = 0; i < blocks.length; i++) {
        assertEquals(new Block(address, i, blocks.length), blocks[i], "bytes of " + each);
      }
    }
    rig.doAll();
    rig.assertAtRest();
  }

  /** A file whose block is not that of its name is put aside. */
  private static Map<ChunkAddress, Block[]> scanFiles(Disk disk) {
    Map<ChunkAddress, Block[]> found = new HashMap<>();
    disk.names.forEach(
        (name, area) -> {
          Area file = disk.areas.get(area);
          Block first = file == null ? null : file.blocks[0];
          if (first != null
              && first.index() == 0
              && first.count() == file.blocks.length
              && name(first.address()).equals(name)) {
            found.put(first.address(), file.blocks);
          }
        });
    return found;
  }

  /** Of the sizes that a segment's blocks say, that of the latest generation is true. */
  private static Map<ChunkAddress, Block[]> scanSlots(Disk disk) {
    Map<ChunkAddress, Block[]> found = new HashMap<>();
    Block[] blocks = disk.areas.get(0).blocks;
    long latest = -1;
    int size = 0;
    for (Block block : blocks) {
      if (block != null && block.index() == 0 && block.address().generation() > latest) {
        latest = block.address().generation();
        size = block.count();
      }
    }
    for (int i = 0; size > 0 && i + size <= blocks.length; i += size) {
      Block block = blocks[i];
      if (block != null && block.index() == 0 && block.count() == size) {
        found.put(block.address(), Arrays.copyOfRange(blocks, i, i + size));
      }
    }
    return found;
  }
}
