package io.weft.core;

import java.util.Arrays;

/**
 * A long for every entry number, 0 until it is set. It grows page by page: no growth copies what is
 * there, so none is a long pause, and numbers far apart cost only the pages between them that are
 * used.
 */
final class EntryLongs {
  private static final int PAGE_BITS = 9;
  private static final int PAGE_MASK = (1 << PAGE_BITS) - 1;

  /** Stands for every page that was never written; is itself never written. */
  private static final long[] BLANK = new long[1 << PAGE_BITS];

  private long[][] pages = {};

  long get(int entry) {
    int page = entry >>> PAGE_BITS;
    return page < pages.length ? pages[page][entry & PAGE_MASK] : 0;
  }

  @SuppressWarnings("ReferenceEquality") // BLANK is told from a page of zeros by identity
  void set(int entry, long value) {
    int page = entry >>> PAGE_BITS;
    if (page >= pages.length) {
      int known = pages.length;
      pages = Arrays.copyOf(pages, Math.max(page + 1, known * 2));
      Arrays.fill(pages, known, pages.length, BLANK);
    }
    if (pages[page] == BLANK) {
      pages[page] = new long[1 << PAGE_BITS];
    }
    pages[page][entry & PAGE_MASK] = value;
  }
}
