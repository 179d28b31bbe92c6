package io.weft.device;

import io.weft.base.DeviceException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Moves payload bytes between a caller's memory and a file. Whole blocks go straight to or from
 * memory that the file takes in place; the rest (an odd tail, memory on the heap or misaligned)
 * goes through the scratch's bounce area. Files hold whole blocks: the last one is padded with
 * zeros.
 */
final class PayloadIo {
  private PayloadIo() {}

  /** Writes a piece at this offset of the file; returns its checksum. */
  static int write(DataFile file, long offset, MemorySegment piece, IoScratch scratch)
      throws DeviceException {
    if (file.takesInPlace(piece)) {
      int sum = Crc32c.of(piece);
      IoVector vector = Posix.vector();
      addInPlace(vector, piece, scratch);
      file.write(vector, offset, piece);
      return sum;
    }
    long step = scratch.bounce().byteSize();
    int sum = 0;
    for (long done = 0; done < piece.byteSize(); done += step) {
      long length = Math.min(step, piece.byteSize() - done);
      MemorySegment bounced = bounce(piece.asSlice(done, length), scratch);
      sum = Crc32cCombine.combine(sum, Crc32c.of(bounced.asSlice(0, length)), length);
      IoVector vector = Posix.vector();
      vector.add(bounced);
      file.write(vector, offset + done, bounced);
    }
    return sum;
  }

  /** Whether {@link #writeWhole} can write this payload. */
  static boolean fitsOneWrite(DataFile file, MemorySegment payload, IoScratch scratch) {
    return file.takesInPlace(payload) || payload.byteSize() <= scratch.bounce().byteSize();
  }

  /** Makes the self-describing block for a payload with this checksum. */
  @FunctionalInterface
  interface BlockMaker {
    void encode(int payloadSum, MemorySegment target);
  }

  /** Writes block and payload, the whole chunk, in one call. */
  static void writeWhole(
      DataFile file, long offset, BlockMaker block, MemorySegment payload, IoScratch scratch)
      throws DeviceException {
    IoVector vector = Posix.vector();
    fillWhole(vector, file, block, payload, scratch);
    file.write(vector, offset, payload.isNative() ? payload : scratch.bounce());
  }

  /** Makes the block, and names the memory of block and payload for a write. */
  static void fillWhole(
      IoVector vector, DataFile file, BlockMaker block, MemorySegment payload, IoScratch scratch) {
    vector.add(scratch.block());
    if (file.takesInPlace(payload)) {
      block.encode(Crc32c.of(payload), scratch.block());
      addInPlace(vector, payload, scratch);
    } else {
      MemorySegment bounced = bounce(payload, scratch);
      block.encode(Crc32c.of(bounced.asSlice(0, payload.byteSize())), scratch.block());
      vector.add(bounced);
    }
  }

  /**
   * Prepares the write of a piece at this offset of the file, whose use the caller has entered: it
   * ends with the transfer, or here where there is none.
   *
   * @return null where the file does not take the memory in place
   */
  static @Nullable PreparedIo prepareWrite(
      DataFile file,
      long offset,
      MemorySegment piece,
      IoScratch scratch,
      long payloadOffset,
      PieceSums sums,
      UseCount uses) {
    boolean prepared = false;
    try {
      if (piece.byteSize() == 0 || !file.takesInPlace(piece)) {
        return null;
      }
      int sum = Crc32c.of(piece);
      IoVector vector = scratch.vector();
      addInPlace(vector, piece, scratch);
      prepared = true;
      return new PreparedTransfer(
          file,
          true,
          vector,
          offset,
          piece,
          () -> sums.add(payloadOffset, piece.byteSize(), sum),
          uses::exit);
    } finally {
      if (!prepared) {
        uses.exit();
      }
    }
  }

  /** Reads so many bytes from this offset on, for their checksum alone. */
  static int sum(DataFile file, long offset, long length, IoScratch scratch, UseCount uses)
      throws DeviceException {
    long step = scratch.bounce().byteSize();
    int sum = 0;
    for (long done = 0; done < length; done += step) {
      if (uses.isClosed()) {
        throw Layout.closed("verify", file.path());
      }
      long bytes = Math.min(step, length - done);
      MemorySegment piece = scratch.bounce().asSlice(0, ChunkFormat.roundUp(bytes));
      IoVector vector = Posix.vector();
      vector.add(piece);
      file.read(vector, offset + done, piece);
      sum = Crc32cCombine.combine(sum, Crc32c.of(piece.asSlice(0, bytes)), bytes);
    }
    return sum;
  }

  /**
   * Reads a piece from this offset of the file; returns its checksum.
   *
   * @param spareBytes how many bytes after the piece may be overwritten
   */
  static int read(
      DataFile file, long offset, MemorySegment piece, long spareBytes, IoScratch scratch)
      throws DeviceException {
    if (file.takesInPlace(piece)) {
      IoVector vector = Posix.vector();
      long tail = addTarget(vector, file, piece, spareBytes, scratch);
      file.read(vector, offset, piece);
      finishTail(piece, tail, scratch);
      return Crc32c.of(piece);
    }
    long step = scratch.bounce().byteSize();
    int sum = 0;
    for (long done = 0; done < piece.byteSize(); done += step) {
      long length = Math.min(step, piece.byteSize() - done);
      MemorySegment bounced = scratch.bounce().asSlice(0, ChunkFormat.roundUp(length));
      IoVector vector = Posix.vector();
      vector.add(bounced);
      file.read(vector, offset + done, bounced);
      MemorySegment read = bounced.asSlice(0, length);
      sum = Crc32cCombine.combine(sum, Crc32c.of(read), length);
      MemorySegment.copy(read, 0, piece, done, length);
    }
    return sum;
  }

  /**
   * Reads the block into the scratch and the payload into {@code target}, in one call where the
   * memory allows; returns the payload's checksum.
   */
  static int readWhole(
      DataFile file, long offset, MemorySegment target, long spareBytes, IoScratch scratch)
      throws DeviceException {
    IoVector vector = Posix.vector();
    vector.add(scratch.block());
    if (file.takesInPlace(target)) {
      long tail = addTarget(vector, file, target, spareBytes, scratch);
      file.read(vector, offset, target);
      finishTail(target, tail, scratch);
      return Crc32c.of(target);
    }
    long length = target.byteSize();
    if (length <= scratch.bounce().byteSize()) {
      MemorySegment bounced = scratch.bounce().asSlice(0, ChunkFormat.roundUp(length));
      vector.add(bounced);
      file.read(vector, offset, bounced);
      MemorySegment read = bounced.asSlice(0, length);
      MemorySegment.copy(read, 0, target, 0, length);
      return Crc32c.of(read);
    }
    file.read(vector, offset, scratch.block());
    return read(file, offset + ChunkFormat.BLOCK_BYTES, target, spareBytes, scratch);
  }

  private static void addInPlace(IoVector vector, MemorySegment piece, IoScratch scratch) {
    long whole = piece.byteSize() & -ChunkFormat.BLOCK_BYTES;
    vector.add(piece.address(), whole);
    if (whole < piece.byteSize()) {
      vector.add(bounce(piece.asSlice(whole), scratch));
    }
  }

  /** Names the memory for a read; returns how many bytes of it will stand in the bounce area. */
  static long addTarget(
      IoVector vector, DataFile file, MemorySegment target, long spareBytes, IoScratch scratch) {
    long length = target.byteSize();
    long padded = ChunkFormat.roundUp(length);
    if (!file.isDirect()) {
      vector.add(target);
      return 0;
    }
    if (length + spareBytes >= padded) {
      vector.add(target.address(), padded);
      return 0;
    }
    long whole = length & -ChunkFormat.BLOCK_BYTES;
    vector.add(target.address(), whole);
    vector.add(scratch.bounce().address(), padded - whole);
    return length - whole;
  }

  static void finishTail(MemorySegment target, long tail, IoScratch scratch) {
    MemorySegment.copy(scratch.bounce(), 0, target, target.byteSize() - tail, tail);
  }

  /** The bytes in the bounce area, padded to whole blocks with zeros. */
  private static MemorySegment bounce(MemorySegment bytes, IoScratch scratch) {
    long length = bytes.byteSize();
    MemorySegment bounced = scratch.bounce().asSlice(0, ChunkFormat.roundUp(length));
    MemorySegment.copy(bytes, 0, bounced, 0, length);
    bounced.asSlice(length).fill((byte) 0);
    return bounced;
  }
}
