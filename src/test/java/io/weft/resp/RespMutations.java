package io.weft.resp;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/** Makes input for a decoder out of good input: cut, joined, bent and thinned out. */
final class RespMutations {
  private static final Path CORPUS = Path.of("src/test/resources/resp");
  private static final int LONGEST = 200_000;

  /** What decoders stumble over. */
  private static final List<String> PIECES =
      List.of(
          "\r\n",
          "\r",
          "\n",
          "*",
          "$",
          "*-1\r\n",
          "$-1\r\n",
          "*0\r\n",
          "$0\r\n\r\n",
          "*1\r\n",
          "*3\r\n",
          "$3\r\nSET\r\n",
          "$4\r\nMSET\r\n",
          "$3\r\nGET\r\n",
          "$1\r\nk\r\n",
          "$4294967296\r\n",
          "$4294967297\r\n",
          "$1048577\r\n",
          "*1048576\r\n",
          "*1048577\r\n",
          "*2147483648\r\n",
          "$9223372036854775807\r\n",
          "$99999999999999999999\r\n",
          "+",
          "-",
          ":",
          "%",
          "\"",
          "'",
          "\\x",
          " ",
          "\u0000",
          "\u00ff",
          "PING\r\n",
          "set k v\r\n",
          "MSET a 1 b 2\r\n",
          "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n");

  private final Random random;
  private final List<byte[]> corpus;

  RespMutations(Random random, List<byte[]> corpus) {
    this.random = random;
    this.corpus = corpus;
  }

  /** The seeds, in the order of their names. */
  static List<byte[]> corpus() throws IOException {
    List<byte[]> corpus = new ArrayList<>();
    try (Stream<Path> files = Files.list(CORPUS)) {
      for (Path file : files.sorted().toList()) {
        corpus.add(Files.readAllBytes(file));
      }
    }
    return corpus;
  }

  byte[] next() {
    byte[] bytes = pick();
    for (int i = random.nextInt(6); i >= 0; i--) {
      bytes = mutated(bytes);
    }
    return bytes.length > LONGEST ? java.util.Arrays.copyOf(bytes, LONGEST) : bytes;
  }

  private byte[] pick() {
    return corpus.get(random.nextInt(corpus.size()));
  }

  private byte[] mutated(byte[] bytes) {
    int at = random.nextInt(bytes.length + 1);
    int end = at + random.nextInt(Math.min(bytes.length - at, 64) + 1);
    return switch (random.nextInt(7)) {
      case 0 -> joined(bytes, at, new byte[0], end);
      case 1 -> joined(bytes, at, java.util.Arrays.copyOfRange(bytes, at, end), at);
      case 2 -> joined(bytes, at, piece(), at);
      case 3 -> joined(bytes, at, piece(), end);
      case 4 -> joined(bytes, at, pick(), at);
      case 5 -> {
        byte[] bent = bytes.clone();
        if (at < bent.length) {
          bent[at] = (byte) random.nextInt(256);
        }
        yield bent;
      }
      default -> joined(bytes, at, new byte[] {(byte) ('0' + random.nextInt(10))}, end);
    };
  }

  private byte[] piece() {
    return PIECES.get(random.nextInt(PIECES.size())).getBytes(StandardCharsets.ISO_8859_1);
  }

  private static byte[] joined(byte[] bytes, int until, byte[] middle, int from) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.write(bytes, 0, until);
    all.writeBytes(middle);
    all.write(bytes, from, bytes.length - from);
    return all.toByteArray();
  }
}
