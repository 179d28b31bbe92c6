package io.weft.resp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.weft.base.Chunks;
import io.weft.base.StoreMode;
import io.weft.testing.RespClient;
import java.util.List;
import java.util.stream.Stream;
import org.apache.pekko.util.ByteString;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What stands behind the value of a SET. */
class SetOptionsTest {
  private static final long NOW = 1_700_000_000_000L;

  private static SetOptions parse(String options) {
    List<byte[]> arguments =
        Stream.concat(Stream.of("SET", "k", ""), Stream.of(options.split(" ")))
            .map(RespClient::bytes)
            .toList();
    return SetOptions.parse(options.isEmpty() ? arguments.subList(0, 3) : arguments, NOW);
  }

  @ParameterizedTest
  @CsvSource({
    "'', REPLACE, 0",
    "nx, IF_ABSENT, 0",
    "XX, IF_PRESENT, 0",
    "EX 10, REPLACE, 1700000010000",
    "px 10, REPLACE, 1700000000010",
    "EXAT 1800000000, REPLACE, 1800000000000",
    "PXAT 1800000000007, REPLACE, 1800000000007",
    "NX EX 1, IF_ABSENT, 1700000001000",
    "EX 1 XX, IF_PRESENT, 1700000001000",
  })
  void isUnderstood(String options, StoreMode mode, long expiresAt) {
    SetOptions parsed = parse(options);
    assertNull(parsed.wrong());
    assertEquals(mode, parsed.mode());
    assertEquals(expiresAt, parsed.expiresAtMillis());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          NX XX            | ERR syntax error
          NX NX            | ERR syntax error
          EX               | ERR syntax error
          EX 1 PX 1        | ERR syntax error
          KEEPTTL          | ERR syntax error
          GET              | ERR syntax error
          FOO              | ERR syntax error
          EX soon          | ERR value is not an integer or out of range
          EX +1            | ERR value is not an integer or out of range
          EX 1.5           | ERR value is not an integer or out of range
          EX 99999999999999999999 | ERR value is not an integer or out of range
          EX 0             | ERR invalid expire time in 'set' command
          EX -1            | ERR invalid expire time in 'set' command
          EX 9223372036854775807  | ERR invalid expire time in 'set' command
          PX 9223372036854775807  | ERR invalid expire time in 'set' command
          PXAT 0           | ERR invalid expire time in 'set' command
          """)
  void isRefused(String options, String error) {
    ByteString wrong = parse(options).wrong();
    assertNotNull(wrong);
    assertEquals("-" + error + "\r\n", wrong.utf8String());
  }

  @Test
  void numbers() {
    assertEquals(-12L, SetOptions.number(RespClient.bytes("-12")));
    assertNull(SetOptions.number(RespClient.bytes("")));
    assertNull(SetOptions.number(RespClient.bytes(" 1")));
    assertNull(SetOptions.number(RespClient.bytes("\u00b2")));
    assertNull(SetOptions.number(RespClient.bytes("0".repeat(21))));
    assertEquals(Chunks.NEVER, 0);
  }
}
