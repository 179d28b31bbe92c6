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
 * Everything that one file says of itself as a chunk, damaged or not, for a person to read. The
 * file may lie anywhere: in a store, in its quarantine, or copied away.
 *
 * @param fileBytes how long the file is
 * @param fields the block, field by field; empty where the file is shorter than a block
 * @param block the decoded block; null where it does not verify
 * @param blockProblem why the block does not verify; empty where it does
 * @param laterVersion whether the block is intact and of a later format version
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

  /** Reads the file, all of it. */
  public static ChunkInspection of(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long fileBytes = channel.size();
      Path fileName = file.getFileName();
      ChunkName parsed =
          fileName == null ? null : ChunkName.parse(withoutQuarantineMark(Posix.name(fileName)));
      NameFacts name =
          parsed == null ? null : new NameFacts(parsed.generation(), parsed.expiresAtMillis());
      if (fileBytes < ChunkFormat.BLOCK_BYTES) {
        String problem =
            "the file has %d bytes, less than a block of %d"
                .formatted(fileBytes, ChunkFormat.BLOCK_BYTES);
        return new ChunkInspection(fileBytes, List.of(), null, problem, false, null, "", name);
      }
      ByteBuffer bytes = ByteBuffer.allocate(ChunkFormat.BLOCK_BYTES);
      readFully(channel, bytes, 0);
      MemorySegment memory = MemorySegment.ofArray(bytes.array());
      List<Field> fields = ChunkFormat.fields(memory);
      ChunkBlock block;
      try {
        block = ChunkFormat.decode(memory);
      } catch (ChunkFormatException wrong) {
        boolean later = wrong.reason() == ChunkFormatException.Reason.LATER_VERSION;
        String problem = String.valueOf(wrong.getMessage());
        return new ChunkInspection(fileBytes, fields, null, problem, later, null, "", name);
      }
      long expected = ChunkFormat.fileBytes(block.payloadLength());
      Integer sum = null;
      String problem = "";
      if (fileBytes - ChunkFormat.BLOCK_BYTES >= block.payloadLength()) {
        sum = payloadCrc(channel, block.payloadLength());
        if (sum != block.payloadCrc()) {
          problem =
              "the payload's checksum is %08x, its bytes give %08x"
                  .formatted(block.payloadCrc(), sum);
        }
      }
      if (fileBytes != expected) {
        problem =
            "the file has %d bytes, a payload of %d takes %d"
                .formatted(fileBytes, block.payloadLength(), expected);
      }
      return new ChunkInspection(fileBytes, fields, block, "", false, sum, problem, name);
    }
  }

  private static String withoutQuarantineMark(String name) {
    int mark = name.lastIndexOf(Quarantine.MARK);
    return mark < 0 ? name : name.substring(0, mark);
  }

  private static int payloadCrc(FileChannel channel, long length) throws IOException {
    CRC32C sum = new CRC32C();
    ByteBuffer piece = ByteBuffer.allocate((int) Math.min(READ_BYTES, Math.max(1, length)));
    for (long done = 0; done < length; ) {
      piece.clear().limit((int) Math.min(piece.capacity(), length - done));
      readFully(channel, piece, ChunkFormat.BLOCK_BYTES + done);
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
