package io.weft.adapter;

import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.StoreProtocol.LoadItem;
import io.weft.api.StoreProtocol.Urgency;
import io.weft.base.Deadline;
import io.weft.base.Failed;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.base.StatOutcome;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One batch of loads: asks the store for lengths and metadata, has memory allocated, and loads into
 * it. A chunk that changes its length in between is asked about once more. Whoever completes {@link
 * #result} first decides: loaded objects that nobody takes any more are released.
 *
 * <p>The device holds a reference of its own on every object until the kernel is done with it, so
 * that an object whose load was given up is not used for anything else while bytes may still arrive
 * in it.
 */
final class LoadRun {
  private static final Logger LOG = LoggerFactory.getLogger(LoadRun.class);
  private static final int ATTEMPTS = 2;

  private final ChunkStore store;
  private final AllocatorBackend allocator;
  private final Executor work;
  private final TroubleLog trouble;
  private final List<EngineKey> keys;
  private final Urgency urgency;
  private final Deadline deadline;
  private final @Nullable MemoryObject[] found;
  private final CompletableFuture<List<@Nullable MemoryObject>> result = new CompletableFuture<>();

  LoadRun(
      ChunkStore store,
      AllocatorBackend allocator,
      Executor work,
      TroubleLog trouble,
      List<EngineKey> keys,
      Urgency urgency,
      Deadline deadline) {
    this.store = store;
    this.allocator = allocator;
    this.work = work;
    this.trouble = trouble;
    this.keys = keys;
    this.urgency = urgency;
    this.deadline = deadline;
    this.found = new @Nullable MemoryObject[keys.size()];
  }

  /** One object a key, null for a miss. Completed here, or by whoever gives the run up. */
  CompletableFuture<List<@Nullable MemoryObject>> result() {
    return result;
  }

  /** What a run that is given up comes to. */
  static List<@Nullable MemoryObject> misses(int keys) {
    return Collections.nCopies(keys, null);
  }

  void start() {
    List<Integer> all = new ArrayList<>();
    for (int i = 0; i < keys.size(); i++) {
      all.add(i);
    }
    attempt(all, ATTEMPTS);
  }

  private void attempt(List<Integer> places, int attempts) {
    if (places.isEmpty() || attempts == 0 || result.isDone()) {
      end();
      return;
    }
    var _ =
        store
            .stat(places.stream().map(place -> keys.get(place).toChunkKey()).toList(), deadline)
            .thenAcceptAsync(outcomes -> load(places, outcomes, attempts), work)
            .whenComplete((_, bug) -> endIf(bug));
  }

  private void load(List<Integer> places, List<StatOutcome> outcomes, int attempts) {
    List<Integer> loading = new ArrayList<>();
    List<MemoryObject> objects = new ArrayList<>();
    List<LoadItem> items = new ArrayList<>();
    for (int i = 0; i < places.size() && !result.isDone(); i++) {
      int place = places.get(i);
      MemoryObject object =
          switch (outcomes.get(i)) {
            case StatOutcome.Present present -> allocate(present);
            case StatOutcome.Absent _ -> null;
            case Rejected rejected -> trouble(rejected);
            case Failed failed -> trouble(failed);
          };
      if (object != null) {
        object.retain();
        LoadTarget target = LoadTarget.into(object.wholeMemory());
        var _ = target.released().thenRunAsync(object::release, work);
        loading.add(place);
        objects.add(object);
        items.add(new LoadItem(keys.get(place).toChunkKey(), target));
      }
    }
    if (items.isEmpty()) {
      end();
      return;
    }
    var _ =
        store
            .loadAll(items, urgency, deadline)
            .thenAcceptAsync(loaded -> take(loading, objects, loaded, attempts), work)
            .whenComplete((_, bug) -> endIf(bug));
  }

  private @Nullable MemoryObject allocate(StatOutcome.Present present) {
    try {
      MemoryObject object = allocator.allocate(present.length(), present.metadata());
      if (object == null) {
        trouble.add("load", "the allocator has no memory for " + present.length() + " bytes");
      }
      return object;
    } catch (RuntimeException thrown) {
      LOG.error("the allocator threw: the chunk is a miss", thrown);
      return null;
    }
  }

  private void take(
      List<Integer> places, List<MemoryObject> objects, List<LoadOutcome> outcomes, int attempts) {
    List<Integer> changed = new ArrayList<>();
    for (int i = 0; i < places.size(); i++) {
      MemoryObject object = objects.get(i);
      boolean whole =
          switch (outcomes.get(i)) {
            case LoadOutcome.Loaded(long length) -> {
              if (length != object.length()) {
                changed.add(places.get(i));
              }
              yield length == object.length();
            }
            case LoadOutcome.Leased(var lease) -> {
              lease.release();
              throw new IllegalStateException("a lease that nobody asked for");
            }
            case LoadOutcome.TooSmall _ -> {
              changed.add(places.get(i));
              yield false;
            }
            case LoadOutcome.Miss miss -> {
              switch (miss.why()) {
                case CORRUPT, UNAVAILABLE -> trouble.add("load", "a miss: " + miss.why());
                case ABSENT, EXPIRED -> {}
              }
              yield false;
            }
            case Rejected rejected -> trouble(rejected) != null;
            case Failed failed -> trouble(failed) != null;
          };
      if (whole) {
        found[places.get(i)] = object;
      } else {
        object.release();
      }
    }
    attempt(changed, attempts - 1);
  }

  private void end() {
    if (!result.complete(Collections.unmodifiableList(Arrays.asList(found.clone())))) {
      for (MemoryObject object : found) {
        if (object != null) {
          object.release();
        }
      }
    }
  }

  private @Nullable MemoryObject trouble(Rejected rejected) {
    trouble.add("load", rejected.reason() + ": " + rejected.detail());
    return null;
  }

  private @Nullable MemoryObject trouble(Failed failed) {
    trouble.add("load", failed.cause() + ": " + failed.detail());
    return null;
  }

  /** A step that throws must not leave the caller waiting. */
  private void endIf(@Nullable Throwable bug) {
    if (bug != null) {
      LOG.error("a batch of loads ended with a bug", bug);
      result.complete(misses(keys.size()));
    }
  }
}
