package io.weft.device;

import static io.weft.device.ChunkFormatException.Reason.BAD_CHECKSUM;
import static io.weft.device.ChunkFormatException.Reason.BAD_FIELDS;
import static io.weft.device.ChunkFormatException.Reason.BAD_MAGIC;
import static io.weft.device.ChunkFormatException.Reason.LATER_VERSION;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ChunkFormatTest {
  private static final ChunkBlock BLOCK =
      new ChunkBlock(
          ChunkKey.of("key"),
          0x0102030405060708L,
          70_000,
          0xCAFEBABE,
          ChunkMetadata.of("meta".getBytes(UTF_8)),
          1_700_000_000_000L);

  /** The bytes as docs/format.md gives them, laid out by hand. */
  private static byte[] byHand() {
    byte[] content = new byte[4096];
    ByteBuffer bytes = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
    bytes.put("WEFTCHNK".getBytes(UTF_8));
    bytes.putInt(1).putInt(4096).putLong(70_000).putLong(0x0102030405060708L);
    bytes.putInt(0xCAFEBABE).putShort((short) 3).putShort((short) 4);
    bytes.putLong(1_700_000_000_000L).putInt(0);
    bytes.position(64);
    bytes.put("keymeta".getBytes(UTF_8));
    return seal(content);
  }

  private static byte[] seal(byte[] content) {
    CRC32C sum = new CRC32C();
    sum.update(content, 0, 4092);
    ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN).putInt(4092, (int) sum.getValue());
    return content;
  }

  private static byte[] encoded(ChunkBlock block) {
    byte[] bytes = new byte[4096];
    Arrays.fill(bytes, (byte) 0x5a);
    ChunkFormat.encode(block, MemorySegment.ofArray(bytes));
    return bytes;
  }

  @Test
  void theBytesAreThoseOfTheDocument() throws ChunkFormatException {
    assertArrayEquals(byHand(), encoded(BLOCK));
    assertEquals(BLOCK, ChunkFormat.decode(MemorySegment.ofArray(byHand())));
  }

  @Test
  void theLongestKeyAndMetadataFit() throws ChunkFormatException {
    byte[] key = new byte[ChunkKey.MAX_BYTES];
    byte[] metadata = new byte[ChunkMetadata.MAX_BYTES];
    Arrays.fill(key, (byte) 0xff);
    Arrays.fill(metadata, (byte) 0xee);
    ChunkBlock block = new ChunkBlock(ChunkKey.of(key), -1, 0, 0, ChunkMetadata.of(metadata), -1);
    assertEquals(block, ChunkFormat.decode(MemorySegment.ofArray(encoded(block))));
  }

  @Test
  void everyFlippedBitIsNoticed() {
    byte[] bytes = encoded(BLOCK);
    for (int bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit / 8] ^= (byte) (1 << bit % 8);
      ChunkFormatException wrong =
          assertThrows(
              ChunkFormatException.class, () -> ChunkFormat.decode(MemorySegment.ofArray(bytes)));
      assertEquals(bit < 64 ? BAD_MAGIC : BAD_CHECKSUM, wrong.reason());
      bytes[bit / 8] ^= (byte) (1 << bit % 8);
    }
  }

  static Stream<Arguments> sealedButWrong() {
    return Stream.of(
        change("later version", LATER_VERSION, bytes -> bytes.putInt(8, 2)),
        change("latest version", LATER_VERSION, bytes -> bytes.putInt(8, -1)),
        change("no version", BAD_FIELDS, bytes -> bytes.putInt(8, 0)),
        change("block length", BAD_FIELDS, bytes -> bytes.putInt(12, 8192)),
        change("payload length", BAD_FIELDS, bytes -> bytes.putLong(16, 1L << 31)),
        change("negative length", BAD_FIELDS, bytes -> bytes.putLong(16, -1)),
        change("no key", BAD_FIELDS, bytes -> bytes.putShort(36, (short) 0)),
        change("long key", BAD_FIELDS, bytes -> bytes.putShort(36, (short) 2049)),
        change("longest key", BAD_FIELDS, bytes -> bytes.putShort(36, (short) -1)),
        change("long metadata", BAD_FIELDS, bytes -> bytes.putShort(38, (short) 1025)),
        change("flags", BAD_FIELDS, bytes -> bytes.putInt(48, 1)),
        change("reserved", BAD_FIELDS, bytes -> bytes.put(63, (byte) 1)));
  }

  private static Arguments change(
      String name, ChunkFormatException.Reason reason, Consumer<ByteBuffer> change) {
    byte[] content = byHand();
    change.accept(ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN));
    return Arguments.of(name, reason, seal(content));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("sealedButWrong")
  void fieldsThatCannotBeAreRefused(String name, ChunkFormatException.Reason reason, byte[] bytes) {
    ChunkFormatException wrong =
        assertThrows(
            ChunkFormatException.class, () -> ChunkFormat.decode(MemorySegment.ofArray(bytes)));
    assertEquals(reason, wrong.reason(), name);
    assertTrue(wrong.getMessage() != null && !wrong.getMessage().isBlank());
  }

  @Test
  void filesAreTheBlockAndWholeBlocksOfPayload() {
    assertEquals(4096, ChunkFormat.fileBytes(0));
    assertEquals(8192, ChunkFormat.fileBytes(1));
    assertEquals(8192, ChunkFormat.fileBytes(4096));
    assertEquals(12288, ChunkFormat.fileBytes(4097));
  }
}
