package io.weft.device;

import static io.weft.device.ChunkFormat.U32;
import static io.weft.device.ChunkFormat.U64;
import static java.nio.charset.StandardCharsets.US_ASCII;

import io.weft.base.ChunkAddress;
import io.weft.base.Chunks;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/**
 * Segments: their header, and the sizes and places of their slots. {@code docs/format.md} owns the
 * bytes; this class is their only reader and writer.
 *
 * @param segmentBytes what every segment of the store takes
 */
record SlabFormat(long segmentBytes) {
  static final int HEADER_BYTES = ChunkFormat.BLOCK_BYTES;

  private static final int VERSION = 1;
  private static final long SEGMENT_UNIT = 1L << 20;
  private static final long SEGMENT_BYTES_MAX = 64L << 30;

  /** Payload classes for each doubling. */
  private static final int STEPS = 8;

  private static final byte[] MAGIC = "WEFTSEGM".getBytes(US_ASCII);
  private static final int VERSION_AT = 8;
  private static final int HEADER_BYTES_AT = 12;
  private static final int SEGMENT_BYTES_AT = 16;
  private static final int NUMBER_AT = 24;
  private static final int SLOT_BYTES_AT = 32;
  private static final int NONCE_AT = 40;
  private static final int ASSIGNED_AT_AT = 48;
  private static final int CRC_AT = HEADER_BYTES - 4;

  /**
   * What a segment's slots are for now.
   *
   * @param slotBytes 0 where it has no slots yet
   * @param nonce random for each assignment, never 0: blocks with another are of an earlier use
   */
  record Assignment(long slotBytes, long nonce) {
    static final Assignment NONE = new Assignment(0, 0);
  }

  /** Whether segments may be of this size. */
  static boolean isSegmentSize(long bytes) {
    return bytes >= SEGMENT_UNIT && bytes <= SEGMENT_BYTES_MAX && bytes % SEGMENT_UNIT == 0;
  }

  /** What a chunk with this payload takes: the smallest slot with room for it. */
  long slotBytes(long payloadLength) {
    long payload = Math.max(ChunkFormat.roundUp(payloadLength), ChunkFormat.BLOCK_BYTES);
    // The power of two below, which is exact itself, in steps of an eighth.
    long step = Math.max(Long.highestOneBit(payload - 1) / STEPS, ChunkFormat.BLOCK_BYTES);
    long slot = ChunkFormat.BLOCK_BYTES + (payload + step - 1) / step * step;
    // The largest slot is the whole of a segment, whatever the class.
    return payloadLength <= maxPayloadBytes() ? Math.min(slot, segmentBytes - HEADER_BYTES) : slot;
  }

  long maxPayloadBytes() {
    return Math.min(
        segmentBytes - HEADER_BYTES - ChunkFormat.BLOCK_BYTES, Chunks.MAX_PAYLOAD_BYTES);
  }

  /** How many slots of this size a segment has. */
  int slots(long slotBytes) {
    return (int)
        Math.min((segmentBytes - HEADER_BYTES) / slotBytes, (long) ChunkAddress.PLACES_MAX);
  }

  /** Where in the segment the slot begins. */
  static long offset(int place, long slotBytes) {
    return HEADER_BYTES + place * slotBytes;
  }

  /** A segment's file name. */
  static String name(int number) {
    return HexFormat.of().toHexDigits(number);
  }

  /** The number of the segment with this name; -1 where no segment can be called so. */
  static int number(String name) {
    if (name.length() != 2 * Integer.BYTES) {
      return -1;
    }
    for (int i = 0; i < name.length(); i++) {
      if ("0123456789abcdef".indexOf(name.charAt(i)) < 0) {
        return -1;
      }
    }
    return HexFormat.fromHexDigits(name);
  }

  void encode(int number, Assignment assignment, long nowMillis, MemorySegment target) {
    MemorySegment bytes = target.asSlice(0, HEADER_BYTES);
    bytes.fill((byte) 0);
    MemorySegment.copy(MAGIC, 0, bytes, ValueLayout.JAVA_BYTE, 0, MAGIC.length);
    bytes.set(U32, VERSION_AT, VERSION);
    bytes.set(U32, HEADER_BYTES_AT, HEADER_BYTES);
    bytes.set(U64, SEGMENT_BYTES_AT, segmentBytes);
    bytes.set(U32, NUMBER_AT, number);
    bytes.set(U64, SLOT_BYTES_AT, assignment.slotBytes);
    bytes.set(U64, NONCE_AT, assignment.nonce);
    bytes.set(U64, ASSIGNED_AT_AT, nowMillis);
    bytes.set(U32, CRC_AT, Crc32c.of(bytes.asSlice(0, CRC_AT)));
  }

  /** Whether the bytes begin as a segment does. */
  static boolean hasMagic(MemorySegment source) {
    for (int i = 0; i < MAGIC.length; i++) {
      if (source.get(ValueLayout.JAVA_BYTE, i) != MAGIC[i]) {
        return false;
      }
    }
    return true;
  }

  /** Reads the header of the segment with this number. */
  Assignment decode(int number, MemorySegment source) throws ChunkFormatException {
    Assignment found = decode(source);
    long bytes = source.get(U64, SEGMENT_BYTES_AT);
    int itsNumber = source.get(U32, NUMBER_AT);
    if (bytes != segmentBytes || itsNumber != number) {
      throw badFields("it is of segment %08x, with %d bytes".formatted(itsNumber, bytes));
    }
    return found;
  }

  /** Reads the header of a segment of any number and size. */
  static Assignment decode(MemorySegment source) throws ChunkFormatException {
    if (!hasMagic(source)) {
      throw new ChunkFormatException(
          ChunkFormatException.Reason.BAD_MAGIC, "it does not begin with WEFTSEGM");
    }
    int stored = source.get(U32, CRC_AT);
    int actual = Crc32c.of(source.asSlice(0, CRC_AT));
    if (stored != actual) {
      throw new ChunkFormatException(
          ChunkFormatException.Reason.BAD_CHECKSUM,
          "the header's checksum is %08x, its bytes give %08x".formatted(stored, actual));
    }
    int version = source.get(U32, VERSION_AT);
    if (Integer.compareUnsigned(version, VERSION) > 0) {
      throw new ChunkFormatException(
          ChunkFormatException.Reason.LATER_VERSION,
          "the segment is of format version %s, this program reads up to %d"
              .formatted(Integer.toUnsignedString(version), VERSION));
    }
    long segmentBytes = source.get(U64, SEGMENT_BYTES_AT);
    long slotBytes = source.get(U64, SLOT_BYTES_AT);
    long nonce = source.get(U64, NONCE_AT);
    boolean slots =
        slotBytes == 0
            || (slotBytes >= 2 * ChunkFormat.BLOCK_BYTES
                && slotBytes <= segmentBytes - HEADER_BYTES
                && ChunkFormat.isAligned(slotBytes)
                && nonce != 0);
    if (version != VERSION
        || source.get(U32, HEADER_BYTES_AT) != HEADER_BYTES
        || !isSegmentSize(segmentBytes)
        || !slots) {
      throw badFields("its fields contradict each other");
    }
    return slotBytes == 0 ? Assignment.NONE : new Assignment(slotBytes, nonce);
  }

  private static ChunkFormatException badFields(String message) {
    return new ChunkFormatException(ChunkFormatException.Reason.BAD_FIELDS, message);
  }

  /** What stands in a slot. */
  sealed interface Content {}

  /** Nothing, or what an earlier use of the segment left. */
  record Free() implements Content {}

  /** A chunk, by its block. */
  record Taken(SlotBlock block) implements Content {}

  /** A block that was written in this assignment, and is not what was written. */
  record Damaged(String why) implements Content {}

  private static final Free FREE = new Free();

  /** What a slot's block says that is there. Without the segment's nonce it says nothing. */
  Content content(Assignment assignment, MemorySegment block) {
    if (ChunkFormat.slotNonce(block) != assignment.nonce) {
      return FREE;
    }
    SlotBlock decoded;
    try {
      decoded = ChunkFormat.decodeSlot(block);
    } catch (ChunkFormatException wrong) {
      return new Damaged(String.valueOf(wrong.getMessage()));
    }
    long payloadLength = decoded.block().payloadLength();
    @Nullable String misfit =
        slotBytes(payloadLength) == assignment.slotBytes
            ? null
            : "a payload of %d bytes is in a slot of %d"
                .formatted(payloadLength, assignment.slotBytes);
    return misfit == null ? new Taken(decoded) : new Damaged(misfit);
  }
}
