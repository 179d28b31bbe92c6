package io.weft.fabric;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.fabric.CommandRunner.Result;
import io.weft.fabric.FabricException.Kind;
import io.weft.testing.LoopMount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Real processes: shell scripts that are written here. */
class SystemCommandsTest {
  private static final Duration LONG = Duration.ofMinutes(1);
  private static final Duration SHORT = Duration.ofMillis(300);

  @TempDir Path folder;

  /** Whatever still runs of a script of ours. */
  private Stream<ProcessHandle> ours() {
    return ProcessHandle.allProcesses()
        .filter(each -> each.info().commandLine().orElse("").contains(folder.toString()));
  }

  @AfterEach
  void nothingRunsOn() {
    ours().forEach(ProcessHandle::destroyForcibly);
  }

  private Path script(String text) throws IOException {
    Path script = Files.writeString(folder.resolve("weft-script"), "#!/bin/sh\n" + text + "\n");
    assertTrue(script.toFile().setExecutable(true));
    return script;
  }

  private Result run(String text, String... arguments) throws IOException, FabricException {
    return new SystemCommands().run(new CommandLine(script(text).toString(), arguments), LONG);
  }

  private Path fifo() {
    Path fifo = folder.resolve("fifo");
    LoopMount.run(List.of("mkfifo", fifo.toString()));
    return fifo;
  }

  private FabricException timesOut(CommandLine command) {
    FabricException failure =
        assertThrows(FabricException.class, () -> new SystemCommands().run(command, SHORT));
    assertEquals(Kind.TIMEOUT, failure.kind());
    return failure;
  }

  @Test
  void outputErrorsAndExitCode() throws IOException, FabricException {
    Result result = run("echo out; echo err >&2; exit 3");
    assertEquals(new Result(3, "out\n", "err\n"), result);
    assertEquals("err", result.lastWords());
    assertEquals("out", run("echo first; echo out").lastWords());
    assertEquals("exit code 4", run("exit 4").lastWords());
    assertTrue(run("true").ok());
  }

  @Test
  void argumentsArriveAsTheyAre() throws IOException, FabricException {
    assertEquals(
        "[a b] [$HOME] [] [*] ", run("printf '[%s] ' \"$@\"", "a b", "$HOME", "", "*").output());
  }

  @Test
  void messagesAreEnglishAndStandardInputIsEmpty() throws IOException, FabricException {
    assertEquals("C\n", run("cat; echo $LC_ALL").output());
  }

  @Test
  void rootsCommandsAreFoundWhateverThePath() throws IOException, FabricException {
    script("echo $PATH");
    String path =
        new SystemCommands(folder.toString()).run(new CommandLine("weft-script"), LONG).output();
    assertEquals(System.getenv("PATH") + ":" + folder + "\n", path);
    assertTrue(run("echo $PATH").output().contains(":/usr/sbin:"));
  }

  @Test
  void aCommandThatIsNotThere() throws IOException {
    Path plain = Files.writeString(folder.resolve("plain"), "no program");
    for (String command : List.of("/no/such/command", "no-such-command", plain.toString())) {
      FabricException failure =
          assertThrows(
              FabricException.class,
              () ->
                  new SystemCommands()
                      .run(new CommandLine(command).secretOption("s", "hunter2"), LONG));
      assertEquals(Kind.NO_COMMAND, failure.kind());
      assertTrue(failure.getMessage().startsWith(command + " cannot be run: "));
      assertTrue(!failure.toString().contains("hunter2"), failure.toString());
    }
  }

  @Test
  void whatDoesNotEndIsKilledWithItsChildren() throws Exception {
    String hangs = "sh -c 'read x < " + fifo() + "'; echo never";
    FabricException failure =
        timesOut(new CommandLine(script(hangs).toString()).secretOption("key", "hunter2"));
    assertEquals(
        folder.resolve("weft-script") + " --key=*** did not end within 300 ms",
        failure.getMessage());
    for (ProcessHandle killed : ours().toList()) {
      killed.onExit().get(1, TimeUnit.MINUTES);
    }
  }

  /** As a daemon would that a helper of mount leaves behind: the command itself has ended. */
  @Test
  void aChildThatKeepsTheOutputOpenIsNotWaitedFor() throws IOException, FabricException {
    assertEquals(
        new Result(6, "done\n", ""), run("sh -c 'read x < " + fifo() + "' & echo done; exit 6"));
    assertEquals(1, ours().count());
  }

  @Test
  void outputIsBounded() throws IOException, FabricException {
    Result result = run("head -c 6000000 /dev/zero; head -c 6000000 /dev/zero >&2; exit 5");
    assertEquals(5, result.exitCode());
    assertEquals(4 << 20, result.output().length());
    assertEquals(4 << 20, result.errors().length());
  }
}
