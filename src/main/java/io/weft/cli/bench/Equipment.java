package io.weft.cli.bench;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/** Memory for the operations on chunks of one size, which contenders use in turns. */
public final class Equipment implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final int chunkBytes;
  private final Content content;
  private final List<Slot> slots = new ArrayList<>();

  Equipment(int chunkBytes) {
    this.chunkBytes = chunkBytes;
    this.content = new Content(arena, chunkBytes);
  }

  public int chunkBytes() {
    return chunkBytes;
  }

  public Content content() {
    return content;
  }

  /** Filled memory for so many operations at once. */
  public List<Slot> slots(int count) {
    while (slots.size() < count) {
      Slot slot = Slot.allocate(arena, chunkBytes);
      content.fill(slot.payload());
      slots.add(slot);
    }
    return List.copyOf(slots.subList(0, count));
  }

  @Override
  public void close() {
    arena.close();
  }
}
