package io.weft.fuzz;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/**
 * Makes input out of good input: bytes bent, cut out, doubled, and pieces of other input put in.
 */
final class Mutations {
  private static final long[] ODD = {
    0,
    1,
    -1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    Integer.MAX_VALUE,
    Integer.MIN_VALUE,
    1L << 31,
    1L << 32,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    4095,
    4096,
    4097
  };

  private final Random random;
  private final List<byte[]> corpus;

  Mutations(Random random, List<byte[]> corpus) {
    this.random = random;
    this.corpus = corpus;
  }

  /** The seeds in a folder, in the order of their names. */
  static List<byte[]> corpus(Path folder) throws IOException {
    List<byte[]> corpus = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.sorted().toList()) {
        corpus.add(Files.readAllBytes(file));
      }
    }
    return corpus;
  }

  byte[] next() {
    byte[] bytes = corpus.get(random.nextInt(corpus.size()));
    for (int i = random.nextInt(5); i >= 0; i--) {
      bytes = mutated(bytes);
    }
    return bytes;
  }

  private byte[] mutated(byte[] bytes) {
    int at = random.nextInt(bytes.length + 1);
    int end = at + random.nextInt(Math.min(bytes.length - at, 64) + 1);
    byte[] bent = bytes.clone();
    switch (random.nextInt(7)) {
      case 0 -> bent = joined(bytes, at, new byte[0], end);
      case 1 -> bent = joined(bytes, at, Arrays.copyOfRange(bytes, at, end), at);
      case 2 -> {
        byte[] other = corpus.get(random.nextInt(corpus.size()));
        int from = random.nextInt(other.length + 1);
        int length = random.nextInt(Math.min(other.length - from, 256) + 1);
        bent = joined(bytes, at, Arrays.copyOfRange(other, from, from + length), at);
      }
      case 3 -> bent = Arrays.copyOf(bytes, at);
      case 4 -> {
        // A number of two, four or eight bytes that programs stumble over; mostly near the head.
        int near = random.nextBoolean() ? Math.min(bytes.length, 128) : bytes.length;
        int place = near == 0 ? 0 : random.nextInt(near);
        int width = 2 << random.nextInt(3);
        long odd = ODD[random.nextInt(ODD.length)];
        for (int i = 0; i < width && place + i < bent.length; i++) {
          bent[place + i] = (byte) (odd >>> (8 * i));
        }
      }
      case 5 -> {
        for (int i = at; i < end; i++) {
          bent[i] = (byte) random.nextInt(256);
        }
      }
      default -> {
        if (at < bent.length) {
          bent[at] ^= (byte) (1 << random.nextInt(8));
        }
      }
    }
    return bent;
  }

  private static byte[] joined(byte[] bytes, int until, byte[] middle, int from) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.write(bytes, 0, until);
    all.writeBytes(middle);
    all.write(bytes, from, bytes.length - from);
    return all.toByteArray();
  }
}
