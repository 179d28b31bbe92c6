package io.weft.soak;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The short form of {@code scripts/crash-test --rounds}: a kill with each durability. */
@Tag("root")
class CrashRoundsTest {
  @ParameterizedTest
  @CsvSource({"ext4, file", "ext4, slab", "xfs, slab"})
  void everyAcknowledgedChunkIsThereAfterAKill(String filesystem, String layout) throws Exception {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(line, true, StandardCharsets.UTF_8);
    long seed = Long.getLong("seed", 1);
    assertEquals(
        List.of(), CrashRounds.run(new CrashRounds.Plan(filesystem, layout, 2, seed), out));
    System.out.print(line.toString(StandardCharsets.UTF_8));
  }
}
