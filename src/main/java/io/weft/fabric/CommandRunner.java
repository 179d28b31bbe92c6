package io.weft.fabric;

import java.time.Duration;

/** Runs commands of the system: the door to nvme-cli, mount and their kin. */
public interface CommandRunner {

  /**
   * Runs the command to its end, with nothing on its standard input and messages in English.
   *
   * @throws FabricException NO_COMMAND where it cannot be started, TIMEOUT where it did not end in
   *     time (it is killed then, and may live on while the kernel holds it)
   */
  Result run(CommandLine command, Duration timeout) throws FabricException;

  /** How a command ended. */
  record Result(int exitCode, String output, String errors) {
    public boolean ok() {
      return exitCode == 0;
    }

    /** The last thing that it said, for a message of ours. */
    public String lastWords() {
      String said = errors.isBlank() ? output : errors;
      return said.isBlank() ? "exit code " + exitCode : said.strip().lines().toList().getLast();
    }
  }
}
