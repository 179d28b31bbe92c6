package io.weft.testing;

import static io.weft.testing.RespClient.bytes;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Optional;

/**
 * One connection of LMCache's C++ client, by the byte: arrays of bulk strings, upper-case verbs,
 * one command at a time, and behind each exactly the bytes that a good reply has. Anything else is
 * an error here, where the real client would be out of step for good.
 */
public final class LmcacheClient implements AutoCloseable {
  private final RespClient client;

  public LmcacheClient(InetSocketAddress address) throws IOException {
    client = new RespClient(address);
  }

  public void auth(String... userAndPassword) throws IOException {
    byte[][] command = new byte[userAndPassword.length + 1][];
    command[0] = bytes("AUTH");
    for (int i = 0; i < userAndPassword.length; i++) {
      command[i + 1] = bytes(userAndPassword[i]);
    }
    client.raw(RespClient.command(command));
    expect("+OK\r\n", client.readText(5));
  }

  public void set(String key, byte[] value) throws IOException {
    client.raw(RespClient.command(bytes("SET"), bytes(key), value));
    expect("+OK\r\n", client.readText(5));
  }

  public int exists(String key) throws IOException {
    client.send("EXISTS", key);
    return zeroOrOne();
  }

  public int del(String key) throws IOException {
    client.send("DEL", key);
    return zeroOrOne();
  }

  /** It knows how long the value is to be, and takes no other. */
  public Optional<byte[]> get(String key, int length) throws IOException {
    client.send("GET", key);
    String expected = "$" + length + "\r\n";
    String miss = "$-1\r\n";
    String header = client.readText(miss.length());
    if (header.equals(miss)) {
      return Optional.empty();
    }
    if (expected.length() > miss.length()) {
      header += client.readText(expected.length() - miss.length());
    }
    expect(expected, header);
    byte[] value = client.read(length);
    expect("\r\n", client.readText(2));
    return Optional.of(value);
  }

  private int zeroOrOne() throws IOException {
    String reply = client.readText(4);
    if (!reply.equals(":0\r\n") && !reply.equals(":1\r\n")) {
      throw new IOException("out of step: " + reply);
    }
    return reply.charAt(1) - '0';
  }

  private static void expect(String expected, String reply) throws IOException {
    if (!reply.equals(expected)) {
      throw new IOException("out of step: " + reply + " instead of " + expected);
    }
  }

  @Override
  public void close() throws IOException {
    client.close();
  }
}
