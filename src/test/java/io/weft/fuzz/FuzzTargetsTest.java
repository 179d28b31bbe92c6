package io.weft.fuzz;

import static org.junit.jupiter.api.Assertions.assertFalse;

import io.weft.cli.trace.TraceFuzz;
import io.weft.device.BlockFuzz;
import io.weft.device.KeysFuzz;
import io.weft.device.SnapshotFuzz;
import io.weft.fabric.NvmeJsonFuzz;
import io.weft.testing.Seeds;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The targets of {@code scripts/fuzz}, in their short form: each seed of the corpus, and bent input
 * from numbered seeds ({@code -Dweft.fuzz.seeds=N} for more). RESP has a test of its own, {@code
 * RespDecoderFuzzTest}.
 */
class FuzzTargetsTest {
  private static final int SEEDS = Integer.getInteger("weft.fuzz.seeds", 10);

  enum Target {
    BLOCK("block", 150, BlockFuzz::fuzzerTestOneInput),
    SNAPSHOT("snapshot", 30, SnapshotFuzz::fuzzerTestOneInput),
    NVME_JSON("nvme-json", 80, NvmeJsonFuzz::fuzzerTestOneInput),
    TRACE("trace", 100, TraceFuzz::fuzzerTestOneInput),
    KEYS("keys", 300, KeysFuzz::fuzzerTestOneInput);

    final String folder;
    final int inputsASeed;

    @SuppressWarnings("ImmutableEnumChecker") // method references
    final Checked checked;

    Target(String folder, int inputsASeed, Checked checked) {
      this.folder = folder;
      this.inputsASeed = inputsASeed;
      this.checked = checked;
    }
  }

  interface Checked {
    void check(byte[] input) throws Exception;
  }

  @ParameterizedTest
  @EnumSource
  void whateverComesIsTakenOrRefused(Target target) throws Exception {
    List<byte[]> corpus = Mutations.corpus(Path.of("src/test/resources/fuzz", target.folder));
    assertFalse(corpus.isEmpty());
    for (byte[] seed : corpus) {
      target.checked.check(seed);
    }
    Seeds.forEach(
        SEEDS,
        seed -> {
          Mutations mutations = new Mutations(new Random(seed), corpus);
          for (int i = 0; i < target.inputsASeed; i++) {
            byte[] input = mutations.next();
            try {
              target.checked.check(input);
            } catch (Exception | Error found) {
              throw new AssertionError(
                  "input %d: %s: %s"
                      .formatted(
                          i,
                          found,
                          HexFormat.of().formatHex(input, 0, Math.min(input.length, 200))),
                  found);
            }
          }
        });
  }
}
