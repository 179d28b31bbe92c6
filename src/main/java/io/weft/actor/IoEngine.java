package io.weft.actor;

import io.weft.base.StoreSettings;
import io.weft.device.IoRing;
import io.weft.device.MediumInfo;

/**
 * How pieces get to the device: what {@code weft.io.engine} says, and what this machine lets be.
 *
 * @param ringDepth pieces that a ring beside the blocking threads may have; 0 for no ring
 * @param words which engine it is, and why, for a person
 */
public record IoEngine(int ringDepth, String words) {

  /**
   * Whether the settings ask for what is not to be had here: called before anything starts.
   *
   * @throws IllegalArgumentException with the key, the value, the reason and the mend
   */
  public static void check(StoreSettings settings) {
    if (settings.io().engine() == StoreSettings.Engine.IO_URING) {
      String hindrance = IoRing.unavailable();
      if (hindrance != null) {
        throw new IllegalArgumentException(
            "weft.io.engine = io-uring: %s: allow it, or set weft.io.engine = auto or threads"
                .formatted(hindrance));
      }
    }
  }

  /** The engine for a medium. */
  static IoEngine choose(StoreSettings.Io io, MediumInfo medium) {
    return switch (io.engine()) {
      case THREADS -> threads(io, "as weft.io.engine says");
      case IO_URING -> ring(io, medium, " (as weft.io.engine says)");
      case AUTO -> {
        if (!medium.directIo()) {
          yield threads(io, "chunks go through the page cache");
        }
        String hindrance = IoRing.unavailable();
        yield hindrance == null ? ring(io, medium, "") : threads(io, hindrance);
      }
    };
  }

  private static IoEngine threads(StoreSettings.Io io, String why) {
    return new IoEngine(0, "%d threads (%s)".formatted(io.threads(), why));
  }

  /**
   * Where chunks have files of their own, most pieces are for the threads: then the ring is no
   * deeper than these, so that the lanes do not let out more than the threads have room for.
   */
  private static IoEngine ring(StoreSettings.Io io, MediumInfo medium, String why) {
    int onThreads = io.threads() * io.queuePerWorker();
    int depth = medium.segmentBytes() > 0 ? io.ringDepth() : Math.min(io.ringDepth(), onThreads);
    return new IoEngine(
        depth, "io_uring, %d deep, beside %d threads%s".formatted(depth, io.threads(), why));
  }
}
