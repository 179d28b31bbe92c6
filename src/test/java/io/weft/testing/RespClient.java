package io.weft.testing;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A client that speaks RESP by the byte. Text is ISO-8859-1 both ways, so that every byte has its
 * character.
 */
public final class RespClient implements AutoCloseable {
  private static final int TIMEOUT_MILLIS = 60_000;

  public final Socket socket;
  private final InputStream in;
  private final OutputStream out;

  public RespClient(InetSocketAddress address) throws IOException {
    this(new Socket(), address);
  }

  /** On a socket that is not connected yet. */
  public RespClient(Socket socket, InetSocketAddress address) throws IOException {
    this.socket = socket;
    socket.setSoTimeout(TIMEOUT_MILLIS);
    socket.setTcpNoDelay(true);
    socket.connect(address, TIMEOUT_MILLIS);
    in = new BufferedInputStream(socket.getInputStream(), 64 << 10);
    out = socket.getOutputStream();
  }

  public static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  /** A command as an array of bulk strings. */
  public static byte[] command(byte[]... arguments) {
    ByteArrayOutputStream command = new ByteArrayOutputStream();
    command.writeBytes(bytes("*" + arguments.length + "\r\n"));
    for (byte[] argument : arguments) {
      command.writeBytes(bytes("$" + argument.length + "\r\n"));
      command.writeBytes(argument);
      command.writeBytes(bytes("\r\n"));
    }
    return command.toByteArray();
  }

  public static byte[] command(String... arguments) {
    byte[][] all = new byte[arguments.length][];
    for (int i = 0; i < all.length; i++) {
      all[i] = bytes(arguments[i]);
    }
    return command(all);
  }

  public void raw(byte[] bytes) throws IOException {
    out.write(bytes);
    out.flush();
  }

  public void raw(String text) throws IOException {
    raw(bytes(text));
  }

  public void send(String... arguments) throws IOException {
    raw(command(arguments));
  }

  /** Sends a command and reads its reply. */
  public String ask(String... arguments) throws IOException {
    send(arguments);
    return reply();
  }

  public String set(String key, byte[] value) throws IOException {
    raw(command(bytes("SET"), bytes(key), value));
    return reply();
  }

  /** The value, or null where there is none. */
  public byte[] get(String key) throws IOException {
    send("GET", key);
    return bulk();
  }

  /** Exactly so many bytes. */
  public byte[] read(int count) throws IOException {
    byte[] bytes = in.readNBytes(count);
    if (bytes.length < count) {
      throw new EOFException("after " + bytes.length + " of " + count + " bytes");
    }
    return bytes;
  }

  public String readText(int count) throws IOException {
    return new String(read(count), StandardCharsets.ISO_8859_1);
  }

  /** A bulk string, null for none. */
  public byte[] bulk() throws IOException {
    String header = line();
    if (header.equals("$-1") || header.equals("_")) {
      return null;
    }
    if (!header.startsWith("$")) {
      throw new IOException("no bulk string: " + header);
    }
    return body(Integer.parseInt(header.substring(1)));
  }

  /** Reads a bulk string of this length without keeping it. */
  public InputStream streamed(long length) throws IOException {
    String header = line();
    if (!header.equals("$" + length)) {
      throw new IOException("not a bulk string of " + length + " bytes: " + header);
    }
    return in;
  }

  /**
   * A whole reply as text: lines as they are, a bulk string behind a dollar, nil, collections in
   * brackets.
   */
  public String reply() throws IOException {
    String line = line();
    String rest = line.substring(1);
    return switch (line.charAt(0)) {
      case '+', '-', ':', '#', ',' -> line;
      case '_' -> "nil";
      case '$', '=' ->
          rest.equals("-1")
              ? "nil"
              : line.charAt(0)
                  + new String(body(Integer.parseInt(rest)), StandardCharsets.ISO_8859_1);
      case '*', '~', '>' -> rest.equals("-1") ? "nil" : items(Integer.parseInt(rest));
      case '%' -> items(2 * Integer.parseInt(rest));
      default -> throw new IOException("no reply: " + line);
    };
  }

  private String items(int count) throws IOException {
    List<String> items = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      items.add(reply());
    }
    return items.toString();
  }

  private byte[] body(int length) throws IOException {
    byte[] body = read(length);
    if (!readText(2).equals("\r\n")) {
      throw new IOException("a bulk string does not end where it should");
    }
    return body;
  }

  /** A line without its end. */
  public String line() throws IOException {
    StringBuilder line = new StringBuilder();
    int value;
    while ((value = in.read()) != '\n') {
      if (value < 0) {
        throw new EOFException("the server has closed the connection after '" + line + "'");
      }
      line.append((char) value);
    }
    if (line.isEmpty() || line.charAt(line.length() - 1) != '\r') {
      throw new IOException("a line does not end in CRLF: " + line);
    }
    return line.substring(0, line.length() - 1);
  }

  /** Whether the server has closed the connection, with nothing more to read. */
  public boolean isClosedByServer() throws IOException {
    try {
      return in.read() < 0;
    } catch (SocketException reset) {
      return true;
    }
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
