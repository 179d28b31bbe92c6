package io.weft.fabric;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.FabricSettings;
import io.weft.base.FabricSettings.PathSettings;
import io.weft.fabric.FabricControl.BlockDevice;
import io.weft.fabric.FabricControl.Controller;
import io.weft.fabric.FabricControl.DiscoveredSubsystem;
import io.weft.fabric.FabricException.Kind;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** The order of the steps and whose is what, over a fabric and mounts made of maps. */
class AttachmentTest {
  private static final Path MOUNT_POINT = Path.of("/mnt/kv");
  private static final BlockDevice DEVICE = new BlockDevice(Path.of("/dev/nvme0n1"), "259:1");
  private static final String TWO_PATHS =
      "weft.nvmeof.paths = [ { address = a, service = 1 }, { address = b, service = 1 } ]";
  private static final String DISCOVERY =
      "weft.nvmeof { discovery = on, paths = [ { address = d1 }, { address = d2 } ] }";

  private final Fabric fabric = new Fabric();
  private final Mounts mounts = new Mounts();
  private final List<String> steps = new ArrayList<>();

  /** Controllers by name; paths that fail, by address. */
  private final class Fabric implements FabricControl {
    final Map<String, Controller> present = new LinkedHashMap<>();
    final Map<String, Kind> failing = new HashMap<>();
    final Map<String, List<DiscoveredSubsystem>> offers = new HashMap<>();
    final Set<String> staying = new HashSet<>();
    String stateOfNew = "live";
    @Nullable BlockDevice device = DEVICE;
    private int made;

    void add(String name, String address, String state) {
      made++;
      present.put(
          name, new Controller(name, "tcp", address, "1", "", "", state, String.valueOf(made)));
    }

    void become(String name, String state) {
      Controller was = present.get(name);
      present.put(
          name, new Controller(name, "tcp", was.address(), "1", "", "", state, was.identity()));
    }

    private void mayFail(String address) throws FabricException {
      if (failing.containsKey(address)) {
        throw new FabricException(failing.get(address), "no " + address);
      }
    }

    @Override
    public String check() {
      steps.add("check");
      return "2.3";
    }

    @Override
    public NamespaceIdentity identify(BlockDevice device) {
      return new NamespaceIdentity(1 << 30, 512, "");
    }

    @Override
    public List<ListedDevice> devices() {
      return List.of(new ListedDevice("/dev/nvme7n2", 2));
    }

    @Override
    public List<DiscoveredSubsystem> discover(PathSettings path) throws FabricException {
      steps.add("discover " + path.address());
      mayFail(path.address());
      return offers.getOrDefault(path.address(), List.of());
    }

    @Override
    public List<Controller> controllers() {
      return List.copyOf(present.values());
    }

    @Override
    public Optional<Controller> connect(PathSettings path) throws FabricException {
      steps.add("connect " + path.address());
      mayFail(path.address());
      if (present.values().stream().anyMatch(each -> leadsTo(each, path))) {
        return Optional.empty();
      }
      String name = "nvme" + present.size();
      add(name, path.address(), stateOfNew);
      return Optional.of(present.get(name));
    }

    @Override
    public void disconnect(Controller controller) throws FabricException {
      steps.add("disconnect " + controller.name());
      if (staying.contains(controller.name())) {
        throw new FabricException(Kind.OTHER, controller.name() + " stays");
      }
      present.remove(controller.name());
    }

    @Override
    public boolean leadsTo(Controller controller, PathSettings path) {
      return controller.address().equals(path.address());
    }

    @Override
    public Optional<BlockDevice> blockDevice() {
      return Optional.ofNullable(device);
    }
  }

  private final class Mounts implements MountControl {
    final List<MountTable.Mount> table = new ArrayList<>();
    Optional<String> found = Optional.of("ext4");
    Optional<Kind> unmountFails = Optional.empty();
    String numberAfterMount = DEVICE.number();

    void add(String number, Path at) {
      table.add(new MountTable.Mount("2", "1", number, at, "ext4", "/dev/x"));
    }

    @Override
    public Optional<String> filesystem(Path device) {
      return found;
    }

    @Override
    public void format(Path device, String filesystem) {
      steps.add("format " + device + " " + filesystem);
    }

    @Override
    public void check(Path device, Path mountPoint, String filesystem) {
      steps.add("fsck " + device + " " + filesystem);
    }

    @Override
    public void requireUnused(Path device) {
      steps.add("unused " + device);
    }

    @Override
    public void requireFree(Path mountPoint) {
      steps.add("free " + mountPoint);
    }

    @Override
    public MountTable.Mount mount(Path device, Path mountPoint, String filesystem, String options) {
      steps.add("mount " + device + " " + mountPoint + " " + filesystem + " " + options);
      add(numberAfterMount, mountPoint);
      return table.getLast();
    }

    @Override
    public void unmount(Path mountPoint, boolean lazily) throws FabricException {
      steps.add("unmount " + mountPoint + (lazily ? " lazily" : ""));
      if (unmountFails.isPresent()) {
        throw new FabricException(unmountFails.get(), "stays");
      }
      table.removeIf(mount -> mount.mountPoint().equals(mountPoint));
    }

    @Override
    public MountTable table() {
      return new MountTable(List.copyOf(table));
    }
  }

  private Attachment attachment(String... settings) {
    FabricSettings of = Settings.of(settings);
    return new Attachment(of, MOUNT_POINT, fabric, mounts, new CountingTicker());
  }

  private static FabricException fails(Kind kind, Executable call) {
    FabricException failure = assertThrows(FabricException.class, call);
    assertEquals(kind, failure.kind(), failure.getMessage());
    return failure;
  }

  private static void assertSays(String expected, FabricException failure) {
    assertTrue(String.valueOf(failure.getMessage()).contains(expected), failure.getMessage());
  }

  private List<String> steps() {
    List<String> done = List.copyOf(steps);
    steps.clear();
    return done;
  }

  // ---------------------------------------------------------------- connecting

  @Test
  void everyPathIsConnected() throws FabricException {
    Attachment attachment = attachment(TWO_PATHS);
    assertEquals(DEVICE, attachment.connect());
    assertEquals(List.of("check", "connect a", "connect b"), steps());
    attachment.connect();
    assertEquals(List.of("connect a", "connect b"), steps());
  }

  @Test
  void onePathIsEnough() throws FabricException {
    fabric.failing.put("a", Kind.REFUSED);
    Attachment attachment = attachment(TWO_PATHS);
    assertEquals(DEVICE, attachment.connect());
    assertEquals(new Attachment.Health(1, 1, 1), attachment.health());
    assertEquals("1 of 2 paths live", attachment.health().toString());
  }

  @Test
  void withoutAnyPathTheFirstReasonCounts() {
    fabric.failing.put("a", Kind.REFUSED);
    fabric.failing.put("b", Kind.UNREACHABLE);
    assertSays("no a", fails(Kind.REFUSED, () -> attachment(TWO_PATHS).connect()));
    assertEquals(List.of("check", "connect a", "connect b"), steps());
  }

  @Test
  void noPathIsLive() {
    fabric.stateOfNew = "connecting";
    assertSays(
        "no path to " + Settings.NQN + " is live",
        fails(Kind.UNREACHABLE, () -> attachment(TWO_PATHS).connect()));
  }

  @Test
  void theNamespaceIsNotThere() {
    fabric.device = null;
    assertSays(
        "has no namespace 7",
        fails(Kind.NO_NAMESPACE, () -> attachment("weft.nvmeof.namespace-id = 7").connect()));
  }

  @Test
  void withoutAutoConnectNothingIsRun() throws FabricException {
    Attachment attachment = attachment("weft.nvmeof.auto-connect = off");
    assertSays("auto-connect is off", fails(Kind.NOT_CONNECTED, attachment::connect));
    fabric.add("nvme0", "10.0.0.1", "live");
    assertEquals(DEVICE, attachment.connect());
    fabric.present.clear();
    fabric.add("nvme1", "elsewhere", "live");
    attachment.reconnectMissing();
    attachment.disconnect();
    assertEquals(List.of(), steps());
  }

  @Test
  void discoveryNamesThePaths() throws FabricException {
    String other = "nqn.2025-01.io.weft:other";
    fabric.offers.put(
        "d1",
        List.of(
            new DiscoveredSubsystem("tcp", "x", "1", other),
            new DiscoveredSubsystem("rdma", "y", "1", Settings.NQN),
            new DiscoveredSubsystem("tcp", "a", "1", Settings.NQN),
            new DiscoveredSubsystem("TCP", "b", "1", Settings.NQN)));
    fabric.offers.put("d2", List.of(new DiscoveredSubsystem("tcp", "a", "1", Settings.NQN)));
    Attachment attachment = attachment(DISCOVERY);
    attachment.connect();
    assertEquals(List.of("check", "discover d1", "discover d2", "connect a", "connect b"), steps());
    assertEquals(new Attachment.Health(2, 2, 0), attachment.health());
  }

  @Test
  void oneDiscoveryServiceIsEnough() throws FabricException {
    fabric.failing.put("d1", Kind.REFUSED);
    fabric.offers.put("d2", List.of(new DiscoveredSubsystem("tcp", "a", "1", Settings.NQN)));
    attachment(DISCOVERY).connect();
    assertEquals(List.of("check", "discover d1", "discover d2", "connect a"), steps());
  }

  @Test
  void nothingIsOffered() {
    assertSays(
        "do not offer " + Settings.NQN,
        fails(Kind.WRONG_NQN, () -> attachment(DISCOVERY).connect()));
    fabric.failing.put("d2", Kind.REFUSED);
    fails(Kind.REFUSED, () -> attachment(DISCOVERY).connect());
  }

  // ---------------------------------------------------------------- mounting

  @Test
  void aDeviceIsCheckedAndMounted() throws FabricException {
    assertEquals("259:1", attachment("weft.nvmeof.mount-options = ro").mount(DEVICE));
    assertEquals(
        List.of(
            "free /mnt/kv",
            "unused /dev/nvme0n1",
            "fsck /dev/nvme0n1 ext4",
            "mount /dev/nvme0n1 /mnt/kv ext4 ro"),
        steps());
  }

  @Test
  void whatIsMountedThereAlreadyStaysAndIsSomebodyElses() throws FabricException {
    mounts.add("259:1", MOUNT_POINT);
    Attachment attachment = attachment();
    assertEquals("259:1", attachment.mount(DEVICE));
    attachment.unmount();
    assertEquals(List.of(), steps());
  }

  @Test
  void anotherDeviceAtTheMountPoint() {
    mounts.add("8:1", MOUNT_POINT);
    assertSays("device 8:1", fails(Kind.MOUNT_POINT_IN_USE, () -> attachment().mount(DEVICE)));
    assertEquals(List.of(), steps());
  }

  /** Mounted, and then not to be opened: the superblock may be dead, and only a new one lives. */
  @Test
  void aMountThatTheStoreHadIsMadeAnew() throws FabricException {
    Attachment attachment = attachment();
    attachment.mount(attachment.connect());
    steps();
    attachment.mount(attachment.connect());
    assertEquals(
        List.of(
            "connect 10.0.0.1",
            "unmount " + MOUNT_POINT + " lazily",
            "free " + MOUNT_POINT,
            "unused " + DEVICE.path(),
            "fsck " + DEVICE.path() + " ext4"),
        steps().subList(0, 5));
  }

  /**
   * Found at the start, as a killed process leaves it: taken as it is once, made anew after a loss.
   */
  @Test
  void aMountThatWasFoundIsMadeAnewAfterALoss() throws FabricException {
    mounts.add(DEVICE.number(), MOUNT_POINT);
    Attachment attachment = attachment();
    attachment.mount(attachment.connect());
    attachment.unmount();
    assertEquals(1, mounts.table.size(), "somebody else's stays");
    steps();
    attachment.mount(attachment.connect());
    assertTrue(steps().contains("unmount " + MOUNT_POINT + " lazily"));
    attachment.unmount();
    assertEquals(List.of(), mounts.table, "now it was ours");
  }

  @Test
  void whatSomebodyElseMountedInOurPlaceStays() throws FabricException {
    Attachment attachment = attachment();
    attachment.mount(attachment.connect());
    mounts.table.clear();
    mounts.table.add(new MountTable.Mount("77", "1", "8:1", MOUNT_POINT, "ext4", "/dev/other"));
    attachment.unmount();
    assertEquals(1, mounts.table.size());
  }

  /** A filesystem that somebody still has mounted keeps its controllers. */
  @Test
  void nothingIsDisconnectedUnderAMount() throws FabricException {
    Attachment attachment = attachment();
    attachment.mount(attachment.connect());
    fails(Kind.BUSY, attachment::disconnect);
    assertEquals(1, fabric.present.size());
    attachment.unmount();
    attachment.disconnect();
    assertEquals(0, fabric.present.size());
  }

  @Test
  void ourOwnStaleMountGoesFirst() throws FabricException {
    Attachment attachment = attachment();
    attachment.mount(DEVICE);
    steps.clear();
    BlockDevice again = new BlockDevice(Path.of("/dev/nvme1n1"), "259:2");
    mounts.numberAfterMount = "259:2";
    assertEquals("259:2", attachment.mount(again));
    assertEquals(
        List.of(
            "unmount /mnt/kv lazily",
            "free /mnt/kv",
            "unused /dev/nvme1n1",
            "fsck /dev/nvme1n1 ext4",
            "mount /dev/nvme1n1 /mnt/kv ext4 noatime"),
        steps());
  }

  @Test
  void withoutAutoMountItMustBeThere() {
    assertSays(
        "auto-mount is off",
        fails(Kind.NOT_MOUNTED, () -> attachment("weft.nvmeof.auto-mount = off").mount(DEVICE)));
    assertEquals(List.of(), steps());
  }

  @Test
  void aDeviceThatIsMountedElsewhere() {
    mounts.add("8:1", Path.of("/"));
    mounts.add("259:1", Path.of("/mnt/other"));
    assertSays("/mnt/other", fails(Kind.MOUNTED_ELSEWHERE, () -> attachment().mount(DEVICE)));
    assertEquals(List.of(), steps());
  }

  @Test
  void anEmptyDeviceIsFormattedOnlyWhereThatIsWanted() throws FabricException {
    mounts.found = Optional.empty();
    assertSays("if-empty", fails(Kind.NOT_FORMATTED, () -> attachment().mount(DEVICE)));
    steps.clear();
    attachment("weft.nvmeof { format = if-empty, filesystem = xfs }").mount(DEVICE);
    assertEquals(
        List.of(
            "free /mnt/kv",
            "unused /dev/nvme0n1",
            "format /dev/nvme0n1 xfs",
            "mount /dev/nvme0n1 /mnt/kv xfs noatime"),
        steps());
  }

  @Test
  void anotherFilesystemIsNeverFormatted() {
    mounts.found = Optional.of("xfs");
    assertSays(
        "holds xfs",
        fails(
            Kind.FOREIGN_FILESYSTEM,
            () -> attachment("weft.nvmeof.format = if-empty").mount(DEVICE)));
    assertEquals(List.of("free /mnt/kv", "unused /dev/nvme0n1"), steps());
  }

  @Test
  void aMountThatShowsAnotherDeviceIsTakenBack() throws FabricException {
    mounts.numberAfterMount = "8:1";
    Attachment attachment = attachment();
    assertSays("shows device 8:1", fails(Kind.MOUNT_POINT_IN_USE, () -> attachment.mount(DEVICE)));
    steps.clear();
    attachment.unmount();
    assertEquals(List.of("unmount /mnt/kv lazily"), steps());
  }

  @Test
  void aMountThatCannotBeTakenAwayStaysOurs() throws FabricException {
    Attachment attachment = attachment();
    attachment.mount(DEVICE);
    mounts.unmountFails = Optional.of(Kind.BUSY);
    fails(Kind.BUSY, attachment::unmount);
    mounts.unmountFails = Optional.empty();
    steps.clear();
    attachment.unmount();
    attachment.unmount();
    assertEquals(List.of("unmount /mnt/kv lazily"), steps());
  }

  // ---------------------------------------------------------------- while it is up

  @Test
  void healthIsTheKernelsWord() throws FabricException {
    Attachment attachment = attachment(TWO_PATHS);
    assertEquals(new Attachment.Health(0, 0, 2), attachment.health());
    attachment.connect();
    assertEquals(new Attachment.Health(2, 2, 0), attachment.health());
    fabric.become("nvme1", "connecting");
    assertEquals(new Attachment.Health(1, 2, 0), attachment.health());
    fabric.present.remove("nvme1");
    assertEquals(new Attachment.Health(1, 1, 1), attachment.health());
  }

  @Test
  void onlyWhatIsMissingIsConnectedAgain() throws FabricException {
    Attachment attachment = attachment(TWO_PATHS);
    attachment.connect();
    steps.clear();
    attachment.reconnectMissing();
    assertEquals(List.of(), steps());
    fabric.present.remove("nvme1");
    fabric.failing.put("b", Kind.REFUSED);
    attachment.reconnectMissing();
    fabric.failing.clear();
    attachment.reconnectMissing();
    assertEquals(List.of("connect b", "connect b"), steps());
    assertEquals(new Attachment.Health(2, 2, 0), attachment.health());
    attachment.disconnect();
    assertEquals(List.of("disconnect nvme0", "disconnect nvme1"), steps());
  }

  @Test
  void withDiscoveryTheServiceSaysWhatIsMissing() throws FabricException {
    fabric.offers.put(
        "d1",
        List.of(
            new DiscoveredSubsystem("tcp", "a", "1", Settings.NQN),
            new DiscoveredSubsystem("tcp", "b", "1", Settings.NQN)));
    Attachment attachment = attachment(DISCOVERY);
    attachment.connect();
    fabric.present.remove("nvme1");
    steps.clear();
    attachment.reconnectMissing();
    assertEquals(List.of("discover d1", "discover d2", "connect b"), steps());
    fabric.offers.clear();
    attachment.reconnectMissing();
    assertEquals(List.of("discover d1", "discover d2"), steps());
  }

  // ---------------------------------------------------------------- down

  @Test
  void onlyOursAreDisconnected() throws FabricException {
    fabric.add("nvme7", "a", "live");
    Attachment attachment = attachment(TWO_PATHS);
    attachment.connect();
    steps.clear();
    attachment.disconnect();
    assertEquals(List.of("disconnect nvme1"), steps());
    attachment.disconnect();
    assertEquals(List.of(), steps());
    assertEquals(Set.of("nvme7"), fabric.present.keySet());
  }

  @Test
  void withoutAutoDisconnectAllStay() throws FabricException {
    Attachment attachment = attachment(TWO_PATHS, "weft.nvmeof.auto-disconnect = off");
    attachment.connect();
    attachment.disconnect();
    assertEquals(2, fabric.present.size());
  }

  @Test
  void oneThatStaysDoesNotKeepTheOthers() throws FabricException {
    Attachment attachment = attachment(TWO_PATHS);
    attachment.connect();
    fabric.staying.add("nvme0");
    assertSays("nvme0 stays", fails(Kind.OTHER, attachment::disconnect));
    assertEquals(Set.of("nvme0"), fabric.present.keySet());
    fabric.staying.clear();
    attachment.disconnect();
    assertEquals(Set.of(), fabric.present.keySet());
  }

  /** Lost and gone, and the kernel gave its name to a controller that somebody else connected. */
  @Test
  void aNameThatWasGivenOutAgainIsNotOurs() throws FabricException {
    Attachment attachment = attachment(TWO_PATHS);
    attachment.connect();
    fabric.present.remove("nvme0");
    fabric.add("nvme0", "a", "live");
    steps.clear();
    attachment.disconnect();
    assertEquals(List.of("disconnect nvme1"), steps());
  }
}
