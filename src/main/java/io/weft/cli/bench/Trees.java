package io.weft.cli.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** What contenders do to their directories. */
public final class Trees {
  private Trees() {}

  /** Removes everything in the directory; it stays. */
  public static void clear(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) {
      return;
    }
    try (Stream<Path> files = Files.walk(directory)) {
      List<Path> childrenFirst = files.sorted(Comparator.reverseOrder()).toList();
      for (Path file : childrenFirst) {
        if (!file.equals(directory)) {
          Files.deleteIfExists(file);
        }
      }
    }
  }

  /** Removes the directory and everything in it. */
  public static void delete(Path directory) throws IOException {
    clear(directory);
    Files.deleteIfExists(directory);
  }
}
