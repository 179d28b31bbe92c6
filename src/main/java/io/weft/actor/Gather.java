package io.weft.actor;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Consumer;

/** The outcomes of a batch, in order, handed over when the last one is there. Thread-safe. */
final class Gather<R> {
  private final AtomicReferenceArray<R> outcomes;
  private final AtomicInteger missing;
  private final Consumer<List<R>> whenAll;

  Gather(int count, Consumer<List<R>> whenAll) {
    this.outcomes = new AtomicReferenceArray<>(count);
    this.missing = new AtomicInteger(count);
    this.whenAll = whenAll;
    if (count == 0) {
      whenAll.accept(List.of());
    }
  }

  /** Each place once. */
  void put(int place, R outcome) {
    outcomes.set(place, outcome);
    if (missing.decrementAndGet() == 0) {
      List<R> all = new ArrayList<>(outcomes.length());
      for (int i = 0; i < outcomes.length(); i++) {
        all.add(outcomes.get(i));
      }
      whenAll.accept(Collections.unmodifiableList(all));
    }
  }
}
