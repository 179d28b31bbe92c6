package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.base.StoreMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Every crash point of every sequence of operations, with every subset of the effects that may be
 * lost, up to three operations. The device is block by block: a chunk is a describing block and its
 * payload, a recycled file is renamed and overwritten, a slot is overwritten where it lies.
 *
 * <p>What a power failure may lose: of block writes any that were not synced; of names (creations,
 * renames, removals) the last ones, in the order of the journal.
 */
class CrashPointsTest {
  private static final int BLOCKS = 4;
  private static final long BLOCK = MachineRig.BLOCK;

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
    int sequences = steps.length * steps.length * steps.length;
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
          run.firstCrash = Math.min(run.firstCrash, run.effects.size());
        }
        run.take(sequence.get(i));
      }
      recovered += crashEverywhere(run, sequence);
    }
    assertTrue(recovered > 500, "crashes: " + recovered);
  }

  private long crashEverywhere(Run run, List<Step> sequence) {
    long recovered = 0;
    Disk base = run.base;
    // Crashes in the first two steps are those of every sequence that begins with them.
    for (int point = run.firstCrash; point <= run.effects.size(); point++) {
      int synced = point == run.effects.size() ? run.synced : run.syncedBefore.get(point);
      List<Integer> blocks = new ArrayList<>();
      List<Integer> names = new ArrayList<>();
      for (int i = synced; i < point; i++) {
        (run.effects.get(i).block() ? blocks : names).add(i);
      }
      for (int lostNames = 0; lostNames <= names.size(); lostNames++) {
        for (long lostBlocks = 0; lostBlocks < 1L << blocks.size(); lostBlocks++) {
          boolean[] lost = new boolean[point];
          for (int i = 0; i < lostNames; i++) {
            lost[names.get(names.size() - 1 - i)] = true;
          }
          for (int i = 0; i < blocks.size(); i++) {
            lost[blocks.get(i)] = (lostBlocks >> i & 1) != 0;
          }
          Disk disk = base.copy();
          for (int i = 0; i < point; i++) {
            if (!lost[i]) {
              run.effects.get(i).change().apply(disk);
            }
          }
          boolean nothingLost = lostNames == 0 && lostBlocks == 0;
          // What the index named when the next effect was made.
          Map<ChunkKey, Long> kept =
              !(run.full || nothingLost)
                  ? Map.of()
                  : point < run.effects.size() ? run.effects.get(point).present() : run.present();
          try {
            recover(run, disk, kept);
          } catch (AssertionError | RuntimeException wrong) {
            throw new AssertionError(
                "%s, crash after effect %d, lost %s: %s"
                    .formatted(sequence, point, Arrays.toString(lost), wrong),
                wrong);
          }
          recovered++;
        }
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
