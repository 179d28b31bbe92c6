package io.weft.fabric;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.fabric.MountTable.Mount;
import io.weft.testing.LoopMount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Lines of {@code /proc/self/mountinfo} as Linux writes them. */
class MountTableTest {
  private static final String ROOT =
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro";

  private static MountTable table(String... lines) {
    return MountTable.parse(Arrays.asList(lines));
  }

  private static Optional<String> source(MountTable table, String path) {
    return table.at(Path.of(path)).map(Mount::source);
  }

  @Test
  void aLineIsReadWithAnyNumberOfOptionalFields() {
    for (String optional : new String[] {"", "shared:7 ", "shared:7 master:1 propagate_from:2 "}) {
      MountTable table =
          table("36 35 259:3 / /mnt/kv rw,noatime " + optional + "- xfs /dev/nvme0n1 rw,attr2");
      assertEquals(
          List.of(new Mount("36", "35", "259:3", Path.of("/mnt/kv"), "xfs", "/dev/nvme0n1")),
          table.mounts());
    }
  }

  @Test
  void onlyTheMountPointItselfIsOne() {
    MountTable table = table(ROOT, "36 22 259:3 / /mnt/kv rw - ext4 /dev/nvme0n1 rw");
    assertEquals(Optional.of("/dev/sda1"), source(table, "/"));
    assertEquals(Optional.of("/dev/nvme0n1"), source(table, "/mnt/kv"));
    assertEquals(Optional.empty(), source(table, "/mnt"));
    assertEquals(Optional.empty(), source(table, "/mnt/kv/chunks"));
    assertEquals(Optional.empty(), source(table, "/mnt/kv2"));
  }

  @Test
  void ofSeveralMountsAtOnePlaceTheOneOnTopCounts() {
    String[] lines = {
      ROOT,
      "36 22 259:3 / /mnt/kv rw - ext4 /dev/nvme0n1 rw",
      "37 36 259:4 / /mnt/kv rw - ext4 /dev/nvme1n1 rw",
      "38 37 259:5 / /mnt/kv rw - ext4 /dev/nvme2n1 rw"
    };
    assertEquals(Optional.of("/dev/nvme2n1"), source(table(lines), "/mnt/kv"));
    // A mount that is moved, or comes from another namespace, need not stand last.
    Collections.reverse(Arrays.asList(lines));
    assertEquals(Optional.of("/dev/nvme2n1"), source(table(lines), "/mnt/kv"));
  }

  @Test
  void aMountBelowAnotherIsItsOwn() {
    MountTable table =
        table(
            ROOT,
            "36 22 259:3 / /mnt rw - ext4 /dev/nvme0n1 rw",
            "37 36 259:4 / /mnt/kv rw - xfs /dev/nvme1n1 rw");
    assertEquals(Optional.of("/dev/nvme0n1"), source(table, "/mnt"));
    assertEquals(Optional.of("/dev/nvme1n1"), source(table, "/mnt/kv"));
  }

  @Test
  void aMountThatALaterOneHidesIsNotThere() {
    MountTable table =
        table(
            ROOT,
            "36 22 259:3 / /mnt/kv rw - ext4 /dev/nvme0n1 rw",
            "37 22 259:4 / /mnt rw - ext4 /dev/nvme1n1 rw");
    assertEquals(Optional.of("/dev/nvme1n1"), source(table, "/mnt"));
    assertEquals(Optional.empty(), source(table, "/mnt/kv"));
  }

  @Test
  void theTreeMayBeginAtARootOfItsOwnOrInAChroot() {
    assertEquals(
        Optional.of("/dev/sdb"),
        source(
            table(
                "1 1 0:2 / / rw - rootfs rootfs rw",
                "22 1 8:1 / / rw - ext4 /dev/sda1 rw",
                "36 22 8:2 / /mnt/kv rw - ext4 /dev/sdb rw"),
            "/mnt/kv"));
    assertEquals(
        Optional.of("/dev/sdb"),
        source(table("36 22 8:2 / /mnt/kv rw - ext4 /dev/sdb rw"), "/mnt/kv"));
  }

  @Test
  void whatTheKernelEscapesIsItself() {
    assertEquals(
        List.of(
            new Mount(
                "36", "22", "8:2", Path.of("/mnt/my disk"), "ext4", "/dev/disk/by-label/my disk"),
            new Mount("37", "22", "8:3", Path.of("/mnt/a\tb\nc\\d#e"), "ext4", "a#b"),
            new Mount("38", "22", "8:4", Path.of("/mnt/\\040"), "ext4", "/dev/sdd")),
        table(
                "36 22 8:2 / /mnt/my\\040disk rw - ext4 /dev/disk/by-label/my\\040disk rw",
                "37 22 8:3 / /mnt/a\\011b\\012c\\134d\\043e rw - ext4 a\\043b rw",
                "38 22 8:4 / /mnt/\\134040 rw - ext4 /dev/sdd rw")
            .mounts());
  }

  @Test
  void anEscapeMayEndTheName() {
    assertEquals(
        Optional.of("/dev/sdb"),
        source(table("36 22 8:2 / /mnt/kv\\040 rw - ext4 /dev/sdb rw"), "/mnt/kv "));
  }

  @Test
  void namesAreUtf8() {
    byte[] name = "/mnt/caché".getBytes(java.nio.charset.StandardCharsets.UTF_8);
    String asRead = new String(name, java.nio.charset.StandardCharsets.ISO_8859_1);
    assertEquals(
        Optional.of("/dev/sdb"),
        source(table("36 22 8:2 / " + asRead + " rw - ext4 /dev/sdb rw"), "/mnt/caché"));
  }

  @Test
  void aMountWithoutASourceHasAnEmptyOne() {
    assertEquals(Optional.of(""), source(table("36 22 0:44 / /mnt/kv rw - tmpfs  rw"), "/mnt/kv"));
  }

  @Test
  void otherLinesArePassedOver() {
    assertEquals(
        List.of(new Mount("22", "1", "8:1", Path.of("/"), "ext4", "/dev/sda1")),
        table("", " - ", "36 22 8:2 /", "36 22 8:2 / /mnt rw ext4 /dev/sdb rw", ROOT).mounts());
  }

  @Test
  @Tag("root")
  void aRealMountIsThere() throws IOException {
    try (LoopMount mount = LoopMount.ext4(16L << 20)) {
      Mount found = MountTable.read().at(mount.directory()).orElseThrow();
      assertEquals("ext4", found.filesystem());
      assertTrue(found.source().startsWith("/dev/loop"), found.source());
      assertEquals(
          Files.readString(
                  Path.of("/sys/class/block", Path.of(found.source()).getFileName().toString())
                      .resolve("dev"))
              .strip(),
          found.deviceNumber());
      assertEquals(Optional.empty(), MountTable.read().at(mount.directory().resolve("below")));
      mount.detach();
      assertEquals(Optional.empty(), MountTable.read().at(mount.directory()));
    }
  }
}
