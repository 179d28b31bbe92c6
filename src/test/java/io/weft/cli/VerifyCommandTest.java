package io.weft.cli;

import static io.weft.cli.Weft.chunkFile;
import static io.weft.cli.Weft.weft;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code verify} and {@code inspect} on stores that somebody has damaged, each in one way. */
class VerifyCommandTest {
  private static final int CHUNKS = 8;
  private static final int LENGTH = 1_500_001;

  @TempDir Path folder;
  private Path store;

  @BeforeEach
  void fill() throws IOException {
    store = Files.createDirectory(folder.resolve("store"));
    Path bytes = folder.resolve("bytes");
    for (int i = 0; i < CHUNKS; i++) {
      byte[] payload = new byte[LENGTH];
      new Random(i).nextBytes(payload);
      Files.write(bytes, payload);
      weft("put", "--dir", store, "k" + i, bytes).expect(ExitCodes.OK);
    }
  }

  @Test
  void everyChunkOfASoundStoreIsGood() {
    Weft.Outcome outcome = weft("verify", "--dir", store, "--json", "--threads", "3");
    JsonNode json = outcome.expect(ExitCodes.OK).json();
    assertEquals(CHUNKS, json.at("/files/good").asInt());
    assertEquals((long) CHUNKS * LENGTH, json.at("/work/payloadBytes").asLong());
    for (String other :
        new String[] {"wrong", "unreadable", "staging", "laterVersion", "foreign"}) {
      assertEquals(0, json.at("/files/" + other).asInt(), other);
    }
    weft("inspect", chunkFile(store, "k0")).expect(ExitCodes.OK);
  }

  @Test
  void aFlippedPayloadBitIsFound() throws IOException {
    damage("k3", bytes -> flip(bytes, 4096 + LENGTH - 1));
    expectWrong("k3", "payload's checksum");
    JsonNode inspected = inspect("k3", ExitCodes.WRONG_DATA);
    assertTrue(inspected.path("payloadProblem").asText().contains("checksum"));
    assertEquals("", inspected.path("blockProblem").asText());
  }

  @Test
  void aFlippedBlockBitIsFound() throws IOException {
    damage("k3", bytes -> flip(bytes, 17));
    expectWrong("k3", "block's checksum");
    JsonNode inspected = inspect("k3", ExitCodes.WRONG_DATA);
    assertTrue(inspected.path("blockProblem").asText().contains("checksum"));
    assertEquals("k3", inspected.at("/block/key").asText());
  }

  @Test
  void aFlippedMagicIsFound() throws IOException {
    damage("k3", bytes -> flip(bytes, 0));
    expectWrong("k3", "WEFTCHNK");
    inspect("k3", ExitCodes.WRONG_DATA);
  }

  @Test
  void aFileCutShortIsFound() throws IOException {
    damage("k3", bytes -> Arrays.copyOf(bytes, 8192));
    expectWrong("k3", "the file has 8192 bytes");
    assertTrue(
        inspect("k3", ExitCodes.WRONG_DATA).path("payloadProblem").asText().contains("8192"));
    damage("k3", bytes -> Arrays.copyOf(bytes, 100));
    expectWrong("k3", "less than a block");
    inspect("k3", ExitCodes.WRONG_DATA);
    damage("k3", bytes -> new byte[0]);
    expectWrong("k3", "less than a block");
  }

  @Test
  void aChunkUnderAnothersNameIsFound() throws IOException {
    Files.copy(chunkFile(store, "k4"), chunkFile(store, "k3"), StandardCopyOption.REPLACE_EXISTING);
    expectWrong("k3", "");
  }

  @Test
  void aLaterVersionIsNamedAndIsNotWrong() throws IOException {
    damage("k3", VerifyCommandTest::ofLaterVersion);
    JsonNode json = weft("verify", "--dir", store, "--json").expect(ExitCodes.OK).json();
    assertEquals(1, json.at("/files/laterVersion").asInt());
    assertEquals(CHUNKS - 1, json.at("/files/good").asInt());
    JsonNode inspected = inspect("k3", ExitCodes.OK);
    assertTrue(inspected.path("laterVersion").asBoolean());
    assertEquals(3, inspected.at("/block/version").asInt());
    // Served, it is a miss, and is left for the program that can read it.
    weft("get", "--dir", store, "k3").expect(ExitCodes.WRONG_DATA);
    chunkFile(store, "k3");
  }

  @Test
  void foreignFilesAndLeftoversAreCountedAndLeft() throws IOException {
    Path leaf = chunkFile(store, "k3").getParent();
    Path foreign = Files.writeString(leaf.resolve("notes.txt"), "mine");
    Path top = Files.writeString(store.resolve("README"), "mine");
    Path between = Files.writeString(store.resolve("chunks").resolve("x"), "mine");
    Path staging = Files.writeString(leaf.resolve("%staging-12ab-0"), "unfinished");
    JsonNode json = weft("verify", "--dir", store, "--json").expect(ExitCodes.OK).json();
    assertEquals(3, json.at("/files/foreign").asInt(), json.toString());
    assertEquals(1, json.at("/files/staging").asInt());
    assertEquals(CHUNKS, json.at("/files/good").asInt());
    assertEquals(4, json.path("named").size());
    assertTrue(Files.exists(foreign) && Files.exists(top) && Files.exists(between));
    assertTrue(Files.exists(staging));
    // After a crash the next start removes the leftover, and nothing else.
    Files.deleteIfExists(store.resolve("clean"));
    weft("ls", "--dir", store).expect(ExitCodes.OK);
    assertFalse(Files.exists(staging));
    assertEquals("mine", Files.readString(foreign));
    assertEquals("mine", Files.readString(top));
  }

  @Test
  void wrongChunksGoToQuarantineOnlyWhenAsked() throws IOException {
    damage("k3", bytes -> flip(bytes, 5000));
    Path damaged = chunkFile(store, "k3");
    byte[] before = Files.readAllBytes(damaged);
    expectWrong("k3", "checksum");
    assertArrayEquals(before, Files.readAllBytes(damaged));
    JsonNode json =
        weft("verify", "--dir", store, "--json", "--quarantine")
            .expect(ExitCodes.WRONG_DATA)
            .json();
    assertEquals(1, json.at("/files/quarantined").asInt());
    assertFalse(Files.exists(damaged));
    weft("verify", "--dir", store).expect(ExitCodes.OK);
    Path kept;
    try (Stream<Path> files = Files.list(store.resolve("quarantine"))) {
      kept = files.findFirst().orElseThrow();
    }
    assertArrayEquals(before, Files.readAllBytes(kept));
    // Its name is still read there.
    JsonNode inspected = weft("inspect", kept, "--json").expect(ExitCodes.WRONG_DATA).json();
    assertTrue(inspected.has("nameGeneration"), inspected.toString());
    weft("get", "--dir", store, "k3").expect(ExitCodes.WRONG_DATA);
    weft("get", "--dir", store, "k4", folder.resolve("out")).expect(ExitCodes.OK);
  }

  @Test
  void damageCostsOneChunkAndNoOther() throws IOException {
    damage("k1", bytes -> flip(bytes, 4096));
    damage("k2", bytes -> Arrays.copyOf(bytes, 5000));
    damage("k3", VerifyCommandTest::ofLaterVersion);
    Files.deleteIfExists(store.resolve("clean"));
    for (int i = 0; i < CHUNKS; i++) {
      Path out = folder.resolve("out");
      Files.deleteIfExists(out);
      boolean damaged = i >= 1 && i <= 3;
      weft("get", "--dir", store, "k" + i, out)
          .expect(damaged ? ExitCodes.WRONG_DATA : ExitCodes.OK);
      if (!damaged) {
        byte[] expected = new byte[LENGTH];
        new Random(i).nextBytes(expected);
        assertArrayEquals(expected, Files.readAllBytes(out));
      }
    }
    JsonNode json = weft("verify", "--dir", store, "--json").expect(ExitCodes.OK).json();
    assertEquals(CHUNKS - 3, json.at("/files/good").asInt());
    assertEquals(1, json.at("/files/laterVersion").asInt());
  }

  @Test
  void peopleAreToldWhichFileAndWhy() throws IOException {
    damage("k3", bytes -> flip(bytes, 5000));
    Weft.Outcome outcome = weft("verify", "--dir", store).expect(ExitCodes.WRONG_DATA);
    assertTrue(
        outcome.out().lines().anyMatch(line -> line.matches("chunks/.*/k3~\\S+ +wrong +the pay.*")),
        outcome.out());
    Weft.Outcome fields = weft("inspect", chunkFile(store, "k3")).expect(ExitCodes.WRONG_DATA);
    for (String field : new String[] {"payloadLength", "generation", "blockCrc32c", "k3"}) {
      assertTrue(fields.out().contains(field), fields.out());
    }
  }

  @Test
  void inspectTellsOfFilesThatAreNoChunks() throws IOException {
    Path none = folder.resolve("none");
    assertTrue(weft("inspect", none).expect(ExitCodes.USAGE).complaint().contains("no such file"));
    weft("inspect", folder).expect(ExitCodes.USAGE);
    Path text = Files.writeString(folder.resolve("text"), "x".repeat(5000));
    JsonNode json = weft("inspect", "--json", text).expect(ExitCodes.WRONG_DATA).json();
    assertTrue(json.path("blockProblem").asText().contains("WEFTCHNK"));
  }

  @Test
  void inspectReadsOneSlotOfASegment() throws IOException {
    Path slots = Files.createDirectory(folder.resolve("slots"));
    Path config =
        Files.writeString(
            folder.resolve("slots.conf"),
            "weft { layout = slab, slab.segment = 4MiB, capacity = 8MiB, reserve = 0 }");
    Path bytes = Files.write(folder.resolve("bytes"), new byte[100_000]);
    weft("put", "--dir", slots, "--config", config, "k", bytes).expect(ExitCodes.OK);
    Path segment;
    try (Stream<Path> segments = Files.list(slots.resolve("segments"))) {
      segment = segments.findFirst().orElseThrow();
    }
    weft("inspect", segment).expect(ExitCodes.USAGE);
    JsonNode json = weft("inspect", "--json", "--slot", "0", segment).expect(ExitCodes.OK).json();
    assertEquals(0, json.path("slot").asInt(-1));
    assertEquals(100_000, json.at("/block/payloadLength").asInt());
    String text = weft("inspect", "--slot", "0", segment).expect(ExitCodes.OK).out();
    assertTrue(text.contains(", slot 0, ") && !text.contains("name  "), text);
  }

  private void expectWrong(String key, String why) {
    JsonNode json = weft("verify", "--dir", store, "--json").expect(ExitCodes.WRONG_DATA).json();
    assertEquals(1, json.at("/files/wrong").asInt(), json.toString());
    assertEquals(CHUNKS - 1, json.at("/files/good").asInt());
    JsonNode named = json.at("/named/0");
    assertTrue(named.path("file").asText().contains("/" + key + "~"), json.toString());
    assertTrue(named.path("detail").asText().contains(why), json.toString());
    assertFalse(named.path("quarantined").asBoolean());
  }

  private JsonNode inspect(String key, int exitCode) {
    return weft("inspect", "--json", chunkFile(store, key)).expect(exitCode).json();
  }

  private void damage(String key, UnaryOperator<byte[]> how) throws IOException {
    Path file = chunkFile(store, key);
    byte[] bytes = how.apply(Files.readAllBytes(file));
    Files.write(file, bytes, StandardOpenOption.TRUNCATE_EXISTING);
  }

  private static byte[] flip(byte[] bytes, int at) {
    bytes[at] ^= 0x40;
    return bytes;
  }

  /** The block as a later program would write it: another version, and a checksum that fits. */
  private static byte[] ofLaterVersion(byte[] bytes) {
    ByteBuffer block = ByteBuffer.wrap(bytes, 0, 4096).order(ByteOrder.LITTLE_ENDIAN);
    block.putInt(8, 3);
    CRC32C sum = new CRC32C();
    sum.update(bytes, 0, 4092);
    block.putInt(4092, (int) sum.getValue());
    return bytes;
  }
}
