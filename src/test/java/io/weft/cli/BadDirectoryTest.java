package io.weft.cli;

import static io.weft.cli.Weft.weft;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.testing.LoopMount;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Directories that a command cannot work on: each is said in one line, and nothing is changed. */
class BadDirectoryTest {
  @TempDir Path folder;

  /** Every command that opens a directory; {@code DIR} and {@code FILE} stand for those. */
  static Stream<List<String>> commands() {
    return Stream.of(
        List.of("put", "--dir", "DIR", "k", "FILE"),
        List.of("get", "--dir", "DIR", "k"),
        List.of("ls", "--dir", "DIR"),
        List.of("rm", "--dir", "DIR", "k"),
        List.of("stat", "--dir", "DIR"),
        List.of("verify", "--dir", "DIR"));
  }

  @ParameterizedTest
  @MethodSource("commands")
  void aMissingDirectoryIsNotMade(List<String> command) throws IOException {
    Path missing = folder.resolve("missing");
    String complaint = run(command, missing).expect(ExitCodes.USAGE).complaint();
    assertTrue(complaint.contains("there is no directory " + missing), complaint);
    assertFalse(Files.exists(missing));
  }

  @ParameterizedTest
  @MethodSource("commands")
  void aFileIsNoDirectory(List<String> command) throws IOException {
    Path file = Files.writeString(folder.resolve("not-a-directory"), "mine");
    String complaint = run(command, file).expect(ExitCodes.USAGE).complaint();
    assertTrue(complaint.contains("is no directory"), complaint);
    assertEquals("mine", Files.readString(file));
  }

  @ParameterizedTest
  @MethodSource("commands")
  void someoneElsesDirectoryIsLeftAlone(List<String> command) throws IOException {
    Path other = Files.createDirectory(folder.resolve("other"));
    Files.writeString(other.resolve("mine"), "x");
    Weft.Outcome outcome = run(command, other);
    assertTrue(outcome.exitCode() >= ExitCodes.USAGE, outcome.err());
    assertTrue(outcome.complaint().contains("no store"), outcome.err());
    try (Stream<Path> files = Files.list(other)) {
      assertEquals(List.of(other.resolve("mine")), files.toList());
    }
  }

  @ParameterizedTest
  @MethodSource("commands")
  void aSecondStoreIsToldWhoHoldsTheDirectory(List<String> command) throws IOException {
    Path held = folder.resolve("held");
    try (ChunkStore store =
        ChunkStore.start(
            ConfigFactory.parseString("weft { directory = \"%s\" }".formatted(held))
                .withFallback(ConfigFactory.load()))) {
      assertTrue(store.ready().toCompletableFuture().join().serving());
      String complaint = run(command, held).expect(ExitCodes.FAILURE).complaint();
      assertTrue(complaint.contains("another store has this directory open"), complaint);
      assertTrue(complaint.contains("pid " + ProcessHandle.current().pid()), complaint);
      assertTrue(store.status().toCompletableFuture().join().serving());
    }
  }

  @Test
  void replayAndRunNeedADirectoryTooAndSayWhy() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "mine");
    weft("replay", "--requests", "2", "--dir", file).expect(ExitCodes.USAGE);
    weft("run", "--requests", "2", "--dir", file.resolve("below")).expect(ExitCodes.USAGE);
    assertEquals("mine", Files.readString(file));
  }

  @Tag("root")
  @Test
  void aReadOnlyFilesystemIsSaidAndNothingIsLost() throws IOException {
    try (LoopMount mount = LoopMount.ext4(256L << 20)) {
      Path store = Files.createDirectory(mount.directory().resolve("store"));
      Path bytes = Files.write(folder.resolve("bytes"), new byte[1000]);
      weft("put", "--dir", store, "k", bytes).expect(ExitCodes.OK);
      mount.remountReadOnly();
      for (List<String> command : commands().toList()) {
        Weft.Outcome outcome = run(command, store).expect(ExitCodes.FAILURE);
        assertTrue(outcome.complaint().contains("read-only"), outcome.err());
      }
      weft("replay", "--requests", "2", "--dir", mount.directory().resolve("new"))
          .expect(ExitCodes.USAGE);
      mount.remountReadWrite();
      weft("get", "--dir", store, "k", folder.resolve("out")).expect(ExitCodes.OK);
      assertEquals(1000, Files.size(folder.resolve("out")));
    }
  }

  @Tag("root")
  @Test
  void aFullFilesystemRejectsAndLosesNothing() throws IOException {
    try (LoopMount mount = LoopMount.ext4(256L << 20)) {
      Path store = Files.createDirectory(mount.directory().resolve("store"));
      Path small = Files.write(folder.resolve("small"), new byte[1000]);
      Path large = folder.resolve("large");
      try (RandomAccessFile sparse = new RandomAccessFile(large.toFile(), "rw")) {
        sparse.setLength(200L << 20);
      }
      weft("put", "--dir", store, "k", small).expect(ExitCodes.OK);
      Weft.Outcome outcome = weft("put", "--dir", store, "big", large).expect(ExitCodes.FAILURE);
      assertTrue(outcome.complaint().contains("not stored"), outcome.err());
      weft("get", "--dir", store, "k", folder.resolve("out")).expect(ExitCodes.OK);
    }
  }

  private Weft.Outcome run(List<String> command, Path directory) throws IOException {
    Path file = Files.writeString(folder.resolve("payload"), "payload");
    return weft(
        command.stream()
            .map(word -> word.equals("DIR") ? directory : word.equals("FILE") ? file : word)
            .toArray());
  }
}
