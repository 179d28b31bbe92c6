package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.adapter.EngineKey.Tag;
import io.weft.base.ChunkKey;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The in-process key: LMCache's text, there and back, and nothing else. */
class EngineKeyTest {
  private static EngineKey key(OptionalInt layer, Tag... tags) {
    return new EngineKey("org/model", 8, 3, "1f", "bfloat16", layer, List.of(tags));
  }

  @Test
  void theTextIsLmcaches() {
    assertText("org/model@8@3@1f@bfloat16", key(OptionalInt.empty()));
    assertText("org/model@8@3@1f@bfloat16@0", key(OptionalInt.of(0)));
    assertText("org/model@8@3@1f@bfloat16@31", key(OptionalInt.of(31)));
    assertText(
        "org/model@8@3@1f@bfloat16@user%me@team%",
        key(OptionalInt.empty(), new Tag("user", "me"), new Tag("team", "")));
    assertText(
        "org/model@8@3@1f@bfloat16@31@user%50%@user%50%",
        key(OptionalInt.of(31), new Tag("user", "50%"), new Tag("user", "50%")));
  }

  /** An integer in hexadecimal, of either sign, or bytes: the hash stays as it is written. */
  @ParameterizedTest
  @ValueSource(strings = {"0", "abc", "-6f1e", "00ff", "ABCDEF", "7fffffffffffffffff"})
  void aHashIsKeptAsItIsWritten(String hash) {
    assertText(
        "m@1@0@" + hash + "@half",
        new EngineKey("m", 1, 0, hash, "half", OptionalInt.empty(), List.of()));
  }

  private static void assertText(String text, EngineKey key) {
    assertEquals(text, key.encode());
    assertEquals(Optional.of(key), EngineKey.parse(text));
    assertEquals(ChunkKey.of(text), key.toChunkKey());
  }

  @Test
  void aSixthFieldOfDigitsIsTheLayerAndAnyOtherIsATag() {
    assertEquals(
        Optional.of(key(OptionalInt.of(7))), EngineKey.parse("org/model@8@3@1f@bfloat16@7"));
    assertEquals(
        Optional.of(key(OptionalInt.empty(), new Tag("7", "8"))),
        EngineKey.parse("org/model@8@3@1f@bfloat16@7%8"));
    assertEquals(Optional.empty(), EngineKey.parse("org/model@8@3@1f@bfloat16@7@8"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "m",
        "m@1@0@ab",
        "@1@0@ab@half",
        "m@@0@ab@half",
        "m@x@0@ab@half",
        "m@-1@0@ab@half",
        "m@1@-1@ab@half",
        "m@01@0@ab@half",
        "m@1@00@ab@half",
        "m@1@0@@half",
        "m@1@0@-@half",
        "m@1@0@xyz@half",
        "m@1@0@0xab@half",
        "m@1@0@ab@",
        "m@1@0@ab@half@",
        "m@1@0@ab@half@tag",
        "m@1@0@ab@half@%value",
        "m@1@0@ab@half@007",
        "m@1@0@ab@half@9999999999",
        "m@99999999999@0@ab@half",
      })
  void otherTextIsNoKey(String text) {
    assertEquals(Optional.empty(), EngineKey.parse(text));
  }

  @Test
  void whatBreaksARuleIsRefusedWithTheRule() {
    OptionalInt none = OptionalInt.empty();
    refused("model name", () -> new EngineKey("", 1, 0, "ab", "half", none, List.of()));
    refused("model name", () -> new EngineKey("a@b", 1, 0, "ab", "half", none, List.of()));
    refused("dtype", () -> new EngineKey("m", 1, 0, "ab", "", none, List.of()));
    refused("dtype", () -> new EngineKey("m", 1, 0, "ab", "a@b", none, List.of()));
    refused("hash", () -> new EngineKey("m", 1, 0, "g", "half", none, List.of()));
    refused("not negative", () -> new EngineKey("m", -1, 0, "ab", "half", none, List.of()));
    refused("not negative", () -> new EngineKey("m", 1, -1, "ab", "half", none, List.of()));
    refused("not negative", () -> key(OptionalInt.of(-1)));
    refused("tag", () -> new Tag("", "value"));
    refused("tag", () -> new Tag("a%b", "value"));
    refused("tag", () -> new Tag("a@b", "value"));
    refused("tag value", () -> new Tag("name", "a@b"));
  }

  private static void refused(String words, org.junit.jupiter.api.function.Executable making) {
    String message = assertThrows(IllegalArgumentException.class, making).getMessage();
    assertTrue(message.contains(words), message);
  }

  @Test
  void itsTagsAreItsOwn() {
    List<Tag> tags = new ArrayList<>(List.of(new Tag("a", "b")));
    EngineKey key = new EngineKey("m", 1, 0, "ab", "half", OptionalInt.empty(), tags);
    tags.clear();
    assertEquals("m@1@0@ab@half@a%b", key.encode());
  }
}
