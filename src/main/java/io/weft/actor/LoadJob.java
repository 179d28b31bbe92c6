package io.weft.actor;

import io.weft.api.LoadTarget;
import io.weft.base.BufferLease;
import io.weft.base.ChunkKey;
import io.weft.base.DeviceException;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.core.Lane;
import io.weft.core.LoadRequest;
import io.weft.device.AlignedBufferPool;
import io.weft.stream.Admitted;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** One load, with the memory that it loads into: the caller's, or a lease of the pool. */
final class LoadJob extends Job<LoadOutcome> implements LoadRequest {
  private final ChunkKey key;
  private final LoadTarget target;
  private final Lane lane;
  private final boolean touches;
  private final AlignedBufferPool pool;
  private volatile @Nullable BufferLease lease;
  private volatile boolean poolUsedUp;

  LoadJob(
      Registry registry,
      Admitted<LoadOutcome> admitted,
      ChunkKey key,
      LoadTarget target,
      Lane lane,
      boolean touches,
      AlignedBufferPool pool) {
    super(registry, admitted);
    this.key = key;
    this.target = target;
    this.lane = lane;
    this.touches = touches;
    this.pool = pool;
  }

  /** The memory for a chunk of this length; takes the lease where one was asked for. */
  MemorySegment memoryFor(long length) throws DeviceException {
    MemorySegment own = target.memory();
    if (own != null) {
      return own;
    }
    BufferLease taken = lease;
    if (taken != null && taken.length() != length) {
      taken.release();
      taken = null;
      lease = null;
    }
    if (taken == null) {
      taken = pool.tryLease(length);
      lease = taken;
    }
    if (taken == null) {
      poolUsedUp = true;
      throw new DeviceException(
          DeviceException.Kind.EXHAUSTED,
          "lease",
          "the pool of leases",
          -1,
          length,
          0,
          "all of weft.io.lease-pool is out",
          null);
    }
    return taken.wholeMemory();
  }

  /** Whether a ring can read a chunk of this length into the memory; leases always suit. */
  boolean suitsRing(long length) {
    MemorySegment own = target.memory();
    return own == null || DeviceTransfer.suitsRing(own, length);
  }

  @Override
  public ChunkKey key() {
    return key;
  }

  @Override
  public long capacityBytes() {
    return target.capacityBytes();
  }

  @Override
  public Lane lane() {
    return lane;
  }

  @Override
  public boolean touches() {
    return touches;
  }

  @Override
  public boolean abandoned() {
    return isAbandoned();
  }

  @Override
  public void loaded(long length) {
    BufferLease taken = lease;
    end(taken == null ? new LoadOutcome.Loaded(length) : new LoadOutcome.Leased(taken));
  }

  @Override
  public void answer(LoadOutcome outcome) {
    end(
        poolUsedUp
            ? new Rejected(
                Rejected.Reason.BUSY,
                "all of weft.io.lease-pool is out: release leases sooner, or enlarge it")
            : outcome);
  }

  @Override
  void beforeAnswer(LoadOutcome outcome) {
    if (outcome instanceof LoadOutcome.Leased) {
      lease = null;
    }
  }

  @Override
  void answeredTooLate(LoadOutcome outcome) {
    if (outcome instanceof LoadOutcome.Leased leased) {
      leased.lease().release();
    }
  }

  @Override
  void release() {
    BufferLease unused = lease;
    if (unused != null) {
      lease = null;
      unused.release();
    }
    target.release();
  }
}
