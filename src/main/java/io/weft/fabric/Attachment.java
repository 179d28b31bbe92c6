package io.weft.fabric;

import io.weft.base.ByteSize;
import io.weft.base.FabricSettings;
import io.weft.base.Ticker;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The way from a subsystem's name to a mounted filesystem, and back: connect what is not connected,
 * find the namespace's block device, mount it, and at the end undo what was done here and nothing
 * else. Remembers which controllers and which mount are its own.
 *
 * <p>Every method but {@link #health} blocks for as long as commands take; they are called by one
 * thread at a time. What is found is always the kernel's state of that moment: device names change
 * from one connection to the next.
 */
public final class Attachment {
  private static final Logger LOG = LoggerFactory.getLogger(Attachment.class);

  private final FabricSettings settings;
  private final Path mountPoint;
  private final FabricControl fabric;
  private final MountControl mounts;
  private final Ticker ticker;
  private final List<FabricControl.Controller> connectedHere = new ArrayList<>();
  private FabricControl.@Nullable BlockDevice device;

  /** The mount that the store had last, made here or found. */
  private MountTable.@Nullable Mount mount;

  private boolean mountedHere;

  /** A mount of this device may have succeeded after its command had run out of time. */
  private String mounting = "";

  /** Where the subsystem is: the settings' paths, or what discovery named last. */
  private volatile List<FabricSettings.PathSettings> known;

  private String version = "";

  /**
   * The subsystem's paths at one moment.
   *
   * @param live controllers that take I/O
   * @param missing configured paths without a controller
   */
  public record Health(int live, int controllers, int missing) {
    @Override
    public String toString() {
      return "%d of %d paths live".formatted(live, controllers + missing);
    }
  }

  public Attachment(
      FabricSettings settings,
      Path mountPoint,
      FabricControl fabric,
      MountControl mounts,
      Ticker ticker) {
    this.settings = settings;
    this.known = settings.discovery() ? List.of() : settings.paths();
    this.mountPoint = mountPoint;
    this.fabric = fabric;
    this.mounts = mounts;
    this.ticker = ticker;
  }

  /** With nvme-cli, mount(8) and the kernel of this machine. */
  public static Attachment ofSystem(FabricSettings settings, Path mountPoint, Ticker ticker) {
    CommandRunner commands = new SystemCommands();
    return new Attachment(
        settings,
        mountPoint,
        new NvmeCli(settings, commands, Path.of("/sys"), ticker),
        new SystemMounts(commands, settings.commandTimeout()),
        ticker);
  }

  // ---------------------------------------------------------------- up

  /** Connects, and waits for the namespace's block device. */
  public FabricControl.BlockDevice connect() throws FabricException {
    if (settings.autoConnect()) {
      if (version.isEmpty()) {
        version = fabric.check();
        LOG.info("nvme-cli {}", version);
      }
      connectPaths();
    }
    FabricControl.BlockDevice device = awaitDevice();
    describe(device);
    return device;
  }

  /** For the log; a namespace that does not say what it is may serve all the same. */
  private void describe(FabricControl.BlockDevice device) {
    try {
      FabricControl.NamespaceIdentity namespace = fabric.identify(device);
      LOG.info(
          "namespace {} is {}: {} in blocks of {} bytes, NGUID {}",
          settings.namespaceId(),
          device.path(),
          new ByteSize(namespace.sizeBytes()),
          namespace.blockBytes(),
          namespace.nguid());
    } catch (FabricException unknown) {
      LOG.debug("{}", unknown.getMessage());
    }
  }

  /** What the host has instead, for whoever looks for a namespace. */
  private String otherDevices() {
    try {
      List<FabricControl.ListedDevice> devices = fabric.devices();
      return devices.isEmpty()
          ? "this host has no NVMe device"
          : "this host has "
              + devices.stream()
                  .map(each -> "%s (namespace %d)".formatted(each.path(), each.namespaceId()))
                  .collect(Collectors.joining(", "));
    } catch (FabricException unknown) {
      return "nvme list does not say what this host has";
    }
  }

  /** The kernel gives names out again: to controllers that somebody else connects. */
  private void forgetGone(List<FabricControl.Controller> present) {
    connectedHere.removeIf(ours -> present.stream().noneMatch(ours::is));
  }

  /** Connects every path that is not connected; one that works is enough. */
  private void connectPaths() throws FabricException {
    forgetGone(fabric.controllers());
    FabricException first = null;
    boolean any = false;
    for (FabricSettings.PathSettings path : paths()) {
      try {
        connect(path);
        any = true;
      } catch (FabricException failed) {
        LOG.warn("{}", failed.getMessage());
        first = first == null ? failed : first;
      }
    }
    if (!any && first != null) {
      throw first;
    }
  }

  private void connect(FabricSettings.PathSettings path) throws FabricException {
    fabric
        .connect(path)
        .ifPresent(
            controller -> {
              connectedHere.add(controller);
              LOG.info("connected {} as {}", path, controller.name());
            });
  }

  private List<FabricSettings.PathSettings> paths() throws FabricException {
    if (settings.discovery()) {
      known = discovered();
    }
    return known;
  }

  private List<FabricSettings.PathSettings> discovered() throws FabricException {
    Set<FabricSettings.PathSettings> found = new LinkedHashSet<>();
    FabricException first = null;
    for (FabricSettings.PathSettings service : settings.paths()) {
      try {
        for (FabricControl.DiscoveredSubsystem each : fabric.discover(service)) {
          if (each.nqn().equals(settings.subsystemNqn())
              && each.transport().equalsIgnoreCase(settings.transport().name())) {
            found.add(
                new FabricSettings.PathSettings(
                    each.address(),
                    each.service(),
                    service.hostAddress(),
                    service.hostInterface()));
          }
        }
      } catch (FabricException failed) {
        first = first == null ? failed : first;
      }
    }
    if (found.isEmpty()) {
      throw first != null
          ? first
          : new FabricException(
              FabricException.Kind.WRONG_NQN,
              "the discovery services at %s do not offer %s to this host"
                  .formatted(settings.paths(), settings.subsystemNqn()));
    }
    return List.copyOf(found);
  }

  private FabricControl.BlockDevice awaitDevice() throws FabricException {
    long end = ticker.nanoTime() + settings.commandTimeout().toNanos();
    while (true) {
      List<FabricControl.Controller> controllers = fabric.controllers();
      boolean live = controllers.stream().anyMatch(FabricControl.Controller::live);
      Optional<FabricControl.BlockDevice> device = live ? fabric.blockDevice() : Optional.empty();
      if (device.isPresent()) {
        return device.get();
      }
      if (controllers.isEmpty()) {
        throw new FabricException(
            FabricException.Kind.NOT_CONNECTED,
            "%s is not connected%s"
                .formatted(
                    settings.subsystemNqn(),
                    settings.autoConnect() ? "" : ", and weft.nvmeof.auto-connect is off"));
      }
      if (ticker.nanoTime() - end >= 0) {
        throw live
            ? new FabricException(
                FabricException.Kind.NO_NAMESPACE,
                "%s is connected and has no namespace %d; %s"
                    .formatted(settings.subsystemNqn(), settings.namespaceId(), otherDevices()))
            : new FabricException(
                FabricException.Kind.UNREACHABLE,
                "no path to %s is live: %s".formatted(settings.subsystemNqn(), controllers));
      }
      LockSupport.parkNanos(settings.statePollInterval().toNanos());
    }
  }

  /**
   * Mounts the device where it is not mounted. A mount that was there before is taken as it is,
   * once: where the store had it already and lost it, only a new one is surely alive.
   *
   * @return {@code major:minor} of the device, which the mount point is verified to be on
   */
  public String mount(FabricControl.BlockDevice found) throws FabricException {
    device = found;
    Optional<MountTable.Mount> there = mounts.table().at(mountPoint);
    if (there.isPresent()) {
      MountTable.Mount present = there.get();
      boolean had = mount != null && mount.id().equals(present.id());
      boolean itsDevice = present.deviceNumber().equals(found.number());
      if (itsDevice && (!had || !settings.autoMount())) {
        mountedHere = mounting.equals(found.number());
        mount = present;
        return found.number();
      }
      if (!had) {
        throw new FabricException(
            FabricException.Kind.MOUNT_POINT_IN_USE,
            "%s has %s (device %s) mounted, and %s is device %s"
                .formatted(
                    mountPoint,
                    present.source(),
                    present.deviceNumber(),
                    found.path(),
                    found.number()));
      }
      if (settings.autoMount()) {
        mounts.unmount(mountPoint, true);
        mountedHere = false;
      }
    }
    if (!settings.autoMount()) {
      throw new FabricException(
          FabricException.Kind.NOT_MOUNTED,
          "%s is not mounted at %s, and weft.nvmeof.auto-mount is off"
              .formatted(found.path(), mountPoint));
    }
    return mountAnew(found);
  }

  private String mountAnew(FabricControl.BlockDevice device) throws FabricException {
    MountTable table = mounts.table();
    for (MountTable.Mount mount : table.mounts()) {
      if (mount.deviceNumber().equals(device.number())) {
        throw new FabricException(
            FabricException.Kind.MOUNTED_ELSEWHERE,
            "%s is mounted at %s".formatted(device.path(), mount.mountPoint()));
      }
    }
    mounts.requireFree(mountPoint);
    mounts.requireUnused(device.path());
    Optional<String> found = mounts.filesystem(device.path());
    if (found.isPresent() && !found.get().equals(settings.filesystem())) {
      throw new FabricException(
          FabricException.Kind.FOREIGN_FILESYSTEM,
          "%s holds %s, and weft.nvmeof.filesystem is %s"
              .formatted(device.path(), found.get(), settings.filesystem()));
    }
    if (found.isPresent()) {
      mounts.check(device.path(), mountPoint, settings.filesystem());
    } else if (settings.format() == FabricSettings.Format.IF_EMPTY) {
      LOG.info("{} is empty: making {}", device.path(), settings.filesystem());
      mounts.format(device.path(), settings.filesystem());
    } else {
      throw new FabricException(
          FabricException.Kind.NOT_FORMATTED,
          "%s is empty: make a filesystem, or set weft.nvmeof.format = if-empty"
              .formatted(device.path()));
    }
    mounting = device.number();
    MountTable.Mount mounted =
        mounts.mount(device.path(), mountPoint, settings.filesystem(), settings.mountOptions());
    mount = mounted;
    mountedHere = true;
    mounting = "";
    if (!mounted.deviceNumber().equals(device.number())) {
      throw new FabricException(
          FabricException.Kind.MOUNT_POINT_IN_USE,
          "%s shows device %s after mounting %s"
              .formatted(mountPoint, mounted.deviceNumber(), device.number()));
    }
    LOG.info("mounted {} at {}", device.path(), mountPoint);
    return device.number();
  }

  // ---------------------------------------------------------------- while it is up

  /** The kernel's word on the paths; reads sysfs, and does not wait. */
  public Health health() throws FabricException {
    List<FabricControl.Controller> controllers = fabric.controllers();
    int live = (int) controllers.stream().filter(FabricControl.Controller::live).count();
    int missing = missing(known, controllers).size();
    return new Health(live, controllers.size(), missing);
  }

  private List<FabricSettings.PathSettings> missing(
      List<FabricSettings.PathSettings> paths, List<FabricControl.Controller> controllers) {
    List<FabricSettings.PathSettings> missing = new ArrayList<>();
    for (FabricSettings.PathSettings path : paths) {
      if (controllers.stream().noneMatch(each -> fabric.leadsTo(each, path))) {
        missing.add(path);
      }
    }
    return missing;
  }

  /** Connects the paths that the kernel has given up. What cannot be reached yet is left. */
  public void reconnectMissing() throws FabricException {
    if (!settings.autoConnect()) {
      return;
    }
    List<FabricControl.Controller> present = fabric.controllers();
    forgetGone(present);
    List<FabricSettings.PathSettings> paths;
    try {
      paths = paths();
    } catch (FabricException notYet) {
      LOG.debug("{}", notYet.getMessage());
      return;
    }
    for (FabricSettings.PathSettings path : missing(paths, present)) {
      try {
        connect(path);
      } catch (FabricException notYet) {
        LOG.debug("{}", notYet.getMessage());
      }
    }
  }

  // ---------------------------------------------------------------- down

  /**
   * Unmounts what was mounted here, lazily where somebody keeps it busy; never what somebody else
   * has mounted in its place.
   */
  public void unmount() throws FabricException {
    MountTable.Mount ours = mount;
    if (!mountedHere || ours == null) {
      return;
    }
    boolean stillThere =
        mounts.table().at(mountPoint).filter(there -> there.id().equals(ours.id())).isPresent();
    if (stillThere) {
      mounts.unmount(mountPoint, true);
      LOG.info("unmounted {}", mountPoint);
    }
    mountedHere = false;
  }

  /**
   * Disconnects what was connected here: all of it, whatever the first one says. Not under a
   * filesystem that a lazy unmount left alive: it would lose what it has not written.
   */
  public void disconnect() throws FabricException {
    if (!settings.autoDisconnect() || connectedHere.isEmpty()) {
      return;
    }
    awaitUnused();
    FabricException first = null;
    forgetGone(fabric.controllers());
    for (FabricControl.Controller controller : List.copyOf(connectedHere)) {
      try {
        fabric.disconnect(controller);
        connectedHere.remove(controller);
        LOG.info("disconnected {}", controller.name());
      } catch (FabricException failed) {
        first = first == null ? failed : first;
      }
    }
    if (first != null) {
      throw first;
    }
  }

  private void awaitUnused() throws FabricException {
    FabricControl.BlockDevice claimed = device;
    if (claimed == null) {
      return;
    }
    for (MountTable.Mount each : mounts.table().mounts()) {
      if (each.deviceNumber().equals(claimed.number())) {
        throw new FabricException(
            FabricException.Kind.BUSY,
            "%s stays connected: it is mounted at %s".formatted(claimed.path(), each.mountPoint()));
      }
    }
    long end = ticker.nanoTime() + settings.commandTimeout().toNanos();
    while (true) {
      try {
        mounts.requireUnused(claimed.path());
        return;
      } catch (FabricException trouble) {
        if (trouble.kind() != FabricException.Kind.BUSY) {
          // A device that is gone is used by nobody.
          return;
        }
        if (ticker.nanoTime() - end >= 0) {
          throw trouble;
        }
      }
      LockSupport.parkNanos(settings.statePollInterval().toNanos());
    }
  }
}
