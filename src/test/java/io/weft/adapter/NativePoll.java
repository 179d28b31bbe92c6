package io.weft.adapter;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;

/** poll(2) and read(2) as native code beside the adapter calls them: by descriptor alone. */
final class NativePoll {
  private static final short POLLIN = 1;
  private static final MethodHandle POLL =
      link("poll", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
  private static final MethodHandle READ =
      link("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));

  private NativePoll() {}

  @SuppressWarnings("restricted")
  private static MethodHandle link(String name, FunctionDescriptor signature) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), signature);
  }

  /** The descriptors that are readable, after so many milliseconds at the latest. */
  static List<Integer> readable(int millis, int... fds) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment polled = arena.allocate(8L * fds.length, 4);
      for (int i = 0; i < fds.length; i++) {
        polled.set(JAVA_INT, 8L * i, fds[i]);
        polled.set(JAVA_SHORT, 8L * i + 4, POLLIN);
      }
      int _ = (int) POLL.invokeExact(polled, (long) fds.length, millis);
      List<Integer> readable = new ArrayList<>();
      for (int i = 0; i < fds.length; i++) {
        if (polled.get(JAVA_SHORT, 8L * i + 6) == POLLIN) {
          readable.add(fds[i]);
        }
      }
      return readable;
    } catch (Throwable failure) {
      throw new AssertionError(failure);
    }
  }

  /** What was in the counter; -1 where it was empty. */
  static long take(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(JAVA_LONG);
      long bytes = (long) READ.invokeExact(fd, count, 8L);
      return bytes == 8 ? count.get(JAVA_LONG, 0) : -1;
    } catch (Throwable failure) {
      throw new AssertionError(failure);
    }
  }
}
