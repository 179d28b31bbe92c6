package io.weft.base;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What a client says of a chunk's payload (dtype, shape, memory format): up to {@value #MAX_BYTES}
 * opaque bytes that are kept in the chunk's self-describing block and handed back as they were.
 * Immutable.
 */
public final class ChunkMetadata {
  public static final int MAX_BYTES = 1024;
  public static final ChunkMetadata EMPTY = new ChunkMetadata(new byte[0]);

  private final byte[] bytes;

  private ChunkMetadata(byte[] bytes) {
    if (bytes.length > MAX_BYTES) {
      throw new IllegalArgumentException(
          "chunk metadata has at most %d bytes, this has %d".formatted(MAX_BYTES, bytes.length));
    }
    this.bytes = bytes;
  }

  public static ChunkMetadata of(byte[] bytes) {
    return bytes.length == 0 ? EMPTY : new ChunkMetadata(bytes.clone());
  }

  public int length() {
    return bytes.length;
  }

  public boolean isEmpty() {
    return bytes.length == 0;
  }

  public byte[] toBytes() {
    return bytes.clone();
  }

  /** Copies the bytes to {@code target} from {@code offset}. */
  public void copyTo(MemorySegment target, long offset) {
    MemorySegment.copy(bytes, 0, target, ValueLayout.JAVA_BYTE, offset, bytes.length);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof ChunkMetadata metadata && Arrays.equals(metadata.bytes, bytes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bytes);
  }

  @Override
  public String toString() {
    return "ChunkMetadata[" + bytes.length + " bytes]";
  }
}
