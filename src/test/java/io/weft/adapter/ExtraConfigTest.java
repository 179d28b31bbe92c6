package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.base.FabricSettings;
import io.weft.base.FabricSettings.PathSettings;
import io.weft.base.StoreSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** LMCache's flat keys, through to the settings of the store. */
class ExtraConfigTest {
  private static final String NQN = "nqn.2025-01.io.weft:a";
  private static final Config REFERENCE =
      ConfigFactory.parseFile(Path.of("src/main/resources/reference.conf").toFile());

  private static StoreSettings read(Map<String, ? extends @Nullable Object> flat) {
    return StoreSettings.from(ExtraConfig.settings(flat).withFallback(REFERENCE));
  }

  /** What must be named, and this. */
  private static Map<String, Object> with(Object... more) {
    Map<String, Object> flat =
        new HashMap<>(
            Map.of(
                "nvmeof.mount_path", "/mnt/kv", "nvmeof.subnqn", NQN, "nvmeof.traddr", "10.0.0.1"));
    for (int i = 0; i < more.length; i += 2) {
      flat.put((String) more[i], more[i + 1]);
    }
    return flat;
  }

  private static FabricSettings fabric(Object... more) {
    return read(with(more)).fabric().orElseThrow();
  }

  private static String refused(Map<String, ? extends @Nullable Object> flat) {
    return String.valueOf(
        assertThrows(IllegalArgumentException.class, () -> ExtraConfig.settings(flat))
            .getMessage());
  }

  @Test
  void keysOfOthersAreLeftAlone() {
    assertTrue(
        ExtraConfig.settings(Map.of("storage_plugin.weft.module_path", "x", "nvmeofx", List.of()))
            .isEmpty());
    Map<String, @Nullable Object> nulls = new HashMap<>();
    nulls.put("nvmeof.subnqn", null);
    assertTrue(ExtraConfig.settings(nulls).isEmpty());
  }

  @Test
  void aMountPathAloneIsAMount() {
    StoreSettings settings = read(Map.of("nvmeof.mount_path", "/mnt/kv"));
    assertEquals(StoreSettings.Mode.MOUNT, settings.mode());
    assertEquals(Path.of("/mnt/kv"), settings.directory());
    assertEquals(Optional.empty(), settings.fabric());
  }

  @Test
  void anyOtherKeyIsTheFabric() {
    StoreSettings settings = read(with());
    assertEquals(StoreSettings.Mode.NVMEOF, settings.mode());
    FabricSettings fabric = settings.fabric().orElseThrow();
    assertEquals(NQN, fabric.subsystemNqn());
    assertEquals(List.of(new PathSettings("10.0.0.1", "", "", "")), fabric.paths());
    assertEquals(
        StoreSettings.from(
                ConfigFactory.parseString(
                        """
                        weft { mode = nvmeof, directory = /mnt/kv }
                        weft.nvmeof { subsystem-nqn = "%s", paths = [ { address = 10.0.0.1 } ] }
                        """
                            .formatted(NQN))
                    .withFallback(REFERENCE))
            .fabric(),
        settings.fabric());
  }

  /** Every key at once, as numbers and booleans and as texts. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theWholeMap(boolean texts) {
    Map<String, Object> flat = new HashMap<>();
    flat.put("nvmeof.mount_path", "/mnt/kv");
    flat.put("nvmeof.fs_type", "xfs");
    flat.put("nvmeof.mount_options", "noatime,nodiratime");
    flat.put("nvmeof.auto_mount", false);
    flat.put("nvmeof.format", "if_empty");
    flat.put("nvmeof.auto_connect", false);
    flat.put("nvmeof.auto_disconnect", false);
    flat.put("nvmeof.transport", "tcp");
    flat.put("nvmeof.traddr", "10.0.0.1, 10.0.1.1");
    flat.put("nvmeof.trsvcid", "4420,4421");
    flat.put("nvmeof.host_traddr", "10.0.0.9,");
    flat.put("nvmeof.host_iface", ",eth1");
    flat.put("nvmeof.subnqn", NQN);
    flat.put("nvmeof.nsid", 3);
    flat.put("nvmeof.hostnqn", "nqn.2014-08.org.nvmexpress:uuid:1");
    flat.put("nvmeof.hostid", "7db10a10");
    flat.put("nvmeof.nr_io_queues", 4);
    flat.put("nvmeof.nr_write_queues", 5);
    flat.put("nvmeof.nr_poll_queues", 6);
    flat.put("nvmeof.queue_size", 64);
    flat.put("nvmeof.keep_alive_tmo", 7);
    flat.put("nvmeof.reconnect_delay", 8);
    flat.put("nvmeof.ctrl_loss_tmo", 90);
    flat.put("nvmeof.fast_io_fail_tmo", 11);
    flat.put("nvmeof.hdr_digest", true);
    flat.put("nvmeof.data_digest", true);
    flat.put("nvmeof.tos", 16);
    flat.put("nvmeof.disable_sqflow", true);
    flat.put("nvmeof.dhchap_secret_file", "/etc/weft/host.key");
    flat.put("nvmeof.dhchap_ctrl_secret_file", "/etc/weft/ctrl.key");
    flat.put("nvmeof.tls", true);
    flat.put("nvmeof.keyring", ".weft");
    flat.put("nvmeof.tls_key", 305_419_896);
    flat.put("nvmeof.tls_key_identity", "NVMe1R01 nqn.host nqn.subsystem");
    flat.put("nvmeof.concat", true);
    flat.put("nvmeof.command", "/opt/nvme");
    flat.put("nvmeof.command_timeout", 12.5);
    flat.put("nvmeof.state_poll_interval", 0.25);
    if (texts) {
      flat.replaceAll((_, value) -> value.toString());
    }
    FabricSettings expected =
        new FabricSettings(
            FabricSettings.Transport.TCP,
            false,
            List.of(
                new PathSettings("10.0.0.1", "4420", "10.0.0.9", ""),
                new PathSettings("10.0.1.1", "4421", "", "eth1")),
            NQN,
            3,
            "nqn.2014-08.org.nvmexpress:uuid:1",
            "7db10a10",
            4,
            5,
            6,
            64,
            16,
            Duration.ofSeconds(7),
            Duration.ofSeconds(8),
            Optional.of(Duration.ofSeconds(90)),
            Optional.of(Duration.ofSeconds(11)),
            true,
            true,
            true,
            new FabricSettings.Security(
                Optional.of(Path.of("/etc/weft/host.key")),
                Optional.of(Path.of("/etc/weft/ctrl.key")),
                true,
                ".weft",
                "305419896",
                "NVMe1R01 nqn.host nqn.subsystem",
                true),
            false,
            false,
            false,
            "/opt/nvme",
            Duration.ofMillis(12_500),
            Duration.ofMillis(250),
            "xfs",
            "noatime,nodiratime",
            FabricSettings.Format.IF_EMPTY);
    StoreSettings settings = read(flat);
    assertEquals(Path.of("/mnt/kv"), settings.directory());
    assertEquals(Optional.of(expected), settings.fabric());
    // No value is a default's, so that a key which is dropped shows above.
    Map<String, Object> plain = with();
    for (String key : flat.keySet()) {
      if (!plain.containsKey(key) && !key.equals("nvmeof.transport")) {
        Map<String, Object> without = new HashMap<>(flat);
        without.remove(key);
        assertFalse(settings.equals(read(without)), key);
      }
    }
  }

  @Test
  void everyKeyIsInTheTable() throws IOException {
    String table = Files.readString(Path.of("docs/configuration.md"));
    List<String> missing = new ArrayList<>();
    for (String key : ExtraConfig.keys()) {
      if (!table.contains("`" + key + "`")) {
        missing.add(key);
      }
    }
    assertEquals(List.of(), missing);
    assertEquals(42, ExtraConfig.keys().size());
  }

  @Test
  void minusOneIsNever() {
    FabricSettings fabric = fabric("nvmeof.ctrl_loss_tmo", -1, "nvmeof.fast_io_fail_tmo", "-1");
    assertEquals(Optional.empty(), fabric.controllerLoss());
    assertEquals(Optional.empty(), fabric.fastIoFail());
    fabric = fabric("nvmeof.ctrl_loss_tmo", "forever", "nvmeof.fast_io_fail_tmo", "off");
    assertEquals(Optional.empty(), fabric.controllerLoss());
    assertEquals(Optional.empty(), fabric.fastIoFail());
  }

  @ParameterizedTest
  @CsvSource({"True, true", "on, true", "1, true", "FALSE, false", "no, false", "0, false"})
  void flagsHaveManySpellings(String text, boolean flag) {
    assertEquals(flag, fabric("nvmeof.hdr_digest", text).headerDigest());
  }

  @ParameterizedTest
  @CsvSource({"rdma, RDMA", "fc, FC", "loop, LOOP"})
  void transports(String text, FabricSettings.Transport transport) {
    assertEquals(transport, fabric("nvmeof.transport", text).transport());
  }

  @Test
  void theMountPathMustBeNamed() {
    assertEquals(
        "nvmeof.mount_path: it is missing: name the mount point",
        refused(Map.of("nvmeof.subnqn", NQN)));
  }

  @ParameterizedTest
  @CsvSource({
    "nvmeof.trsvcid, '4420,4421', nvmeof.trsvcid: 2 of them for 1 in nvmeof.traddr",
    "nvmeof.host_iface, 'a,', nvmeof.host_iface: 2 of them for 1 in nvmeof.traddr",
    "nvmeof.keep_alive_tmo, 0, nvmeof.keep_alive_tmo: 0: from 1",
    "nvmeof.keep_alive_tmo, 1.5, nvmeof.keep_alive_tmo: '1.5': write a whole number",
    "nvmeof.reconnect_delay, 5s, nvmeof.reconnect_delay: '5s': write a whole number",
    "nvmeof.ctrl_loss_tmo, -2, nvmeof.ctrl_loss_tmo: -2: from 1",
    "nvmeof.fast_io_fail_tmo, never, nvmeof.fast_io_fail_tmo: 'never': write a whole number",
    "nvmeof.nsid, 0, nvmeof.nsid: 0: from 1",
    "nvmeof.tos, 256, nvmeof.tos: 256: from 0 to 255",
    "nvmeof.queue_size, 65536, nvmeof.queue_size: 65536: from 0 to 65535",
    "nvmeof.nr_io_queues, many, nvmeof.nr_io_queues: 'many': write a whole number",
    "nvmeof.tls, maybe, nvmeof.tls: 'maybe': write true or false",
    "nvmeof.command_timeout, 0, nvmeof.command_timeout: '0': write a number of seconds",
    "nvmeof.state_poll_interval, 0.0001, nvmeof.state_poll_interval: '0.0001': write a number",
    "nvmeof.duplicate_connect, true, nvmeof.duplicate_connect: a path is connected once",
    "nvmeof.device, /dev/nvme0n1, nvmeof.device: devices are found by NQN and namespace id",
    "nvmeof.trsvid, 4420, nvmeof.trsvid: there is no such key"
  })
  void wrongValues(String key, String value, String message) {
    String said = refused(with(key, value));
    assertTrue(said.startsWith(message), said);
  }

  @Test
  void pathsNeedAddressesAndValuesAreSingle() {
    assertEquals(
        "nvmeof.trsvcid: name nvmeof.traddr too",
        refused(Map.of("nvmeof.mount_path", "/mnt/kv", "nvmeof.trsvcid", 4420)));
    assertEquals(
        "nvmeof.traddr: write a text, a number, true or false",
        refused(with("nvmeof.traddr", List.of("10.0.0.1"))));
  }

  @Test
  void aSecretIsRefusedAndNotRepeated() {
    for (String key : List.of("dhchap_secret", "dhchap_ctrl_secret")) {
      String said = refused(with("nvmeof." + key, "hunter2"));
      assertTrue(said.startsWith("nvmeof." + key + ": put the secret into a file"), said);
      assertTrue(said.contains("nvmeof." + key + "_file"), said);
      assertFalse(said.contains("hunter2"), said);
    }
    for (String key : List.of("dhchap_secret_file", "tls_key", "tls", "secret")) {
      for (String secret : List.of("DHHC-1:00:hunter2:", "NVMeTLSkey-1:01:hunter2:")) {
        String said = refused(with("nvmeof." + key, secret));
        assertTrue(said.startsWith("nvmeof." + key + ": "), said);
        assertFalse(said.contains("hunter2"), said);
      }
    }
  }

  // ---------------------------------------------------------------- settings by their own names

  @Test
  void settingsGoByTheirOwnNames() {
    Map<String, Object> flat = new HashMap<>();
    flat.put("weft.directory", "/data/weft");
    flat.put("weft.capacity", "3GiB");
    flat.put("weft.reserve", 8192);
    flat.put("weft.eviction.policy", "s3fifo");
    flat.put("weft.eviction.quota.team-a", "1GiB");
    flat.put("weft.eviction.quota.team.b", "2GiB");
    flat.put("weft.eviction.quota.", "5MiB");
    flat.put("weft.durability", "full");
    flat.put("weft.create-directory", false);
    flat.put("weft.request-timeout", "7s");
    flat.put("weft.io.threads", 9);
    StoreSettings settings = read(flat);
    assertEquals(StoreSettings.Mode.DIRECTORY, settings.mode());
    assertEquals(Path.of("/data/weft"), settings.directory());
    assertEquals(3L << 30, settings.capacityBytes());
    assertEquals(8192, settings.reserveBytes());
    assertEquals("s3fifo", settings.evictionPolicy());
    assertEquals(
        Map.of("team-a", 1L << 30, "team.b", 2L << 30, "", 5L << 20), settings.quotaBytes());
    assertEquals(io.weft.base.Durability.FULL, settings.durability());
    assertFalse(settings.createDirectory());
    assertEquals(Duration.ofSeconds(7), settings.requestTimeout());
    assertEquals(9, settings.io().threads());
  }

  @Test
  void bothKindsGoTogether() {
    StoreSettings settings = read(with("weft.capacity", "3GiB", "weft.nvmeof.discovery", "true"));
    assertEquals(3L << 30, settings.capacityBytes());
    assertTrue(settings.fabric().orElseThrow().discovery());
    assertEquals(NQN, settings.fabric().orElseThrow().subsystemNqn());
  }

  @ParameterizedTest
  @CsvSource({
    "weft.capactiy, 1GiB, weft.capactiy: there is no such setting",
    "weft.io.thread, 1, weft.io.thread: there is no such setting",
    "'weft.', 1, weft.: there is no such setting",
    "'weft.io..threads', 1, weft.io..threads: there is no such setting",
    "weft.io, 1, weft.io: this is a block",
    "weft.eviction.quota, 1, weft.eviction.quota: this is a block",
    "weft.nvmeof.paths, 10.0.0.1, weft.nvmeof.paths: this is a list: write the nvmeof.* keys",
    "weft.directory, /mnt/kv, weft.directory: the nvmeof.* keys say it too: leave it out",
    "weft.mode, nvmeof, weft.mode: the nvmeof.* keys say it too",
    "weft.nvmeof.subsystem-nqn, nqn.x, weft.nvmeof.subsystem-nqn: the nvmeof.* keys say it too"
  })
  void wrongSettings(String key, String value, String message) {
    String said = refused(with(key, value));
    assertTrue(said.startsWith(message), said);
  }

  @Test
  void aSecretIsNoSetting() {
    String said = refused(Map.of("weft.nvmeof.tls.key-id", "NVMeTLSkey-1:01:hunter2:"));
    assertTrue(said.startsWith("weft.nvmeof.tls.key-id: this is the secret itself"), said);
    assertFalse(said.contains("hunter2"), said);
    assertEquals(
        "weft.capacity: write a text, a number, true or false",
        refused(Map.of("weft.capacity", List.of())));
  }
}
