package io.weft.adapter;

import io.weft.base.ChunkKey;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;

/**
 * LMCache's in-process key: {@code model@world@worker@hash@dtype[@layer][@tag%value]...}. A sixth
 * field of digits alone is the layer; the hash is hexadecimal, of an integer or of bytes, and kept
 * as it is written.
 */
public record EngineKey(
    String modelName,
    int worldSize,
    int workerId,
    String chunkHash,
    String dtype,
    OptionalInt layerId,
    List<Tag> tags) {

  private static final Pattern NUMBER = Pattern.compile("[0-9]{1,9}");
  private static final Pattern HEX = Pattern.compile("-?[0-9a-fA-F]+");

  /** One {@code lmcache.tag.name = value} of the request. */
  public record Tag(String name, String value) {
    public Tag {
      requireField("tag", name, "@%");
      if (value.contains("@")) {
        throw new IllegalArgumentException("a tag value has no '@': '" + value + "'");
      }
    }
  }

  public EngineKey {
    requireField("model name", modelName, "@");
    requireField("dtype", dtype, "@");
    if (worldSize < 0 || workerId < 0 || layerId.orElse(0) < 0) {
      throw new IllegalArgumentException("world size, worker and layer are not negative");
    }
    if (!HEX.matcher(chunkHash).matches()) {
      throw new IllegalArgumentException("the chunk hash is hexadecimal: '" + chunkHash + "'");
    }
    tags = List.copyOf(tags);
  }

  private static void requireField(String what, String value, String forbidden) {
    if (value.isEmpty() || value.chars().anyMatch(each -> forbidden.indexOf(each) >= 0)) {
      throw new IllegalArgumentException(
          "the %s is not empty and has none of '%s': '%s'".formatted(what, forbidden, value));
    }
  }

  /** The key from LMCache's string form; empty where the text is not what {@link #encode} gives. */
  public static Optional<EngineKey> parse(String text) {
    String[] fields = LmcacheKeys.fields(text);
    if (fields.length < 5
        || !NUMBER.matcher(fields[1]).matches()
        || !NUMBER.matcher(fields[2]).matches()) {
      return Optional.empty();
    }
    int next = 5;
    OptionalInt layer = OptionalInt.empty();
    if (fields.length > 5 && NUMBER.matcher(fields[5]).matches()) {
      layer = OptionalInt.of(Integer.parseInt(fields[5]));
      next = 6;
    }
    try {
      List<Tag> tags = new ArrayList<>();
      for (; next < fields.length; next++) {
        String[] tag = fields[next].split("%", 2);
        if (tag.length < 2) {
          return Optional.empty();
        }
        tags.add(new Tag(tag[0], tag[1]));
      }
      EngineKey key =
          new EngineKey(
              fields[0],
              Integer.parseInt(fields[1]),
              Integer.parseInt(fields[2]),
              fields[3],
              fields[4],
              layer,
              tags);
      return Optional.of(key).filter(each -> each.encode().equals(text));
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
            .append(worldSize)
            .append('@')
            .append(workerId)
            .append('@')
            .append(chunkHash)
            .append('@')
            .append(dtype);
    layerId.ifPresent(layer -> text.append('@').append(layer));
    tags.forEach(tag -> text.append('@').append(tag.name()).append('%').append(tag.value()));
    return text.toString();
  }

  /** What the store knows the chunk by: the bytes of {@link #encode()}. */
  public ChunkKey toChunkKey() {
    return ChunkKey.of(encode());
  }

  @Override
  public String toString() {
    return encode();
  }
}
