package io.weft.nvmeof;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Linux's NVMe/TCP target, as scripts/vm/target.sh sets it up; in the virtual machine only. */
final class NvmeTarget {
  static final int PORT = 4420;
  static final String NQN = "nqn.2025-01.io.weft:test";

  private NvmeTarget() {}

  /** The target's address on a path, 1 or 2. */
  static String address(int path) {
    return "127.0.0." + path;
  }

  /** Runs one of target.sh's commands and returns what it printed. */
  static String call(String... arguments) {
    List<String> command = new ArrayList<>(List.of("scripts/vm/target.sh"));
    command.addAll(List.of(arguments));
    return run(command.toArray(String[]::new));
  }

  /** Runs a command, which must succeed, and returns what it printed. */
  static String run(String... command) {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      process.getOutputStream().close();
      String output =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      int exitCode = process.waitFor();
      if (exitCode != 0) {
        throw new AssertionError(List.of(command) + ": exit code " + exitCode + ": " + output);
      }
      return output;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new AssertionError("nobody interrupts this test", e);
    }
  }

  /** Bytes that the path devices have read for this host, all paths together. */
  static long bytesRead() {
    return call("stats")
        .lines()
        .skip(1)
        .mapToLong(line -> Long.parseLong(line.strip().split("\\s+", -1)[3]))
        .sum();
  }
}
