package io.weft.soak;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The short form of {@code scripts/soak}: each fault about once. As root with all faults, else with
 * those that a plain directory can have.
 */
class SoakTest {
  @ParameterizedTest
  @ValueSource(strings = {"file", "slab"})
  void noFaultBreaksAPromise(String layout) throws Exception {
    ByteArrayOutputStream report = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(report, true, StandardCharsets.UTF_8);
    long seed = Long.getLong("seed", 1);
    assertTrue(
        Soak.run(new Soak.Plan(10, seed, layout, 300, 700), out),
        () -> report.toString(StandardCharsets.UTF_8));
  }
}
