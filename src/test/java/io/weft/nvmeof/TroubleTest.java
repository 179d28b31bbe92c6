package io.weft.nvmeof;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.StoreStatus;
import io.weft.base.Metric;
import io.weft.base.Rejected;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What may be wrong when a store starts, and while it runs: each said as what it is. */
@Tag("nvmeof")
class TroubleTest {
  @TempDir Path folder;

  @BeforeAll
  static void targetUp() {
    NvmeTarget.call("up", "--size", "96M");
  }

  @AfterAll
  static void targetDown() {
    NvmeTarget.call("down");
  }

  @AfterEach
  void nothingIsLeftBehind() {
    assertTrue(!FabricStore.mounted());
    NvmeTarget.run("nvme", "disconnect", "-n", NvmeTarget.NQN);
    assertEquals(List.of(), FabricStore.controllers());
  }

  /** Starts, and says why it is not up; stores are rejected with it, and nothing is written. */
  private static String reason(String... settings) {
    try (FabricStore store = FabricStore.start(settings)) {
      StoreStatus status = FabricStore.get(store.store.ready());
      assertEquals(StoreStatus.State.DOWN, status.state(), status.detail());
      Rejected rejected =
          assertInstanceOf(
              Rejected.class, FabricStore.get(store.storing("x", Duration.ofSeconds(10))));
      assertEquals(Rejected.Reason.LINK_DOWN, rejected.reason());
      if (!FabricStore.mounted()) {
        assertUnderTheMountPoint(store);
      }
      return status.detail();
    }
  }

  private static void assertUnderTheMountPoint(FabricStore store) {
    if (!store.status().detail().contains("is not empty")) {
      FabricStore.assertNothingUnderTheMountPoint();
    }
  }

  private static void assertReason(String expected, String detail, String... settings) {
    String reason = reason(settings);
    assertTrue(reason.startsWith(expected + ": "), reason);
    assertTrue(reason.contains(detail), reason);
  }

  @Test
  void aWrongNqn() {
    assertReason(
        "WRONG_NQN",
        "nqn.2025-01.io.weft:other",
        "weft.nvmeof.subsystem-nqn = \"nqn.2025-01.io.weft:other\"");
  }

  @Test
  void nobodyListens() {
    assertReason(
        "REFUSED",
        "127.0.0.1:4421",
        "weft.nvmeof.paths = [{ address = 127.0.0.1, service = 4421 }]");
  }

  @Test
  void noNvmeCli() {
    assertReason("NO_COMMAND", "/no/nvme", "weft.nvmeof.command = /no/nvme");
  }

  /** The real nvme-cli, as nobody. */
  @Test
  void noPermission() throws IOException {
    Path nobody =
        Files.createFile(
            folder.resolve("nvme"),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
    Files.writeString(
        nobody,
        """
        #!/bin/sh
        exec setpriv --reuid=65534 --regid=65534 --clear-groups nvme "$@"
        """);
    assertReason("NO_PERMISSION", "connect", "weft.nvmeof.command = \"" + nobody + "\"");
  }

  @Test
  void aNamespaceThatIsNotThere() {
    assertReason(
        "NO_NAMESPACE",
        "no namespace 7; this host has /dev/nvme0n1 (namespace 1)",
        "weft.nvmeof.namespace-id = 7",
        "weft.nvmeof.command-timeout = 5s");
  }

  @Test
  void notConnectedAndNotToBeConnected() {
    assertReason("NOT_CONNECTED", "auto-connect is off", "weft.nvmeof.auto-connect = off");
  }

  @Test
  void notMountedAndNotToBeMounted() {
    assertReason("NOT_MOUNTED", "auto-mount is off", "weft.nvmeof.auto-mount = off");
  }

  @Test
  void aMountPointThatIsNotEmptyOrNotThere() throws IOException {
    Files.createDirectories(FabricStore.MOUNT_POINT);
    Path file = Files.createFile(FabricStore.MOUNT_POINT.resolve("precious"));
    try {
      assertReason("MOUNT_POINT_IN_USE", "is not empty");
      assertTrue(Files.exists(file));
    } finally {
      Files.delete(file);
    }
    assertReason("NO_MOUNT_POINT", "/scratch/none", "weft.directory = /scratch/none");
    assertTrue(Files.notExists(Path.of("/scratch/none")));
  }

  private static void empty(String device) {
    NvmeTarget.run("dd", "if=/dev/zero", "of=" + device, "bs=1M", "count=1", "conv=fsync");
  }

  @Test
  void deviceTrouble() throws IOException {
    NvmeTarget.run(
        "nvme", "connect", "-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-n", NvmeTarget.NQN);
    String device = "/dev/nvme0n1";
    FabricStore.within(10).until(() -> Files.exists(Path.of(device)));
    empty(device);
    assertReason("NOT_FORMATTED", device, "weft.nvmeof.format = never");

    NvmeTarget.run("mkfs.ext4", "-q", device);
    assertReason("FOREIGN_FILESYSTEM", "holds ext4", "weft.nvmeof.filesystem = xfs");
    NvmeTarget.run("wipefs", "--all", device);
    assertReason("FOREIGN_FILESYSTEM", "is not empty");
    NvmeTarget.run("mkfs.ext4", "-q", device);

    Path elsewhere = Files.createDirectories(Path.of("/scratch/elsewhere"));
    NvmeTarget.run("mount", device, elsewhere.toString());
    try {
      assertReason("MOUNTED_ELSEWHERE", "/scratch/elsewhere");
      Files.writeString(elsewhere.resolve("of somebody"), "else");
    } finally {
      NvmeTarget.run("umount", elsewhere.toString());
    }

    // A filesystem that is somebody else's is not made a store, and stays as it was.
    String reason = reason();
    assertTrue(reason.contains("is no store"), reason);
    NvmeTarget.run("mount", device, elsewhere.toString());
    assertTrue(Files.exists(elsewhere.resolve("of somebody")));
    NvmeTarget.run("umount", elsewhere.toString());
    empty(device);
  }

  /** A filesystem that is smaller than the capacity makes the store evict; the device is well. */
  @Test
  void aFullFilesystem() {
    try (FabricStore store = FabricStore.up("weft.capacity = 10GiB", "weft.reserve = 16MiB")) {
      List<String> names = FabricStore.names("full", 400);
      // As many at once as a filesystem of this size has room for.
      for (int i = 0; i < names.size(); i += 20) {
        store.store(names.subList(i, i + 20));
      }
      StoreStatus status = store.status();
      assertEquals(StoreStatus.State.UP, status.state());
      assertTrue(status.counters().get(Metric.EVICTIONS) > 0, "the filesystem was never full");
      store.assertHits(names.subList(names.size() - 50, names.size()));
      store.end();
    }
  }

  @Test
  void aFilesystemThatTheKernelRemountedReadOnly() {
    List<String> names = FabricStore.names("ro", 8);
    try (FabricStore store = FabricStore.up("weft.durability = full", "weft.reserve = 1MiB")) {
      store.store(names);
      NvmeTarget.run("mount", "-o", "remount,ro", FabricStore.MOUNT_POINT.toString());
      FabricStore.within(30).until(() -> store.status().state() != StoreStatus.State.UP);
      assertTrue(
          store.status().detail().contains("READ_ONLY")
              || store.status().detail().contains("checking"),
          store.status().detail());
      store.awaitState(StoreStatus.State.UP, 60);
      store.assertHits(names);
      store.store(List.of("after"));
      store.end();
    }
  }
}
