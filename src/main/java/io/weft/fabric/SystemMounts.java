package io.weft.fabric;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/** Mounts through mount(8), umount(8), blkid(8), cmp(1), mkfs(8), unshare(1) and fsck(8). */
public final class SystemMounts implements MountControl {
  private static final int BLKID_NOTHING_FOUND = 2;
  private static final int CMP_DIFFERENT = 1;
  private static final int EMPTY_BYTES = 1 << 20;
  private static final int FSCK_CORRECTED = 1;

  /** A bit: errors are left uncorrected. */
  private static final int FSCK_LEFT = 4;

  /** A large device is trimmed, or checked, for as long as it takes; half of it would be worse. */
  private static final Duration LONG_TIMEOUT = Duration.ofHours(2);

  /** The log of a filesystem that was lost is replayed. */
  private static final Duration MOUNT_TIMEOUT = Duration.ofMinutes(10);

  private static final String REPLAY = "mount -t \"$2\" -o ro -- \"$0\" \"$1\" && umount -- \"$1\"";

  private final CommandRunner commands;
  private final Duration timeout;

  public SystemMounts(CommandRunner commands, Duration timeout) {
    this.commands = commands;
    this.timeout = timeout;
  }

  @Override
  public Optional<String> filesystem(Path device) throws FabricException {
    CommandRunner.Result result =
        commands.run(
            new CommandLine("blkid", "--probe", "--output=export", device.toString()), timeout);
    if (result.exitCode() == BLKID_NOTHING_FOUND) {
      requireZeros(device);
      return Optional.empty();
    }
    if (!result.ok()) {
      throw failure("blkid of " + device, result);
    }
    String found =
        result.output().lines().filter(line -> line.startsWith("TYPE=")).findFirst().orElse("");
    if (found.isEmpty()) {
      throw new FabricException(
          FabricException.Kind.FOREIGN_FILESYSTEM,
          device + " holds something that is no filesystem: " + result.output().strip());
    }
    return Optional.of(found.substring("TYPE=".length()).strip());
  }

  /**
   * To blkid, what cannot be read is the same as what is empty, and so is what has lost its magic
   * number. Who finds a device empty formats it.
   */
  private void requireZeros(Path device) throws FabricException {
    CommandRunner.Result result =
        commands.run(
            new CommandLine("cmp", "--bytes=" + EMPTY_BYTES, "/dev/zero", device.toString()),
            timeout);
    if (result.exitCode() == CMP_DIFFERENT) {
      throw new FabricException(
          FabricException.Kind.FOREIGN_FILESYSTEM,
          ("%s holds no filesystem that blkid knows, and is not empty: where it may go, write zeros"
                  + " over its first MiB")
              .formatted(device));
    }
    if (!result.ok()) {
      throw failure("reading " + device, result);
    }
  }

  @Override
  public void format(Path device, String filesystem) throws FabricException {
    CommandRunner.Result result =
        commands.run(new CommandLine("mkfs." + filesystem, "-q", device.toString()), LONG_TIMEOUT);
    if (!result.ok()) {
      throw failure("mkfs of " + device, result);
    }
  }

  /**
   * The kernel replays the journal first: where the device fails meanwhile, it gives up and leaves
   * the journal alone, while e2fsck empties a journal that it could not replay, and with it what
   * was acknowledged. In a mount namespace of its own, a mount does not outlive a killed process.
   */
  @Override
  public void check(Path device, Path mountPoint, String filesystem) throws FabricException {
    if (filesystem.equals("ext4")) {
      CommandRunner.Result replay =
          commands.run(
              new CommandLine("unshare", "--mount", "sh", "-c", REPLAY)
                  .add(device.toString())
                  .add(mountPoint.toString())
                  .add(filesystem),
              MOUNT_TIMEOUT);
      if (!replay.ok()) {
        FabricException trouble = failure("replaying the journal of " + device, replay);
        switch (trouble.kind()) {
          // Which fsck may mend, or explain.
          case DAMAGED, FOREIGN_FILESYSTEM -> {}
          default -> throw trouble;
        }
      }
    }
    CommandRunner.Result result =
        commands.run(new CommandLine("fsck." + filesystem, "-p", device.toString()), LONG_TIMEOUT);
    if (result.exitCode() > FSCK_CORRECTED && (result.exitCode() & FSCK_LEFT) == 0) {
      throw failure("fsck of " + device, result);
    }
    if (result.exitCode() > FSCK_CORRECTED) {
      throw new FabricException(
          FabricException.Kind.DAMAGED,
          "fsck of %s: %s; a person must look at it".formatted(device, result.lastWords()));
    }
  }

  @Override
  public MountTable.Mount mount(Path device, Path mountPoint, String filesystem, String options)
      throws FabricException {
    requireFree(mountPoint);
    CommandLine command = new CommandLine("mount", "-t", filesystem);
    if (!options.isEmpty()) {
      command.add("-o").add(options);
    }
    CommandRunner.Result result =
        commands.run(
            command.add("--").add(device.toString()).add(mountPoint.toString()), MOUNT_TIMEOUT);
    if (!result.ok()) {
      throw failure("mount of " + device + " at " + mountPoint, result);
    }
    return table()
        .at(mountPoint)
        .orElseThrow(
            () ->
                new FabricException(
                    FabricException.Kind.OTHER,
                    "mount of %s at %s succeeded, and the kernel shows no mount"
                        .formatted(device, mountPoint)));
  }

  @Override
  public void requireFree(Path mountPoint) throws FabricException {
    if (!Files.isDirectory(mountPoint)) {
      throw new FabricException(
          FabricException.Kind.NO_MOUNT_POINT,
          "the mount point %s is no directory: make it".formatted(mountPoint));
    }
    requireNoLink(mountPoint);
    Optional<MountTable.Mount> there = table().at(mountPoint);
    if (there.isPresent()) {
      throw new FabricException(
          FabricException.Kind.MOUNT_POINT_IN_USE,
          "%s has %s mounted".formatted(mountPoint, there.get().source()));
    }
    try (var files = Files.list(mountPoint)) {
      if (files.findAny().isPresent()) {
        throw new FabricException(
            FabricException.Kind.MOUNT_POINT_IN_USE,
            "the mount point %s is not empty: a mount would hide what is there"
                .formatted(mountPoint));
      }
    } catch (IOException unreadable) {
      throw new FabricException(
          FabricException.Kind.NO_PERMISSION,
          "the mount point %s cannot be read: %s".formatted(mountPoint, unreadable.getMessage()),
          unreadable);
    }
  }

  /** The kernel's table has the real name, by which a mount would not be found. */
  private static void requireNoLink(Path mountPoint) throws FabricException {
    Path real;
    try {
      real = mountPoint.toRealPath();
    } catch (IOException gone) {
      throw new FabricException(
          FabricException.Kind.NO_MOUNT_POINT,
          "the mount point %s cannot be looked at: %s".formatted(mountPoint, gone));
    }
    if (!real.equals(mountPoint)) {
      throw new FabricException(
          FabricException.Kind.NO_MOUNT_POINT,
          "the mount point %s is a way to %s: name that".formatted(mountPoint, real));
    }
  }

  @Override
  public void requireUnused(Path device) throws FabricException {
    ExclusiveOpen.check(device);
  }

  @Override
  public void unmount(Path mountPoint, boolean lazily) throws FabricException {
    if (table().at(mountPoint).isEmpty()) {
      return;
    }
    try {
      umount(new CommandLine("umount"), mountPoint);
    } catch (FabricException refused) {
      if (!lazily) {
        throw refused;
      }
      umount(new CommandLine("umount", "--lazy"), mountPoint);
    }
  }

  /** Counts as done once the mount is out of the tree: umount then waits for a slow device only. */
  private void umount(CommandLine command, Path mountPoint) throws FabricException {
    try {
      CommandRunner.Result result =
          commands.run(command.add("--").add(mountPoint.toString()), timeout);
      if (table().at(mountPoint).isPresent()) {
        throw failure("umount of " + mountPoint, result);
      }
    } catch (FabricException failed) {
      if (table().at(mountPoint).isPresent()) {
        throw failed;
      }
    }
  }

  @Override
  public MountTable table() throws FabricException {
    try {
      return MountTable.read();
    } catch (IOException unreadable) {
      throw new FabricException(
          FabricException.Kind.OTHER, "the kernel's table of mounts cannot be read", unreadable);
    }
  }

  private static FabricException failure(String what, CommandRunner.Result result) {
    String said = result.errors().toLowerCase(java.util.Locale.ROOT);
    FabricException.Kind kind;
    if (said.contains("permission denied")
        || said.contains("must be superuser")
        || said.contains("operation not permitted")) {
      kind = FabricException.Kind.NO_PERMISSION;
    } else if (said.contains("busy")) {
      kind = FabricException.Kind.BUSY;
    } else if (said.contains("wrong fs type") || said.contains("bad superblock")) {
      kind = FabricException.Kind.FOREIGN_FILESYSTEM;
    } else if (said.contains("needs cleaning")
        || said.contains("checksum")
        || said.contains("corrupt")) {
      kind = FabricException.Kind.DAMAGED;
    } else {
      kind = FabricException.Kind.OTHER;
    }
    return new FabricException(kind, what + ": " + result.lastWords());
  }
}
