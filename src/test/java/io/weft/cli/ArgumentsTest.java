package io.weft.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkKey;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Capacities and keys, as the command line takes them. */
class ArgumentsTest {
  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource({
    "512MiB, 536870912",
    "4096, 4096",
    "1chunk, 20480",
    "18279chunks, 374353920",
    "18279 Chunks, 374353920"
  })
  void aCapacityIsASizeOrANumberOfChunks(String text, long bytes) throws Exception {
    assertEquals(bytes, Capacity.parse(text).bytes(16 << 10, directory));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "many", "-1GiB", "0chunks", "1.5chunks", "chunks"})
  void anythingElseIsRefusedWithAnExample(String text) {
    IllegalArgumentException wrong =
        assertThrows(IllegalArgumentException.class, () -> Capacity.parse(text));
    assertTrue(String.valueOf(wrong.getMessage()).matches(".*(18279chunks|1 chunk).*"));
  }

  @Test
  void everyKeyThatIsPrintedCanBeTyped() {
    byte[] all = new byte[256];
    for (int i = 0; i < all.length; i++) {
      all[i] = (byte) i;
    }
    ChunkKey key = ChunkKey.of(all);
    assertEquals(key, KeyText.parse(key.toString()));
    assertEquals(key.toString(), KeyText.printable(all));
  }

  @Test
  void textIsUtf8AndABackslashWithoutAByteIsItself() {
    assertArrayEquals("ä\\q\\x4".getBytes(StandardCharsets.UTF_8), bytes("ä\\q\\x4"));
    assertArrayEquals(new byte[] {'a', 0, (byte) 0xff, 'b'}, bytes("a\\x00\\xFFb"));
  }

  private static byte[] bytes(String text) {
    return KeyText.parse(text).toBytes();
  }
}
