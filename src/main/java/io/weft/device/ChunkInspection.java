package io.weft.device;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Everything that one file, or one slot, says of itself as a chunk, damaged or not, for a person to
 * read. The file may lie anywhere: in a store, in its quarantine, or copied away.
 *
 * @param fileBytes how long the file or the slot is
 * @param fields the block, field by field; empty where the file is shorter than a block
 * @param block the decoded block; null where it does not verify
 * @param blockProblem why the block does not verify; empty where it does
 * @param laterVersion whether the block is intact and of a later format version
 * @param slotNonce of a block in a slot; 0 where it is none
 * @param payloadCrc what the payload's bytes give; null where they are not all there
 * @param payloadProblem why the payload does not fit the block; empty where it does, or where there
 *     is no block to tell
 * @param name what the file's name says; null where it is no chunk's name
 */
public record ChunkInspection(
    long fileBytes,
    List<Field> fields,
    @Nullable ChunkBlock block,
    String blockProblem,
    boolean laterVersion,
    long slotNonce,
    @Nullable Integer payloadCrc,
    String payloadProblem,
    @Nullable NameFacts name) {

  private static final int READ_BYTES = 1 << 20;

  /**
   * One field of the block.
   *
   * @param offset in the block
   * @param value a {@link Long} or a {@link String}
   * @param note what the value means, where the value alone does not say it
   */
  public record Field(String name, int offset, int bytes, Object value, String note) {}

  /** What the name of a chunk's file says beside its key. */
  public record NameFacts(long generation, long expiresAtMillis) {}

  /**
   * How many slots the segment has; -1 where the file does not begin as a segment does, 0 where its
   * header gives it none.
   */
  public static int slots(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      SlabFormat.Assignment assignment = assignment(channel);
      return assignment == null
          ? -1
          : assignment.slotBytes() == 0
              ? 0
              : new SlabFormat(channel.size()).slots(assignment.slotBytes());
    }
  }

  private static SlabFormat.@Nullable Assignment assignment(FileChannel channel)
      throws IOException {
    if (channel.size() < SlabFormat.HEADER_BYTES) {
      return null;
    }
    ByteBuffer header = ByteBuffer.allocate(SlabFormat.HEADER_BYTES);
    readFully(channel, header, 0);
    MemorySegment memory = MemorySegment.ofArray(header.array());
    try {
      return SlabFormat.decode(memory);
    } catch (ChunkFormatException wrong) {
      return SlabFormat.hasMagic(memory) ? SlabFormat.Assignment.NONE : null;
    }
  }

  /**
   * Reads one slot of a segment, all of it.
   *
   * @param place below {@link #slots}
   */
  public static ChunkInspection ofSlot(Path segment, int place) throws IOException {
    try (FileChannel channel = FileChannel.open(segment, StandardOpenOption.READ)) {
      SlabFormat.Assignment assignment = assignment(channel);
      if (assignment == null || assignment.slotBytes() == 0) {
        throw new IOException("the segment has no slots");
      }
      long slotBytes = assignment.slotBytes();
      long nonce = assignment.nonce();
      ChunkInspection found = of(channel, SlabFormat.offset(place, slotBytes), slotBytes, null);
      boolean stale = found.block != null && found.slotNonce != nonce;
      return stale
          ? new ChunkInspection(
              found.fileBytes,
              found.fields,
              null,
              "its nonce is not its segment's: it is of an earlier use, the slot is free",
              false,
              found.slotNonce,
              null,
              "",
              null)
          : found;
    }
  }

  /** Reads the file, all of it. */
  public static ChunkInspection of(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      Path fileName = file.getFileName();
      ChunkName parsed =
          fileName == null ? null : ChunkName.parse(withoutQuarantineMark(Posix.name(fileName)));
      NameFacts name =
          parsed == null ? null : new NameFacts(parsed.generation(), parsed.expiresAtMillis());
      return of(channel, 0, channel.size(), name);
    }
  }

  private static ChunkInspection of(
      FileChannel channel, long offset, long fileBytes, @Nullable NameFacts name)
      throws IOException {
    if (fileBytes < ChunkFormat.BLOCK_BYTES) {
      String problem =
          "the file has %d bytes, less than a block of %d"
              .formatted(fileBytes, ChunkFormat.BLOCK_BYTES);
      return new ChunkInspection(fileBytes, List.of(), null, problem, false, 0, null, "", name);
    }
    ByteBuffer bytes = ByteBuffer.allocate(ChunkFormat.BLOCK_BYTES);
    readFully(channel, bytes, offset);
    MemorySegment memory = MemorySegment.ofArray(bytes.array());
    boolean slot = ChunkFormat.version(memory) == ChunkFormat.SLOT_VERSION;
    long nonce = slot ? ChunkFormat.slotNonce(memory) : 0;
    List<Field> fields = ChunkFormat.fields(memory);
    ChunkBlock block;
    try {
      block = slot ? ChunkFormat.decodeSlot(memory).block() : ChunkFormat.decode(memory);
    } catch (ChunkFormatException wrong) {
      boolean later = wrong.reason() == ChunkFormatException.Reason.LATER_VERSION;
      String problem = String.valueOf(wrong.getMessage());
      return new ChunkInspection(fileBytes, fields, null, problem, later, nonce, null, "", name);
    }
    long expected = ChunkFormat.fileBytes(block.payloadLength());
    Integer sum = null;
    String problem = "";
    if (fileBytes - ChunkFormat.BLOCK_BYTES >= block.payloadLength()) {
      sum = payloadCrc(channel, offset, block.payloadLength());
      if (sum != block.payloadCrc()) {
        problem =
            "the payload's checksum is %08x, its bytes give %08x"
                .formatted(block.payloadCrc(), sum);
      }
    }
    // A slot may have more room than its chunk needs.
    if (slot ? fileBytes < expected : fileBytes != expected) {
      problem =
          "the file has %d bytes, a payload of %d takes %d"
              .formatted(fileBytes, block.payloadLength(), expected);
    }
    return new ChunkInspection(fileBytes, fields, block, "", false, nonce, sum, problem, name);
  }

  private static String withoutQuarantineMark(String name) {
    int mark = name.lastIndexOf(Quarantine.MARK);
    return mark < 0 ? name : name.substring(0, mark);
  }

  private static int payloadCrc(FileChannel channel, long offset, long length) throws IOException {
    CRC32C sum = new CRC32C();
    ByteBuffer piece = ByteBuffer.allocate((int) Math.min(READ_BYTES, Math.max(1, length)));
    for (long done = 0; done < length; ) {
      piece.clear().limit((int) Math.min(piece.capacity(), length - done));
      readFully(channel, piece, offset + ChunkFormat.BLOCK_BYTES + done);
      sum.update(piece.flip());
      done += piece.limit();
    }
    return (int) sum.getValue();
  }

  private static void readFully(FileChannel channel, ByteBuffer target, long position)
      throws IOException {
    long at = position;
    while (target.hasRemaining()) {
      int moved = channel.read(target, at);
      if (moved < 0) {
        throw new EOFException("the file became shorter while it was read");
      }
      at += moved;
    }
  }
}
