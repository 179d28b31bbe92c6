package io.weft.cli;

import static io.weft.cli.Weft.weft;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchCommandTest {
  @TempDir Path directory;

  @Test
  void aSmallRunMeasuresEachWorkloadAndLeavesNothing() throws IOException {
    Path page = directory.resolve("page.html");
    Path device = Files.createDirectory(directory.resolve("device"));
    Weft.Outcome outcome =
        weft(
            "bench",
            "--quick",
            "--sizes",
            "16KiB",
            "--mib",
            "4",
            "--json",
            "--html",
            page,
            "--contenders",
            "limit,floor,weft-file,weft-resp",
            "--restart-chunks",
            "300",
            "--index-chunks",
            "5000",
            "--dir",
            device);
    assertTrue(!outcome.err().contains("does not count"), outcome::err);
    outcome.expect(ExitCodes.OK);

    Set<String> measured = new HashSet<>();
    for (JsonNode row : outcome.json().path("rows")) {
      assertEquals("", row.path("invalid").asText(), row::toString);
      measured.add(row.path("workload").asText() + " " + row.path("contender").asText());
      assertTrue(row.path("medians").size() > 0, row::toString);
    }
    for (String workload : new String[] {"store", "load", "mixed", "trace", "capacity"}) {
      for (String contender : new String[] {"limit", "floor", "weft-file", "weft-resp"}) {
        assertTrue(measured.contains(workload + " " + contender), measured::toString);
      }
    }
    assertTrue(
        measured.containsAll(
            Set.of(
                "latency weft-file",
                "latency weft-file alone",
                "lookup machine",
                "lookup weft-index",
                "restart weft-index",
                "restart weft-file",
                "restart weft-file scan")),
        measured::toString);
    assertTrue(outcome.json().path("bars").size() > 4, outcome::out);
    String html = Files.readString(page);
    assertTrue(html.contains("<svg") && html.contains("weft-file"), html);
    assertTrue(!html.contains("<script") && !html.contains("src="), "it needs no other file");
    try (Stream<Path> left = Files.list(device)) {
      assertEquals(0, left.count());
    }
  }

  @Test
  void whatDoesNotExistIsRefusedWithWhatDoes() {
    String complaint =
        weft("bench", "--dir", directory, "--contenders", "limit,other")
            .expect(ExitCodes.USAGE)
            .complaint();
    assertTrue(complaint.contains("'other'") && complaint.contains("weft-slab"), complaint);
    complaint =
        weft("bench", "--dir", directory, "--workloads", "store,sleep")
            .expect(ExitCodes.USAGE)
            .complaint();
    assertTrue(complaint.contains("'sleep'") && complaint.contains("capacity"), complaint);
    complaint =
        weft("bench", "--dir", directory, "--sizes", "5000").expect(ExitCodes.USAGE).complaint();
    assertTrue(complaint.contains("--sizes: multiples of 4 KiB"), complaint);
    complaint =
        weft("bench", "--dir", directory, "--rounds", "0").expect(ExitCodes.USAGE).complaint();
    assertTrue(complaint.contains("--rounds: at least 1, not 0"), complaint);
  }

  @Test
  void aSettingThatIsWrongIsToldWithItsKey() {
    String complaint =
        weft(
                "bench",
                "--quick",
                "--dir",
                directory,
                "--contenders",
                "weft-file",
                "--workloads",
                "store",
                "--sizes",
                "16KiB",
                "--set",
                "weft.io.threads=none")
            .expect(ExitCodes.USAGE)
            .err();
    assertTrue(complaint.contains("weft.io.threads"), complaint);
  }
}
