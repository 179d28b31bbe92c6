package io.weft.device;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

/** On whatever filesystem the temporary directory is: runs everywhere, without privileges. */
class SlabLayoutOnDirectoryTest extends SlabLayoutContract {
  @TempDir Path folder;

  @Override
  Path emptyDirectory() throws IOException {
    return Files.createTempDirectory(folder, "store");
  }
}
