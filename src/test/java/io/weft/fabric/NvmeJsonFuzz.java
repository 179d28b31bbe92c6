package io.weft.fabric;

import io.weft.base.FabricSettings;
import io.weft.base.Ticker;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Where a fuzzer comes in: what nvme-cli prints, {@code scripts/fuzz nvme-json}. */
public final class NvmeJsonFuzz {
  private static final FabricSettings SETTINGS = Settings.of();

  private NvmeJsonFuzz() {}

  /**
   * @param input what the command prints, whichever of them is asked
   */
  public static void fuzzerTestOneInput(byte[] input) {
    String output = new String(input, StandardCharsets.UTF_8);
    for (int exit : new int[] {0, 1}) {
      NvmeCli nvme =
          new NvmeCli(
              SETTINGS,
              (_, _) -> new CommandRunner.Result(exit, output, output),
              Path.of("/nonexistent"),
              Ticker.system());
      ask(nvme::check);
      ask(nvme::listed);
      ask(nvme::devices);
      ask(() -> nvme.discover(SETTINGS.paths().getFirst()));
      ask(() -> nvme.identify(new FabricControl.BlockDevice(Path.of("/dev/nvme0n1"), "259:0")));
    }
    var _ = NvmeCli.addressFields(output);
  }

  private interface Question {
    Object ask() throws FabricException;
  }

  private static void ask(Question question) {
    try {
      var _ = question.ask();
    } catch (FabricException refused) {
      // What the command printed is not what it prints.
    }
  }
}
