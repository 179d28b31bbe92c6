package io.weft.cli;

import static io.weft.cli.Weft.weft;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunCommandTest {
  private static final Object[] SMALL = {
    "run", "--json", "--requests", "40", "--chunk-bytes", "16KiB", "--capacity", "300chunks"
  };

  @TempDir Path folder;

  @Test
  void aRunVerifiesWhatItLoadsAndLeavesNothing() {
    Path made = folder.resolve("a/b");
    JsonNode json = run("--dir", made).expect(ExitCodes.OK).json();
    assertTrue(json.at("/correctness/verifiedBytes").asLong() > 0, json.toString());
    assertEquals(0, json.at("/correctness/wrongBytes").asLong());
    assertTrue(json.at("/store/evictions").asLong() > 0, json.toString());
    assertTrue(json.at("/workload/trace").asText().startsWith("generated conversations"));
    assertFalse(json.at("/store/filesystem").asText().isEmpty());
    assertTrue(json.at("/store/recovery").asText().contains("0 chunks"), json.toString());
    assertFalse(Files.exists(made));
  }

  @Test
  void aDirectoryThatWasThereStaysAndIsEmptyAgain() throws IOException {
    run("--dir", folder).expect(ExitCodes.OK);
    assertEquals(List.of(), list(folder));
  }

  @Test
  void aStoreThatIsKeptCanBeVerified() {
    JsonNode json = run("--dir", folder, "--keep").expect(ExitCodes.OK).json();
    JsonNode verified = weft("verify", "--dir", folder, "--json").expect(ExitCodes.OK).json();
    // The snapshot of the shutdown has to have its room, too.
    long good = verified.at("/files/good").asLong();
    assertTrue(Math.abs(json.at("/store/chunks").asLong() - good) <= 10, json.toString());
  }

  @Test
  void withoutADirectoryItMakesOneAndRemovesIt() {
    JsonNode json = run().expect(ExitCodes.OK).json();
    Path used = Path.of(json.at("/store/directory").asText());
    assertTrue(used.startsWith(System.getProperty("java.io.tmpdir")), used.toString());
    assertFalse(Files.exists(used));
  }

  @Test
  void theSameSeedIsTheSameWorkload() {
    JsonNode one = run("--seed", "5").json();
    JsonNode again = run("--seed", "5").json();
    JsonNode other = run("--seed", "6").json();
    assertEquals(
        one.at("/workload/blockReferences").asLong(),
        again.at("/workload/blockReferences").asLong());
    assertFalse(
        one.at("/workload/blockReferences").asLong()
            == other.at("/workload/blockReferences").asLong());
  }

  @Test
  void aDirectoryWithSomethingInItIsLeftAlone() throws IOException {
    Path mine = Files.writeString(folder.resolve("mine"), "x");
    Weft.Outcome outcome = run("--dir", folder).expect(ExitCodes.USAGE);
    assertTrue(outcome.complaint().contains("is not empty"), outcome.err());
    assertEquals(List.of(mine), list(folder));
    run("--dir", mine).expect(ExitCodes.USAGE);
    assertEquals("x", Files.readString(mine));
  }

  private static Weft.Outcome run(Object... more) {
    return weft(Stream.concat(Stream.of(SMALL), Stream.of(more)).toArray());
  }

  private static List<Path> list(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.toList();
    }
  }
}
