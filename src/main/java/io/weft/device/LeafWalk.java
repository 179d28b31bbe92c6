package io.weft.device;

import io.weft.base.DeviceException;
import io.weft.device.LeafDirectories.Leaf;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A {@link ParallelWalk} over all leaf directories. */
final class LeafWalk {

  /** What one of the threads does. */
  interface Visitor {
    void visit(Leaf leaf, IoScratch scratch) throws DeviceException;

    /** No leaf is left for this thread. */
    void end();
  }

  private final LeafDirectories leaves;
  private final ParallelWalk walk;

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
    this.leaves = leaves;
    this.walk =
        new ParallelWalk(
            store.path().toString(),
            uses,
            ChunkName.LEAVES,
            scratchBytes,
            () -> visitor(visitors.get()));
  }

  /** Walks; returns when every thread has ended. */
  void run(int threads) throws DeviceException {
    walk.run(threads);
  }

  private ParallelWalk.Visitor visitor(Visitor visitor) {
    return new ParallelWalk.Visitor() {
      @Override
      public void visit(int number, IoScratch scratch) throws DeviceException {
        Leaf leaf = openOrSkip(number);
        if (leaf != null) {
          try {
            visitor.visit(leaf, scratch);
          } finally {
            leaf.release();
          }
        }
      }

      @Override
      public void end() {
        visitor.end();
      }
    };
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
