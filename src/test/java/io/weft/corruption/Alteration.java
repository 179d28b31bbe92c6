package io.weft.corruption;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * One way to damage a chunk on the device. The offsets are those of {@code docs/format.md}, written
 * down again on purpose.
 *
 * @param ownFileOnly whether it makes sense only where the chunk has a file to itself
 */
record Alteration(String name, Promise promise, boolean ownFileOnly, Action action) {
  static final int BLOCK = 4096;
  static final int KEY_AT = 64;
  static final int BLOCK_CRC_AT = 4092;

  /** What the store promises of it. */
  enum Promise {
    /** A miss, counted, told, put aside. */
    PUT_ASIDE,
    /** A miss, and nobody touches it: a later program wrote it. */
    LEFT_ALONE,
    /** Bytes that mean nothing: the chunk is still a hit. */
    HARMLESS
  }

  interface Action {
    void on(Place place) throws IOException;
  }

  interface Bend {
    void bend(byte[] bytes);
  }

  @Override
  public String toString() {
    return name;
  }

  /** All of them, for a chunk with such a key, metadata and payload. */
  static List<Alteration> all(int keyLength, int metadataLength, int payloadLength) {
    List<Alteration> all = new ArrayList<>();
    // Every byte of every field in front of the key.
    for (Field field : FIELDS) {
      for (int at = field.at(); at < field.at() + field.length(); at++) {
        all.add(flip(field.name() + ", byte " + (at - field.at()), at));
      }
    }
    int metadataAt = KEY_AT + keyLength;
    int zerosAt = metadataAt + metadataLength;
    all.add(flip("key, first", KEY_AT));
    all.add(flip("key, middle", KEY_AT + keyLength / 2));
    all.add(flip("key, last", metadataAt - 1));
    all.add(flip("metadata, first", metadataAt));
    all.add(flip("metadata, last", zerosAt - 1));
    all.add(flip("block's zeros, first", zerosAt));
    all.add(flip("block's zeros, middle", (zerosAt + BLOCK_CRC_AT) / 2));
    all.add(flip("block's zeros, last", BLOCK_CRC_AT - 1));
    for (int at = BLOCK_CRC_AT; at < BLOCK; at++) {
      all.add(flip("block's checksum, byte " + (at - BLOCK_CRC_AT), at));
    }
    int end = BLOCK + payloadLength;
    all.add(flip("payload, first", BLOCK));
    all.add(flip("payload, last of a block", 2 * BLOCK - 1));
    all.add(flip("payload, first of a block", 2 * BLOCK));
    all.add(flip("payload, middle", BLOCK + payloadLength / 2));
    all.add(flip("payload, last", end - 1));

    all.add(bent("block zeroed", bytes -> Arrays.fill(bytes, 0, BLOCK, (byte) 0)));
    all.add(bent("payload zeroed", bytes -> Arrays.fill(bytes, BLOCK, end, (byte) 0)));
    all.add(bent("all of it zeroed", bytes -> Arrays.fill(bytes, (byte) 0)));
    all.add(bent("all of it ones", bytes -> Arrays.fill(bytes, (byte) 0xff)));
    all.add(
        bent("a torn sector", bytes -> Arrays.fill(bytes, BLOCK + 512, BLOCK + 1024, (byte) 0)));
    all.add(
        bent(
            "two blocks of the payload exchanged",
            bytes -> {
              byte[] first = Arrays.copyOfRange(bytes, BLOCK, 2 * BLOCK);
              System.arraycopy(bytes, 2 * BLOCK, bytes, BLOCK, BLOCK);
              System.arraycopy(first, 0, bytes, 2 * BLOCK, BLOCK);
            }));

    // Wrong, and the block's checksum fits all the same.
    all.add(forged("an earlier version", bytes -> bytes.putInt(8, 0), Promise.PUT_ASIDE));
    all.add(forged("another block length", bytes -> bytes.putInt(12, 8192), Promise.PUT_ASIDE));
    all.add(
        forged(
            "a shorter payload", bytes -> bytes.putLong(16, payloadLength - 1), Promise.PUT_ASIDE));
    all.add(
        forged(
            "a longer payload", bytes -> bytes.putLong(16, payloadLength + 1), Promise.PUT_ASIDE));
    all.add(forged("a negative payload", bytes -> bytes.putLong(16, -1), Promise.PUT_ASIDE));
    all.add(forged("an endless payload", bytes -> bytes.putLong(16, 1L << 40), Promise.PUT_ASIDE));
    all.add(
        forged(
            "another generation",
            bytes -> bytes.putLong(24, bytes.getLong(24) + 1),
            Promise.PUT_ASIDE));
    all.add(forged("another payload checksum", bytes -> bytes.putInt(32, 1), Promise.PUT_ASIDE));
    all.add(forged("no key", bytes -> bytes.putShort(36, (short) 0), Promise.PUT_ASIDE));
    all.add(forged("an endless key", bytes -> bytes.putShort(36, (short) -1), Promise.PUT_ASIDE));
    all.add(
        forged(
            "a key one byte shorter",
            bytes -> bytes.putShort(36, (short) (keyLength - 1)),
            Promise.PUT_ASIDE));
    all.add(forged("endless metadata", bytes -> bytes.putShort(38, (short) -1), Promise.PUT_ASIDE));
    all.add(forged("flags", bytes -> bytes.putInt(48, 1), Promise.PUT_ASIDE));
    all.add(forged("reserved bytes", bytes -> bytes.putInt(60, 1), Promise.PUT_ASIDE));
    all.add(
        forged(
            "another key of that length",
            bytes -> bytes.put(KEY_AT, (byte) (bytes.get(KEY_AT) ^ 1)),
            Promise.PUT_ASIDE));
    all.add(forged("a later version", bytes -> bytes.putInt(8, 2), Promise.LEFT_ALONE));

    long whole = roundUp(end);
    for (long length : new long[] {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, end - 1, whole - BLOCK}) {
      all.add(resized("cut to " + length, length));
    }
    for (long more : new long[] {1, BLOCK - 1, BLOCK, 1 << 20}) {
      all.add(resized("longer by " + more, whole + more));
    }
    if (end < whole) {
      all.add(
          new Alteration("padding", Promise.HARMLESS, false, bending(bytes -> bytes[end] ^= 1)));
      all.add(
          new Alteration(
              "last byte of the file",
              Promise.HARMLESS,
              false,
              bending(bytes -> bytes[(int) whole - 1] ^= 1)));
    }
    return all;
  }

  private record Field(String name, int at, int length) {}

  private static final List<Field> FIELDS =
      List.of(
          new Field("magic", 0, 8),
          new Field("version", 8, 4),
          new Field("block length", 12, 4),
          new Field("payload length", 16, 8),
          new Field("generation", 24, 8),
          new Field("payload's checksum", 32, 4),
          new Field("key length", 36, 2),
          new Field("metadata length", 38, 2),
          new Field("time of the store", 40, 8),
          new Field("flags", 48, 4),
          new Field("reserved", 52, 12));

  static long roundUp(long length) {
    return (length + BLOCK - 1) & -BLOCK;
  }

  /** Another bit of each byte. */
  private static Alteration flip(String name, int at) {
    return bent(name, bytes -> bytes[at] ^= (byte) (1 << (at % 8)));
  }

  private static Alteration bent(String name, Bend bend) {
    return new Alteration(name, Promise.PUT_ASIDE, false, bending(bend));
  }

  private static Action bending(Bend bend) {
    return place -> {
      byte[] bytes = place.read();
      bend.bend(bytes);
      place.write(bytes);
    };
  }

  private interface Forgery {
    void on(ByteBuffer block);
  }

  private static Alteration forged(String name, Forgery forgery, Promise promise) {
    return new Alteration(
        "forged: " + name,
        promise,
        false,
        bending(
            bytes -> {
              ByteBuffer block = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
              forgery.on(block);
              CRC32C sum = new CRC32C();
              sum.update(bytes, 0, BLOCK_CRC_AT);
              block.putInt(BLOCK_CRC_AT, (int) sum.getValue());
            }));
  }

  private static Alteration resized(String name, long length) {
    return new Alteration(
        "the file " + name, Promise.PUT_ASIDE, true, place -> place.resize(length));
  }
}
