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
 * @param known what is promised where the index knows the chunk
 * @param scanned what is promised where a scan finds it first
 */
record Alteration(String name, Promise known, Promise scanned, Action action) {
  static final int BLOCK = 4096;
  static final int KEY_AT = 64;
  static final int NONCE_AT = 4084;
  static final int BLOCK_CRC_AT = 4092;

  /** What the store promises of it. */
  enum Promise {
    /** A miss, counted, told, put aside. */
    PUT_ASIDE,
    /**
     * A miss, and nothing to put aside: what stands there is no chunk, or one that is as good under
     * its own name. Where the index knew the chunk it is counted, and told as removed.
     */
    GONE,
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

  /** Of a chunk with a file of its own. */
  static List<Alteration> ofFile(int keyLength, int metadataLength, int payloadLength) {
    List<Alteration> all = ofAny(keyLength, metadataLength, payloadLength);
    addFlips(all, List.of(new Field("reserved", 52, 12)));
    all.add(flip("block's zeros, last", BLOCK_CRC_AT - 1));
    all.add(blockZeroed());
    all.add(allZeroed());
    all.add(allOnes());
    all.add(forged("another generation", bytes -> bytes.putLong(24, bytes.getLong(24) + 1)));
    all.add(shorterKey(keyLength));
    all.add(anotherKey());
    all.add(forged("reserved bytes", bytes -> bytes.putInt(60, 1)));
    all.add(forged("a slot's version", bytes -> bytes.putInt(8, 2)).promising(Promise.LEFT_ALONE));
    long end = BLOCK + (long) payloadLength;
    long whole = roundUp(end);
    for (long length : new long[] {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, end - 1, whole - BLOCK}) {
      all.add(resized("cut to " + length, length));
    }
    for (long more : new long[] {1, BLOCK - 1, BLOCK, 1 << 20}) {
      all.add(resized("longer by " + more, whole + more));
    }
    return all;
  }

  /**
   * Of a chunk in a slot. A block without the segment's nonce is no chunk's, so a scan passes it
   * over. A forged block with the nonce and a checksum that fits is another chunk: nothing tells it
   * from one that was stored.
   */
  static List<Alteration> ofSlot(int keyLength, int metadataLength, int payloadLength) {
    List<Alteration> all = ofAny(keyLength, metadataLength, payloadLength);
    // A slot that begins with zeros is free.
    all.add(blockZeroed().promising(Promise.GONE));
    all.add(allZeroed().promising(Promise.GONE));
    all.add(allOnes().unlessScanned());
    addFlips(all, List.of(new Field("reserved", 52, 4), new Field("expiry", 56, 8)));
    List<Alteration> nonces = new ArrayList<>();
    addFlips(nonces, List.of(new Field("nonce", NONCE_AT, 8)));
    nonces.add(
        bent("a torn block, end", bytes -> Arrays.fill(bytes, BLOCK - 512, BLOCK, (byte) 0)));
    nonces.forEach(each -> all.add(each.unlessScanned()));
    all.add(bent("block's zeros, before the nonce", bytes -> bytes[NONCE_AT - 1] ^= 1));
    all.add(forged("reserved bytes", bytes -> bytes.putInt(52, 1)));
    all.add(forged("a file's version", bytes -> bytes.putInt(8, 1)));
    all.add(forged("a later version", bytes -> bytes.putInt(8, 3)));
    all.add(forged("a payload of another class", bytes -> bytes.putLong(16, BLOCK)));
    all.add(
        forged("another nonce", bytes -> bytes.putLong(NONCE_AT, bytes.getLong(NONCE_AT) ^ 1))
            .promising(Promise.GONE));
    all.add(shorterKey(keyLength).promising(Promise.GONE));
    all.add(anotherKey().promising(Promise.GONE));
    all.add(forged("a time that is over", bytes -> bytes.putLong(56, 1)).promising(Promise.GONE));
    all.add(
        forged("a time to come", bytes -> bytes.putLong(56, 1L << 50))
            .promising(Promise.GONE, Promise.HARMLESS));
    all.add(
        forged("another generation", bytes -> bytes.putLong(24, bytes.getLong(24) + 1))
            .promising(Promise.GONE, Promise.HARMLESS));
    return all;
  }

  /** Those that every layout's chunks have. */
  private static List<Alteration> ofAny(int keyLength, int metadataLength, int payloadLength) {
    List<Alteration> all = new ArrayList<>();
    // Every byte of every field in front of the key.
    addFlips(all, FIELDS);
    addBody(all, keyLength, metadataLength, payloadLength);
    return all;
  }

  private static void addFlips(List<Alteration> all, List<Field> fields) {
    for (Field field : fields) {
      for (int at = field.at(); at < field.at() + field.length(); at++) {
        all.add(flip(field.name() + ", byte " + (at - field.at()), at));
      }
    }
  }

  private static void addBody(
      List<Alteration> all, int keyLength, int metadataLength, int payloadLength) {
    int metadataAt = KEY_AT + keyLength;
    int zerosAt = metadataAt + metadataLength;
    all.add(flip("key, first", KEY_AT));
    all.add(flip("key, middle", KEY_AT + keyLength / 2));
    all.add(flip("key, last", metadataAt - 1));
    all.add(flip("metadata, first", metadataAt));
    all.add(flip("metadata, last", zerosAt - 1));
    all.add(flip("block's zeros, first", zerosAt));
    all.add(flip("block's zeros, middle", (zerosAt + BLOCK_CRC_AT) / 2));
    for (int at = BLOCK_CRC_AT; at < BLOCK; at++) {
      all.add(flip("block's checksum, byte " + (at - BLOCK_CRC_AT), at));
    }
    int end = BLOCK + payloadLength;
    all.add(flip("payload, first", BLOCK));
    all.add(flip("payload, last of a block", 2 * BLOCK - 1));
    all.add(flip("payload, first of a block", 2 * BLOCK));
    all.add(flip("payload, middle", BLOCK + payloadLength / 2));
    all.add(flip("payload, last", end - 1));

    all.add(bent("payload zeroed", bytes -> Arrays.fill(bytes, BLOCK, end, (byte) 0)));
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

    all.add(bent("a torn block", bytes -> Arrays.fill(bytes, 1024, 2048, (byte) 0xff)));

    // Wrong, and the block's checksum fits all the same.
    all.add(forged("an earlier version", bytes -> bytes.putInt(8, 0)));
    all.add(forged("another block length", bytes -> bytes.putInt(12, 8192)));
    all.add(forged("a shorter payload", bytes -> bytes.putLong(16, payloadLength - 1)));
    all.add(forged("a longer payload", bytes -> bytes.putLong(16, payloadLength + 1)));
    all.add(forged("a negative payload", bytes -> bytes.putLong(16, -1)));
    all.add(forged("an endless payload", bytes -> bytes.putLong(16, 1L << 40)));
    all.add(forged("another payload checksum", bytes -> bytes.putInt(32, 1)));
    all.add(forged("no key", bytes -> bytes.putShort(36, (short) 0)));
    all.add(forged("an endless key", bytes -> bytes.putShort(36, (short) -1)));
    all.add(forged("endless metadata", bytes -> bytes.putShort(38, (short) -1)));
    all.add(forged("flags", bytes -> bytes.putInt(48, 1)));

    int whole = Math.toIntExact(roundUp(end));
    if (end < whole) {
      all.add(bent("padding, first", bytes -> bytes[end] ^= 1).promising(Promise.HARMLESS));
      all.add(bent("padding, last", bytes -> bytes[whole - 1] ^= 1).promising(Promise.HARMLESS));
    }
  }

  private static Alteration blockZeroed() {
    return bent("block zeroed", bytes -> Arrays.fill(bytes, 0, BLOCK, (byte) 0));
  }

  private static Alteration allZeroed() {
    return bent("all of it zeroed", bytes -> Arrays.fill(bytes, (byte) 0));
  }

  private static Alteration allOnes() {
    return bent("all of it ones", bytes -> Arrays.fill(bytes, (byte) 0xff));
  }

  private static Alteration shorterKey(int keyLength) {
    return forged("a key one byte shorter", bytes -> bytes.putShort(36, (short) (keyLength - 1)));
  }

  private static Alteration anotherKey() {
    return forged(
        "another key of that length", bytes -> bytes.put(KEY_AT, (byte) (bytes.get(KEY_AT) ^ 1)));
  }

  /** The same damage, of which this is promised. */
  private Alteration promising(Promise known, Promise scanned) {
    return new Alteration(name, known, scanned, action);
  }

  private Alteration promising(Promise promise) {
    return promising(promise, promise);
  }

  private Alteration unlessScanned() {
    return promising(Promise.PUT_ASIDE, Promise.GONE);
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
          new Field("flags", 48, 4));

  static long roundUp(long length) {
    return (length + BLOCK - 1) & -BLOCK;
  }

  /** Another bit of each byte. */
  private static Alteration flip(String name, int at) {
    return bent(name, bytes -> bytes[at] ^= (byte) (1 << (at % 8)));
  }

  private static Alteration bent(String name, Bend bend) {
    return putAside(
        name,
        place -> {
          byte[] bytes = place.read();
          bend.bend(bytes);
          place.write(bytes);
        });
  }

  interface Forgery {
    void on(ByteBuffer block);
  }

  private static Alteration forged(String name, Forgery forgery) {
    return bent("forged: " + name, bytes -> forge(bytes, forgery));
  }

  /** Changes the block at the beginning of these bytes, and gives it the checksum that fits. */
  static void forge(byte[] bytes, Forgery forgery) {
    ByteBuffer block = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    forgery.on(block);
    CRC32C sum = new CRC32C();
    sum.update(bytes, 0, BLOCK_CRC_AT);
    block.putInt(BLOCK_CRC_AT, (int) sum.getValue());
  }

  private static Alteration resized(String name, long length) {
    return putAside("the file " + name, place -> place.resize(length));
  }

  private static Alteration putAside(String name, Action action) {
    return new Alteration(name, Promise.PUT_ASIDE, Promise.PUT_ASIDE, action);
  }
}
