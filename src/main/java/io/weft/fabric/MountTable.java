package io.weft.fabric;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The kernel's table of mounts, as {@code /proc/self/mountinfo} gives it. */
public record MountTable(List<Mount> mounts) {

  /**
   * One mount.
   *
   * @param id the kernel's number of the mount
   * @param parent the number of the mount that it lies on; its own at the top of the tree
   * @param deviceNumber {@code major:minor} of the filesystem
   * @param mountPoint where it is mounted
   * @param filesystem the kernel's name of its type
   * @param source what is mounted: a block device's path, mostly
   */
  public record Mount(
      String id,
      String parent,
      String deviceNumber,
      Path mountPoint,
      String filesystem,
      String source) {}

  /** Reads the table of this process. */
  public static MountTable read() throws IOException {
    return parse(Files.readAllLines(Path.of("/proc/self/mountinfo"), StandardCharsets.ISO_8859_1));
  }

  /** Parses the lines of a mountinfo file; lines that are not of its form are passed over. */
  static MountTable parse(List<String> lines) {
    List<Mount> mounts = new ArrayList<>();
    for (String line : lines) {
      String[] halves = line.split(" - ", 2);
      String[] left = halves[0].split(" ", -1);
      if (halves.length < 2 || left.length < 5) {
        continue;
      }
      String[] right = halves[1].split(" ", -1);
      if (right.length >= 2) {
        mounts.add(
            new Mount(
                left[0],
                left[1],
                left[2],
                Path.of(unescape(left[4])),
                unescape(right[0]),
                unescape(right[1])));
      }
    }
    return new MountTable(List.copyOf(mounts));
  }

  /**
   * The mount that one reaches at exactly this place. As the kernel does, it goes down from the
   * root and up through what is mounted over: a mount may be hidden by a later one above it.
   *
   * @param mountPoint absolute and normalised
   */
  public Optional<Mount> at(Path mountPoint) {
    Mount reached = climb(null, Path.of("/"));
    for (int names = 1; names <= mountPoint.getNameCount(); names++) {
      reached = climb(reached, Path.of("/").resolve(mountPoint.subpath(0, names)));
    }
    return Optional.ofNullable(reached).filter(mount -> mount.mountPoint().equals(mountPoint));
  }

  private @Nullable Mount climb(@Nullable Mount from, Path place) {
    for (Mount mount : mounts) {
      if (mount.mountPoint().equals(place) && liesOn(mount, from)) {
        return climb(mount, place);
      }
    }
    return from;
  }

  /** Without a mount below, at the top of the tree: in a chroot its parent is out of sight. */
  private boolean liesOn(Mount mount, @Nullable Mount below) {
    if (below != null) {
      return mount.parent().equals(below.id()) && !mount.id().equals(below.id());
    }
    return mount.parent().equals(mount.id())
        || mounts.stream().noneMatch(other -> other.id().equals(mount.parent()));
  }

  /** The kernel writes space, tab, newline and backslash as three octal digits. */
  private static String unescape(String text) {
    byte[] bytes = new byte[text.length()];
    int length = 0;
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) == '\\' && i + 3 < text.length()) {
        try {
          bytes[length] = (byte) Integer.parseInt(text.substring(i + 1, i + 4), 8);
          length++;
          i += 3;
          continue;
        } catch (NumberFormatException _) {
          // A plain backslash.
        }
      }
      bytes[length++] = (byte) text.charAt(i);
    }
    return new String(bytes, 0, length, StandardCharsets.UTF_8);
  }
}
