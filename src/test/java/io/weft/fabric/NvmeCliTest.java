package io.weft.fabric;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.FabricSettings;
import io.weft.base.FabricSettings.PathSettings;
import io.weft.fabric.FabricControl.BlockDevice;
import io.weft.fabric.FabricControl.Controller;
import io.weft.fabric.FabricControl.DiscoveredSubsystem;
import io.weft.fabric.FabricException.Kind;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is run, and what is made of the answers; sysfs is a folder of files. */
class NvmeCliTest {
  private static final String NQN = Settings.NQN;
  private static final PathSettings PATH = path("10.0.0.1", "4420");
  private static final String SECRET = "DHHC-1:00:c2VjcmV0LW9mLXRoZS1ob3N0:";
  private static final String CONTROLLER_SECRET = "DHHC-1:01:c2VjcmV0LW9mLXRoZS1jdHJs:";

  @TempDir Path folder;

  private final List<CommandLine> ran = new ArrayList<>();
  private Supplier<CommandRunner.Result> answer = () -> new CommandRunner.Result(0, "", "");

  private NvmeCli nvme(String... settings) {
    return nvme(Settings.of(settings));
  }

  private NvmeCli nvme(FabricSettings settings) {
    CommandRunner recorder =
        (command, timeout) -> {
          assertEquals(settings.commandTimeout(), timeout);
          ran.add(command);
          return answer.get();
        };
    return new NvmeCli(settings, recorder, folder, new CountingTicker());
  }

  private static PathSettings path(String address, String service) {
    return new PathSettings(address, service, "", "");
  }

  private static CommandRunner.Result failed(String errors) {
    return new CommandRunner.Result(1, "", errors);
  }

  private static String recorded(String name) {
    try {
      return Files.readString(Path.of("src/test/resources/fabric", name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void attribute(String path, String value) {
    try {
      Path file = folder.resolve(path);
      Files.createDirectories(file.getParent());
      Files.writeString(file, value + "\n");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void controller(String name, String nqn, String address, String state) {
    attribute("class/nvme/" + name + "/subsysnqn", nqn);
    attribute("class/nvme/" + name + "/transport", "tcp");
    attribute("class/nvme/" + name + "/address", address);
    attribute("class/nvme/" + name + "/state", state);
  }

  private void controller(String name, String address) {
    controller(name, NQN, address, "live");
  }

  private void gone(String name) {
    try {
      Files.move(folder.resolve("class/nvme/" + name), folder.resolve("gone-" + name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<String> names(List<Controller> controllers) {
    return controllers.stream().map(Controller::name).toList();
  }

  private static FabricException fails(Kind kind, Executable call) {
    FabricException failure = assertThrows(FabricException.class, call);
    assertEquals(kind, failure.kind(), failure.getMessage());
    return failure;
  }

  private static void assertSays(String expected, FabricException failure) {
    assertTrue(String.valueOf(failure.getMessage()).contains(expected), failure.getMessage());
  }

  // ---------------------------------------------------------------- arguments

  @Test
  void aConnectSaysEveryTimeOutAndLeavesTheRestToTheKernel() throws FabricException {
    assertEquals(
        List.of(
            "nvme",
            "connect",
            "--transport=tcp",
            "--traddr=10.0.0.1",
            "--trsvcid=4420",
            "--nqn=" + NQN,
            "--keep-alive-tmo=5",
            "--reconnect-delay=2",
            "--ctrl-loss-tmo=30",
            "--output-format=json"),
        nvme().connectCommand(PATH).arguments());
  }

  @Test
  void aConnectWithEverySetting() throws IOException, FabricException {
    Path host = Files.writeString(folder.resolve("host.key"), SECRET + "\n");
    Path controller = Files.writeString(folder.resolve("ctrl.key"), CONTROLLER_SECRET);
    CommandLine command =
        nvme("""
        weft.nvmeof {
          host-nqn = "nqn.2014-08.org.nvmexpress:uuid:1", host-id = "7db10a10"
          io-queues = 1, write-queues = 2, poll-queues = 3, queue-size = 64
          type-of-service = 16
          keep-alive-timeout = 7s, reconnect-delay = 3s, ctrl-loss-timeout = 1m
          fast-io-fail-timeout = 4s
          header-digest = on, data-digest = on, disable-submission-flow = on
          authentication { host-secret-file = "%s", controller-secret-file = "%s" }
          tls { enabled = on, keyring = .weft, key-id = 0x1234, key-identity = "NVMe1R01" }
          tls.concatenate = on
          command = /opt/nvme
        }
        """
                .formatted(host, controller))
            .connectCommand(new PathSettings("10.0.0.1", "4420", "10.0.0.9", "eth1"));
    List<String> expected =
        List.of(
            "/opt/nvme",
            "connect",
            "--transport=tcp",
            "--traddr=10.0.0.1",
            "--trsvcid=4420",
            "--host-traddr=10.0.0.9",
            "--host-iface=eth1",
            "--nqn=" + NQN,
            "--hostnqn=nqn.2014-08.org.nvmexpress:uuid:1",
            "--hostid=7db10a10",
            "--nr-io-queues=1",
            "--nr-write-queues=2",
            "--nr-poll-queues=3",
            "--queue-size=64",
            "--tos=16",
            "--keep-alive-tmo=7",
            "--reconnect-delay=3",
            "--ctrl-loss-tmo=60",
            "--hdr-digest",
            "--data-digest",
            "--disable-sqflow",
            "--dhchap-secret=" + SECRET,
            "--dhchap-ctrl-secret=" + CONTROLLER_SECRET,
            "--tls",
            "--keyring=.weft",
            "--tls_key=0x1234",
            "--tls_key_identity=NVMe1R01",
            "--concat",
            "--output-format=json");
    assertEquals(expected, command.arguments());
    assertEquals(
        String.join(" ", expected).replace(SECRET, "***").replace(CONTROLLER_SECRET, "***"),
        command.toString());
  }

  @ParameterizedTest
  @CsvSource({
    "ctrl-loss-timeout = forever, --ctrl-loss-tmo=-1",
    "io-queues = 8,               --nr-io-queues=8",
    "write-queues = 8,            --nr-write-queues=8",
    "poll-queues = 8,             --nr-poll-queues=8",
    "queue-size = 8,              --queue-size=8",
    "type-of-service = 8,         --tos=8",
    "header-digest = on,          --hdr-digest",
    "data-digest = on,            --data-digest",
    "disable-submission-flow = on, --disable-sqflow",
    "tls.enabled = on,            --tls",
    "tls.concatenate = on,        --concat",
    "host-id = abc,               --hostid=abc",
    "host-nqn = abc,              --hostnqn=abc",
    "transport = rdma,            --transport=rdma",
    "transport = fc,              --transport=fc"
  })
  void oneSettingIsOneArgument(String setting, String argument) throws FabricException {
    List<String> plain = nvme().connectCommand(PATH).arguments();
    List<String> arguments = nvme("weft.nvmeof." + setting).connectCommand(PATH).arguments();
    assertEquals(
        List.of(argument), arguments.stream().filter(each -> !plain.contains(each)).toList());
  }

  @Test
  void tlsKeysWithoutTlsAreNotPassed() throws FabricException {
    assertEquals(
        nvme().connectCommand(PATH).arguments(),
        nvme("weft.nvmeof.tls { keyring = .weft, key-id = 1, key-identity = a }")
            .connectCommand(PATH)
            .arguments());
  }

  @Test
  void theLoopTransportHasNoAddress() throws FabricException {
    List<String> arguments =
        nvme("weft.nvmeof { transport = loop, paths = [] }")
            .connectCommand(path("", ""))
            .arguments();
    assertEquals(
        List.of("nvme", "connect", "--transport=loop", "--nqn=" + NQN), arguments.subList(0, 4));
  }

  /** No shell is there to take one argument for several, or for a command. */
  @Test
  void aValueStaysOneArgument() throws FabricException {
    String odd = "$(reboot);`reboot`|&'\"\\*";
    FabricSettings settings = Settings.of("weft.nvmeof.host-id = \"\"\"" + odd + "\"\"\"");
    assertTrue(nvme(settings).connectCommand(PATH).arguments().contains("--hostid=" + odd));
  }

  @Test
  void aDiscovery() throws FabricException {
    answer = () -> new CommandRunner.Result(0, recorded("discover.json"), "");
    assertEquals(
        List.of(
            new DiscoveredSubsystem(
                "tcp", "127.0.0.1", "4420", "nqn.2014-08.org.nvmexpress.discovery"),
            new DiscoveredSubsystem("tcp", "127.0.0.1", "4420", NQN)),
        nvme("weft.nvmeof { host-nqn = a, host-id = b }")
            .discover(new PathSettings("10.0.0.1", "8009", "10.0.0.9", "eth1")));
    assertEquals(
        List.of(
            "nvme",
            "discover",
            "--transport=tcp",
            "--traddr=10.0.0.1",
            "--trsvcid=8009",
            "--host-traddr=10.0.0.9",
            "--host-iface=eth1",
            "--hostnqn=a",
            "--hostid=b",
            "--output-format=json"),
        ran.getFirst().arguments());
  }

  @Test
  void aDiscoveryThatFails() {
    answer = () -> failed("Failed to write to /dev/nvme-fabrics: Connection refused");
    assertSays(
        "nvme discover of " + NQN + " at tcp:10.0.0.1:4420",
        fails(Kind.REFUSED, () -> nvme().discover(PATH)));
    answer = () -> new CommandRunner.Result(0, "No discovery log entries to fetch.", "");
    assertSays("printed no JSON", fails(Kind.OTHER, () -> nvme().discover(PATH)));
    answer = () -> new CommandRunner.Result(0, "", "");
    assertEquals(List.of(), assertDoesNotThrow(() -> nvme().discover(PATH)));
  }

  // ---------------------------------------------------------------- secrets

  @Test
  void aSecretIsInNoMessage() throws IOException {
    Path file = Files.writeString(folder.resolve("key"), SECRET);
    String setting = "weft.nvmeof.authentication.host-secret-file = \"%s\"".formatted(file);
    answer = () -> failed("Failed to write '" + SECRET + "': Invalid key " + SECRET);
    assertSays("'***'", fails(Kind.SECRET, () -> nvme(setting).connect(PATH)));
    answer = () -> failed("who knows what " + SECRET + " is");
    FabricException other = fails(Kind.OTHER, () -> nvme(setting).connect(PATH));
    assertFalse(other.toString().contains(SECRET.substring(10)), other.toString());
    assertTrue(ran.getFirst().arguments().contains("--dhchap-secret=" + SECRET));
    assertFalse(ran.getFirst().toString().contains(SECRET.substring(10)));
  }

  @Test
  void aFileThatHoldsNoSecretIsNamedAndNotShown() throws IOException {
    Path file = folder.resolve("key");
    String setting = "weft.nvmeof.authentication.host-secret-file = \"%s\"".formatted(file);
    assertSays("NoSuchFile", fails(Kind.SECRET, () -> nvme(setting).connect(PATH)));
    for (String wrong :
        List.of("", "hunter2", SECRET + "\n" + CONTROLLER_SECRET, SECRET + " --tls", "hunter2é")) {
      Files.writeString(file, wrong);
      FabricException failure = fails(Kind.SECRET, () -> nvme(setting).connect(PATH));
      assertSays(file.toString(), failure);
      assertFalse(failure.getMessage().contains("hunter2"), failure.getMessage());
      assertFalse(failure.getMessage().contains(SECRET), failure.getMessage());
      assertEquals(null, failure.getCause());
    }
    assertEquals(List.of(), ran);
  }

  // ---------------------------------------------------------------- connecting

  @Test
  void aPathThatIsConnectedIsLeftAlone() throws FabricException {
    controller("nvme0", "traddr=10.0.0.1,trsvcid=4420,src_addr=10.0.0.9");
    assertEquals(Optional.empty(), nvme().connect(PATH));
    assertEquals(List.of(), ran);
  }

  @Test
  void aNewControllerIsReturned() throws FabricException {
    controller("nvme0", "traddr=10.0.0.2,trsvcid=4420");
    answer =
        () -> {
          controller("nvme1", "traddr=10.0.0.1,trsvcid=4420");
          return new CommandRunner.Result(0, recorded("connect.json"), "");
        };
    Controller made = nvme().connect(PATH).orElseThrow();
    assertEquals("nvme1", made.name());
    assertTrue(made.live());
  }

  /** Exit 1 and "already connected": somebody was faster, and may keep it. */
  @Test
  void whatSomebodyElseConnectedMeanwhileIsTheirs() throws FabricException {
    answer =
        () -> {
          controller("nvme0", "traddr=10.0.0.1,trsvcid=4420");
          return failed(recorded("connect-again.txt"));
        };
    assertEquals(Optional.empty(), nvme().connect(PATH));
  }

  @Test
  void alreadyConnectedWithoutAControllerIsAFailure() {
    answer = () -> failed(recorded("connect-again.txt"));
    assertSays("already connected", fails(Kind.OTHER, () -> nvme().connect(PATH)));
  }

  @Test
  void aConnectThatBringsNoControllerEnds() {
    answer = () -> new CommandRunner.Result(0, recorded("connect.json"), "");
    assertSays("shows no controller", fails(Kind.TIMEOUT, () -> nvme().connect(PATH)));
  }

  @ParameterizedTest
  @CsvSource({
    "10.0.0.1, 4420, '', '', true",
    "10.0.0.1, '',   '', '', true",
    "10.0.0.1, 4421, '', '', false",
    "10.0.0.2, 4420, '', '', false",
    "10.0.0.1, 4420, 10.0.0.9, '', true",
    "10.0.0.1, 4420, 10.0.0.8, '', false",
    "10.0.0.1, 4420, '', eth1, true",
    "10.0.0.1, 4420, '', eth2, false"
  })
  void aPathIsItsFourParts(
      String address, String service, String host, String hostInterface, boolean leads)
      throws FabricException {
    controller("nvme0", "traddr=10.0.0.1,trsvcid=4420,host_traddr=10.0.0.9,host_iface=eth1");
    NvmeCli nvme = nvme();
    PathSettings path = new PathSettings(address, service, host, hostInterface);
    assertEquals(leads, nvme.leadsTo(nvme.controllers().getFirst(), path));
  }

  @ParameterizedTest
  @CsvSource({
    "127.0.0.1, localhost, true",
    "10.0.0.1,  localhost, false",
    "fd00::1,   fd00:0:0:0:0:0:0:1, true",
    "fd00::1,   FD00::0001, true",
    "fd00::1,   fd00::2, false",
    "'',        localhost, false",
    "127.0.0.1, [none, false"
  })
  void oneAddressHasManyNames(String shown, String configured, boolean same)
      throws FabricException {
    controller("nvme0", "traddr=" + shown + ",trsvcid=4420");
    NvmeCli nvme = nvme();
    assertEquals(same, nvme.leadsTo(nvme.controllers().getFirst(), path(configured, "4420")));
  }

  @Test
  void otherTransportsHaveNoHostNames() throws FabricException {
    controller("nvme0", "traddr=127.0.0.1,trsvcid=");
    NvmeCli nvme = nvme("weft.nvmeof.transport = fc");
    assertFalse(nvme.leadsTo(nvme.controllers().getFirst(), path("localhost", "")));
    assertTrue(nvme.leadsTo(nvme.controllers().getFirst(), path("127.0.0.1", "")));
  }

  @Test
  void fastIoFailIsWrittenToTheController() throws FabricException, IOException {
    answer =
        () -> {
          controller("nvme0", "traddr=10.0.0.1,trsvcid=4420");
          attribute("class/nvme/nvme0/fast_io_fail_tmo", "-1 and more");
          return new CommandRunner.Result(0, "", "");
        };
    assertTrue(nvme("weft.nvmeof.fast-io-fail-timeout = 7s").connect(PATH).isPresent());
    assertEquals("7", Files.readString(folder.resolve("class/nvme/nvme0/fast_io_fail_tmo")));
  }

  @Test
  void withoutTheAttributeTheControllerDoesNotStay() {
    answer =
        () -> {
          if (ran.size() == 1) {
            controller("nvme0", "traddr=10.0.0.1,trsvcid=4420");
          } else {
            gone("nvme0");
          }
          return new CommandRunner.Result(0, "", "");
        };
    assertSays(
        "weft.nvmeof.fast-io-fail-timeout",
        fails(
            Kind.NO_KERNEL_SUPPORT,
            () -> nvme("weft.nvmeof.fast-io-fail-timeout = 7s").connect(PATH)));
    assertEquals("nvme disconnect --device=nvme0", ran.getLast().toString());
  }

  // ---------------------------------------------------------------- disconnecting

  @Test
  void aDisconnectIsOneControllerAndWaitsUntilItIsGone() throws FabricException {
    controller("nvme0", "traddr=10.0.0.1,trsvcid=4420");
    controller("nvme1", "traddr=10.0.0.2,trsvcid=4420");
    answer =
        () -> {
          gone("nvme0");
          return new CommandRunner.Result(0, recorded("disconnect.txt"), "");
        };
    NvmeCli nvme = nvme();
    nvme.disconnect(nvme.controllers().getFirst());
    assertEquals(List.of("nvme", "disconnect", "--device=nvme0"), ran.getFirst().arguments());
    assertEquals(List.of("nvme1"), names(nvme.controllers()));
  }

  @Test
  void aControllerThatStaysIsAFailure() throws FabricException {
    controller("nvme0", "traddr=10.0.0.1,trsvcid=4420");
    answer = () -> new CommandRunner.Result(0, recorded("disconnect-again.txt"), "");
    NvmeCli nvme = nvme();
    Controller controller = nvme.controllers().getFirst();
    FabricException failure = fails(Kind.OTHER, () -> nvme.disconnect(controller));
    assertSays("controller nvme0 is still there", failure);
    assertSays("disconnected 0 controller(s)", failure);
  }

  @Test
  void theNextControllerOfTheSameNameIsAnother() throws FabricException {
    controller("nvme0", "traddr=10.0.0.1,trsvcid=4420");
    NvmeCli nvme = nvme();
    Controller first = nvme.controllers().getFirst();
    attribute("class/nvme/nvme0/state", "connecting");
    assertTrue(first.is(nvme.controllers().getFirst()));
    gone("nvme0");
    controller("nvme0", "traddr=10.0.0.1,trsvcid=4420");
    assertFalse(first.is(nvme.controllers().getFirst()));
  }

  // ---------------------------------------------------------------- state

  @Test
  void onlyTheSubsystemsControllersAreSeen() throws FabricException {
    assertEquals(List.of(), nvme().controllers());
    controller("nvme0", "nqn.2025-01.io.weft:test2", "traddr=10.0.0.1,trsvcid=4420", "live");
    controller("nvme1", NQN, "traddr=10.0.0.1,trsvcid=4420,host_iface=eth0", "connecting");
    attribute("class/nvme/nvme2/state", "live");
    Controller only = nvme().controllers().getFirst();
    assertEquals(
        new Controller(
            "nvme1", "tcp", "10.0.0.1", "4420", "", "eth0", "connecting", only.identity()),
        only);
    assertFalse(only.live());
    assertEquals(1, nvme().controllers().size());
  }

  @ParameterizedTest
  @CsvSource({
    "list-subsys.json,               nvme0 live nvme1 live",
    "list-subsys-device.json,        nvme0 live nvme1 live",
    "list-subsys-one-path-lost.json, nvme0 connecting nvme1 live",
    "list-subsys-no-path.json,       ''",
    "list-subsys-none.json,          ''"
  })
  void recordedLists(String file, String expected) throws FabricException {
    answer = () -> new CommandRunner.Result(0, recorded(file), "");
    List<String> seen = new ArrayList<>();
    for (Controller controller : nvme().listed()) {
      seen.add(controller.name() + " " + controller.state());
      assertEquals("4420", controller.service());
      assertTrue(controller.address().startsWith("127.0.0."));
    }
    assertEquals(expected, String.join(" ", seen));
    assertEquals("nvme list-subsys --output-format=json", ran.getFirst().toString());
  }

  /** Older than what lists hosts: a subsystem's name and its paths are neighbours. */
  @Test
  void theOlderFormOfTheList() throws FabricException {
    String older =
        """
        { "Subsystems" : [
          { "Name" : "nvme-subsys0", "NQN" : "nqn.2014-08.org.other:a" },
          { "Paths" : [ { "Name" : "nvme0", "Transport" : "tcp",
              "Address" : "traddr=10.0.0.7 trsvcid=4420", "State" : "live" } ] },
          { "Name" : "nvme-subsys1", "NQN" : "%s" },
          { "Paths" : [ { "Name" : "nvme1", "Transport" : "rdma",
              "Address" : "traddr=10.0.0.1 trsvcid=4420", "State" : "live" } ] }
        ] }
        """
            .formatted(NQN);
    assertEquals(
        List.of(new Controller("nvme1", "rdma", "10.0.0.1", "4420", "", "", "live", "")),
        NvmeCli.parseSubsystems(older, NQN));
    assertEquals(List.of(), NvmeCli.parseSubsystems("", NQN));
    assertEquals(List.of(), NvmeCli.parseSubsystems(older, NQN + "x"));
  }

  @Test
  void aListThatFailsOrIsNone() {
    answer = () -> failed("Failed to scan topology: No such file or directory");
    assertSays("nvme list-subsys: Failed to scan", fails(Kind.OTHER, () -> nvme().listed()));
    answer = () -> new CommandRunner.Result(0, "NVMe ready", "");
    assertSays("printed no JSON", fails(Kind.OTHER, () -> nvme().listed()));
  }

  @Test
  void theBlockDeviceIsFoundByNameAndNamespace() throws FabricException {
    assertEquals(Optional.empty(), nvme().blockDevice());
    block("nvme0n1", NQN + "2", "1", "259:0");
    block("nvme1c0n1", NQN, "1", "259:1");
    block("nvme1n1", NQN, "2", "259:2");
    attribute("block/sda/dev", "8:0");
    assertEquals(Optional.empty(), nvme().blockDevice());
    block("nvme1n2", NQN, "1", "259:3");
    assertEquals(
        Optional.of(new BlockDevice(Path.of("/dev/nvme1n2"), "259:3")), nvme().blockDevice());
    assertEquals(
        Optional.of(new BlockDevice(Path.of("/dev/nvme1n1"), "259:2")),
        nvme("weft.nvmeof.namespace-id = 2").blockDevice());
  }

  private void block(String name, String nqn, String namespace, String number) {
    attribute("block/" + name + "/nsid", namespace);
    attribute("block/" + name + "/dev", number);
    attribute("block/" + name + "/device/subsysnqn", nqn);
  }

  // ---------------------------------------------------------------- what nvme-cli says

  @ParameterizedTest
  @CsvSource({
    "connect-refused.txt, REFUSED,   Connection refused",
    "connect-unknown.txt, WRONG_NQN, Input/output error",
    "connect-again.txt,   OTHER,     already connected"
  })
  void recordedErrors(String file, Kind kind, String words) {
    answer = () -> failed(recorded(file));
    assertSays(words, fails(kind, () -> nvme().connect(PATH)));
  }

  @ParameterizedTest
  @CsvSource({
    "could not add new controller: connection refused, REFUSED",
    "could not add new controller: cannot assign requested address, UNREACHABLE",
    "Failed to write to /dev/nvme-fabrics: No route to host, UNREACHABLE",
    "Failed to write to /dev/nvme-fabrics: Network is unreachable, UNREACHABLE",
    "Failed to write to /dev/nvme-fabrics: Connection timed out, UNREACHABLE",
    "could not add new controller: failed to resolve host, UNREACHABLE",
    "could not add new controller: hostnqn already in use, HOST_IN_USE",
    "TLS PSK not available, SECRET",
    "KX-HMAC-CHAP secret not available, SECRET",
    "could not add new controller: TLS PSK or KX-HMAC-CHAP secret not available, SECRET",
    "Failed to write to /dev/nvme-fabrics: Required key not available, SECRET",
    "Failed to write to /dev/nvme-fabrics: Key was rejected by service, SECRET",
    "could not add new controller: pre-shared TLS key is missing, SECRET",
    "could not add new controller: failed to open nvme-fabrics device, NO_KERNEL_SUPPORT",
    "Failed to open /dev/nvme-fabrics: No such file or directory, NO_KERNEL_SUPPORT",
    "Failed to scan topology: No such file or directory, NO_KERNEL_SUPPORT",
    "could not add new controller: not supported, NO_KERNEL_SUPPORT",
    "Failed to open /dev/nvme-fabrics: Permission denied, NO_PERMISSION",
    "Failed to write to /dev/nvme-fabrics: Operation not permitted, NO_PERMISSION",
    "connect: unrecognized option '--concat', NO_COMMAND",
    "the moon is full, OTHER",
    "the keyboard is not supporting, OTHER",
    "could not open the turnkey secretary, OTHER",
    "no device available, OTHER"
  })
  void errorsByTheirText(String said, Kind kind) {
    answer = () -> failed("\n" + said + "\n");
    assertSays(said, fails(kind, () -> nvme().connect(PATH)));
  }

  /** Permission first: nvme-cli says the general thing after the telling one. */
  @Test
  void theTellingLineIsShown() {
    answer =
        () ->
            failed(
                "Failed to open /dev/nvme-fabrics: Permission denied\n"
                    + "could not add new controller: failed to open nvme-fabrics device");
    assertSays(
        ": Failed to open /dev/nvme-fabrics: Permission denied",
        fails(Kind.NO_PERMISSION, () -> nvme().connect(PATH)));
  }

  /** After an unknown option the whole usage follows, with keys and secrets in it. */
  @Test
  void anOptionThatNvmeCliDoesNotKnow() {
    answer =
        () ->
            failed(
                """
                connect: unrecognized option '--tls'
                Usage: nvme connect <device> [OPTIONS]
                  [  --dhchap-secret=<STR>, -S <STR> ]  --- user-defined dhchap key
                """);
    assertSays(
        ": connect: unrecognized option '--tls'",
        fails(Kind.NO_COMMAND, () -> nvme("weft.nvmeof.tls.enabled = on").connect(PATH)));
  }

  /** A name may end in "key"; what is not available is then the subsystem. */
  @Test
  void whatNvmeCliRepeatsOfOursMeansNothing() {
    String named = "weft.nvmeof.subsystem-nqn = \"nqn.2025-01.io.weft:a-key\"";
    answer = () -> failed("nqn.2025-01.io.weft:a-key is not available");
    fails(Kind.OTHER, () -> nvme(named).connect(PATH));
    answer = () -> failed("the key of nqn.2025-01.io.weft:a-key is not available");
    fails(Kind.SECRET, () -> nvme(named).connect(PATH));
  }

  // ---------------------------------------------------------------- version

  @ParameterizedTest
  @CsvSource({
    "'nvme version 2.3 (git 2.3)', 2.3",
    "'nvme version 2.16 (git 2.16)\nlibnvme version 1.16', 2.16",
    "'nvme version 3.0-rc.1', 3.0"
  })
  void aVersionThatWillDo(String output, String version) throws FabricException {
    answer = () -> new CommandRunner.Result(0, output, "");
    assertEquals(version, nvme().check());
    assertEquals(List.of("nvme", "version"), ran.getFirst().arguments());
  }

  @Test
  void aVersionThatIsTooOldAndACommandThatIsAnother() {
    answer = () -> new CommandRunner.Result(0, "nvme version 1.16", "");
    assertSays("nvme-cli 1.16 is too old: 2.0", fails(Kind.NO_COMMAND, () -> nvme().check()));
    answer = () -> new CommandRunner.Result(0, "", "usage: true");
    assertSays(
        "weft.nvmeof.command = /bin/true",
        fails(Kind.NO_COMMAND, () -> nvme("weft.nvmeof.command = /bin/true").check()));
  }

  @Test
  void noCommandAtAll() {
    NvmeCli nvme =
        new NvmeCli(
            Settings.of("weft.nvmeof.command = /no/nvme"),
            new SystemCommands(),
            folder,
            new CountingTicker());
    assertSays("/no/nvme", fails(Kind.NO_COMMAND, nvme::check));
  }

  @Test
  void theTimeOutIsTheConfiguredOne() throws FabricException {
    answer = () -> new CommandRunner.Result(0, "nvme version 2.3", "");
    FabricSettings settings = Settings.of("weft.nvmeof.command-timeout = 3s");
    assertEquals(Duration.ofSeconds(3), settings.commandTimeout());
    nvme(settings).check();
  }

  @Test
  void aNamespaceIsIdentified() throws FabricException {
    answer = () -> new CommandRunner.Result(0, recorded("id-ns.json"), "");
    assertEquals(
        new FabricControl.NamespaceIdentity(1L << 30, 512, "0".repeat(32)),
        nvme().identify(new BlockDevice(Path.of("/dev/nvme0n1"), "259:0")));
    assertEquals(
        List.of("nvme", "id-ns", "/dev/nvme0n1", "--output-format=json"),
        ran.getFirst().arguments());
    answer = () -> failed("/dev/nvme0n1: No such device");
    FabricException gone =
        assertThrows(
            FabricException.class,
            () -> nvme().identify(new BlockDevice(Path.of("/dev/nvme0n1"), "259:0")));
    assertTrue(gone.getMessage().contains("No such device"), gone.getMessage());
  }

  /** The format in use is the one that the low bits of flbas name. */
  @Test
  void aNamespaceOfAnotherFormatIsIdentified() throws FabricException {
    answer =
        () ->
            new CommandRunner.Result(
                0,
                "{\"nsze\":10,\"flbas\":17,\"lbafs\":[{\"ds\":9},{\"ds\":12}],\"nguid\":\"a\"}",
                "");
    assertEquals(
        new FabricControl.NamespaceIdentity(40_960, 4096, "a"),
        nvme().identify(new BlockDevice(Path.of("/dev/nvme0n1"), "259:0")));
  }

  @Test
  void theHostsDevicesAreListed() throws FabricException {
    answer = () -> new CommandRunner.Result(0, recorded("list.json"), "");
    assertEquals(List.of(new FabricControl.ListedDevice("/dev/nvme0n1", 1)), nvme().devices());
    assertEquals(List.of("nvme", "list", "--output-format=json"), ran.getFirst().arguments());
    answer = () -> new CommandRunner.Result(0, "", "");
    assertEquals(List.of(), nvme().devices());
  }
}
