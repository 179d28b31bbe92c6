package io.weft.base;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The name of a chunk: an opaque byte string of {@value #MIN_BYTES} to {@value #MAX_BYTES} bytes,
 * compared byte by byte. In practice the bytes are the UTF-8 text of an LMCache key; the store
 * never looks inside.
 *
 * <p>Immutable; the 64-bit hash is computed once, so a prebuilt key can be looked up many times
 * without touching its bytes until a match is confirmed.
 */
public final class ChunkKey {
  public static final int MIN_BYTES = 1;
  public static final int MAX_BYTES = 2048;

  private final byte[] bytes;
  private final long hash;

  private ChunkKey(byte[] bytes) {
    if (bytes.length < MIN_BYTES || bytes.length > MAX_BYTES) {
      throw new IllegalArgumentException(
          "a chunk key has %d to %d bytes, this one has %d"
              .formatted(MIN_BYTES, MAX_BYTES, bytes.length));
    }
    this.bytes = bytes;
    this.hash = hash(bytes, 0, bytes.length);
  }

  /** The key whose bytes are the UTF-8 encoding of {@code text}. */
  public static ChunkKey of(String text) {
    return new ChunkKey(text.getBytes(StandardCharsets.UTF_8));
  }

  /** A key of a copy of {@code bytes}. */
  public static ChunkKey of(byte[] bytes) {
    return new ChunkKey(bytes.clone());
  }

  /** A key of a copy of {@code length} bytes of {@code source} from {@code offset}. */
  public static ChunkKey of(byte[] source, int offset, int length) {
    return new ChunkKey(Arrays.copyOfRange(source, offset, offset + length));
  }

  public int length() {
    return bytes.length;
  }

  public byte byteAt(int index) {
    return bytes[index];
  }

  /** A copy of the key's bytes. */
  public byte[] toBytes() {
    return bytes.clone();
  }

  /** Copies the key's bytes to {@code target} from {@code offset}. */
  public void copyTo(byte[] target, int offset) {
    System.arraycopy(bytes, 0, target, offset, bytes.length);
  }

  /** Copies the key's bytes to {@code target} from {@code offset}. */
  public void copyTo(MemorySegment target, long offset) {
    MemorySegment.copy(bytes, 0, target, ValueLayout.JAVA_BYTE, offset, bytes.length);
  }

  /** Whether the key's bytes stand in {@code block} from {@code offset}. */
  public boolean sameAs(byte[] block, int offset, int length) {
    return Arrays.equals(bytes, 0, bytes.length, block, offset, offset + length);
  }

  /** The CRC32C of the bytes. */
  public int crc32c() {
    CRC32C sum = new CRC32C();
    sum.update(bytes);
    return (int) sum.getValue();
  }

  /** A well-mixed 64-bit hash of the bytes; equal for equal keys in every process. */
  public long hash64() {
    return hash;
  }

  /** The key as text, or null where its bytes are not UTF-8. */
  public @Nullable String text() {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .onUnmappableCharacter(CodingErrorAction.REPORT)
          .decode(ByteBuffer.wrap(bytes))
          .toString();
    } catch (CharacterCodingException notText) {
      return null;
    }
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof ChunkKey key && key.hash == hash && Arrays.equals(key.bytes, bytes);
  }

  @Override
  public int hashCode() {
    return Long.hashCode(hash);
  }

  /** The key for people: printable ASCII as it is, every other byte as {@code \xHH}. */
  @Override
  public String toString() {
    StringBuilder printable = new StringBuilder(bytes.length);
    for (byte value : bytes) {
      if (value >= 0x20 && value < 0x7f && value != '\\') {
        printable.append((char) value);
      } else {
        printable.append("\\x").append("%02x".formatted(value & 0xff));
      }
    }
    return printable.toString();
  }

  /**
   * The hash of {@link #hash64()} over {@code length} bytes of {@code source}: eight bytes a step
   * through a multiply-and-fold, with a final avalanche. Not secret and not on the device.
   */
  public static long hash(byte[] source, int offset, int length) {
    long state = 0x9E3779B97F4A7C15L ^ length;
    int at = offset;
    int end = offset + length;
    for (; at + Long.BYTES <= end; at += Long.BYTES) {
      state = fold(state ^ littleEndian(source, at, Long.BYTES));
    }
    if (at < end) {
      state = fold(state ^ littleEndian(source, at, end - at));
    }
    state ^= state >>> 32;
    state *= 0xD6E8FEB86659FD93L;
    state ^= state >>> 32;
    state *= 0xD6E8FEB86659FD93L;
    return state ^ (state >>> 32);
  }

  private static long fold(long value) {
    long low = value * 0xA0761D6478BD642FL;
    long high = Math.unsignedMultiplyHigh(value, 0xA0761D6478BD642FL);
    return low ^ high ^ 0xE7037ED1A0B428DBL;
  }

  private static final java.lang.invoke.VarHandle LONGS =
      java.lang.invoke.MethodHandles.byteArrayViewVarHandle(
          long[].class, java.nio.ByteOrder.LITTLE_ENDIAN);

  private static long littleEndian(byte[] source, int at, int count) {
    if (count == Long.BYTES) {
      return (long) LONGS.get(source, at);
    }
    long value = 0;
    for (int i = 0; i < count; i++) {
      value |= (source[at + i] & 0xffL) << (8 * i);
    }
    return value;
  }
}
