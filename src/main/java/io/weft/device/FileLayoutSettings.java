package io.weft.device;

import io.weft.base.Durability;
import java.nio.file.Path;

/**
 * How a file layout is opened.
 *
 * @param root the directory of the store: there already, and the store's alone
 * @param expectedDevice {@code major:minor} of the filesystem that the directory must be on,
 *     checked before anything is written; empty for any
 */
public record FileLayoutSettings(
    Path root, DirectIo direct, Durability durability, String expectedDevice) {

  /** On whatever filesystem the directory is. */
  public FileLayoutSettings(Path root, DirectIo direct, Durability durability) {
    this(root, direct, durability, "");
  }
}
