package io.weft.testing;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Assumptions;

/**
 * A real filesystem of its own: a sparse file, formatted and mounted over a loop device. Tests that
 * use it carry the tag {@code root}; where mounting cannot be done they are skipped with the
 * reason.
 */
public final class LoopMount implements AutoCloseable {
  private final Path work;
  private final Path directory;

  /** What a second mount of the same filesystem needs. */
  private final String options;

  private LoopMount(Path work, Path directory, String options) {
    this.work = work;
    this.directory = directory;
    this.options = options;
  }

  /** A fresh ext4 of this size; further arguments go to mkfs. */
  public static LoopMount ext4(long bytes, String... mkfs) {
    return mount(bytes, "mkfs.ext4", List.of("-q", "-F", "-m", "0"), mkfs);
  }

  /** A fresh XFS of this size, 300 MiB at least; further arguments go to mkfs. */
  public static LoopMount xfs(long bytes, String... mkfs) {
    return mount(bytes, "mkfs.xfs", List.of("-q", "-f"), mkfs);
  }

  /** Where it is mounted: an empty directory, but for what mkfs leaves there. */
  public Path directory() {
    return directory;
  }

  /**
   * What a power cut at this moment would leave: a copy of the bytes that have reached the device,
   * mounted as its own filesystem.
   */
  public LoopMount afterPowerCut() {
    try {
      Path copy = Files.createTempDirectory("weft-loop");
      run(List.of("cp", "--sparse=always", work.resolve("image").toString(), copy + "/image"));
      return mountImage(copy, options.isEmpty() ? "loop" : "loop," + options);
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  public void remountReadOnly() {
    run(List.of("mount", "-o", "remount,ro", directory.toString()));
  }

  public void remountReadWrite() {
    run(List.of("mount", "-o", "remount,rw", directory.toString()));
  }

  /** Unmounts from the tree at once, as a vanished mount; what is open goes on living. */
  public void detach() {
    run(List.of("umount", "--lazy", directory.toString()));
  }

  /**
   * Leaves the bare mount point; {@link #mountAgain} brings the filesystem back. A closed store's
   * last probe may still be in the kernel for a moment.
   */
  public void unmount() {
    Awaitility.await()
        .atMost(10, TimeUnit.SECONDS)
        .pollInterval(10, TimeUnit.MILLISECONDS)
        .ignoreExceptions()
        .untilAsserted(() -> run(List.of("umount", directory.toString())));
  }

  public void mountAgain() {
    mountAt(directory);
  }

  /** Mounts this filesystem at the mount point of another one, over whatever is there. */
  public void mountAt(Path mountPoint) {
    run(List.of("mount", "-o", "loop", work.resolve("image").toString(), mountPoint.toString()));
  }

  /**
   * Has the kernel meet an error of this ext4. Where it was made with {@code -e remount-ro},
   * nothing is written from then on.
   */
  public void failAsExt4() {
    try {
      String device = Files.getFileStore(directory).name();
      Path trigger = Path.of("/sys/fs/ext4", Path.of(device).getFileName().toString());
      Files.writeString(trigger.resolve("trigger_fs_error"), "a test");
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  /** Holds every write that is under way, and every later one, in the kernel. */
  public void freeze() {
    run(List.of("fsfreeze", "--freeze", directory.toString()));
  }

  public void thaw() {
    run(List.of("fsfreeze", "--unfreeze", directory.toString()));
  }

  /**
   * Mends the unmounted ext4, once nothing holds it any more: what was open when it was detached
   * keeps it alive.
   */
  public void check() {
    String image = work.resolve("image").toString();
    Awaitility.await()
        .atMost(90, TimeUnit.SECONDS)
        .pollInterval(20, TimeUnit.MILLISECONDS)
        .until(() -> run(List.of("losetup", "--associated", image)).isEmpty());
    // Exit code 1: it mended something. What -p leaves to a person, a person would say yes to.
    run(List.of("sh", "-c", "e2fsck -y \"$0\" || test $? = 1", image));
  }

  @Override
  public void close() {
    if (isMounted()) {
      unmount();
    }
    try (Stream<Path> files = Files.walk(work)) {
      for (Path file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  public boolean isMounted() {
    try (Stream<String> mounts = Files.lines(Path.of("/proc/self/mounts"))) {
      return mounts.anyMatch(line -> line.split(" ", 3)[1].equals(directory.toString()));
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  private static LoopMount mount(long bytes, String mkfs, List<String> first, String... more) {
    Assumptions.assumeTrue(
        System.getProperty("user.name").equals("root"), "mounting a filesystem needs root");
    Assumptions.assumeTrue(onPath(mkfs), () -> "there is no " + mkfs);
    Assumptions.assumeTrue(Files.exists(Path.of("/dev/loop-control")), "there is no loop device");
    try {
      Path work = Files.createTempDirectory("weft-loop");
      Path image = work.resolve("image");
      try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
        file.setLength(bytes);
      }
      List<String> format = new ArrayList<>(List.of(mkfs));
      format.addAll(first);
      format.addAll(List.of(more));
      format.add(image.toString());
      run(format);
      return mountImage(work, "loop");
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  private static LoopMount mountImage(Path work, String options) throws IOException {
    Path directory = Files.createDirectory(work.resolve("mnt"));
    String image = work.resolve("image").toString();
    run(List.of("mount", "-o", options, image, directory.toString()));
    boolean xfs = Files.getFileStore(directory).type().equals("xfs");
    return new LoopMount(work, directory, xfs ? "nouuid" : "");
  }

  private static boolean onPath(String program) {
    return Stream.of((System.getenv("PATH") + ":/usr/sbin:/sbin").split(":"))
        .anyMatch(folder -> Files.isExecutable(Path.of(folder, program)));
  }

  /** Runs a program to its end, which must be a good one; returns what it printed. */
  public static String run(List<String> command) {
    try {
      ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
      builder.environment().merge("PATH", "/usr/sbin:/sbin", (path, sbin) -> path + ":" + sbin);
      Process process = builder.start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      int exit = process.waitFor();
      if (exit != 0) {
        throw new IllegalStateException(command + " gave " + exit + ": " + output);
      }
      return output.strip();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    } catch (InterruptedException interrupted) {
      throw new IllegalStateException(interrupted);
    }
  }
}
