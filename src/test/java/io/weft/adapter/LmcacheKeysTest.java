package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkKey;
import io.weft.testing.Seeds;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which tenant a key belongs to. */
class LmcacheKeysTest {

  @ParameterizedTest
  @CsvSource({
    "m@01000100@0@abcd@team-a, team-a",
    "m@01000100@0@abcd@%40, %40",
    "m@01000100@0@abcd, ''",
    // In-process keys have no salt, whatever stands last.
    "m@8@3@1f@bfloat16, ''",
    "m@8@3@1f@bfloat16@cache_salt%team-a, ''",
    "m@01000100@0@abcd@team-a@team-b, ''",
    "m@01000100@0@abcd@team/a, ''",
    "m@01000100@0@odd@team-a, ''",
    "anything, ''",
    "@@@@, ''"
  })
  void onlyAnObjectKeyHasASalt(String key, String salt) {
    assertEquals(salt, LmcacheKeys.saltOf(ChunkKey.of(key)));
  }

  @Test
  void bytesThatAreNoTextHaveNone() {
    byte[] bytes = ChunkKey.of("m@01000100@0@abcd@team-a").toBytes();
    bytes[bytes.length - 1] = (byte) 0xff;
    assertEquals("", LmcacheKeys.saltOf(ChunkKey.of(bytes)));
  }

  /** The rule runs on the index actor for every key of every caller: nothing may make it throw. */
  @Test
  void noKeyIsTooStrange() {
    Seeds.forEach(
        4,
        seed -> {
          Random random = new Random(seed);
          String letters = "@@@@@0123456789abcdefx%-/\\\0";
          for (int i = 0; i < 5000; i++) {
            byte[] bytes = ChunkKey.of("m@01000100@0@abcd@salt").toBytes();
            for (int changes = random.nextInt(6); changes >= 0; changes--) {
              bytes[random.nextInt(bytes.length)] =
                  (byte) letters.charAt(random.nextInt(letters.length()));
            }
            ChunkKey key = ChunkKey.of(bytes);
            String salt = LmcacheKeys.saltOf(key);
            assertTrue(salt.isEmpty() || key.toString().endsWith("@" + salt), key::toString);
          }
        });
  }
}
