package io.weft.actor;

import io.weft.base.StoreSettings;
import io.weft.device.IoRing;
import io.weft.device.MediumInfo;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

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
    check(settings.io().engine(), IoRing::unavailable);
  }

  static void check(StoreSettings.Engine engine, Supplier<@Nullable String> probe) {
    if (engine == StoreSettings.Engine.IO_URING) {
      String hindrance = probe.get();
      if (hindrance != null) {
        throw new IllegalArgumentException(
            "weft.io.engine = io-uring: %s: allow it, or set weft.io.engine = auto or threads"
                .formatted(hindrance));
      }
    }
  }

  /** The engine for a medium. */
  static IoEngine choose(StoreSettings.Io io, MediumInfo medium) {
    return choose(io, medium, IoRing::unavailable);
  }

  /**
   * @param probe why there is no io_uring to be had; null where there is
   */
  static IoEngine choose(StoreSettings.Io io, MediumInfo medium, Supplier<@Nullable String> probe) {
    return switch (io.engine()) {
      case THREADS -> threads(io, "as weft.io.engine says");
      case IO_URING -> ring(io, medium, " (as weft.io.engine says)");
      case AUTO -> {
        if (!medium.directIo()) {
          yield threads(io, "chunks go through the page cache");
        }
        if (medium.segmentBytes() == 0) {
          yield threads(io, "chunks have files, which threads open and close");
        }
        String hindrance = probe.get();
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
