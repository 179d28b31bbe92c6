package io.weft.cli;

import static io.weft.cli.Weft.weft;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class L2AdapterCommandTest {
  @TempDir Path folder;

  private String configuration(String more) {
    return """
    {"type": "nvmeof", "weft": {"directory": "%s", "capacity": "64MiB", "reserve": "0",
     "io": {"lease-pool": "8MiB"}}%s}
    """
        .formatted(folder.resolve("store"), more);
  }

  @Test
  void theHelpListsEveryTypeWithEveryField() {
    String help = weft("l2-adapter", "--help").expect(ExitCodes.OK).out();
    for (String field :
        new String[] {
          "Type nvmeof:",
          "  nvmeof.mount_path (text)",
          "  nvmeof.subnqn (text)",
          "  nvmeof.ctrl_loss_tmo (text, default 30s)",
          "  nvmeof.auto_connect (true or false, default true)",
          "  nvmeof.traddr (text)",
          "  weft (an object)",
          "  close_timeout (a number, default 5)",
          "  eviction.trigger_watermark (a number, default 0.8)"
        }) {
      assertTrue(help.lines().anyMatch(field::equals) || help.contains(field), field + help);
    }
    JsonNode json = weft("l2-adapter", "--json").expect(ExitCodes.OK).json();
    for (JsonNode field : json.at("/types/nvmeof/fields")) {
      assertTrue(help.contains("  " + field.path("name").asText() + " ("), field::toString);
    }
    assertTrue(weft("l2-adapter").expect(ExitCodes.OK).out().contains("Type nvmeof:"));
  }

  @Test
  void aConfigurationIsCheckedWithoutOpeningAnything() {
    weft("l2-adapter", configuration("")).expect(ExitCodes.OK);
    assertFalse(Files.exists(folder.resolve("store")));
    String complaint =
        weft("l2-adapter", configuration(", \"size\": 1")).expect(ExitCodes.USAGE).complaint();
    assertTrue(complaint.contains("size = 1: there is no such key"), complaint);
    weft("l2-adapter", "--check").expect(ExitCodes.USAGE);
  }

  @Test
  void aTrialReportsStatusAndUsageAndCloses() {
    String eviction = ", \"eviction\": {\"eviction_policy\": \"noop\"}";
    for (int i = 0; i < 2; i++) {
      JsonNode json =
          weft("l2-adapter", configuration(eviction), "--check", "--json")
              .expect(ExitCodes.OK)
              .json();
      assertTrue(json.at("/status/is_healthy").asBoolean(), json::toString);
      assertEquals("UP", json.at("/status/state").asText());
      assertEquals(64 << 20, json.at("/usage/capacityBytes").asLong());
      assertEquals(0, json.at("/usage/totalBytes").asLong());
    }
  }

  @Test
  void whatCannotBeIsSaidInALine() throws Exception {
    Files.writeString(folder.resolve("store"), "a file, no directory");
    String complaint =
        weft("l2-adapter", configuration(""), "--check").expect(ExitCodes.FAILURE).complaint();
    assertTrue(complaint.contains("the store did not start"), complaint);
  }
}
