package io.weft.device;

import static io.weft.device.ChunkFormatException.Reason.BAD_CHECKSUM;
import static io.weft.device.ChunkFormatException.Reason.BAD_FIELDS;
import static io.weft.device.ChunkFormatException.Reason.BAD_MAGIC;
import static io.weft.device.ChunkFormatException.Reason.LATER_VERSION;
import static java.nio.charset.StandardCharsets.US_ASCII;

import io.weft.base.ByteSize;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;

/**
 * The self-describing block at the start of every chunk, and the sizes that follow from it. {@code
 * docs/format.md} owns the bytes; this class is their only reader and writer.
 */
public final class ChunkFormat {
  /** The format of a chunk with a file of its own. */
  public static final int VERSION = 1;

  /** The format of a chunk in a slot. */
  public static final int SLOT_VERSION = 2;

  /** The length of the self-describing block, and what payloads are padded to. */
  public static final int BLOCK_BYTES = Chunks.BLOCK_BYTES;

  static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final byte[] MAGIC = "WEFTCHNK".getBytes(US_ASCII);
  private static final int VERSION_AT = 8;
  private static final int BLOCK_BYTES_AT = 12;
  private static final int PAYLOAD_LENGTH_AT = 16;
  private static final int GENERATION_AT = 24;
  private static final int PAYLOAD_CRC_AT = 32;
  private static final int KEY_LENGTH_AT = 36;
  private static final int METADATA_LENGTH_AT = 38;
  private static final int STORED_AT_AT = 40;
  private static final int FLAGS_AT = 48;
  private static final int RESERVED_AT = 52;
  private static final int EXPIRES_AT_AT = 56;
  private static final int KEY_AT = 64;
  private static final int BLOCK_CRC_AT = BLOCK_BYTES - 4;
  private static final int NONCE_AT = BLOCK_CRC_AT - Long.BYTES;

  private ChunkFormat() {}

  /** How long the file of a chunk with this payload is: the block and the padded payload. */
  public static long fileBytes(long payloadLength) {
    return Chunks.physicalBytes(payloadLength);
  }

  static long roundUp(long length) {
    return (length + BLOCK_BYTES - 1) & -BLOCK_BYTES;
  }

  static boolean isAligned(long addressOrLength) {
    return (addressOrLength & (BLOCK_BYTES - 1)) == 0;
  }

  /** Writes the block over the first {@link #BLOCK_BYTES} of {@code target}. */
  static void encode(ChunkBlock block, MemorySegment target) {
    fill(VERSION, block, target);
    seal(target);
  }

  /** As {@link #encode}, for a chunk in a slot. */
  static void encodeSlot(SlotBlock slot, MemorySegment target) {
    fill(SLOT_VERSION, slot.block(), target);
    target.set(U64, EXPIRES_AT_AT, slot.expiresAtMillis());
    target.set(U64, NONCE_AT, slot.nonce());
    seal(target);
  }

  private static void seal(MemorySegment target) {
    target.set(U32, BLOCK_CRC_AT, Crc32c.of(target.asSlice(0, BLOCK_CRC_AT)));
  }

  private static void fill(int version, ChunkBlock block, MemorySegment target) {
    ChunkKey key = block.key();
    ChunkMetadata metadata = block.metadata();
    MemorySegment bytes = target.asSlice(0, BLOCK_BYTES);
    bytes.fill((byte) 0);
    MemorySegment.copy(MAGIC, 0, bytes, ValueLayout.JAVA_BYTE, 0, MAGIC.length);
    bytes.set(U32, VERSION_AT, version);
    bytes.set(U32, BLOCK_BYTES_AT, BLOCK_BYTES);
    bytes.set(U64, PAYLOAD_LENGTH_AT, block.payloadLength());
    bytes.set(U64, GENERATION_AT, block.generation());
    bytes.set(U32, PAYLOAD_CRC_AT, block.payloadCrc());
    bytes.set(U16, KEY_LENGTH_AT, (short) key.length());
    bytes.set(U16, METADATA_LENGTH_AT, (short) metadata.length());
    bytes.set(U64, STORED_AT_AT, block.storedAtMillis());
    bytes.set(U32, FLAGS_AT, 0);
    key.copyTo(bytes, KEY_AT);
    metadata.copyTo(bytes, KEY_AT + key.length());
  }

  /** Which version a block says that it is of, right or wrong. */
  static int version(MemorySegment source) {
    return source.get(U32, VERSION_AT);
  }

  /** The nonce that a slot's block says it has, right or wrong. */
  static long slotNonce(MemorySegment source) {
    return source.get(U64, NONCE_AT);
  }

  /**
   * Reads the block of a chunk with a file of its own.
   *
   * @param source at least {@link #BLOCK_BYTES} of native memory or of a byte array
   */
  public static ChunkBlock decode(MemorySegment source) throws ChunkFormatException {
    return decode(VERSION, source);
  }

  /** Reads the block of a chunk in a slot. */
  static SlotBlock decodeSlot(MemorySegment source) throws ChunkFormatException {
    ChunkBlock block = decode(SLOT_VERSION, source);
    return new SlotBlock(block, slotNonce(source), source.get(U64, EXPIRES_AT_AT));
  }

  private static ChunkBlock decode(int version, MemorySegment source) throws ChunkFormatException {
    MemorySegment bytes = source.asSlice(0, BLOCK_BYTES);
    verify(version, bytes);
    int keyLength = Short.toUnsignedInt(bytes.get(U16, KEY_LENGTH_AT));
    int metadataLength = Short.toUnsignedInt(bytes.get(U16, METADATA_LENGTH_AT));
    byte[] key = bytes.asSlice(KEY_AT, keyLength).toArray(ValueLayout.JAVA_BYTE);
    byte[] metadata =
        bytes.asSlice((long) KEY_AT + keyLength, metadataLength).toArray(ValueLayout.JAVA_BYTE);
    return new ChunkBlock(
        ChunkKey.of(key),
        bytes.get(U64, GENERATION_AT),
        bytes.get(U64, PAYLOAD_LENGTH_AT),
        bytes.get(U32, PAYLOAD_CRC_AT),
        ChunkMetadata.of(metadata),
        bytes.get(U64, STORED_AT_AT));
  }

  /** What stands in each field of a block, right or wrong, for a person to read. */
  static List<ChunkInspection.Field> fields(MemorySegment source) {
    MemorySegment bytes = source.asSlice(0, BLOCK_BYTES);
    int keyLength = Short.toUnsignedInt(bytes.get(U16, KEY_LENGTH_AT));
    int metadataLength = Short.toUnsignedInt(bytes.get(U16, METADATA_LENGTH_AT));
    // Lengths that damage made up show what fits.
    int keyShown = Math.min(keyLength, BLOCK_CRC_AT - KEY_AT);
    int metadataAt = KEY_AT + keyShown;
    int metadataShown = Math.min(metadataLength, BLOCK_CRC_AT - metadataAt);
    byte[] key = bytes.asSlice(KEY_AT, keyShown).toArray(ValueLayout.JAVA_BYTE);
    byte[] metadata = bytes.asSlice(metadataAt, metadataShown).toArray(ValueLayout.JAVA_BYTE);
    byte[] magic = bytes.asSlice(0, MAGIC.length).toArray(ValueLayout.JAVA_BYTE);
    long payloadLength = bytes.get(U64, PAYLOAD_LENGTH_AT);
    long storedAtMillis = bytes.get(U64, STORED_AT_AT);
    boolean slot = version(bytes) == SLOT_VERSION;
    int crc = Crc32c.of(bytes.asSlice(0, BLOCK_CRC_AT));
    int storedCrc = bytes.get(U32, BLOCK_CRC_AT);
    List<ChunkInspection.Field> fields = new ArrayList<>();
    Collections.addAll(
        fields,
        new ChunkInspection.Field("magic", 0, MAGIC.length, printable(magic), ""),
        u32(bytes, "version", VERSION_AT, ""),
        u32(bytes, "blockBytes", BLOCK_BYTES_AT, ""),
        new ChunkInspection.Field(
            "payloadLength",
            PAYLOAD_LENGTH_AT,
            Long.BYTES,
            payloadLength,
            payloadLength >= 0 ? new ByteSize(payloadLength).toString() : ""),
        new ChunkInspection.Field(
            "generation",
            GENERATION_AT,
            Long.BYTES,
            bytes.get(U64, GENERATION_AT),
            Long.toHexString(bytes.get(U64, GENERATION_AT)) + " in a file's name"),
        hex(bytes, "payloadCrc32c", PAYLOAD_CRC_AT, ""),
        new ChunkInspection.Field("keyLength", KEY_LENGTH_AT, Short.BYTES, (long) keyLength, ""),
        new ChunkInspection.Field(
            "metadataLength", METADATA_LENGTH_AT, Short.BYTES, (long) metadataLength, ""),
        new ChunkInspection.Field(
            "storedAtMillis",
            STORED_AT_AT,
            Long.BYTES,
            storedAtMillis,
            Instant.ofEpochMilli(storedAtMillis).toString()),
        hex(bytes, "flags", FLAGS_AT, ""),
        reserved(bytes, slot ? EXPIRES_AT_AT : KEY_AT));
    if (slot) {
      long expires = bytes.get(U64, EXPIRES_AT_AT);
      String when = expires == Chunks.NEVER ? "never" : Instant.ofEpochMilli(expires).toString();
      fields.add(
          new ChunkInspection.Field("expiresAtMillis", EXPIRES_AT_AT, Long.BYTES, expires, when));
    }
    Collections.addAll(
        fields,
        new ChunkInspection.Field("key", KEY_AT, keyShown, printable(key), ""),
        new ChunkInspection.Field("metadata", metadataAt, metadataShown, printable(metadata), ""));
    if (slot) {
      fields.add(
          new ChunkInspection.Field(
              "segmentNonce",
              NONCE_AT,
              Long.BYTES,
              HexFormat.of().toHexDigits(slotNonce(bytes)),
              "as its segment's"));
    }
    fields.add(
        hex(
            bytes,
            "blockCrc32c",
            BLOCK_CRC_AT,
            storedCrc == crc ? "fits the block" : "the block gives %08x".formatted(crc)));
    return fields;
  }

  private static ChunkInspection.Field reserved(MemorySegment bytes, int end) {
    byte[] reserved = bytes.asSlice(RESERVED_AT, end - RESERVED_AT).toArray(ValueLayout.JAVA_BYTE);
    return new ChunkInspection.Field(
        "reserved", RESERVED_AT, reserved.length, HexFormat.of().formatHex(reserved), "");
  }

  private static ChunkInspection.Field u32(MemorySegment bytes, String name, int at, String note) {
    return new ChunkInspection.Field(
        name, at, Integer.BYTES, Integer.toUnsignedLong(bytes.get(U32, at)), note);
  }

  private static ChunkInspection.Field hex(MemorySegment bytes, String name, int at, String note) {
    return new ChunkInspection.Field(
        name, at, Integer.BYTES, "%08x".formatted(bytes.get(U32, at)), note);
  }

  /** As {@link ChunkKey#toString}: printable ASCII as it is, every other byte escaped. */
  private static String printable(byte[] bytes) {
    StringBuilder text = new StringBuilder(bytes.length);
    for (byte value : bytes) {
      if (value >= 0x20 && value < 0x7f && value != '\\') {
        text.append((char) value);
      } else {
        text.append("\\x").append(HexFormat.of().toHexDigits(value));
      }
    }
    return text.toString();
  }

  /** Everything that can be said of a block without knowing which chunk it should be. */
  private static void verify(int expected, MemorySegment bytes) throws ChunkFormatException {
    for (int i = 0; i < MAGIC.length; i++) {
      if (bytes.get(ValueLayout.JAVA_BYTE, i) != MAGIC[i]) {
        throw new ChunkFormatException(BAD_MAGIC, "it does not begin with WEFTCHNK");
      }
    }
    int stored = bytes.get(U32, BLOCK_CRC_AT);
    int actual = Crc32c.of(bytes.asSlice(0, BLOCK_CRC_AT));
    if (stored != actual) {
      throw new ChunkFormatException(
          BAD_CHECKSUM,
          "the block's checksum is %08x, its bytes give %08x".formatted(stored, actual));
    }
    int version = bytes.get(U32, VERSION_AT);
    if (Integer.compareUnsigned(version, expected) > 0) {
      throw new ChunkFormatException(
          LATER_VERSION,
          "it is of format version %s, this program reads up to %d here"
              .formatted(Integer.toUnsignedString(version), expected));
    }
    int keyLength = Short.toUnsignedInt(bytes.get(U16, KEY_LENGTH_AT));
    int metadataLength = Short.toUnsignedInt(bytes.get(U16, METADATA_LENGTH_AT));
    long payloadLength = bytes.get(U64, PAYLOAD_LENGTH_AT);
    require(version == expected, "version", version);
    require(
        bytes.get(U32, BLOCK_BYTES_AT) == BLOCK_BYTES,
        "block length",
        bytes.get(U32, BLOCK_BYTES_AT));
    require(
        payloadLength >= 0 && payloadLength <= Chunks.MAX_PAYLOAD_BYTES,
        "payload length",
        payloadLength);
    require(
        keyLength >= ChunkKey.MIN_BYTES && keyLength <= ChunkKey.MAX_BYTES,
        "key length",
        keyLength);
    require(metadataLength <= ChunkMetadata.MAX_BYTES, "metadata length", metadataLength);
    require(bytes.get(U32, FLAGS_AT) == 0, "flags", bytes.get(U32, FLAGS_AT));
    int reservedEnd = expected == SLOT_VERSION ? EXPIRES_AT_AT : KEY_AT;
    for (int at = RESERVED_AT; at < reservedEnd; at += Integer.BYTES) {
      require(bytes.get(U32, at) == 0, "reserved bytes", at);
    }
  }

  private static void require(boolean right, String field, long value) throws ChunkFormatException {
    if (!right) {
      throw new ChunkFormatException(BAD_FIELDS, "its " + field + " cannot be " + value);
    }
  }
}
