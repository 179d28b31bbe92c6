package io.weft.actor;

import io.weft.base.ChunkAddress;
import io.weft.base.ChunkMetadata;
import io.weft.base.DeviceException;
import io.weft.device.ChunkBlock;
import io.weft.device.ChunkMedium;
import io.weft.device.FilesystemSpace;
import io.weft.device.FoundChunk;
import io.weft.device.IoScratch;
import io.weft.device.MediumInfo;
import io.weft.device.ScanReport;
import io.weft.device.SnapshotStore;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A real medium, with something in front of every operation that may hold it up or fail it. */
final class FaultyMedium implements ChunkMedium {

  /** What happens before an operation. */
  @FunctionalInterface
  interface Fault {
    /**
     * @param key of the chunk; empty where none is concerned
     */
    void before(String operation, String key) throws DeviceException;

    Fault NONE = (_, _) -> {};
  }

  /** The fault of now; tests change it while the store runs. */
  static final class Faults {
    volatile Fault now = Fault.NONE;

    /** Whether a scan tells of each chunk by itself. */
    volatile boolean oneByOne;

    final AtomicInteger scans = new AtomicInteger();
    final AtomicInteger closes = new AtomicInteger();

    /** Holds operations up until it is opened. */
    Gate gate(String... operations) {
      Gate gate = new Gate(Set.of(operations));
      now = gate;
      return gate;
    }

    /** Holds operations on these chunks up. */
    Gate gateOn(Set<String> keys, String... operations) {
      Gate gate = new Gate(Set.of(operations));
      now =
          (operation, key) -> {
            if (keys.contains(key)) {
              gate.before(operation, key);
            }
          };
      return gate;
    }

    void fail(DeviceException.Kind kind, String... operations) {
      Set<String> failing = Set.copyOf(Arrays.asList(operations));
      now =
          (operation, key) -> {
            if (failing.contains(operation)) {
              throw new DeviceException(kind, operation, key, -1, -1, 5, "by the test", null);
            }
          };
    }

    void none() {
      now = Fault.NONE;
    }
  }

  /** The kernel that does not return. */
  static final class Gate implements Fault {
    private final Set<String> operations;
    private final CountDownLatch opened = new CountDownLatch(1);
    final AtomicInteger waiting = new AtomicInteger();

    private Gate(Set<String> operations) {
      this.operations = operations;
    }

    @Override
    public void before(String operation, String key) {
      if (operations.contains(operation) && opened.getCount() > 0) {
        waiting.incrementAndGet();
        while (opened.getCount() > 0) {
          try {
            opened.await();
          } catch (InterruptedException _) {
            // An uninterruptible sleep.
          }
        }
        waiting.decrementAndGet();
      }
    }

    void open() {
      opened.countDown();
    }
  }

  private final ChunkMedium real;
  private final Faults faults;

  FaultyMedium(ChunkMedium real, Faults faults) {
    this.real = real;
    this.faults = faults;
  }

  private void before(String operation, ChunkAddress address) throws DeviceException {
    faults.now.before(operation, address.key().toString());
  }

  private void before(String operation) throws DeviceException {
    faults.now.before(operation, "");
  }

  @Override
  public MediumInfo info() {
    return real.info();
  }

  @Override
  public long physicalBytes(long payloadLength) {
    return real.physicalBytes(payloadLength);
  }

  @Override
  public void store(
      ChunkAddress address,
      ChunkMetadata metadata,
      MemorySegment payload,
      @Nullable ChunkAddress recycled,
      IoScratch scratch)
      throws DeviceException {
    before("store", address);
    real.store(address, metadata, payload, recycled, scratch);
  }

  @Override
  public ChunkWrite beginStore(
      ChunkAddress address,
      ChunkMetadata metadata,
      long payloadLength,
      @Nullable ChunkAddress recycled)
      throws DeviceException {
    before("begin store", address);
    ChunkWrite write = real.beginStore(address, metadata, payloadLength, recycled);
    return new ChunkWrite() {
      @Override
      public void write(long payloadOffset, MemorySegment piece, IoScratch scratch)
          throws DeviceException {
        before("write", address);
        write.write(payloadOffset, piece, scratch);
      }

      @Override
      public void publish(IoScratch scratch) throws DeviceException {
        before("publish", address);
        write.publish(scratch);
      }

      @Override
      public void abandon() {
        write.abandon();
      }
    };
  }

  @Override
  public void load(
      ChunkAddress address, MemorySegment target, long payloadLength, IoScratch scratch)
      throws DeviceException {
    before("load", address);
    real.load(address, target, payloadLength, scratch);
    before("loaded", address);
  }

  @Override
  public ChunkRead beginLoad(ChunkAddress address, long payloadLength, IoScratch scratch)
      throws DeviceException {
    before("begin load", address);
    ChunkRead read = real.beginLoad(address, payloadLength, scratch);
    return new ChunkRead() {
      @Override
      public void read(long payloadOffset, MemorySegment piece, long spareBytes, IoScratch scratch)
          throws DeviceException {
        before("read", address);
        read.read(payloadOffset, piece, spareBytes, scratch);
      }

      @Override
      public void verify() throws DeviceException {
        read.verify();
      }

      @Override
      public void close() {
        read.close();
      }
    };
  }

  @Override
  public ChunkBlock block(ChunkAddress address, IoScratch scratch) throws DeviceException {
    before("block", address);
    return real.block(address, scratch);
  }

  @Override
  public boolean delete(ChunkAddress address) throws DeviceException {
    before("delete", address);
    return real.delete(address);
  }

  @Override
  public void changeExpiry(ChunkAddress address, long expiresAtMillis) throws DeviceException {
    before("change expiry", address);
    real.changeExpiry(address, expiresAtMillis);
  }

  @Override
  public long quarantine(ChunkAddress address) throws DeviceException {
    before("quarantine", address);
    return real.quarantine(address);
  }

  @Override
  public long pruneQuarantine(long keepBytes) throws DeviceException {
    return real.pruneQuarantine(keepBytes);
  }

  @Override
  public ScanReport scan(int threads, BatchSink sink) throws DeviceException {
    faults.scans.incrementAndGet();
    before("scan");
    return real.scan(
        threads, faults.oneByOne ? chunks -> chunks.forEach(chunk -> found(chunk, sink)) : sink);
  }

  private void found(FoundChunk chunk, BatchSink sink) {
    try {
      before("found", chunk.address());
    } catch (DeviceException failed) {
      throw new IllegalStateException(failed);
    }
    sink.found(List.of(chunk));
  }

  @Override
  public SnapshotStore snapshots() {
    return real.snapshots();
  }

  @Override
  public FilesystemSpace space() throws DeviceException {
    before("space");
    return real.space();
  }

  @Override
  public void probe() throws DeviceException {
    before("probe");
    real.probe();
  }

  @Override
  public void close() {
    real.close();
    faults.closes.incrementAndGet();
  }

  @Override
  public CompletionStage<Void> released() {
    return real.released();
  }

  @Override
  public List<Integer> segments() throws DeviceException {
    return real.segments();
  }

  @Override
  public ChunkWrite beginSegment(int number) throws DeviceException {
    return real.beginSegment(number);
  }

  @Override
  public boolean removeSegment(int number) throws DeviceException {
    return real.removeSegment(number);
  }
}
