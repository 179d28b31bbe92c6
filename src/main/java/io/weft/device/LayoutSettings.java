package io.weft.device;

import io.weft.base.Durability;
import java.nio.file.Path;

/**
 * How a store's directory is opened.
 *
 * @param root the directory of the store: there already, and the store's alone
 * @param expectedDevice {@code major:minor} of the filesystem that the directory must be on,
 *     checked before anything is written; empty for any
 * @param kind which layout the store has, or gets where the directory is empty
 */
public record LayoutSettings(
    Path root, DirectIo direct, Durability durability, String expectedDevice, Kind kind) {

  /** A layout, with what is its own. */
  public sealed interface Kind {}

  /** Every chunk has a file of its own. */
  public record Files() implements Kind {}

  /**
   * Chunks lie in slots of preallocated segment files.
   *
   * @param segmentBytes what a segment takes; a multiple of 1 MiB
   * @param prewrite whether a new segment is written once before it is used
   */
  public record Slabs(long segmentBytes, boolean prewrite) implements Kind {}

  /** Whatever the store that is there has; files where the directory is empty. */
  public record AsFound() implements Kind {}

  /** Files, on whatever filesystem the directory is. */
  public LayoutSettings(Path root, DirectIo direct, Durability durability) {
    this(root, direct, durability, "", new Files());
  }
}
