package io.weft.device;

import io.weft.base.DeviceException;
import io.weft.device.LeafDirectories.Leaf;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One walk over all leaf directories, by several threads of its own; each takes the next one until
 * none is left. The first error ends the walk.
 */
final class LeafWalk {

  /** What one of the threads does. */
  interface Visitor {
    void visit(Leaf leaf, IoScratch scratch) throws DeviceException;

    /** No leaf is left for this thread. */
    void end();
  }

  private final StoreDirectory store;
  private final LeafDirectories leaves;
  private final UseCount uses;
  private final long scratchBytes;
  private final Supplier<Visitor> visitors;

  private final AtomicInteger next = new AtomicInteger();
  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

  /**
   * @param uses of the layout: once it is closed the walk ends
   * @param scratchBytes the bounce area of each thread
   * @param visitors makes one for each thread, on that thread
   */
  LeafWalk(
      StoreDirectory store,
      LeafDirectories leaves,
      UseCount uses,
      long scratchBytes,
      Supplier<Visitor> visitors) {
    this.store = store;
    this.leaves = leaves;
    this.uses = uses;
    this.scratchBytes = scratchBytes;
    this.visitors = visitors;
  }

  /** Walks; returns when every thread has ended. */
  void run(int threads) throws DeviceException {
    if (threads < 1) {
      throw new IllegalArgumentException("a walk needs a thread, not " + threads);
    }
    Semaphore ended = new Semaphore(0);
    for (int i = 0; i < threads; i++) {
      Thread.ofPlatform().daemon().name("weft-scan-" + i).start(() -> work(ended));
    }
    ended.acquireUninterruptibly(threads);
    switch (failure.get()) {
      case null -> {}
      case DeviceException device -> throw device;
      case RuntimeException bug -> throw bug;
      case Error bug -> throw bug;
      case Throwable impossible -> throw new IllegalStateException(impossible);
    }
  }

  private void work(Semaphore ended) {
    try (IoScratch scratch = new IoScratch(scratchBytes)) {
      Visitor visitor = visitors.get();
      int number = next.getAndIncrement();
      while (number < ChunkName.LEAVES && failure.get() == null) {
        if (uses.isClosed()) {
          throw FileLayout.closed("scan", store.path().toString());
        }
        Leaf leaf = openOrSkip(number);
        if (leaf != null) {
          try {
            visitor.visit(leaf, scratch);
          } finally {
            leaf.release();
          }
        }
        number = next.getAndIncrement();
      }
      visitor.end();
    } catch (DeviceException | RuntimeException | Error thrown) {
      failure.compareAndSet(null, thrown);
    } finally {
      ended.release();
    }
  }

  private @Nullable Leaf openOrSkip(int number) throws DeviceException {
    try {
      return leaves.open(number);
    } catch (DeviceException refused) {
      // A link, a file or a mount point in the leaf's place: counted as foreign, never entered.
      if (refused.kind() == DeviceException.Kind.NO_PERMISSION
          && refused.errno() != Posix.EACCES
          && refused.errno() != Posix.EPERM) {
        return null;
      }
      throw refused;
    }
  }
}
