package io.weft.cli.bench;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Objects;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The limit: bare threads that read and write one file past the page cache, in place. All its space
 * was allocated and written before. An operation moves what Weft moves: a chunk and its block.
 */
final class LimitContender extends ThreadedContender {
  private final boolean checksums;
  private @Nullable Space space;
  private @Nullable Path file;

  /**
   * @param checksums whether the CRC32C of each payload is computed, as Weft does
   */
  LimitContender(boolean checksums) {
    this.checksums = checksums;
  }

  @Override
  public String name() {
    return checksums ? "limit+crc" : "limit";
  }

  @Override
  public boolean runs(Workload workload, int chunkBytes) {
    return checksums
        ? chunkBytes == Bars.CPU_CHUNK_BYTES
            && (workload == Workload.STORE || workload == Workload.LOAD)
        : workload.scripted();
  }

  @Override
  public List<Integer> depths() {
    return List.of(4, 8, 16, 32, 64);
  }

  @Override
  public void prepare(Space wanted) throws IOException {
    space = wanted;
    Path path = wanted.directory().resolve("space");
    file = path;
    try (FileChannel channel =
            DirectFile.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        Arena arena = Arena.ofConfined()) {
      Slot slot = Slot.allocate(arena, wanted.chunkBytes());
      new Content(arena, wanted.chunkBytes()).fill(slot.payload());
      for (int place = 0; place < wanted.places(); place++) {
        DirectFile.write(channel, slot.buffer(), (long) place * wanted.physicalBytes());
      }
      channel.force(true);
    }
  }

  @Override
  public void empty() {}

  @Override
  protected ChunkClient client() throws IOException {
    FileChannel channel =
        DirectFile.open(
            Objects.requireNonNull(file), StandardOpenOption.READ, StandardOpenOption.WRITE);
    return new InPlace(channel, Objects.requireNonNull(space), checksums ? new CRC32C() : null);
  }

  private record InPlace(FileChannel channel, Space space, @Nullable CRC32C checksum)
      implements ChunkClient {
    @Override
    public void store(int chunk, Slot slot) throws IOException {
      sum(slot);
      DirectFile.write(channel, slot.buffer(), at(chunk));
    }

    @Override
    public void load(int chunk, Slot slot) throws IOException {
      DirectFile.read(channel, slot.buffer(), at(chunk));
      sum(slot);
    }

    private long at(int chunk) {
      return (long) (chunk % space.places()) * space.physicalBytes();
    }

    private void sum(Slot slot) {
      if (checksum != null) {
        checksum.reset();
        checksum.update(slot.payloadBuffer().clear());
        // Kept in the block, so that no compiler may leave it out.
        slot.buffer().putInt(space.chunkBytes(), (int) checksum.getValue());
      }
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }

  @Override
  public void close() throws IOException {
    closeClients();
    if (file != null) {
      Files.deleteIfExists(file);
    }
  }
}
