package io.weft.cli.bench;

import java.nio.file.Path;

/**
 * What a contender is to hold.
 *
 * @param directory the contender's own, there and empty
 * @param chunkBytes the payload of each chunk, a multiple of 4 KiB
 * @param chunks how many chunks a round stores
 * @param bounded whether there is room for {@code chunks} and no more, so that each further store
 *     makes an old chunk go
 */
public record Space(Path directory, int chunkBytes, int chunks, boolean bounded) {
  /** What describes a chunk on the device, and the unit of direct I/O. */
  public static final int BLOCK_BYTES = 4096;

  private static final int NUMBERS_MIN = 1 << 16;

  public Space {
    if (chunkBytes < BLOCK_BYTES || chunkBytes % BLOCK_BYTES != 0) {
      throw new IllegalArgumentException(
          "a chunk of the bench is a multiple of 4 KiB, not " + chunkBytes + " bytes");
    }
  }

  /** Payload and self-describing block: the bytes that Weft moves for a chunk. */
  public int physicalBytes() {
    return chunkBytes + BLOCK_BYTES;
  }

  /** How many chunks are there at the same time at the most. */
  public int places() {
    return bounded ? chunks : 2 * chunks;
  }

  /** Numbers of chunks are below this. */
  public int numbers() {
    return bounded ? numbersComingAgain(chunks) : 2 * chunks;
  }

  /**
   * How many numbers there are where room is bounded to {@code chunks}. They come again, long after
   * the chunk that had the number is gone, also where the device keeps one store for long while
   * others go on.
   */
  static int numbersComingAgain(int chunks) {
    return Math.max(4 * chunks, NUMBERS_MIN);
  }
}
