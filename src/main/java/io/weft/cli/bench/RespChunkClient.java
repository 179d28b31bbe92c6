package io.weft.cli.bench;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** One RESP connection, one command at a time, as LMCache's C++ client does it. */
final class RespChunkClient implements ChunkClient {
  private static final int HEAD_BYTES = 4096;

  private final SocketChannel channel;
  private final ByteBuffer head = ByteBuffer.allocateDirect(HEAD_BYTES);
  private final ByteBuffer end = ByteBuffer.wrap("\r\n".getBytes(US_ASCII));

  RespChunkClient(InetSocketAddress server) throws IOException {
    channel = SocketChannel.open(server);
    channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    head.limit(0);
  }

  @Override
  public void store(int chunk, Slot slot) throws IOException {
    ByteBuffer value = slot.payloadBuffer().clear();
    String key = key(chunk);
    ByteBuffer[] parts = {
      ascii(
          "*3\r\n$3\r\nSET\r\n$"
              + key.length()
              + "\r\n"
              + key
              + "\r\n$"
              + value.remaining()
              + "\r\n"),
      value,
      end.duplicate()
    };
    while (parts[2].hasRemaining()) {
      channel.write(parts);
    }
    expect("+OK");
  }

  @Override
  public void load(int chunk, Slot slot) throws IOException {
    ByteBuffer value = slot.payloadBuffer().clear();
    String key = key(chunk);
    send("*2\r\n$3\r\nGET\r\n$" + key.length() + "\r\n" + key + "\r\n");
    expect("$" + value.remaining());
    // What came with the header; the rest goes where it belongs.
    int came = Math.min(head.remaining(), value.remaining());
    value.put(head.slice(head.position(), came));
    head.position(head.position() + came);
    while (value.hasRemaining()) {
      read(value);
    }
    expect("");
  }

  /** Sends a command without a value, and expects this line. */
  void command(String command, String answer) throws IOException {
    StringBuilder text = new StringBuilder();
    String[] words = command.split(" ", -1);
    text.append('*').append(words.length).append("\r\n");
    for (String word : words) {
      text.append('$').append(word.length()).append("\r\n").append(word).append("\r\n");
    }
    send(text.toString());
    expect(answer);
  }

  private static String key(int chunk) {
    return "weft-bench:chunk:" + chunk;
  }

  private void send(String text) throws IOException {
    ByteBuffer bytes = ascii(text);
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  private void expect(String wanted) throws IOException {
    StringBuilder line = new StringBuilder();
    while (true) {
      while (head.hasRemaining()) {
        char next = (char) head.get();
        line.append(next);
        if (next == '\n') {
          String text = line.substring(0, line.length() - 2);
          if (!text.equals(wanted)) {
            throw new IOException("expected '" + wanted + "', got '" + text + "'");
          }
          return;
        }
      }
      head.clear();
      try {
        read(head);
      } finally {
        head.flip();
      }
    }
  }

  private void read(ByteBuffer target) throws IOException {
    if (channel.read(target) < 0) {
      throw new EOFException("the server closed the connection");
    }
  }

  private static ByteBuffer ascii(String text) {
    return ByteBuffer.wrap(text.getBytes(US_ASCII));
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
