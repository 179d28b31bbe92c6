package io.weft.resp;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.pekko.util.ByteString;

/** Composes a reply, as the client's version of the protocol has it. Not thread-safe. */
final class RespWriter {
  private static final int INITIAL = 64;

  private final boolean resp3;
  private byte[] bytes = new byte[INITIAL];
  private int length;

  RespWriter(boolean resp3) {
    this.resp3 = resp3;
  }

  static final ByteString OK = constant("+OK\r\n");
  static final ByteString PONG = constant("+PONG\r\n");
  static final ByteString ZERO = constant(":0\r\n");
  static final ByteString ONE = constant(":1\r\n");
  private static final ByteString NIL2 = constant("$-1\r\n");
  private static final ByteString NIL3 = constant("_\r\n");

  private static ByteString constant(String text) {
    return ByteString.fromString(text, StandardCharsets.US_ASCII);
  }

  static ByteString nil(boolean resp3) {
    return resp3 ? NIL3 : NIL2;
  }

  static ByteString number(long value) {
    return value == 0 ? ZERO : value == 1 ? ONE : constant(":" + value + "\r\n");
  }

  static ByteString error(String text) {
    return new RespWriter(false).line('-', text).done();
  }

  /** The header of a bulk string. */
  static byte[] bulkHeader(long length) {
    return ("$" + length + "\r\n").getBytes(StandardCharsets.US_ASCII);
  }

  RespWriter simple(String text) {
    return line('+', text);
  }

  RespWriter integer(long value) {
    return line(':', Long.toString(value));
  }

  RespWriter bulk(String text) {
    return bulk(text.getBytes(StandardCharsets.UTF_8));
  }

  RespWriter bulk(byte[] value) {
    line('$', Integer.toString(value.length));
    append(value);
    return end();
  }

  /** Text for people, which RESP3 tells from data. */
  RespWriter text(String text) {
    if (!resp3) {
      return bulk(text);
    }
    byte[] value = text.getBytes(StandardCharsets.UTF_8);
    line('=', Integer.toString(value.length + 4));
    append("txt:".getBytes(StandardCharsets.US_ASCII));
    append(value);
    return end();
  }

  RespWriter nil() {
    append(nil(resp3).toArrayUnsafe());
    return this;
  }

  RespWriter array(int size) {
    return line('*', Integer.toString(size));
  }

  /** A set; RESP2 has arrays only. */
  RespWriter set(int size) {
    return line(resp3 ? '~' : '*', Integer.toString(size));
  }

  /** A map of so many pairs; in RESP2 an array of keys and values in turn. */
  RespWriter map(int pairs) {
    return resp3 ? line('%', Integer.toString(pairs)) : array(2 * pairs);
  }

  ByteString done() {
    return ByteString.fromArrayUnsafe(Arrays.copyOf(bytes, length));
  }

  /** A line ends where it ends: text from elsewhere must not begin another reply. */
  private RespWriter line(char type, String text) {
    append((byte) type);
    for (byte value : text.getBytes(StandardCharsets.UTF_8)) {
      append(value == '\r' || value == '\n' ? (byte) ' ' : value);
    }
    return end();
  }

  private RespWriter end() {
    append((byte) '\r');
    append((byte) '\n');
    return this;
  }

  private void append(byte value) {
    room(1);
    bytes[length++] = value;
  }

  private void append(byte[] values) {
    room(values.length);
    System.arraycopy(values, 0, bytes, length, values.length);
    length += values.length;
  }

  private void room(int count) {
    if (bytes.length - length < count) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, length + count));
    }
  }
}
