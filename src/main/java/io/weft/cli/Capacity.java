package io.weft.cli;

import io.weft.base.ByteSize;
import io.weft.device.ChunkFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A capacity as the command line takes it: a size, or a number of chunks of the size at hand.
 *
 * @param amount bytes or chunks
 */
record Capacity(long amount, boolean inChunks) {
  private static final Pattern CHUNKS = Pattern.compile("\\s*([0-9]{1,12})\\s*chunks?\\s*");

  /** The largest unit by which filesystems round files up; beyond, it is no unit of allocation. */
  private static final long UNIT_MAX = 64 << 10;

  /** Reads {@code 512MiB} or {@code 18279chunks}. */
  static Capacity parse(String text) {
    Matcher chunks = CHUNKS.matcher(text.toLowerCase(Locale.ROOT));
    if (chunks.matches()) {
      long count = Long.parseLong(chunks.group(1));
      if (count < 1) {
        throw new IllegalArgumentException("a store holds at least 1 chunk");
      }
      return new Capacity(count, true);
    }
    try {
      return new Capacity(ByteSize.parse(text).bytes(), false);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          e.getMessage() + ", or a number of chunks, as in 18279chunks", e);
    }
  }

  /**
   * In bytes on the device.
   *
   * @param directory there, on the filesystem in question
   */
  long bytes(long chunkBytes, Path directory) throws IOException {
    return inChunks ? Math.multiplyExact(amount, physicalBytes(chunkBytes, directory)) : amount;
  }

  /** What a chunk takes there, as the filesystem rounds files up. */
  static long physicalBytes(long chunkBytes, Path directory) throws IOException {
    long unit = Files.getFileStore(directory).getBlockSize();
    boolean rounds = Long.bitCount(unit) == 1 && unit <= UNIT_MAX;
    long file = ChunkFormat.fileBytes(chunkBytes);
    return rounds ? (file + unit - 1) & -unit : file;
  }
}
