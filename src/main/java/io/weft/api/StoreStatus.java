package io.weft.api;

import io.weft.base.Metric;
import io.weft.base.Usage;
import java.util.Map;

/**
 * How a store is.
 *
 * @param detail why, where the state needs a reason
 * @param directory where the chunks are
 * @param filesystem the kernel's name of the filesystem; empty before it is known
 * @param directIo whether the page cache is really bypassed
 * @param directIoDetail where it is not, why not
 * @param link where the link to the device stands, and its paths
 * @param recovery what the last start, or the last recovery of the link, found; empty before
 * @param operationsInFlight accepted and not answered
 * @param bytesInFlight memory that accepted requests hold
 * @param stuckThreads I/O threads, and slots of rings, that the kernel does not give back now
 * @param ioEngine how chunks get to the device, and why so; empty before the device is there
 */
public record StoreStatus(
    State state,
    String detail,
    String directory,
    String filesystem,
    boolean directIo,
    String directIoDetail,
    String link,
    String recovery,
    int operationsInFlight,
    long bytesInFlight,
    int stuckThreads,
    String ioEngine,
    Usage usage,
    Map<Metric, Long> counters) {

  /** What the store does with requests now. */
  public enum State {
    /** Opening the device or rebuilding the index; requests wait for it until their deadlines. */
    STARTING,
    /** Serving. */
    UP,
    /** The device is in doubt and spared until it answers probes again; otherwise as DOWN. */
    DEGRADED,
    /** The device is away: stores are rejected, loads and lookups are misses or rejected. */
    DOWN,
    /** Shutting down: nothing new is taken. */
    DRAINING,
    /** Shut down. */
    CLOSED,
    /** Given up after too many restarts; the detail says why. Answers, serves nothing. */
    FAILED
  }

  public boolean serving() {
    return state == State.UP;
  }
}
