package io.weft.core;

import io.weft.base.ChunkKey;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/** Keys for tests of the index: of any bytes, and of chosen hashes. */
final class TestKeys {
  private static final int INDEX_TABLE_BITS = 10;

  private TestKeys() {}

  /** A key of 1 to 2,048 random bytes, mostly short ones. */
  static ChunkKey random(RandomGenerator random) {
    int bound =
        switch (random.nextInt(4)) {
          case 0 -> 4;
          case 1, 2 -> 200;
          default -> ChunkKey.MAX_BYTES;
        };
    byte[] bytes = new byte[1 + random.nextInt(bound)];
    random.nextBytes(bytes);
    return ChunkKey.of(bytes);
  }

  /** Different keys that all have their slots in one sub-table of the index. */
  static List<ChunkKey> ofOneTable(RandomGenerator random, int count) {
    List<ChunkKey> keys = new ArrayList<>();
    byte[] bytes = new byte[Long.BYTES];
    for (long number = random.nextLong(); keys.size() < count; number++) {
      ByteBuffer.wrap(bytes).putLong(number);
      if (ChunkKey.hash(bytes, 0, bytes.length) >>> (Long.SIZE - INDEX_TABLE_BITS) == 7) {
        keys.add(ChunkKey.of(bytes));
      }
    }
    return keys;
  }

  /**
   * Different keys of one 64-bit hash: 16 bytes each, the second eight undoing what the first eight
   * did to the state of {@link ChunkKey#hash}.
   */
  static List<ChunkKey> ofOneHash(RandomGenerator random, int count) {
    List<ChunkKey> keys = new ArrayList<>();
    long state = random.nextLong();
    for (int i = 0; i < count; i++) {
      byte[] bytes = new byte[2 * Long.BYTES];
      long first = random.nextLong();
      ByteBuffer.wrap(bytes)
          .order(ByteOrder.LITTLE_ENDIAN)
          .putLong(first)
          .putLong(fold(0x9E3779B97F4A7C15L ^ bytes.length ^ first) ^ state);
      keys.add(ChunkKey.of(bytes));
    }
    return keys;
  }

  private static long fold(long value) {
    long low = value * 0xA0761D6478BD642FL;
    long high = Math.unsignedMultiplyHigh(value, 0xA0761D6478BD642FL);
    return low ^ high ^ 0xE7037ED1A0B428DBL;
  }
}
