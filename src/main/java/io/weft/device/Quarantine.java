package io.weft.device;

import io.weft.base.DeviceException;
import io.weft.base.Ticker;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The directory that chunk files go to when their bytes are not what they should be: {@code <file
 * name, cut to fit>!<time, hex ms>-<unique>}. Only files with such a name are ever removed from it.
 */
final class Quarantine {
  static final char MARK = '!';

  private static final long COPY_BYTES = 1 << 20;

  private final Directory directory;
  private final String nonce;
  private final Ticker ticker;
  private final AtomicLong count = new AtomicLong();

  private record Kept(String name, long sinceMillis, long physicalBytes) {}

  Quarantine(Directory directory, String nonce, Ticker ticker) {
    this.directory = directory;
    this.nonce = nonce;
    this.ticker = ticker;
  }

  /**
   * Moves a file here. Where the filesystem has no room for the name, the file is removed: it could
   * never be served again, and a full filesystem needs the room.
   *
   * @return what it goes on taking; 0 where it was gone, or is now
   */
  long take(Directory from, String name) throws DeviceException {
    String kept = keptName(name);
    try {
      from.rename(name, directory, kept);
    } catch (DeviceException failure) {
      if (failure.kind() == DeviceException.Kind.NO_SPACE) {
        from.unlink(name);
      } else if (failure.kind() != DeviceException.Kind.NOT_FOUND) {
        throw failure;
      }
      return 0;
    }
    return directory.physicalBytes(kept);
  }

  /**
   * Copies a part of a file here. Where there is no room, or its bytes cannot be read, there is no
   * copy.
   *
   * @param name what the copy is called, before the mark
   * @return what the copy takes
   */
  long copy(DataFile from, long offset, long length, String name) throws DeviceException {
    String kept = keptName(name);
    DataFile file = null;
    boolean copied = false;
    try (Arena arena = Arena.ofConfined()) {
      file = directory.create(kept, from.isDirect());
      long step = Math.min(length, COPY_BYTES);
      MemorySegment memory = arena.allocate(step, IoScratch.ALIGNMENT);
      for (long done = 0; done < length; done += step) {
        MemorySegment piece = memory.asSlice(0, Math.min(step, length - done));
        IoVector vector = Posix.vector();
        vector.add(piece);
        from.read(vector, offset + done, piece);
        vector = Posix.vector();
        vector.add(piece);
        file.write(vector, done, piece);
      }
      copied = true;
    } catch (DeviceException failure) {
      boolean noCopy =
          switch (failure.kind()) {
            case NO_SPACE, IO_ERROR, SHORT_TRANSFER -> true;
            default -> false;
          };
      if (!noCopy) {
        throw failure;
      }
      return 0;
    } finally {
      if (file != null) {
        file.close();
        if (!copied) {
          Posix.unlinkat(directory.fd(), kept, 0);
        }
      }
    }
    return directory.physicalBytes(kept);
  }

  /** The name cut to fit, with the mark, the time, and what makes it unique. */
  private String keptName(String name) {
    String suffix =
        MARK
            + Long.toHexString(ticker.epochMillis())
            + "-"
            + nonce
            + "-"
            + Long.toHexString(count.getAndIncrement());
    int room = ChunkName.MAX_NAME_BYTES - suffix.length();
    return (name.length() > room ? name.substring(0, room) : name) + suffix;
  }

  /** Removes the oldest files until at most this much is left; returns what is left. */
  long prune(long keepBytes) throws DeviceException {
    List<Kept> files = new ArrayList<>();
    long total = 0;
    for (Directory.Entry entry : directory.list()) {
      Long since = since(entry.name());
      if (since != null && entry.type() != Directory.Type.DIRECTORY) {
        Kept file = new Kept(entry.name(), since, directory.physicalBytes(entry.name()));
        total += file.physicalBytes;
        files.add(file);
      }
    }
    files.sort(Comparator.comparingLong(Kept::sinceMillis).thenComparing(Kept::name));
    for (Kept file : files) {
      if (total <= keepBytes) {
        break;
      }
      directory.unlink(file.name);
      total -= file.physicalBytes;
    }
    return total;
  }

  /** When the file came here; null where the name is not one that {@link #take} gives. */
  private static @Nullable Long since(String name) {
    int mark = name.lastIndexOf(MARK);
    int end = name.indexOf('-', mark + 1);
    if (mark < 0 || end < 0) {
      return null;
    }
    try {
      return Long.parseLong(name, mark + 1, end, 16);
    } catch (NumberFormatException notOurs) {
      return null;
    }
  }
}
