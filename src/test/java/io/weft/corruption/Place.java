package io.weft.corruption;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Where a chunk's bytes lie: its self-describing block, then its payload and padding. What is
 * written here need not be synced: the kernel writes it back before direct I/O reads it.
 *
 * @param from where they begin in the file
 */
record Place(Path file, long from, int length) {

  byte[] read() throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      ByteBuffer bytes = ByteBuffer.allocate(length);
      while (bytes.hasRemaining() && channel.read(bytes, from + bytes.position()) >= 0) {}
      return bytes.array();
    }
  }

  void write(byte[] bytes) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      ByteBuffer rest = ByteBuffer.wrap(bytes);
      while (rest.hasRemaining()) {
        channel.write(rest, from + rest.position());
      }
    }
  }

  void resize(long bytes) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      if (bytes < channel.size()) {
        channel.truncate(bytes);
      } else {
        channel.write(ByteBuffer.allocate(Math.toIntExact(bytes - channel.size())), channel.size());
      }
    }
  }
}
