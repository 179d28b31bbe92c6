package io.weft.cli;

import static io.weft.cli.Weft.weft;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code put}, {@code get}, {@code ls}, {@code rm} and {@code stat}, one after the other. */
class ChunkCommandsTest {
  @TempDir Path folder;
  private Path store;

  @BeforeEach
  void makeDirectory() throws IOException {
    store = Files.createDirectory(folder.resolve("store"));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 4096, 100_003, 3_000_000})
  void whatIsPutIsGot(int length) throws IOException {
    byte[] bytes = new byte[length];
    new Random(length).nextBytes(bytes);
    JsonNode put = put("k", bytes, "--json").expect(ExitCodes.OK).json();
    assertEquals("stored", put.at("/chunk/outcome").asText());
    Path out = folder.resolve("out");
    JsonNode got = weft("get", "--dir", store, "k", out, "--json").expect(ExitCodes.OK).json();
    assertEquals(length, got.at("/chunk/length").asInt());
    assertArrayEquals(bytes, Files.readAllBytes(out));
  }

  @Test
  void standardInputAndOutputCarryBytes() {
    byte[] bytes = {0, 1, (byte) 0xff, '\r', '\n', (byte) 0x80};
    InputStream input = System.in;
    PrintStream output = System.out;
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      System.setIn(new ByteArrayInputStream(bytes));
      weft("put", "--dir", store, "k", "-").expect(ExitCodes.OK);
      System.setOut(new PrintStream(out, true, UTF_8));
      Weft.Outcome got = weft("get", "--dir", store, "k").expect(ExitCodes.OK);
      assertEquals("", got.out());
    } finally {
      System.setIn(input);
      System.setOut(output);
    }
    assertArrayEquals(bytes, out.toByteArray());
  }

  @Test
  void aPasswordIsHashedFromStandardInput() {
    InputStream input = System.in;
    try {
      System.setIn(new ByteArrayInputStream("secret\n".getBytes(UTF_8)));
      String hash = weft("hash-password").expect(ExitCodes.OK).out();
      assertTrue(hash.startsWith("pbkdf2-sha256:"), hash);
      System.setIn(new ByteArrayInputStream(new byte[0]));
      weft("hash-password").expect(ExitCodes.USAGE);
    } finally {
      System.setIn(input);
    }
  }

  @Test
  void modesSayWhatHappensToAKeyThatIsThereOrNot() throws IOException {
    put("k", "one".getBytes(UTF_8), "--mode", "if_present").expect(ExitCodes.WRONG_DATA);
    put("k", "one".getBytes(UTF_8)).expect(ExitCodes.OK);
    Weft.Outcome second = put("k", "two".getBytes(UTF_8)).expect(ExitCodes.OK);
    assertTrue(second.out().contains("there already"), second.out());
    assertEquals("one", get("k"));
    put("k", "three".getBytes(UTF_8), "--mode", "if_present").expect(ExitCodes.OK);
    assertEquals("three", get("k"));
    put("k", "four".getBytes(UTF_8), "--mode", "REPLACE").expect(ExitCodes.OK);
    assertEquals("four", get("k"));
    assertEquals(1, Weft.chunkFiles(store).size());
  }

  @Test
  void metadataAndExpiryTravelWithTheChunk() throws IOException {
    long before = System.currentTimeMillis();
    put("k", new byte[10], "--metadata", "dtype=bf16 \\", "--ttl", "2h").expect(ExitCodes.OK);
    JsonNode stat =
        weft("stat", "--dir", store, "--json", "k").expect(ExitCodes.OK).json().at("/chunks/0");
    assertEquals("dtype=bf16 \\x5c", stat.path("metadata").asText());
    long expiry = stat.path("expiresAtMillis").asLong();
    assertTrue(
        expiry >= before + 7_200_000 && expiry <= System.currentTimeMillis() + 7_200_000,
        stat.toString());
    assertEquals(10, stat.path("length").asInt());
    assertEquals(8192, stat.path("physicalBytes").asInt());
    assertTrue(
        put("k", new byte[10], "--ttl", "soon")
            .expect(ExitCodes.USAGE)
            .complaint()
            .contains("is no time"));
  }

  @Test
  void keysOfAnyBytesAreListedAsTheyCanBeTyped() throws IOException {
    Set<String> keys =
        new TreeSet<>(
            Set.of("plain", "a/b@c%d", "..", "nul\\x00end", "\\xc3\\xa4", "x".repeat(2048)));
    for (String key : keys) {
      put(key, key.getBytes(UTF_8)).expect(ExitCodes.OK);
    }
    JsonNode listed = weft("ls", "--dir", store, "--json").expect(ExitCodes.OK).json();
    Set<String> found = new TreeSet<>();
    listed.path("chunks").forEach(chunk -> found.add(chunk.path("key").asText()));
    assertEquals(keys, found);
    assertEquals(keys.size(), listed.path("count").asInt());
    for (String key : keys) {
      assertEquals(key, get(key));
    }
    // What one types for ä is what is listed.
    assertEquals("\\xc3\\xa4", get("ä"));
  }

  @Test
  void aListingCanBeNarrowedAndCut() throws IOException {
    for (int i = 0; i < 12; i++) {
      put((i < 5 ? "five-" : "other-") + i, new byte[100]).expect(ExitCodes.OK);
    }
    JsonNode five = weft("ls", "--dir", store, "--prefix", "five-", "--json").json();
    assertEquals(5, five.path("count").asInt());
    assertEquals(500, five.path("bytes").asInt());
    assertFalse(five.path("more").asBoolean());
    JsonNode cut = weft("ls", "--dir", store, "--limit", "3", "--json", "-l").json();
    assertEquals(3, cut.path("count").asInt());
    assertTrue(cut.path("more").asBoolean());
    assertEquals(8192, cut.at("/chunks/0/physicalBytes").asInt());
    Weft.Outcome table = weft("ls", "--dir", store, "-l").expect(ExitCodes.OK);
    assertTrue(table.out().lines().anyMatch(line -> line.matches(" +100 B +8 KiB +never +five-3")));
    assertTrue(table.out().contains("12 chunks, 1.17 KiB"), table.out());
    weft("ls", "--dir", store, "--limit", "0").expect(ExitCodes.USAGE);
  }

  @Test
  void removedIsRemovedAndAbsentIsSaid() throws IOException {
    put("a", new byte[1]).expect(ExitCodes.OK);
    put("b", new byte[1]).expect(ExitCodes.OK);
    JsonNode removed =
        weft("rm", "--dir", store, "--json", "a", "gone").expect(ExitCodes.WRONG_DATA).json();
    assertEquals("removed", removed.at("/chunks/0/outcome").asText());
    assertEquals("not there", removed.at("/chunks/1/outcome").asText());
    weft("rm", "--force", "--dir", store, "b").expect(ExitCodes.OK);
    assertEquals(0, weft("ls", "--dir", store, "--json").json().path("count").asInt());
    assertEquals(0, Weft.chunkFiles(store).size());
  }

  @Test
  void anUnknownKeyIsAMissAndMakesNoFile() throws IOException {
    put("k", new byte[1]).expect(ExitCodes.OK);
    Path out = folder.resolve("out");
    Weft.Outcome get = weft("get", "--dir", store, "other", out).expect(ExitCodes.WRONG_DATA);
    assertEquals("weft get: other: absent", get.complaint());
    assertFalse(Files.exists(out));
    Weft.Outcome stat = weft("stat", "--dir", store, "--json", "k", "other");
    stat.expect(ExitCodes.WRONG_DATA);
    assertTrue(stat.json().at("/chunks/0/present").asBoolean());
    assertFalse(stat.json().at("/chunks/1/present").asBoolean());
  }

  @Test
  void keysTooLongOrEmptyAreRefused() throws IOException {
    Path bytes = Files.write(folder.resolve("bytes"), new byte[1]);
    for (String key : new String[] {"", "x".repeat(2049)}) {
      Weft.Outcome outcome = weft("put", "--dir", store, key, bytes).expect(ExitCodes.USAGE);
      assertTrue(outcome.complaint().contains("a chunk key has 1 to 2048 bytes"), outcome.err());
      weft("get", "--dir", store, key).expect(ExitCodes.USAGE);
    }
  }

  @Test
  void withoutAKeyStatTellsOfTheStore() throws IOException {
    put("m@0x00000001@0@aabb@tenant", new byte[4096]).expect(ExitCodes.OK);
    JsonNode json = weft("stat", "--dir", store, "--json").expect(ExitCodes.OK).json();
    assertEquals(1, json.at("/store/chunks").asInt());
    assertEquals(8192, json.at("/store/chunkBytes").asInt());
    assertTrue(json.at("/store/recovery").asText().contains("clean shutdown"), json.toString());
  }

  @Test
  void lookingAtAStoreEvictsNothingAndKeepsThePolicysState() throws IOException {
    Path config = folder.resolve("weft.conf");
    Files.writeString(config, "weft { capacity = 400KiB, eviction.policy = lfu }");
    for (int i = 0; i < 20; i++) {
      put("k" + i, new byte[8192], "--config", config).expect(ExitCodes.OK);
    }
    int chunks = weft("ls", "--dir", store, "--json").json().path("count").asInt();
    assertEquals(20, chunks);
    put("large", new byte[1 << 20]).expect(ExitCodes.OK);
    assertEquals(21, weft("ls", "--dir", store, "--json").json().path("count").asInt());
    // Opened with its own configuration again, it has to keep its capacity.
    JsonNode kept = weft("ls", "--dir", store, "--json", "--config", config).json();
    assertTrue(kept.path("count").asInt() < 21, kept.toString());
  }

  private Weft.Outcome put(String key, byte[] bytes, Object... more) throws IOException {
    Path file = Files.write(folder.resolve("bytes"), bytes);
    Object[] args = new Object[5 + more.length];
    args[0] = "put";
    args[1] = "--dir";
    args[2] = store;
    System.arraycopy(more, 0, args, 3, more.length);
    args[3 + more.length] = key;
    args[4 + more.length] = file;
    return weft(args);
  }

  private String get(String key) throws IOException {
    Path out = folder.resolve("got");
    weft("get", "--dir", store, key, out).expect(ExitCodes.OK);
    return Files.readString(out);
  }
}
