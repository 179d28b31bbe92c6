package io.weft.cli;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkKey;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KeyedContentTest {
  private static final ChunkKey KEY = ChunkKey.of("a");

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 7, 8, 9, 4095, 4096, 100_003})
  void everyByteOfItsOwnContentIsRightAndEachChangedOneIsCounted(long length) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment content = arena.allocate(Math.max(1, length)).asSlice(0, length);
      KeyedContent.fill(KEY, content);
      assertEquals(0, KeyedContent.wrongBytes(KEY, content));
      for (long at : new long[] {0, length / 2, length - 1}) {
        if (at >= 0 && at < length) {
          byte before = content.get(JAVA_BYTE, at);
          content.set(JAVA_BYTE, at, (byte) (before ^ 0x10));
          assertEquals(1, KeyedContent.wrongBytes(KEY, content), "at " + at);
          content.set(JAVA_BYTE, at, before);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"b", "aa", "A"})
  void theContentOfAnotherKeyIsWrongNearlyEverywhere(String other) {
    MemorySegment content = MemorySegment.ofArray(new byte[10_000]);
    KeyedContent.fill(ChunkKey.of(other), content);
    assertTrue(KeyedContent.wrongBytes(KEY, content) > 9_800);
  }

  @ParameterizedTest
  @ValueSource(longs = {8, 16, 4096})
  void aBlockInAnothersPlaceIsWrong(long block) {
    MemorySegment content = MemorySegment.ofArray(new byte[2 * (int) block]);
    KeyedContent.fill(KEY, content);
    MemorySegment.copy(content, block, content, 0, block);
    assertTrue(KeyedContent.wrongBytes(KEY, content) >= block - block / 64 - 2);
  }
}
