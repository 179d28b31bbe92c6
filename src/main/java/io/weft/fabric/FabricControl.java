package io.weft.fabric;

import io.weft.base.FabricSettings;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The fabric as the link needs it: which controllers of a subsystem this host has, one more, one
 * fewer, and the block device of a namespace. Every method blocks, within the command's time-out;
 * what changes something has confirmed it by the kernel's own state when it returns.
 */
public interface FabricControl {

  /** That the command is there and new enough. Returns its version. */
  String check() throws FabricException;

  /** What the discovery service at this path offers to this host. */
  List<DiscoveredSubsystem> discover(FabricSettings.PathSettings path) throws FabricException;

  /** The controllers of the subsystem that this host has now, of whoever connected them. */
  List<Controller> controllers() throws FabricException;

  /**
   * Connects one path.
   *
   * @return the new controller; empty where the path was connected already
   */
  Optional<Controller> connect(FabricSettings.PathSettings path) throws FabricException;

  /** Disconnects one controller, and waits until it is gone. One that is gone already is fine. */
  void disconnect(Controller controller) throws FabricException;

  /** Whether this controller is the one that connecting this path makes. */
  boolean leadsTo(Controller controller, FabricSettings.PathSettings path);

  /** The block device of the namespace; empty while the kernel has none. */
  Optional<BlockDevice> blockDevice() throws FabricException;

  /** What the namespace says of itself. */
  NamespaceIdentity identify(BlockDevice device) throws FabricException;

  /** All NVMe namespaces that this host has, of whatever subsystem: for people. */
  List<ListedDevice> devices() throws FabricException;

  /**
   * @param number {@code major:minor}
   */
  record BlockDevice(Path path, String number) {}

  /**
   * @param blockBytes of the format that is in use
   * @param nguid its globally unique number; zeros where it has none
   */
  record NamespaceIdentity(long sizeBytes, int blockBytes, String nguid) {}

  /** One line of {@code nvme list}. */
  record ListedDevice(String path, int namespaceId) {}

  /**
   * One subsystem that a discovery service offers.
   *
   * @param address where, as in {@code traddr} and {@code trsvcid}
   */
  record DiscoveredSubsystem(String transport, String address, String service, String nqn) {}

  /**
   * One controller of this host: one path to the subsystem.
   *
   * @param name as in {@code nvme0}; the kernel gives it out again
   * @param hostAddress of this side, where whoever connected it named one
   * @param hostInterface of this side, where whoever connected it named one
   * @param state as the kernel says it: new, live, resetting, connecting, deleting, dead
   * @param identity tells it from another one with the same name, earlier or later
   */
  record Controller(
      String name,
      String transport,
      String address,
      String service,
      String hostAddress,
      String hostInterface,
      String state,
      String identity) {
    public boolean live() {
      return state.equals("live");
    }

    /** Whether this is the other one, perhaps in another state. */
    public boolean is(Controller other) {
      return name.equals(other.name) && identity.equals(other.identity);
    }
  }
}
