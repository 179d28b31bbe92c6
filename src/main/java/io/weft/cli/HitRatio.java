package io.weft.cli;

/**
 * What a cache hit of a trace.
 *
 * @param references all blocks that the requests named
 * @param hits those that were there
 * @param prefixHits those that were there and had only hits before them in their request: what a
 *     server can make use of
 */
record HitRatio(long references, long hits, long prefixHits) {

  /** Hits over references; 0 for a trace without blocks. */
  double blocks() {
    return references == 0 ? 0 : (double) hits / references;
  }

  double prefix() {
    return references == 0 ? 0 : (double) prefixHits / references;
  }

  /** Counts while the blocks of a trace go by in order. */
  static final class Counter {
    private long references;
    private long hits;
    private long prefixHits;
    private boolean leading;

    void newRequest() {
      leading = true;
    }

    void count(boolean hit) {
      references++;
      leading &= hit;
      if (hit) {
        hits++;
      }
      if (leading) {
        prefixHits++;
      }
    }

    HitRatio ratio() {
      return new HitRatio(references, hits, prefixHits);
    }
  }
}
