package io.weft.cli.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/** Files past the page cache, with what the JDK has. */
final class DirectFile {
  /** The JDK's O_DIRECT, looked up by name: it is there, and javac warns of it. */
  private static final OpenOption DIRECT = direct();

  private DirectFile() {}

  private static OpenOption direct() {
    try {
      for (Object each : Class.forName("com.sun.nio.file.ExtendedOpenOption").getEnumConstants()) {
        if (each.toString().equals("DIRECT") && each instanceof OpenOption option) {
          return option;
        }
      }
    } catch (ClassNotFoundException missing) {
      throw new IllegalStateException("this JDK has no direct I/O", missing);
    }
    throw new IllegalStateException("this JDK has no direct I/O");
  }

  static FileChannel open(Path file, OpenOption... options) throws IOException {
    Set<OpenOption> all = new HashSet<>(Arrays.asList(options));
    all.add(DIRECT);
    return FileChannel.open(file, all);
  }

  /** Writes the whole buffer there; its position comes back to 0. */
  static void write(FileChannel file, ByteBuffer buffer, long at) throws IOException {
    buffer.clear();
    while (buffer.hasRemaining()) {
      file.write(buffer, at + buffer.position());
    }
    buffer.clear();
  }

  /** Fills the whole buffer from there; its position comes back to 0. */
  static void read(FileChannel file, ByteBuffer buffer, long at) throws IOException {
    buffer.clear();
    while (buffer.hasRemaining()) {
      if (file.read(buffer, at + buffer.position()) < 0) {
        throw new IOException("the file ends before the chunk does");
      }
    }
    buffer.clear();
  }
}
