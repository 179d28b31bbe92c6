package io.weft.fabric;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.fabric.FabricException.Kind;
import io.weft.testing.LoopMount;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Real loop devices, filesystems and mounts. */
@Tag("root")
class SystemMountsTest {
  @TempDir Path temporary;

  private final SystemMounts mounts = new SystemMounts(new SystemCommands(), Duration.ofMinutes(1));
  private final List<Path> devices = new ArrayList<>();
  private Path mountPoint = Path.of("/");

  @BeforeEach
  void assumeRoot() throws IOException {
    Assumptions.assumeTrue(
        System.getProperty("user.name").equals("root"), "mounting a filesystem needs root");
    Assumptions.assumeTrue(Files.exists(Path.of("/dev/loop-control")), "there is no loop device");
    mountPoint = Files.createDirectory(temporary.toRealPath().resolve("mnt"));
  }

  @AfterEach
  void takeDown() throws FabricException {
    mounts.unmount(mountPoint, true);
    for (Path device : devices) {
      LoopMount.run(List.of("losetup", "--detach", device.toString()));
    }
  }

  /** A device without content; 300 MiB at least for XFS. */
  private Path device() throws IOException {
    Path image = temporary.resolve("image" + devices.size());
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(300L << 20);
    }
    Path device = Path.of(LoopMount.run(List.of("losetup", "--find", "--show", image.toString())));
    devices.add(device);
    return device;
  }

  private Path device(String filesystem) throws IOException, FabricException {
    Path device = device();
    mounts.format(device, filesystem);
    return device;
  }

  private static FabricException fails(Kind kind, Executable call) {
    FabricException failure = assertThrows(FabricException.class, call);
    assertEquals(kind, failure.kind(), failure.getMessage());
    return failure;
  }

  private static void assertSays(String expected, FabricException failure) {
    assertTrue(String.valueOf(failure.getMessage()).contains(expected), failure.getMessage());
  }

  private boolean mounted() throws FabricException {
    return mounts.table().at(mountPoint).isPresent();
  }

  @ParameterizedTest
  @ValueSource(strings = {"ext4", "xfs"})
  void fromAnEmptyDeviceToAMount(String filesystem) throws IOException, FabricException {
    Path device = device();
    assertEquals(Optional.empty(), mounts.filesystem(device));
    mounts.requireUnused(device);
    mounts.format(device, filesystem);
    assertEquals(Optional.of(filesystem), mounts.filesystem(device));
    mounts.check(device, mountPoint, filesystem);
    MountTable.Mount mount = mounts.mount(device, mountPoint, filesystem, "noatime,nodiratime");
    assertEquals(device.toString(), mount.source());
    assertEquals(filesystem, mount.filesystem());
    assertEquals(
        Files.readString(Path.of("/sys/class/block", device.getFileName().toString(), "dev"))
            .strip(),
        mount.deviceNumber());
    assertTrue(
        Files.readAllLines(Path.of("/proc/self/mounts")).stream()
            .anyMatch(line -> line.contains(mountPoint + " ") && line.contains("noatime")));
    fails(Kind.BUSY, () -> mounts.requireUnused(device));
    assertSays(
        device + " mounted", fails(Kind.MOUNT_POINT_IN_USE, () -> mounts.requireFree(mountPoint)));
    mounts.unmount(mountPoint, false);
    assertTrue(!mounted());
    mounts.requireUnused(device);
    mounts.unmount(mountPoint, false);
  }

  @Test
  void aMountWithoutOptions() throws IOException, FabricException {
    mounts.mount(device("ext4"), mountPoint, "ext4", "");
    assertTrue(mounted());
  }

  @Test
  void contentThatIsNoFilesystemIsNotEmpty() throws IOException {
    Path device = device();
    byte[] table = new byte[512];
    table[446 + 4] = (byte) 0x83;
    table[446 + 8] = 1;
    table[446 + 13] = 1;
    table[510] = 0x55;
    table[511] = (byte) 0xaa;
    Files.write(device, table);
    assertSays("PTTYPE=dos", fails(Kind.FOREIGN_FILESYSTEM, () -> mounts.filesystem(device)));
  }

  /** To blkid it is the same as an empty one. */
  @Test
  void aFilesystemThatHasLostItsMagicNumberIsNotEmpty() throws IOException, FabricException {
    Path device = device("ext4");
    LoopMount.run(List.of("wipefs", "--all", device.toString()));
    assertSays("is not empty", fails(Kind.FOREIGN_FILESYSTEM, () -> mounts.filesystem(device)));
    LoopMount.run(List.of("dd", "if=/dev/zero", "of=" + device, "bs=1M", "count=1", "conv=fsync"));
    assertEquals(Optional.empty(), mounts.filesystem(device));
  }

  /** As after a lost device: what was synced lies in the journal alone. */
  @Test
  void whatIsInTheJournalIsThereAfterTheCheck() throws IOException, FabricException {
    Path lost = device("ext4");
    mounts.mount(lost, mountPoint, "ext4", "");
    LoopMount.run(
        List.of("dd", "if=/dev/zero", "of=" + mountPoint.resolve("a"), "count=8", "conv=fsync"));
    Path image = temporary.resolve("image-of-now");
    Files.copy(temporary.resolve("image0"), image);
    mounts.unmount(mountPoint, false);
    Path device = Path.of(LoopMount.run(List.of("losetup", "-f", "--show", image.toString())));
    devices.add(device);
    assertTrue(needsRecovery(device));
    mounts.check(device, mountPoint, "ext4");
    assertTrue(!needsRecovery(device));
    assertTrue(!mounted());
    mounts.mount(device, mountPoint, "ext4", "");
    assertEquals(8 * 512, Files.size(mountPoint.resolve("a")));
  }

  private static boolean needsRecovery(Path device) {
    return LoopMount.run(List.of("dumpe2fs", "-h", device.toString())).contains("needs_recovery");
  }

  /** To blkid it is the same as an empty one, which may be formatted. */
  @Test
  void aDeviceThatCannotBeReadIsNotEmpty() {
    fails(Kind.OTHER, () -> mounts.filesystem(temporary.resolve("none")));
    fails(Kind.OTHER, () -> mounts.filesystem(Path.of("/proc/self/mem")));
  }

  @Test
  void aFilesystemIsNotFormattedOver() throws IOException, FabricException {
    Path device = device("ext4");
    fails(Kind.OTHER, () -> mounts.format(device, "xfs"));
    assertEquals(Optional.of("ext4"), mounts.filesystem(device));
    fails(Kind.NO_COMMAND, () -> mounts.format(device, "none"));
  }

  @Test
  void checksRepairAndRefuse() throws IOException, FabricException {
    Path device = device("ext4");
    LoopMount.run(List.of("debugfs", "-w", "-R", "ssv free_blocks_count 1", device.toString()));
    LoopMount.run(List.of("debugfs", "-w", "-R", "ssv state 2", device.toString()));
    mounts.check(device, mountPoint, "ext4");
    mounts.check(device, mountPoint, "ext4");
    LoopMount.run(List.of("debugfs", "-w", "-R", "clri <2>", device.toString()));
    LoopMount.run(List.of("debugfs", "-w", "-R", "ssv state 2", device.toString()));
    assertSays(
        "a person must look", fails(Kind.DAMAGED, () -> mounts.check(device, mountPoint, "ext4")));
    fails(Kind.OTHER, () -> mounts.check(temporary.resolve("none"), mountPoint, "ext4"));
    Path broken = device("ext4");
    try (RandomAccessFile superblock = new RandomAccessFile(broken.toFile(), "rw")) {
      superblock.seek(1024 + 0x68);
      int was = superblock.read();
      superblock.seek(1024 + 0x68);
      superblock.write(~was);
    }
    assertSays("checksum", fails(Kind.DAMAGED, () -> mounts.check(broken, mountPoint, "ext4")));
  }

  @Test
  void theMountPointMustBeAnEmptyDirectoryByItsRealName() throws IOException, FabricException {
    mounts.requireFree(mountPoint);
    assertSays(
        "make it",
        fails(Kind.NO_MOUNT_POINT, () -> mounts.requireFree(mountPoint.resolve("none"))));
    Path file = Files.createFile(mountPoint.resolve("file"));
    fails(Kind.NO_MOUNT_POINT, () -> mounts.requireFree(file));
    assertSays(
        "is not empty", fails(Kind.MOUNT_POINT_IN_USE, () -> mounts.requireFree(mountPoint)));
    Path device = device("ext4");
    fails(Kind.MOUNT_POINT_IN_USE, () -> mounts.mount(device, mountPoint, "ext4", ""));
    Files.delete(file);
    Path link = Files.createSymbolicLink(temporary.resolve("link"), mountPoint);
    assertSays(
        "name that", fails(Kind.NO_MOUNT_POINT, () -> mounts.mount(device, link, "ext4", "")));
    assertTrue(!mounted());
  }

  @Test
  void mountsThatFail() throws IOException, FabricException {
    Path device = device("ext4");
    fails(Kind.FOREIGN_FILESYSTEM, () -> mounts.mount(device, mountPoint, "xfs", ""));
    fails(
        Kind.FOREIGN_FILESYSTEM, () -> mounts.mount(device, mountPoint, "ext4", "no-such-option"));
    fails(Kind.OTHER, () -> mounts.mount(temporary.resolve("none"), mountPoint, "ext4", ""));
    assertTrue(!mounted());
  }

  @Test
  void aBusyMountLeavesTheTreeAndHoldsTheDevice() throws IOException, FabricException {
    Path device = device("ext4");
    mounts.mount(device, mountPoint, "ext4", "");
    try (OutputStream open = Files.newOutputStream(mountPoint.resolve("file"))) {
      fails(Kind.BUSY, () -> mounts.unmount(mountPoint, false));
      assertTrue(mounted());
      mounts.unmount(mountPoint, true);
      assertTrue(!mounted());
      fails(Kind.BUSY, () -> mounts.requireUnused(device));
      open.write(1);
    }
    mounts.requireUnused(device);
  }

  /** umount takes the mount out of the tree first, and waits for the device then. */
  @Test
  void anUnmountThatTakesLongIsDoneOnceTheMountIsGone() throws IOException, FabricException {
    Path device = device("ext4");
    mounts.mount(device, mountPoint, "ext4", "");
    List<String> ran = new ArrayList<>();
    CommandRunner slow =
        (command, timeout) -> {
          ran.add(String.join(" ", command.arguments()));
          if (ran.size() > 1) {
            new SystemCommands().run(command, timeout);
          }
          throw new FabricException(Kind.TIMEOUT, command + " did not end");
        };
    SystemMounts hanging = new SystemMounts(slow, Duration.ofSeconds(1));
    hanging.unmount(mountPoint, true);
    assertTrue(!mounted());
    assertEquals(List.of("umount -- " + mountPoint, "umount --lazy -- " + mountPoint), ran);
  }

  @Test
  void aDeviceThatIsNoneIsNotUnused() {
    fails(Kind.OTHER, () -> mounts.requireUnused(temporary.resolve("none")));
  }
}
