package io.weft.cli;

import static io.weft.cli.Weft.weft;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class HelpTest {
  static Set<String> commands() {
    return Main.commandLine().getSubcommands().keySet();
  }

  @ParameterizedTest
  @MethodSource("commands")
  void everyCommandExplainsItselfWithExamplesAndExitCodes(String command) {
    if (command.equals("help")) {
      return;
    }
    Weft.Outcome help = weft(command, "--help").expect(ExitCodes.OK);
    assertTrue(help.out().contains("Examples:"), help.out());
    assertTrue(help.out().matches("(?s).*  weft " + command + "\\s.*"), help.out());
    assertTrue(help.out().contains("Exit codes:"), help.out());
    assertTrue(help.out().contains("--json"), help.out());
  }

  @Test
  void allCommandsAreThere() {
    assertEquals(
        Set.of(
            "run",
            "simulate",
            "replay",
            "bench",
            "put",
            "get",
            "ls",
            "rm",
            "stat",
            "verify",
            "inspect",
            "serve",
            "hash-password",
            "l2-adapter",
            "help"),
        commands());
  }

  @Test
  void withoutACommandTheUsageIsShown() {
    assertTrue(weft().expect(ExitCodes.USAGE).err().contains("replay"));
  }
}
