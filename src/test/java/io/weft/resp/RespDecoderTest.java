package io.weft.resp;

import static io.weft.testing.RespClient.bytes;
import static io.weft.testing.RespClient.command;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.pekko.util.ByteString;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What a client sends becomes commands, however the network cuts it. */
class RespDecoderTest {

  private static List<String> known(String input) {
    return DecoderRun.whole(bytes(input), true, false);
  }

  private static List<String> unknown(String input) {
    return DecoderRun.whole(bytes(input), false, false);
  }

  private static String array(String... arguments) {
    return new String(command(arguments), java.nio.charset.StandardCharsets.ISO_8859_1);
  }

  static Stream<String> inputs() {
    return Stream.of(
        array("GET", "a") + array("SET", "a", "some\r\nvalue") + array("DEL", "a", "b", "c"),
        array("SET", "k", "", "EX", "10") + array("PING"),
        array("MSET", "a", "1", "b", "", "c", "333") + array("MGET", "a", "b"),
        "PING\r\n\r\nset a 'b c' EX 1\nGET \"\\x00\\xff\\n\"\r\n" + array("ECHO", "x"),
        "*0\r\n*-1\r\n" + array("PING"),
        "*2\r\n$3\r\nGET\r\n$1\r\naX\r\n",
        "*1\r\n:5\r\n",
        "*x\r\n",
        "GET \"open\r\n",
        "*3\r\n$3\r\nset\r\n$1\r\nk\r\n$4294967297\r\n",
        "*3\r\n$3\r\nSET\r\n$2000\r\n" + "k".repeat(2000) + "\r\n$3\r\nabc\r\n");
  }

  @ParameterizedTest
  @MethodSource("inputs")
  void everyCutOfTheInputGivesTheSame(String input) {
    byte[] all = bytes(input);
    for (int first = 1; first < Math.min(all.length, 150); first++) {
      int length = first;
      DecoderRun.check(all, at -> at == 0 ? length : all.length);
      if (first < 9) {
        DecoderRun.check(all, _ -> length);
      }
    }
  }

  @Test
  void argumentsAndValuesArrive() {
    assertEquals(List.of("[PING]"), known(array("PING")));
    assertEquals(
        List.of(
            "value of 3 behind [SET, k] of 5",
            "ended behind [SET, k]: 3 v\r\n",
            "[SET, k, , EX, 9]"),
        known(array("SET", "k", "v\r\n", "EX", "9")));
    assertEquals(
        List.of("value of 0 behind [set, k] of 3", "ended behind [set, k]: 0 ", "[set, k, ]"),
        known(array("set", "k", "")));
    assertEquals(
        List.of(
            "value of 1 behind [MSET, a] of 5",
            "ended behind [MSET, a]: 1 1",
            "value of 2 behind [MSET, a, , b] of 5",
            "ended behind [MSET, a, , b]: 2 22",
            "[MSET, a, , b, ]"),
        known(array("MSET", "a", "1", "b", "22")));
  }

  @Test
  void whatIsNoValueIsAnArgument() {
    assertEquals(List.of("[MSET, a, 1, b]"), known(array("MSET", "a", "1", "b")));
    assertEquals(List.of("[SET, a]"), known(array("SET", "a")));
    assertEquals(List.of("[GET, a, b]"), known(array("GET", "a", "b")));
  }

  @Test
  void aLineIsReadAsTheArrayThatItStandsFor() {
    assertEquals(known(array("PING")), known("PING\r\n"));
    assertEquals(known(array("PING")), known("  PING \n"));
    assertEquals(List.of("[PING, , b  c]"), known("PING '' \"b  c\"\n"));
    assertEquals(List.of("[PING, it's \\n]"), known("PING 'it\\'s \\n'\n"));
    assertEquals(
        List.of("[PING, \u0000\u00ffA\n\t\u0007\"z]"),
        known("PING \"\\x00\\xffA\\n\\t\\a\\\"\\z\"\n"));
    assertEquals(List.of("[PING]"), known("\r\n\r\n \r\nPING\r\n"));
    assertEquals(known(array("SET", "a", "b c")), known("SET a 'b c'\r\n"));
    assertEquals(known(array("MSET", "a", "1", "b", "2")), known("MSET a 1 b 2\r\n"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          '*x\\r\\n'                        | invalid multibulk length
          '*\\r\\n'                         | invalid multibulk length
          '*1048577\\r\\n'                  | invalid multibulk length
          '*99999999999999999999\\r\\n'     | invalid multibulk length
          '*+1\\r\\n'                       | invalid multibulk length
          '*1\\r\\n+OK\\r\\n'               | expected '$', got '+'
          '*1\\r\\n\\r\\n'                  | expected '$', got '\\x0d'
          '*1\\r\\n$-1\\r\\n'               | invalid bulk length
          '*1\\r\\n$x\\r\\n'                | invalid bulk length
          '*1\\r\\n$\\r\\n'                 | invalid bulk length
          '*3\\r\\n$3\\r\\nSET\\r\\n$1\\r\\na\\r\\n$4294967297\\r\\n' | invalid bulk length
          '*1\\r\\n$4\\r\\nPINGxx'          | expected CRLF after a bulk string
          'PING "open\\r\\n'                | unbalanced quotes in request
          'PING "a"b\\r\\n'                 | unbalanced quotes in request
          """)
  void whatIsNotTheProtocolIsSaid(String input, String text) {
    String raw = input.replace("\\r", "\r").replace("\\n", "\n");
    assertEquals(List.of("broken: Protocol error: " + text), lastOf(known(raw)));
  }

  private static List<String> lastOf(List<String> steps) {
    return steps.subList(steps.size() - 1, steps.size());
  }

  @Test
  void aLineHasAnEnd() {
    String blanks = "x".repeat(RespDecoder.LINE_MAX);
    assertEquals(List.of("broken: Protocol error: too big inline request"), known(blanks));
    assertEquals(
        List.of("broken: Protocol error: too big mbulk count string"),
        known("*" + "1".repeat(RespDecoder.LINE_MAX)));
    assertEquals(
        List.of("broken: Protocol error: too big bulk count string"),
        known("*1\r\n$" + "1".repeat(RespDecoder.LINE_MAX)));
    String longest = "x".repeat(RespDecoder.LINE_MAX - 2);
    assertEquals(1, known(longest + "\r\n").size());
  }

  @Test
  void whoIsNotKnownSendsShortCommandsOnly() {
    assertEquals(
        List.of("broken: Protocol error: unauthenticated multibulk length"), unknown("*11\r\n"));
    assertEquals(
        List.of("broken: Protocol error: unauthenticated bulk length"),
        unknown("*2\r\n$4\r\nAUTH\r\n$16385\r\n"));
    assertEquals(List.of("[AUTH, a, b]"), unknown(array("AUTH", "a", "b")));
    assertEquals(List.of(), known("*11\r\n"));
  }

  @Test
  void anArgumentThatIsTooLongIsReadToItsEnd() {
    String tooLong = "x".repeat(RespDecoder.ARGUMENT_BYTES_MAX + 1);
    assertEquals(
        List.of("too long [GET, ]", "[PING]"), known(array("GET", tooLong) + array("PING")));
    String longest = tooLong.substring(1);
    assertEquals(
        List.of(
            "too long [DEL, 1048576 bytes #%1$d, 1048576 bytes #%1$d, 1048576 bytes #%1$d, , ]"
                .formatted(java.util.Arrays.hashCode(bytes(longest)))),
        known(array("DEL", longest, longest, longest, longest, longest)));
  }

  @Test
  void manyEmptyArgumentsCount() {
    // 16 bytes are counted for each.
    String many = "*1048576\r\n$3\r\nDEL\r\n" + "$0\r\n\r\n".repeat((1 << 20) - 1);
    List<String> steps = known(many);
    assertEquals(1, steps.size());
    assertTrue(steps.getFirst().startsWith("too long "), steps.getFirst().substring(0, 40));
  }

  @Test
  void aPipelineIsTakenInOrder() {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (int i = 0; i < 10_000; i++) {
      all.writeBytes(command("GET", "k" + i));
    }
    List<String> steps = DecoderRun.whole(all.toByteArray(), true, false);
    assertEquals(10_000, steps.size());
    for (int i = 0; i < 10_000; i++) {
      assertEquals("[GET, k" + i + "]", steps.get(i));
    }
    Random random = new Random(1);
    assertEquals(
        steps, DecoderRun.steps(all.toByteArray(), true, false, _ -> 1 + random.nextInt(5_000)));
  }

  @Test
  void nothingOfAValueIsReadBeforeItHasItsPlace() {
    RespDecoder decoder = new RespDecoder();
    decoder.known(true);
    RespInput input = new RespInput();
    input.add(ByteString.fromArray(command("SET", "k", "value")));
    assertInstanceOf(RespDecoder.Step.Value.class, decoder.next(input));
    long left = input.available();
    assertThrows(IllegalStateException.class, () -> decoder.next(input));
    assertThrows(
        IllegalStateException.class, () -> decoder.into(MemorySegment.ofArray(new byte[4])));
    assertEquals(left, input.available());
    byte[] place = new byte[5];
    decoder.into(MemorySegment.ofArray(place));
    assertInstanceOf(RespDecoder.Step.ValueEnded.class, decoder.next(input));
    assertArrayEquals(bytes("value"), place);
    assertThrows(IllegalStateException.class, decoder::drain);
  }
}
