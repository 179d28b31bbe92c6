package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Chains of object keys, and the bytes of each: other ones for every key, known from the key. */
final class Chain {
  private Chain() {}

  static ObjectKey key(String model, String salt, int number) {
    return new ObjectKey(model, 0x01000100, 0, "%016x".formatted(number), salt);
  }

  static ObjectKey key(int number) {
    return key("org/model", "", number);
  }

  static List<ObjectKey> keys(int from, int count) {
    List<ObjectKey> keys = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      keys.add(key(from + i));
    }
    return keys;
  }

  /** From 1 B to 40 KiB, by the key. */
  static int length(ObjectKey key) {
    return 1 + Math.floorMod(key.encode().hashCode(), 40 << 10);
  }

  /** Aligned, as an engine's pinned memory is. */
  static MemorySegment memory(long bytes) {
    return Arena.ofAuto().allocate(Math.max(1, bytes), 4096).asSlice(0, bytes);
  }

  static MemorySegment bytes(ObjectKey key) {
    return bytes(key, length(key));
  }

  static MemorySegment bytes(ObjectKey key, int length) {
    byte[] bytes = new byte[length];
    new Random(key.encode().hashCode()).nextBytes(bytes);
    MemorySegment memory = memory(length);
    memory.copyFrom(MemorySegment.ofArray(bytes));
    return memory;
  }

  static List<MemorySegment> bytes(List<ObjectKey> keys) {
    return keys.stream().map(Chain::bytes).toList();
  }

  static List<MemorySegment> room(List<ObjectKey> keys) {
    return keys.stream().map(key -> memory(length(key))).toList();
  }

  static boolean isRight(ObjectKey key, MemorySegment found) {
    return bytes(key, (int) found.byteSize()).mismatch(found) == -1;
  }

  static void assertRight(ObjectKey key, MemorySegment found) {
    assertEquals(-1, bytes(key, (int) found.byteSize()).mismatch(found), key::encode);
  }

  static byte[] heap(MemorySegment memory) {
    return memory.toArray(ValueLayout.JAVA_BYTE);
  }
}
