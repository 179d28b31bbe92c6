package io.weft.device;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkKey;
import io.weft.base.Chunks;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ChunkNameTest {
  @ParameterizedTest
  @CsvSource({
    "model@00000001@0@ab12@salt, model@00000001@0@ab12@salt~1f",
    "meta-llama/Llama-3.1-8B@4@0@ab@bf16, meta-llama%2FLlama-3.1-8B@4@0@ab@bf16~1f",
    ".., %2E.~1f",
    "., %2E~1f",
    "a.b, a.b~1f",
    "a%20~b, a%2520%7Eb~1f",
    "#x, %23x~1f",
    "%staging-1, %25staging-1~1f",
    "é, %C3%A9~1f",
    "'a b', a%20b~1f",
  })
  void namesAreReadable(String key, String name) {
    assertEquals(name, ChunkName.of(ChunkKey.of(key), 0x1f, Chunks.NEVER));
  }

  @Test
  void anExpiryTimeStandsLast() {
    assertEquals("k~2~18c", ChunkName.of(ChunkKey.of("k"), 2, 0x18c));
    assertEquals(new ChunkName("k", 2, 0x18c), ChunkName.parse("k~2~18c"));
  }

  @Test
  void generationsAndTimesAreUnsigned() {
    assertEquals("k~ffffffffffffffff", ChunkName.of(ChunkKey.of("k"), -1, Chunks.NEVER));
    assertEquals(new ChunkName("k", -1, Chunks.NEVER), ChunkName.parse("k~ffffffffffffffff"));
  }

  @Test
  void everyByteMakesANameOfItsOwnThatAFileCanHave() {
    Set<String> names = new HashSet<>();
    for (int value = 0; value < 256; value++) {
      for (byte[] key :
          new byte[][] {{(byte) value}, {'a', (byte) value}, {(byte) value, (byte) value, 'b'}}) {
        String name = ChunkName.of(ChunkKey.of(key), 7, Chunks.NEVER);
        assertTrue(names.add(name), name);
        assertTrue(name.matches("[A-Za-z0-9%_@+=,-][A-Za-z0-9%._@+=,~-]*"), name);
        assertNotNull(ChunkName.parse(name), name);
        assertEquals(
            new String(key, ISO_8859_1), decoded(name.substring(0, name.indexOf('~'))), name);
      }
    }
  }

  @Test
  void aNameIsReadableUpToTheLastByteThatFits() {
    ChunkKey fits = ChunkKey.of("x".repeat(253));
    ChunkKey tooLong = ChunkKey.of("x".repeat(254));
    assertEquals(255, ChunkName.of(fits, 1, Chunks.NEVER).length());
    assertTrue(ChunkName.of(fits, 1, Chunks.NEVER).startsWith("xxx"));
    assertTrue(ChunkName.of(tooLong, 1, Chunks.NEVER).startsWith("#xxx"));
    assertTrue(ChunkName.of(fits, 0x10, Chunks.NEVER).startsWith("#xxx"), "a longer generation");
    assertTrue(ChunkName.of(fits, 1, 5).startsWith("#xxx"), "an expiry time");
  }

  @Test
  void everyKeyLengthAndFillHasANameThatFits() {
    Set<String> names = new HashSet<>();
    for (int length = 1; length <= ChunkKey.MAX_BYTES; length++) {
      for (int fill : new int[] {'x', '/', '.'}) {
        byte[] key = new byte[length];
        Arrays.fill(key, (byte) fill);
        String name = ChunkName.of(ChunkKey.of(key), -1, -1);
        assertTrue(name.length() <= 255, name);
        assertTrue(names.add(name), name);
        assertNotNull(ChunkName.parse(name), name);
      }
    }
  }

  @Test
  void longKeysThatDifferLateHaveDifferentNames() {
    String common = "k".repeat(2000);
    assertNotEquals(
        ChunkName.of(ChunkKey.of(common + "a"), 1, 0),
        ChunkName.of(ChunkKey.of(common + "b"), 1, 0));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "readme.txt",
        "~1",
        "k~",
        "k~~5",
        "k~g",
        "k~01",
        "k~1F",
        "k~1~",
        "k~1~0",
        "k~1~2~3",
        "k~11111111111111111",
        "a b~1",
        "a/b~1",
        "a%2f~1",
        "a%2~1",
        "a%~1",
        "é~1",
        "#k~1",
        "#k#123~1",
        "##~1",
        "%staging-12ab-0",
      })
  void whatNoChunkIsCalledIsForeign(String name) {
    assertNull(ChunkName.parse(name));
  }

  @Test
  void leavesAreTheTopBitsOfTheSum() {
    ChunkKey key = ChunkKey.of("some key");
    CRC32C sum = new CRC32C();
    sum.update(key.toBytes());
    int leaf = (int) (sum.getValue() >>> 20);
    assertEquals(leaf, ChunkName.leaf(key));
    assertEquals("chunks/%02x/%02x".formatted(leaf >> 6, leaf & 63), LeafDirectories.path(leaf));
  }

  private static String decoded(String encoded) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < encoded.length(); i++) {
      if (encoded.charAt(i) == '%') {
        text.append((char) Integer.parseInt(encoded.substring(i + 1, i + 3), 16));
        i += 2;
      } else {
        text.append(encoded.charAt(i));
      }
    }
    return text.toString();
  }

  /** A dot in the first place is always escaped, so nobody else's hidden file is a chunk. */
  @Test
  void aHiddenFileIsForeign() {
    assertNull(ChunkName.parse(".y~1f"));
    assertNull(ChunkName.parse(".~1"));
  }
}
