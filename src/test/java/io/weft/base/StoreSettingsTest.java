package io.weft.base;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigValue;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The settings and {@code reference.conf} name the same keys; a wrong value says what to do. */
class StoreSettingsTest {
  private static final Config REFERENCE =
      ConfigFactory.parseFile(Path.of("src/main/resources/reference.conf").toFile());

  /** What must be named in the mode that reads every key. */
  private static final String MINIMAL =
      """
      weft {
        mode = nvmeof
        directory = /chunks
        nvmeof { subsystem-nqn = "nqn.2025-01.io.weft:a", paths = [ { address = 10.0.0.1 } ] }
      }
      """;

  private static Config with(String... settings) {
    return ConfigFactory.parseString(String.join("\n", settings))
        .withFallback(ConfigFactory.parseString(MINIMAL))
        .withFallback(REFERENCE);
  }

  private static String refused(Config config) {
    return assertThrows(IllegalArgumentException.class, () -> StoreSettings.from(config))
        .getMessage();
  }

  /**
   * Every key of the reference but those of dispatchers, which Pekko reads, and of other records.
   */
  private static Map<String, ConfigValue> keys() {
    Map<String, ConfigValue> keys = new TreeMap<>();
    collect("weft", REFERENCE.getObject("weft"), keys);
    keys.keySet().removeIf(key -> key.contains(".dispatcher.") || key.startsWith("weft.resp."));
    return keys;
  }

  static Stream<Map.Entry<String, ConfigValue>> entries() {
    return keys().entrySet().stream();
  }

  private static void collect(String path, ConfigObject block, Map<String, ConfigValue> keys) {
    block.forEach(
        (name, value) -> {
          String key = path + "." + name;
          if (value instanceof ConfigObject inner && !inner.isEmpty()) {
            collect(key, inner, keys);
          } else {
            keys.put(key, value);
          }
        });
  }

  @Test
  void everyKeyThatIsReadIsInTheReference() {
    assertEquals(Path.of("/chunks"), StoreSettings.from(with()).directory());
  }

  @ParameterizedTest
  @MethodSource("entries")
  void everyKeyOfTheReferenceIsRead(Map.Entry<String, ConfigValue> entry) {
    String message = refused(with().withoutPath(entry.getKey()));
    assertTrue(message.startsWith(entry.getKey() + " is missing"), message);
    assertTrue(message.contains("reference.conf"), message);
  }

  @ParameterizedTest
  @MethodSource("entries")
  void everyKeyHasItsCommentRightAboveIt(Map.Entry<String, ConfigValue> entry) {
    assertFalse(entry.getValue().origin().comments().isEmpty(), entry.getKey());
  }

  @ParameterizedTest
  @MethodSource("entries")
  void aValueOfAnotherShapeIsShown(Map.Entry<String, ConfigValue> entry) {
    String message = refused(with(entry.getKey() + " = [ 7, 8 ]"));
    assertTrue(message.startsWith(entry.getKey() + " = [7,8]: "), message);
  }

  @Test
  void everyValueArrivesAtItsPlace() {
    StoreSettings settings =
        StoreSettings.from(
            with(
                """
                weft {
                  mode = Mount
                  directory = /mnt/kv
                  create-directory = no
                  mount.expected-device = /dev/nvme9n1
                  capacity = 3GiB
                  reserve = 5MiB
                  max-chunk = 7MiB
                  eviction { policy = lfu, quota { a = 11KiB, "" = 0, "b.c" = 13 } }
                  layout = slab
                  slab { segment = 137MiB, prewrite = no }
                  durability = FULL
                  direct-io = Required
                  quarantine = 17MiB
                  snapshot-interval = 0
                  request-timeout = 19s
                  shutdown-timeout = 23 seconds
                  io {
                    engine = IO-uring
                    ring-depth = 27
                    threads = 29
                    queue-per-worker = 31
                    reserved-for-loads = 37
                    piece = 8KiB
                    pieces-per-chunk = 41
                    in-flight = 43MiB
                    in-flight-beside-loads = 3MiB
                    age-step = 47ms
                    stuck-after = 53s
                    stuck-threads-max = 59
                    errors-before-probe = 61
                    restarts-max = 67
                    restarts-window = 71m
                    lease-pool = 73MiB
                    scan-threads = 79
                  }
                  intake { operations = 83, bytes = 89MiB, waiting = 97 }
                  link {
                    when-down = Reject
                    probe-interval = 101s
                    probe-timeout = 103s
                    failed-probes-max = 107
                    error-streaks-max = 109
                    retry-min = 113ms
                    retry-max = 127s
                    detach-timeout = 131s
                  }
                }
                """));
    assertEquals(
        new StoreSettings(
            StoreSettings.Mode.MOUNT,
            Path.of("/mnt/kv"),
            false,
            "/dev/nvme9n1",
            3L << 30,
            5 << 20,
            7 << 20,
            "lfu",
            Map.of("a", 11L << 10, "", 0L, "b.c", 13L),
            StoreSettings.Layout.SLAB,
            new StoreSettings.Slab(137 << 20, false),
            Durability.FULL,
            "required",
            17 << 20,
            Duration.ZERO,
            Duration.ofSeconds(19),
            Duration.ofSeconds(23),
            new StoreSettings.Io(
                StoreSettings.Engine.IO_URING,
                27,
                29,
                31,
                37,
                8 << 10,
                41,
                43 << 20,
                3 << 20,
                Duration.ofMillis(47),
                Duration.ofSeconds(53),
                59,
                61,
                67,
                Duration.ofMinutes(71),
                73 << 20,
                79),
            new StoreSettings.Intake(83, 89 << 20, 97),
            new StoreSettings.Link(
                StoreSettings.WhenDown.REJECT,
                Duration.ofSeconds(101),
                Duration.ofSeconds(103),
                107,
                109,
                Duration.ofMillis(113),
                Duration.ofSeconds(127),
                Duration.ofSeconds(131)),
            Optional.empty()),
        settings);
  }

  @Test
  void everyValueOfTheFabricArrivesAtItsPlace() {
    StoreSettings settings =
        StoreSettings.from(
            with(
                """
                weft.nvmeof {
                  transport = Rdma
                  paths = [
                    { address = 10.0.0.1, service = 4420, host-address = 10.0.0.9, host-interface = e0 }
                    { address = "fe80::1" }
                  ]
                  discovery = yes
                  subsystem-nqn = "nqn.2025-01.io.weft:b"
                  namespace-id = 3
                  host-nqn = "nqn.2014-08.org.nvmexpress:uuid:1"
                  host-id = 2
                  io-queues = 5
                  write-queues = 7
                  poll-queues = 11
                  queue-size = 13
                  type-of-service = 17
                  keep-alive-timeout = 19s
                  reconnect-delay = 23s
                  ctrl-loss-timeout = forever
                  fast-io-fail-timeout = 29s
                  header-digest = on
                  data-digest = on
                  disable-submission-flow = on
                  authentication { host-secret-file = /a, controller-secret-file = /b }
                  tls { enabled = off, keyring = k, key-id = 31, key-identity = i, concatenate = on }
                  auto-connect = off
                  auto-mount = off
                  auto-disconnect = off
                  command = /sbin/nvme
                  command-timeout = 37s
                  state-poll-interval = 41ms
                  filesystem = xfs
                  mount-options = "ro,noatime"
                  format = If-Empty
                }
                """));
    assertEquals(
        Optional.of(
            new FabricSettings(
                FabricSettings.Transport.RDMA,
                true,
                List.of(
                    new FabricSettings.PathSettings("10.0.0.1", "4420", "10.0.0.9", "e0"),
                    new FabricSettings.PathSettings("fe80::1", "", "", "")),
                "nqn.2025-01.io.weft:b",
                3,
                "nqn.2014-08.org.nvmexpress:uuid:1",
                "2",
                5,
                7,
                11,
                13,
                17,
                Duration.ofSeconds(19),
                Duration.ofSeconds(23),
                Optional.empty(),
                Optional.of(Duration.ofSeconds(29)),
                true,
                true,
                true,
                new FabricSettings.Security(
                    Optional.of(Path.of("/a")),
                    Optional.of(Path.of("/b")),
                    false,
                    "k",
                    "31",
                    "i",
                    true),
                false,
                false,
                false,
                "/sbin/nvme",
                Duration.ofSeconds(37),
                Duration.ofMillis(41),
                "xfs",
                "ro,noatime",
                FabricSettings.Format.IF_EMPTY)),
        settings.fabric());
  }

  @Test
  void aPathNamesItsAddress() {
    String message = refused(with("weft.nvmeof.paths = [ { service = 4420 } ]"));
    assertTrue(message.startsWith("weft.nvmeof.paths[0].address = "), message);
    message = refused(with("weft.nvmeof.paths = [ { address = \"-n x\" } ]"));
    assertTrue(message.startsWith("weft.nvmeof.paths[0].address = -n x: "), message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          mode                  | Fabric     | one of directory, mount, nvmeof
          directory             | ' '        | name the directory
          create-directory      | perhaps    | write true or false
          mount.expected-device | /dev/sdz   | leave it empty, or set weft.mode = mount
          capacity              | lots       | write a number with a unit, as in 16KiB
          capacity              | -1         | write a number with a unit
          capacity              | 0          | at least 1 B
          capacity              | 8191       | not even one chunk
          capacity              | 9999999P   | more than a store can hold
          max-chunk             | 2GiB       | at most 2047 MiB
          eviction.quota.team-a | some       | write a number with a unit
          layout                | log        | one of file, slab
          slab.segment          | 1000KiB    | a multiple of 1 MiB, from 1 MiB to 64 GiB
          slab.segment          | 1537KiB    | a multiple of 1 MiB
          slab.segment          | 65GiB      | to 64 GiB
          slab.prewrite         | perhaps    | write true or false
          durability            | Safe       | one of relaxed, data, full
          direct-io             | Maybe      | one of required, preferred, off
          snapshot-interval     | -1s        | not negative
          snapshot-interval     | soon       | write a time with a unit
          request-timeout       | 0s         | more than nothing
          request-timeout       | 30         | write a time with a unit
          io.age-step           | 1.5        | write a time with a unit
          io.threads            | 4.5        | write a whole number
          io.threads            | many       | write a whole number
          io.threads            | 0          | from 1 to 1024
          io.threads            | 1025       | from 1 to 1024
          io.piece              | 4095       | at least 4 KiB
          io.piece              | 6KiB       | a multiple of 4 KiB
          link.retry-max        | 10ms       | at least weft.link.retry-min = 1000ms
          nvmeof.transport      | udp        | one of tcp, rdma, fc, loop
          nvmeof.subsystem-nqn  | weft       | NVMe Qualified Name
          nvmeof.namespace-id   | 0          | from 1
          nvmeof.keep-alive-timeout | 1500ms | whole seconds
          nvmeof.ctrl-loss-timeout  | never  | write a time with a unit
          nvmeof.filesystem     | btrfs      | one of ext4, xfs
          nvmeof.format         | always     | one of never, if-empty
          nvmeof.mount-options  | --bind     | it may not begin with a '-'
          nvmeof.host-nqn       | a b        | without blanks
          nvmeof.command        | nvme -x    | without blanks
          io.reserved-for-loads | 32         | less than io.threads * io.queue-per-worker = 32
          """)
  void aWrongValueIsRefusedWithKeyValueAndMend(String key, String value, String mend) {
    String message = refused(with("weft.%s = \"%s\"".formatted(key, value)));
    assertTrue(message.startsWith("weft." + key + " = "), message);
    assertTrue(message.contains(value), message);
    assertTrue(message.contains(mend), message);
  }

  @ParameterizedTest
  @CsvSource({
    "nvmeof.authentication.host-secret-file, DHHC-1:00:c2VjcmV0:",
    "nvmeof.tls.key-id, NVMeTLSkey-1:01:c2VjcmV0:",
    "nvmeof.tls.key-identity, NVMeTLSkey-1:01:c2VjcmV0:",
    "nvmeof.host-nqn, DHHC-1:00:c2VjcmV0:"
  })
  void aSecretInTheWrongPlaceIsNotShown(String key, String secret) {
    String message = refused(with("weft.%s = \"%s\"".formatted(key, secret)));
    assertTrue(message.startsWith("weft." + key + " = ***: this is a secret"), message);
    assertFalse(message.contains("c2VjcmV0"), message);
  }

  @Test
  void aCapacityWithoutRoomForASegmentIsRefused() {
    String message =
        refused(with("weft.layout = slab", "weft.capacity = 200MiB", "weft.slab.segment = 256MiB"));
    assertTrue(message.startsWith("weft.slab.segment = 256MiB: not one segment"), message);
    assertTrue(message.contains("weft.capacity = 200MiB"), message);
  }

  @Test
  void withoutTheReferenceItSaysHowToLoadIt() {
    String message = refused(ConfigFactory.parseString("other = 1"));
    assertTrue(message.contains("no block 'weft'"), message);
    assertTrue(message.contains("ConfigFactory.load()"), message);
    message = refused(ConfigFactory.parseString("weft = 7"));
    assertTrue(message.startsWith("weft = 7: "), message);
  }

  @Test
  void aSettingThatThereIsNotIsRefusedWithoutItsValue() {
    for (String key : List.of("capactiy", "io.thread", "nvmeof.paths-of", "eviction.polcy.name")) {
      String message = refused(with("weft." + key + " = precious"));
      assertTrue(
          message.startsWith("weft." + key + " = (not shown): there is no such setting"), message);
    }
  }

  /** A salt is the user's, a dispatcher Pekko's, and a system property may be a tool's. */
  @Test
  void whatOthersReadIsNotRefused() {
    String property = "weft.settings-test.of-a-tool";
    System.setProperty(property, "1");
    ConfigFactory.invalidateCaches();
    try {
      var _ =
          StoreSettings.from(
              ConfigFactory.parseString(
                      """
                      weft.directory = /d
                      weft.eviction.quota { some-salt = 1GiB }
                      weft.dispatcher.shutdown-timeout = 1s
                      """)
                  .withFallback(ConfigFactory.load()));
    } finally {
      System.clearProperty(property);
      ConfigFactory.invalidateCaches();
    }
  }
}
