package io.weft.base;

/**
 * Which file or slot on the device: the key, the generation that tells this value from every other
 * of the key, the expiry time that the device keeps with it, and where it lies.
 *
 * @param location {@link #FILE}, or the slot: segment and place as {@link #slot} packs them
 */
public record ChunkAddress(ChunkKey key, long generation, long expiresAtMillis, long location) {
  /** The chunk has a file of its own, which key, generation and expiry time name. */
  public static final long FILE = 0;

  private static final int PLACE_BITS = 24;

  /** Places of a segment are below this. */
  public static final int PLACES_MAX = 1 << PLACE_BITS;

  /** The address of a chunk with a file of its own. */
  public ChunkAddress(ChunkKey key, long generation, long expiresAtMillis) {
    this(key, generation, expiresAtMillis, FILE);
  }

  /** The location of a slot: place {@code place}, from 0, of segment {@code segment}, from 0. */
  public static long slot(int segment, int place) {
    return (segment + 1L) << PLACE_BITS | place;
  }

  /** The segment of a slot's location. */
  public static int segmentOf(long location) {
    return (int) (location >>> PLACE_BITS) - 1;
  }

  /** The place of a slot in its segment. */
  public static int placeOf(long location) {
    return (int) location & (PLACES_MAX - 1);
  }
}
