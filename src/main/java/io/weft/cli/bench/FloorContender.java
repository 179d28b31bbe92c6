package io.weft.cli.bench;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The floor of a layout of one file a chunk: bare threads that create, write and rename; open, read
 * and close; and, where room is bounded, remove an old file for each new one. Directories are made
 * when first needed, in two levels of 64, as the file layout's.
 */
final class FloorContender extends ThreadedContender {
  private static final int LEVEL_BITS = 6;

  private @Nullable Space space;
  private List<Path> leaves = List.of();

  @Override
  public String name() {
    return "floor";
  }

  @Override
  public boolean runs(Workload workload, int chunkBytes) {
    return workload.scripted();
  }

  @Override
  public List<Integer> depths() {
    return List.of(4, 8, 16, 32, 64);
  }

  @Override
  public void prepare(Space wanted) {
    space = wanted;
    leaves =
        IntStream.range(0, 1 << (2 * LEVEL_BITS))
            .mapToObj(
                leaf ->
                    wanted
                        .directory()
                        .resolve("%02x".formatted(leaf >> LEVEL_BITS))
                        .resolve("%02x".formatted(leaf & ((1 << LEVEL_BITS) - 1))))
            .toList();
  }

  @Override
  public void empty() throws IOException {
    Trees.clear(Objects.requireNonNull(space).directory());
  }

  @Override
  protected ChunkClient client() {
    return new OneFileEach(Objects.requireNonNull(space), leaves);
  }

  private record OneFileEach(Space space, List<Path> leaves) implements ChunkClient {
    @Override
    public void store(int chunk, Slot slot) throws IOException {
      Path directory = directory(chunk);
      Path staging = directory.resolve("%staging-" + chunk);
      try (FileChannel channel = create(directory, staging)) {
        DirectFile.write(channel, slot.buffer(), 0);
      }
      Files.move(staging, directory.resolve(name(chunk)), StandardCopyOption.ATOMIC_MOVE);
      if (space.bounded()) {
        int old = (chunk - space.chunks() + space.numbers()) % space.numbers();
        // The first ones have no old one; a thread that stores it may be late: then it stays.
        Files.deleteIfExists(directory(old).resolve(name(old)));
      }
    }

    private static FileChannel create(Path directory, Path staging) throws IOException {
      try {
        return DirectFile.open(staging, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
      } catch (NoSuchFileException firstHere) {
        Files.createDirectories(directory);
        return DirectFile.open(staging, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
      }
    }

    @Override
    public void load(int chunk, Slot slot) throws IOException {
      try (FileChannel channel =
          DirectFile.open(directory(chunk).resolve(name(chunk)), StandardOpenOption.READ)) {
        DirectFile.read(channel, slot.buffer(), 0);
      }
    }

    private Path directory(int chunk) {
      return leaves.get((chunk * 0x9E3779B9) >>> (Integer.SIZE - 2 * LEVEL_BITS));
    }

    private static String name(int chunk) {
      return "weft-bench-" + chunk + "~1";
    }

    @Override
    public void close() {}
  }

  @Override
  public void close() throws IOException {
    closeClients();
    if (space != null) {
      Trees.clear(space.directory());
    }
  }
}
