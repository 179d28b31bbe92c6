package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkKey;
import io.weft.testing.Seeds;
import java.util.HexFormat;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The MP object key: LMCache's text and file name, there and back, and nothing else. */
class ObjectKeyTest {
  private static final String HASH = "5d41402abc4b2a76b9719d911017c592";

  private static ObjectKey key(String model, int rank, int group, String salt) {
    return new ObjectKey(model, rank, group, HASH, salt);
  }

  @Test
  void theTextIsLmcaches() {
    assertEquals(
        "meta-llama/Llama-3.1-8B@02010201@1f@" + HASH + "@team-a",
        key("meta-llama/Llama-3.1-8B", 0x02010201, 31, "team-a").encode());
    assertEquals("m@ffffffff@0@" + HASH, key("m", -1, 0, "").encode());
    assertEquals("m@00000001@7fffffff@" + HASH, key("m", 1, Integer.MAX_VALUE, "").encode());
  }

  @Test
  void theFileNameIsLmcaches() {
    assertEquals(
        "meta-llama-SEP-Llama@0x02010201@1f@" + HASH + "@team-a.data",
        key("meta-llama/Llama", 0x02010201, 31, "team-a").encodeFileName());
    assertEquals("m@0xffffffff@0@" + HASH + ".data", key("m", -1, 0, "").encodeFileName());
  }

  @Test
  void aFileNameHasRoomForTheModelsThatLmcacheHasRoomFor() {
    String hash = "ab".repeat(32);
    String salt = "s".repeat(ObjectKey.MAX_SALT_CHARS);
    assertEquals(255, new ObjectKey("m".repeat(172), 1, 0, hash, "").encodeFileName().length());
    assertEquals(255, new ObjectKey("m".repeat(43), 1, 0, hash, salt).encodeFileName().length());
  }

  @Test
  void everyKeyComesBackFromBothForms() {
    Seeds.forEach(
        4,
        seed -> {
          Random random = new Random(seed);
          for (int i = 0; i < 500; i++) {
            byte[] hash = new byte[1 + random.nextInt(40)];
            random.nextBytes(hash);
            ObjectKey key =
                new ObjectKey(
                    text(random, 1, "aZ9-._ /%é\u20ac"),
                    random.nextInt(),
                    random.nextInt() & Integer.MAX_VALUE >> random.nextInt(31),
                    HexFormat.of().formatHex(hash),
                    text(random, 0, "aZ9-._ %é"));
            assertEquals(Optional.of(key), ObjectKey.parse(key.encode()));
            assertEquals(Optional.of(key), ObjectKey.parseFileName(key.encodeFileName()));
            assertEquals(ChunkKey.of(key.encode()), key.toChunkKey());
          }
        });
  }

  private static String text(Random random, int least, String letters) {
    StringBuilder text = new StringBuilder();
    for (int left = least + random.nextInt(12); left > 0; left--) {
      text.append(letters.charAt(random.nextInt(letters.length())));
    }
    return text.toString();
  }

  @Test
  void aModelThatContainsTheSeparatorComesBackAsASlash() {
    // LMCache's own ambiguity: the text form does not have it.
    ObjectKey key = key("a-SEP-b", 1, 0, "");
    assertEquals(Optional.of(key("a/b", 1, 0, "")), ObjectKey.parseFileName(key.encodeFileName()));
    assertEquals(Optional.of(key), ObjectKey.parse(key.encode()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "@",
        "m",
        "m@00000001@0",
        // The earlier shape, without a group.
        "m@00000001@" + HASH,
        "m@00000001@" + HASH + "@salt",
        "m@00000001@0@" + HASH + "@salt@more",
        "@00000001@0@" + HASH,
        // The rank: eight lower-case hexadecimal digits.
        "m@@0@" + HASH,
        "m@1@0@" + HASH,
        "m@0x00000001@0@" + HASH,
        "m@000000001@0@" + HASH,
        "m@0000000G@0@" + HASH,
        "m@0000000A@0@" + HASH,
        // The group: hexadecimal, not negative, without leading zeros.
        "m@00000001@@" + HASH,
        "m@00000001@-1@" + HASH,
        "m@00000001@A@" + HASH,
        "m@00000001@01@" + HASH,
        "m@00000001@80000000@" + HASH,
        "m@00000001@100000000@" + HASH,
        // The hash: whole bytes.
        "m@00000001@0@",
        "m@00000001@0@abc",
        "m@00000001@0@AB",
        "m@00000001@0@0xab",
        "m@00000001@0@ab ",
        // The salt.
        "m@00000001@0@ab@",
        "m@00000001@0@ab@a/b",
        "m@00000001@0@ab@a\\b",
        "m@00000001@0@ab@a\0b",
      })
  void otherTextIsNoKey(String text) {
    assertEquals(Optional.empty(), ObjectKey.parse(text));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        ".data",
        "m@0x00000001@0@ab",
        "m@0x00000001@0@ab.pt",
        "m@00000001@0@ab.data",
        "m@0x1@0@ab.data",
        "m@0x00000001@0.data",
        "m@0x00000001@0@ab@s@t.data",
        "m@0x00000001@-1@ab.data",
        "m@0x00000001@0@abc.data",
        "m@0x00000001@0@ab@.data",
        "@0x00000001@0@ab.data",
        "a/b@0x00000001@0@ab.data",
      })
  void otherFileNamesAreNoKeys(String name) {
    assertEquals(Optional.empty(), ObjectKey.parseFileName(name));
  }

  @Test
  void whatBreaksARuleIsRefusedWithTheRule() {
    refused("model name", () -> key("", 1, 0, ""));
    refused("no '@'", () -> key("a@b", 1, 0, ""));
    refused("not negative: -1", () -> key("m", 1, -1, ""));
    refused("hexadecimal: ''", () -> new ObjectKey("m", 1, 0, "", ""));
    refused("hexadecimal: 'abc'", () -> new ObjectKey("m", 1, 0, "abc", ""));
    refused("hexadecimal: 'AB'", () -> new ObjectKey("m", 1, 0, "AB", ""));
    for (String salt : new String[] {"a@b", "a/b", "a\\b", "a\0b"}) {
      refused("none of @ / \\ NUL", () -> key("m", 1, 0, salt));
    }
  }

  @Test
  void aSaltIsCountedInCharactersAsPythonCounts() {
    String most = "\ud83d\ude00".repeat(ObjectKey.MAX_SALT_CHARS);
    ObjectKey key = key("m", 1, 0, most);
    assertEquals(Optional.of(key), ObjectKey.parse(key.encode()));
    refused("at most 128 characters", () -> key("m", 1, 0, most + "x"));
    refused("at most 128 characters", () -> key("m", 1, 0, "s".repeat(129)));
    assertEquals(Optional.empty(), ObjectKey.parse("m@00000001@0@ab@" + "s".repeat(129)));
  }

  private static void refused(String words, org.junit.jupiter.api.function.Executable making) {
    String message = assertThrows(IllegalArgumentException.class, making).getMessage();
    assertTrue(message.contains(words), message);
  }
}
