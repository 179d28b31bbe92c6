package io.weft.fabric;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.file.Path;

/**
 * Opens a block device with O_EXCL, which the kernel grants only while no filesystem and nobody
 * else claims it. A superblock that outlived a lazy unmount claims it too, and a mount would revive
 * it.
 */
@SuppressWarnings("restricted")
final class ExclusiveOpen {
  private static final int O_RDONLY_EXCL_CLOEXEC = 0x80 | 0x8_0000;
  private static final int EACCES = 13;
  private static final int EPERM = 1;
  private static final int EBUSY = 16;

  private static final Linker LINKER = Linker.nativeLinker();
  private static final MemoryLayout STATE = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));
  private static final MethodHandle OPEN =
      LINKER.downcallHandle(
          LINKER.defaultLookup().findOrThrow("open"),
          FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT),
          Linker.Option.captureCallState("errno"),
          Linker.Option.firstVariadicArg(2));
  private static final MethodHandle CLOSE =
      LINKER.downcallHandle(
          LINKER.defaultLookup().findOrThrow("close"), FunctionDescriptor.of(JAVA_INT, JAVA_INT));

  private ExclusiveOpen() {}

  /** Opens the device and closes it again. BUSY where somebody else claims it. */
  static void check(Path device) throws FabricException {
    int errno;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(STATE);
      int fd =
          (int)
              OPEN.invokeExact(state, arena.allocateFrom(device.toString()), O_RDONLY_EXCL_CLOEXEC);
      if (fd >= 0) {
        int _ = (int) CLOSE.invokeExact(fd);
        return;
      }
      errno = (int) ERRNO.get(state, 0L);
    } catch (Throwable impossible) {
      throw new AssertionError(impossible);
    }
    throw switch (errno) {
      case EBUSY ->
          new FabricException(
              FabricException.Kind.BUSY,
              "%s is in use: another filesystem, or a mount that is not gone yet"
                  .formatted(device));
      case EACCES, EPERM ->
          new FabricException(
              FabricException.Kind.NO_PERMISSION, "%s may not be opened".formatted(device));
      default ->
          new FabricException(
              FabricException.Kind.OTHER, "%s cannot be opened: errno %d".formatted(device, errno));
    };
  }
}
