package io.weft.device;

import io.weft.base.DeviceException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One walk over numbered parts of a store, by several threads of its own; each takes the next part
 * until none is left. The first error ends the walk.
 */
final class ParallelWalk {

  /** What one of the threads does. */
  interface Visitor {
    void visit(int part, IoScratch scratch) throws DeviceException;

    /** No part is left for this thread. */
    void end();
  }

  private final String path;
  private final UseCount uses;
  private final int parts;
  private final long scratchBytes;
  private final Supplier<Visitor> visitors;

  private final AtomicInteger next = new AtomicInteger();
  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

  /**
   * @param path of what is walked, for messages
   * @param uses of the layout: once it is closed the walk ends
   * @param scratchBytes the bounce area of each thread
   * @param visitors makes one for each thread, on that thread
   */
  ParallelWalk(
      String path, UseCount uses, int parts, long scratchBytes, Supplier<Visitor> visitors) {
    this.path = path;
    this.uses = uses;
    this.parts = parts;
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
      int part = next.getAndIncrement();
      while (part < parts && failure.get() == null) {
        if (uses.isClosed()) {
          throw Layout.closed("scan", path);
        }
        visitor.visit(part, scratch);
        part = next.getAndIncrement();
      }
      visitor.end();
    } catch (DeviceException | RuntimeException | Error thrown) {
      failure.compareAndSet(null, thrown);
    } finally {
      ended.release();
    }
  }
}
