package io.weft.device;

import io.weft.base.DeviceException;
import java.lang.foreign.MemorySegment;

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

  /** Writes block and payload, the whole file, in one call. */
  static void writeWhole(DataFile file, BlockMaker block, MemorySegment payload, IoScratch scratch)
      throws DeviceException {
    if (file.takesInPlace(payload)) {
      block.encode(Crc32c.of(payload), scratch.block());
      IoVector vector = Posix.vector();
      vector.add(scratch.block());
      addInPlace(vector, payload, scratch);
      file.write(vector, 0, payload);
    } else {
      MemorySegment bounced = bounce(payload, scratch);
      block.encode(Crc32c.of(bounced.asSlice(0, payload.byteSize())), scratch.block());
      IoVector vector = Posix.vector();
      vector.add(scratch.block());
      vector.add(bounced);
      file.write(vector, 0, bounced);
    }
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
  static int readWhole(DataFile file, MemorySegment target, long spareBytes, IoScratch scratch)
      throws DeviceException {
    IoVector vector = Posix.vector();
    vector.add(scratch.block());
    if (file.takesInPlace(target)) {
      long tail = addTarget(vector, file, target, spareBytes, scratch);
      file.read(vector, 0, target);
      finishTail(target, tail, scratch);
      return Crc32c.of(target);
    }
    long length = target.byteSize();
    if (length <= scratch.bounce().byteSize()) {
      MemorySegment bounced = scratch.bounce().asSlice(0, ChunkFormat.roundUp(length));
      vector.add(bounced);
      file.read(vector, 0, bounced);
      MemorySegment read = bounced.asSlice(0, length);
      MemorySegment.copy(read, 0, target, 0, length);
      return Crc32c.of(read);
    }
    file.read(vector, 0, scratch.block());
    return read(file, ChunkFormat.BLOCK_BYTES, target, spareBytes, scratch);
  }

  private static void addInPlace(IoVector vector, MemorySegment piece, IoScratch scratch) {
    long whole = piece.byteSize() & -ChunkFormat.BLOCK_BYTES;
    vector.add(piece.address(), whole);
    if (whole < piece.byteSize()) {
      vector.add(bounce(piece.asSlice(whole), scratch));
    }
  }

  /** Names the memory for a read; returns how many bytes of it will stand in the bounce area. */
  private static long addTarget(
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

  private static void finishTail(MemorySegment target, long tail, IoScratch scratch) {
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
