package io.weft.resp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.weft.testing.RespClient;
import java.nio.charset.StandardCharsets;
import org.apache.pekko.util.ByteString;
import org.junit.jupiter.api.Test;

/** Replies, in both versions of the protocol. */
class RespWriterTest {

  private static String text(ByteString bytes) {
    return bytes.decodeString(StandardCharsets.ISO_8859_1);
  }

  private static RespWriter two() {
    return new RespWriter(false);
  }

  private static RespWriter three() {
    return new RespWriter(true);
  }

  @Test
  void whatIsTheSameInBoth() {
    for (boolean resp3 : new boolean[] {false, true}) {
      assertEquals("+fine\r\n", text(new RespWriter(resp3).simple("fine").done()));
      assertEquals(":-7\r\n", text(new RespWriter(resp3).integer(-7).done()));
      assertEquals("$2\r\n\u00c3\u00a4\r\n", text(new RespWriter(resp3).bulk("ä").done()));
      assertEquals("$0\r\n\r\n", text(new RespWriter(resp3).bulk(new byte[0]).done()));
      assertEquals(
          "*2\r\n:1\r\n:2\r\n", text(new RespWriter(resp3).array(2).integer(1).integer(2).done()));
    }
  }

  @Test
  void whatIsNot() {
    assertEquals("$-1\r\n", text(two().nil().done()));
    assertEquals("_\r\n", text(three().nil().done()));
    assertEquals("$-1\r\n", text(RespWriter.nil(false)));
    assertEquals("_\r\n", text(RespWriter.nil(true)));
    assertEquals("*4\r\n", text(two().map(2).done()));
    assertEquals("%2\r\n", text(three().map(2).done()));
    assertEquals("*2\r\n", text(two().set(2).done()));
    assertEquals("~2\r\n", text(three().set(2).done()));
    assertEquals("$2\r\nab\r\n", text(two().text("ab").done()));
    assertEquals("=6\r\ntxt:ab\r\n", text(three().text("ab").done()));
  }

  @Test
  void numbersAndHeaders() {
    assertEquals(":0\r\n", text(RespWriter.number(0)));
    assertEquals(":1\r\n", text(RespWriter.number(1)));
    assertEquals(":-2\r\n", text(RespWriter.number(-2)));
    assertEquals(":9223372036854775807\r\n", text(RespWriter.number(Long.MAX_VALUE)));
    assertEquals(
        "$536870912\r\n", new String(RespWriter.bulkHeader(512L << 20), StandardCharsets.US_ASCII));
  }

  @Test
  void textFromElsewhereBeginsNoReplyOfItsOwn() {
    assertEquals("-ERR a  +OK  b\r\n", text(RespWriter.error("ERR a\r\n+OK\r\nb")));
    assertEquals("+a b\r\n", text(two().simple("a\nb").done()));
    assertEquals(
        "$4\r\na\r\nb\r\n",
        text(two().bulk(RespClient.bytes("a\r\nb")).done()),
        "bytes stay bytes");
  }

  @Test
  void aLongReplyGrows() {
    RespWriter writer = two().array(1_000);
    StringBuilder expected = new StringBuilder("*1000\r\n");
    for (int i = 0; i < 1_000; i++) {
      writer.bulk("key-" + i);
      expected
          .append("$")
          .append(("key-" + i).length())
          .append("\r\nkey-")
          .append(i)
          .append("\r\n");
    }
    assertEquals(expected.toString(), text(writer.done()));
  }
}
