package io.weft.actor;

import io.weft.base.Failed;
import io.weft.base.Metrics;
import io.weft.base.Rejected;
import io.weft.base.SaltRule;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import io.weft.base.Usage;
import io.weft.device.AlignedBufferPool;
import io.weft.stream.Intake;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.actor.typed.ActorRef;
import org.jspecify.annotations.Nullable;

/**
 * What the supervisor, its children and the facade of one store share. Thread-safe as a whole; the
 * two fields that change are published by the supervisor and the index.
 */
final class Shared {
  final StoreSettings settings;
  final SaltRule saltRule;
  final Ticker ticker;
  final Metrics metrics = new Metrics();
  final Intake intake;
  final AlignedBufferPool leases;
  final Job.Registry jobs = new Job.Registry();
  final EventHub events = new EventHub();
  final AtomicInteger stuckThreads = new AtomicInteger();

  /** Where requests go; null while there is no index. Requests are held by the supervisor then. */
  volatile @Nullable ActorRef<IndexActor.Command> index;

  /**
   * The device is away or in doubt: why no request that needs it is taken now; null where it is.
   */
  volatile @Nullable Rejected refusing;

  /** The store has ended: nobody takes a request any more. */
  volatile @Nullable Failed ended;

  /** The usage of a moment ago. */
  volatile Usage usage;

  Shared(StoreSettings settings, SaltRule saltRule, Ticker ticker) {
    this.settings = settings;
    this.saltRule = saltRule;
    this.ticker = ticker;
    this.intake =
        new Intake(
            settings.intake().operations(),
            settings.intake().bytes(),
            settings.intake().waiting(),
            metrics,
            ticker);
    this.leases = new AlignedBufferPool(settings.io().leaseBytes());
    this.usage = new Usage(0, 0, 0, settings.capacityBytes(), Map.of());
  }
}
