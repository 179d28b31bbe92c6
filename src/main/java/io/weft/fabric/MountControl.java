package io.weft.fabric;

import java.nio.file.Path;
import java.util.Optional;

/**
 * Filesystems on block devices, mounted and not. Every method blocks, within the command's
 * time-out.
 */
public interface MountControl {

  /**
   * The filesystem on the device, as blkid names it; empty where the device surely holds nothing:
   * its first MiB can be read, and is zeros.
   */
  Optional<String> filesystem(Path device) throws FabricException;

  /** Makes a filesystem on a device that holds nothing. */
  void format(Path device, String filesystem) throws FabricException;

  /**
   * Has the journal of an unmounted device's filesystem replayed, checks the filesystem, and
   * repairs what is safe to repair.
   *
   * @param mountPoint a free one
   */
  void check(Path device, Path mountPoint, String filesystem) throws FabricException;

  /**
   * That nobody else holds the device: no other mount of it, also none that a lazy unmount left
   * behind with somebody inside. BUSY otherwise.
   */
  void requireUnused(Path device) throws FabricException;

  /** That the place is an empty directory that nothing is mounted at. */
  void requireFree(Path mountPoint) throws FabricException;

  /** Mounts the device, and returns the mount as the kernel's table shows it. */
  MountTable.Mount mount(Path device, Path mountPoint, String filesystem, String options)
      throws FabricException;

  /**
   * Unmounts. Where somebody keeps it busy and {@code lazily}, takes it out of the tree at least.
   * What is not mounted is fine.
   */
  void unmount(Path mountPoint, boolean lazily) throws FabricException;

  /** All mounts of now. */
  MountTable table() throws FabricException;
}
