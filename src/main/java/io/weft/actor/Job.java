package io.weft.actor;

import io.weft.base.Failed;
import io.weft.stream.Admitted;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A request with memory, from its admission until neither the index nor the device needs it any
 * more. Whatever fails on the way, the memory is given back once, and not while a transfer uses it.
 *
 * @param <R> the type of its answer
 */
abstract class Job<R> {
  private static final Logger LOG = LoggerFactory.getLogger(Job.class);

  /** All jobs of a store. When an index is lost, its jobs are given up through here. */
  static final class Registry {
    private final Set<Job<?>> jobs = ConcurrentHashMap.newKeySet();

    void giveUpAll(Failed why) {
      jobs.forEach(job -> job.giveUp(why));
    }

    int size() {
      return jobs.size();
    }
  }

  private final Registry registry;
  private final Admitted<R> admitted;
  private boolean onDevice;
  private boolean indexDone;
  private boolean released;

  Job(Registry registry, Admitted<R> admitted) {
    this.registry = registry;
    this.admitted = admitted;
    registry.jobs.add(this);
  }

  final Admitted<R> admitted() {
    return admitted;
  }

  final boolean isAbandoned() {
    return admitted.answered();
  }

  /**
   * A transfer will use the memory.
   *
   * @return false where the memory was given back already: the transfer must not be
   */
  final synchronized boolean deviceBegins() {
    onDevice = !released;
    return onDevice;
  }

  final void deviceEnds() {
    synchronized (this) {
      onDevice = false;
    }
    releaseWhenUnused();
  }

  /** The index ends the request. */
  final void end(R outcome) {
    beforeAnswer(outcome);
    synchronized (this) {
      indexDone = true;
    }
    releaseWhenUnused();
    if (!admitted.answer(outcome)) {
      answeredTooLate(outcome);
    }
  }

  /** No index ends the request any more: it is answered, and ends when the device lets go of it. */
  final void giveUp(Failed why) {
    admitted.fail(why);
    synchronized (this) {
      indexDone = true;
    }
    releaseWhenUnused();
  }

  private void releaseWhenUnused() {
    synchronized (this) {
      if (released || onDevice || !indexDone) {
        return;
      }
      released = true;
    }
    registry.jobs.remove(this);
    try {
      release();
    } catch (RuntimeException misused) {
      LOG.error("a host gave memory back that it had handed over", misused);
    }
    admitted.memoryFree();
  }

  /** The memory goes back to its owner. */
  abstract void release();

  void beforeAnswer(R outcome) {}

  /** The client was answered before: what the outcome holds goes back. */
  void answeredTooLate(R outcome) {}
}
