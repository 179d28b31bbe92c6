package io.weft.nvmeof;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * What device mapper's log-writes recorded: every write, in the order in which it became durable (a
 * write that was not flushed stands after the next flush, or nowhere), and marks between them.
 * Replayed up to a mark, a disk is what a power cut at that moment leaves at least.
 *
 * <p>The log begins with a sector that holds magic, version, number of entries and sector size. An
 * entry is a sector: where, how many sectors, flags, length of a mark's text, and the text; a
 * write's data follows in sectors of its own.
 */
final class WriteLog implements AutoCloseable {
  private static final long MAGIC = 0x6a736677736872L;
  private static final int ENTRY_BYTES = 32;
  private static final long DISCARD = 1 << 2;
  private static final long MARK = 1 << 3;

  private final FileChannel log;
  private final FileChannel disk;
  private final long entries;
  private final int sectorBytes;
  private long position;
  private long entry;

  /**
   * @param log the log
   * @param disk the image that is written to, as long as the disk was
   */
  WriteLog(Path log, Path disk, long diskBytes) throws IOException {
    this.log = FileChannel.open(log);
    this.disk = FileChannel.open(disk, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    this.disk.write(ByteBuffer.allocate(1), diskBytes - 1);
    ByteBuffer head = read(0, ENTRY_BYTES);
    if (head.getLong() != MAGIC) {
      throw new IOException(log + " is no log of writes");
    }
    long version = head.getLong();
    if (version != 1) {
      throw new IOException("version " + version);
    }
    this.entries = head.getLong();
    this.sectorBytes = head.getInt();
    this.position = sectorBytes;
  }

  /** Replays on, up to and including the mark. Returns how many writes that were. */
  int replayTo(String mark) throws IOException {
    int writes = 0;
    while (entry < entries) {
      entry++;
      ByteBuffer head = read(position, sectorBytes);
      long sector = head.getLong();
      long sectors = head.getLong();
      long flags = head.getLong();
      long textBytes = head.getLong();
      position += sectorBytes;
      if ((flags & MARK) != 0) {
        byte[] text = new byte[(int) textBytes];
        head.get(text);
        if (new String(text, StandardCharsets.UTF_8).replace("\0", "").equals(mark)) {
          return writes;
        }
      } else if ((flags & DISCARD) == 0 && sectors > 0) {
        disk.write(read(position, (int) (sectors * sectorBytes)), sector * sectorBytes);
        position += sectors * sectorBytes;
        writes++;
      }
    }
    throw new IOException("no mark " + mark + " in " + entries + " entries");
  }

  private ByteBuffer read(long at, int bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    while (buffer.hasRemaining()) {
      if (log.read(buffer, at + buffer.position()) < 0) {
        throw new IOException("the log ends at " + (at + buffer.position()));
      }
    }
    return buffer.flip();
  }

  @Override
  public void close() throws IOException {
    log.close();
    disk.close();
  }
}
