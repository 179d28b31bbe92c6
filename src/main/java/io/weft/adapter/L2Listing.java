package io.weft.adapter;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a question for a page of keys is answered with. */
public sealed interface L2Listing {

  /**
   * A page. It may be short, or empty, before the end.
   *
   * @param nextCursor what to ask the next page with, opaque; null at the end
   */
  record Page(List<ObjectKey> keys, @Nullable String nextCursor) implements L2Listing {
    public Page {
      keys = List.copyOf(keys);
    }
  }

  /** No page now: the adapter cannot list, or its device is away. The same cursor works later. */
  record Unavailable(String why) implements L2Listing {}
}
