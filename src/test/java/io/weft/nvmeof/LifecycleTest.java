package io.weft.nvmeof;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.FabricSettings;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import io.weft.fabric.FabricControl;
import io.weft.fabric.FabricException;
import io.weft.fabric.NvmeCli;
import io.weft.fabric.SystemCommands;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** From nothing to a mounted filesystem, and back, on a real target. */
@Tag("nvmeof")
class LifecycleTest {
  @BeforeEach
  void targetUp() {
    NvmeTarget.call("up", "--size", "2G");
  }

  @AfterEach
  void targetDown() {
    NvmeTarget.call("down");
  }

  @ParameterizedTest
  @CsvSource({"ext4, FILES", "xfs, FILES", "ext4, SLOTS"})
  void connectMountStoreLoadUnmountDisconnect(String filesystem, FabricStore.Layout layout) {
    String settings = layout.settings + "\nweft.nvmeof.filesystem = " + filesystem;
    List<String> names = FabricStore.names("a", 16);
    try (FabricStore store = FabricStore.up(settings, FabricStore.TWO_PATHS)) {
      assertEquals(2, FabricStore.controllers().size());
      assertEquals("UP, 2 of 2 paths live", linkOnce(store));
      assertEquals(filesystem, store.status().filesystem());
      assertTrue(store.status().directIo(), store.status().directIoDetail());
      assertEquals(
          layout == FabricStore.Layout.SLOTS,
          store.status().ioEngine().startsWith("io_uring"),
          store.status().ioEngine());
      store.store(names);
      long before = NvmeTarget.bytesRead();
      store.assertHits(names);
      long read = NvmeTarget.bytesRead() - before;
      assertTrue(
          read >= (long) names.size() * FabricStore.CHUNK_BYTES,
          "the path devices read " + read + " bytes: the page cache is not bypassed");
      store.end();
    }
    assertEquals(List.of(), FabricStore.controllers());
    try (FabricStore store = FabricStore.up(settings)) {
      assertTrue(store.status().recovery().contains("clean shutdown"), store.status().recovery());
      store.assertHits(names);
    }
  }

  /** What sysfs says is what nvme-cli says. */
  @Test
  void sysfsAndListSubsysAgree() throws FabricException {
    try (FabricStore store = FabricStore.up(FabricStore.TWO_PATHS)) {
      FabricSettings settings =
          StoreSettings.from(FabricStore.config(FabricStore.TWO_PATHS)).fabric().orElseThrow();
      NvmeCli nvme = new NvmeCli(settings, new SystemCommands(), Path.of("/sys"), Ticker.system());
      assertEquals(2, nvme.controllers().size());
      assertEquals(shown(nvme.controllers()), shown(nvme.listed()));
      assertEquals(2L << 30, nvme.identify(nvme.blockDevice().orElseThrow()).sizeBytes());
      assertEquals(List.of(new FabricControl.ListedDevice("/dev/nvme0n1", 1)), nvme.devices());
      store.end();
    }
  }

  private static Set<String> shown(List<FabricControl.Controller> controllers) {
    return controllers.stream()
        .map(
            each ->
                String.join(
                    " ",
                    each.name(),
                    each.transport(),
                    each.address(),
                    each.service(),
                    each.state()))
        .collect(Collectors.toSet());
  }

  private static String linkOnce(FabricStore store) {
    FabricStore.within(20).until(() -> store.status().link().contains("live"));
    return store.status().link();
  }

  @Test
  void aControllerThatWasThereBeforeStays() {
    NvmeTarget.run(
        "nvme", "connect", "-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-n", NvmeTarget.NQN);
    try (FabricStore store = FabricStore.up(FabricStore.TWO_PATHS)) {
      assertEquals(2, FabricStore.controllers().size());
      store.end();
      assertEquals(1, FabricStore.controllers().size());
    } finally {
      NvmeTarget.run("nvme", "disconnect", "-n", NvmeTarget.NQN);
    }
  }
}
