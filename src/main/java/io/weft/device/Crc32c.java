package io.weft.device;

import java.lang.foreign.MemorySegment;
import java.util.zip.CRC32C;

/** The checksum of everything on the device. */
final class Crc32c {
  private Crc32c() {}

  /** The sum of native memory, or of a byte array's. */
  static int of(MemorySegment memory) {
    CRC32C sum = new CRC32C();
    sum.update(memory.asByteBuffer());
    return (int) sum.getValue();
  }

  static int of(byte[] bytes, int offset, int length) {
    CRC32C sum = new CRC32C();
    sum.update(bytes, offset, length);
    return (int) sum.getValue();
  }
}
