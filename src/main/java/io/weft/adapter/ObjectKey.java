package io.weft.adapter;

import io.weft.base.ChunkKey;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * LMCache's MP object key: {@code model@%08x@%x@hash[@salt]}, where the second field packs the
 * ranks (world size, rank, local world size, local rank, a byte each) and the third is the object
 * group.
 *
 * <p>The hash is bytes, written in lower-case hexadecimal. LMCache's rules: no {@code @} in the
 * model name; the salt has at most {@value #MAX_SALT_CHARS} characters and none of {@code @ / \
 * NUL}; the group is not negative.
 */
public record ObjectKey(
    String modelName, int kvRank, int objectGroupId, String chunkHash, String cacheSalt) {
  public static final int MAX_SALT_CHARS = 128;

  private static final Pattern RANK = Pattern.compile("[0-9a-f]{8}");
  private static final Pattern GROUP = Pattern.compile("[0-9a-f]{1,8}");
  private static final Pattern HASH = Pattern.compile("(?:[0-9a-f]{2})+");
  private static final Pattern RANK_IN_FILE_NAME = Pattern.compile("0x([0-9a-f]{8})");
  private static final Pattern FORBIDDEN_IN_SALT = Pattern.compile("[@/\\\\\\x00]");
  private static final String SLASH_IN_FILE_NAME = "-SEP-";
  private static final String FILE_SUFFIX = ".data";

  public ObjectKey {
    if (modelName.isEmpty() || modelName.contains("@")) {
      throw new IllegalArgumentException(
          "the model name of an object key is not empty and has no '@': '" + modelName + "'");
    }
    if (!HASH.matcher(chunkHash).matches()) {
      throw new IllegalArgumentException(
          "the chunk hash of an object key is bytes in lower-case hexadecimal: '"
              + chunkHash
              + "'");
    }
    if (objectGroupId < 0) {
      throw new IllegalArgumentException(
          "the object group of an object key is not negative: " + objectGroupId);
    }
    if (cacheSalt.codePointCount(0, cacheSalt.length()) > MAX_SALT_CHARS
        || FORBIDDEN_IN_SALT.matcher(cacheSalt).find()) {
      throw new IllegalArgumentException(
          "a cache salt has at most %d characters and none of @ / \\ NUL: '%s'"
              .formatted(MAX_SALT_CHARS, cacheSalt));
    }
  }

  /** The key from LMCache's string form; empty where the text is not what {@link #encode} gives. */
  public static Optional<ObjectKey> parse(String text) {
    String[] fields = LmcacheKeys.fields(text);
    if (fields.length < 4
        || fields.length > 5
        || !RANK.matcher(fields[1]).matches()
        || !GROUP.matcher(fields[2]).matches()) {
      return Optional.empty();
    }
    return build(fields[0], fields[1], fields[2], fields[3], fields.length == 5 ? fields[4] : "")
        .filter(key -> key.encode().equals(text));
  }

  /** The key from the file name that LMCache's filesystem adapters give it. */
  public static Optional<ObjectKey> parseFileName(String name) {
    if (!name.endsWith(FILE_SUFFIX)) {
      return Optional.empty();
    }
    String[] fields = LmcacheKeys.fields(name.substring(0, name.length() - FILE_SUFFIX.length()));
    Matcher rank = RANK_IN_FILE_NAME.matcher(fields.length > 1 ? fields[1] : "");
    if (fields.length < 4
        || fields.length > 5
        || !rank.matches()
        || !GROUP.matcher(fields[2]).matches()) {
      return Optional.empty();
    }
    return build(
            fields[0].replace(SLASH_IN_FILE_NAME, "/"),
            rank.group(1),
            fields[2],
            fields[3],
            fields.length == 5 ? fields[4] : "")
        .filter(key -> key.encodeFileName().equals(name));
  }

  private static Optional<ObjectKey> build(
      String model, String rank, String group, String hash, String salt) {
    try {
      return Optional.of(
          new ObjectKey(
              model, Integer.parseUnsignedInt(rank, 16), Integer.parseInt(group, 16), hash, salt));
    } catch (IllegalArgumentException againstTheRules) {
      return Optional.empty();
    }
  }

  /** LMCache's string form. */
  public String encode() {
    StringBuilder text =
        new StringBuilder()
            .append(modelName)
            .append('@')
            .append(HexFormat.of().toHexDigits(kvRank))
            .append('@')
            .append(Integer.toHexString(objectGroupId))
            .append('@')
            .append(chunkHash);
    return cacheSalt.isEmpty() ? text.toString() : text.append('@').append(cacheSalt).toString();
  }

  /** The file name that LMCache's filesystem adapters give the key. */
  public String encodeFileName() {
    String unsalted =
        "%s@0x%08x@%x@%s"
            .formatted(
                modelName.replace("/", SLASH_IN_FILE_NAME), kvRank, objectGroupId, chunkHash);
    return (cacheSalt.isEmpty() ? unsalted : unsalted + "@" + cacheSalt) + FILE_SUFFIX;
  }

  /** Whether the store can take the key: it is not too long. */
  boolean isChunkKey() {
    return encode().getBytes(StandardCharsets.UTF_8).length <= ChunkKey.MAX_BYTES;
  }

  /**
   * What the store knows the chunk by: the bytes of {@link #encode()}.
   *
   * @throws IllegalArgumentException where they are more than {@link ChunkKey#MAX_BYTES}
   */
  public ChunkKey toChunkKey() {
    return ChunkKey.of(encode());
  }

  @Override
  public String toString() {
    return encode();
  }
}
