package io.weft.actor;

import io.weft.base.DeviceException;
import io.weft.core.CapacityLedger;
import io.weft.device.ChunkMedium;
import io.weft.device.ScanReport;
import io.weft.device.SnapshotStore;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import org.apache.pekko.actor.typed.ActorRef;

/**
 * Reads what the device says of the index and feeds it to the index actor: the snapshot, and unless
 * that is of a clean shutdown, a scan of all chunks. Runs on a thread that may block; the index
 * sets the pace, a bounded number of batches ahead.
 */
final class RecoveryRun {
  private static final int BATCH = 1_024;

  private RecoveryRun() {}

  /**
   * Feeds the index, and tells it when all is said.
   *
   * @param run what the index calls this reading of the device
   * @param permits how many batches may be ahead of the index; more are given where the index is
   *     lost, so that this never waits for nobody
   * @param generationsSkipped how many generations may have been given out and are not found
   * @param trustClean whether a clean snapshot may stand for a scan
   * @return one sentence for people
   */
  static String feed(
      ChunkMedium medium,
      ActorRef<IndexActor.Command> index,
      int run,
      Semaphore permits,
      boolean trustClean,
      long generationsSkipped,
      String policy,
      int scanThreads,
      long quarantineBytes)
      throws DeviceException {
    index.tell(new IndexActor.SegmentsFound(run, medium.segments()));
    SnapshotStore snapshots = medium.snapshots();
    long nextGeneration = 1;
    long entries = 0;
    boolean clean = false;
    String damage = "";
    try (SnapshotStore.Reader snapshot = snapshots.open()) {
      snapshots.removeCleanMarker();
      if (snapshot != null) {
        SnapshotStore.Header header = snapshot.header();
        clean = header.clean() && trustClean;
        nextGeneration = header.nextGeneration();
        boolean samePolicy = header.policy().equals(policy);
        List<SnapshotStore.SnapshotEntry> batch = new ArrayList<>(BATCH);
        try {
          snapshot.forEach(
              entry -> {
                batch.add(samePolicy ? entry : withoutPolicyState(entry));
                if (batch.size() == BATCH) {
                  send(index, batch, permits);
                }
              });
        } catch (DeviceException damaged) {
          clean = false;
          damage = ", the snapshot is damaged (" + damaged.getMessage() + ")";
        }
        send(index, batch, permits);
        entries = header.entries();
      }
    }
    Map<CapacityLedger.Category, Long> otherBytes = new EnumMap<>(CapacityLedger.Category.class);
    long quarantined = 0;
    String found;
    if (clean) {
      index.tell(new IndexActor.TrustSnapshot());
      found = "%,d chunks from the snapshot of a clean shutdown".formatted(entries);
    } else {
      ScanReport scan = scan(medium, index, run, permits, scanThreads, otherBytes);
      found = words(scan) + damage;
      quarantined = scan.quarantined();
    }
    finish(
        medium,
        index,
        run,
        nextGeneration,
        generationsSkipped,
        quarantined,
        quarantineBytes,
        otherBytes);
    return found;
  }

  /** Feeds an index that has served with what is on the device that it got back. */
  static String revalidate(
      ChunkMedium medium,
      ActorRef<IndexActor.Command> index,
      int run,
      Semaphore permits,
      int scanThreads,
      long quarantineBytes)
      throws DeviceException {
    index.tell(new IndexActor.SegmentsFound(run, medium.segments()));
    medium.snapshots().removeCleanMarker();
    Map<CapacityLedger.Category, Long> otherBytes = new EnumMap<>(CapacityLedger.Category.class);
    ScanReport scan = scan(medium, index, run, permits, scanThreads, otherBytes);
    finish(medium, index, run, 1, 0, scan.quarantined(), quarantineBytes, otherBytes);
    return words(scan);
  }

  private static ScanReport scan(
      ChunkMedium medium,
      ActorRef<IndexActor.Command> index,
      int run,
      Semaphore permits,
      int scanThreads,
      Map<CapacityLedger.Category, Long> otherBytes)
      throws DeviceException {
    ScanReport scan =
        medium.scan(
            scanThreads,
            chunks -> {
              permits.acquireUninterruptibly();
              index.tell(new IndexActor.Found(run, chunks, permits));
            });
    otherBytes.put(CapacityLedger.Category.LATER_VERSION, scan.laterVersionBytes());
    return scan;
  }

  private static String words(ScanReport scan) {
    return ("%,d chunks found by a scan, %,d unfinished stores removed, %,d damaged chunks put in"
            + " quarantine, %,d of a later format and %,d foreign files left alone")
        .formatted(
            scan.chunks(),
            scan.stagingRemoved(),
            scan.quarantined(),
            scan.laterVersion(),
            scan.foreign());
  }

  private static void finish(
      ChunkMedium medium,
      ActorRef<IndexActor.Command> index,
      int run,
      long nextGeneration,
      long generationsSkipped,
      long quarantined,
      long quarantineBytes,
      Map<CapacityLedger.Category, Long> otherBytes)
      throws DeviceException {
    otherBytes.put(CapacityLedger.Category.QUARANTINE, medium.pruneQuarantine(quarantineBytes));
    otherBytes.put(CapacityLedger.Category.SNAPSHOT, medium.snapshots().physicalBytes());
    index.tell(
        new IndexActor.RecoveryDone(
            run,
            nextGeneration,
            generationsSkipped,
            quarantined,
            otherBytes,
            medium.space().usableBytes()));
  }

  private static SnapshotStore.SnapshotEntry withoutPolicyState(SnapshotStore.SnapshotEntry entry) {
    return new SnapshotStore.SnapshotEntry(
        entry.address(), entry.payloadLength(), entry.hasMetadata(), entry.stamp(), 0);
  }

  private static void send(
      ActorRef<IndexActor.Command> index,
      List<SnapshotStore.SnapshotEntry> batch,
      Semaphore permits) {
    permits.acquireUninterruptibly();
    index.tell(new IndexActor.SnapshotEntries(List.copyOf(batch), permits));
    batch.clear();
  }
}
