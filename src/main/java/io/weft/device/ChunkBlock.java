package io.weft.device;

import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;

/**
 * What a chunk says of itself on the device: the decoded self-describing block. {@code
 * docs/format.md} owns the bytes.
 *
 * @param payloadCrc CRC32C of the payload
 * @param storedAtMillis wall-clock time of the store
 */
public record ChunkBlock(
    ChunkKey key,
    long generation,
    long payloadLength,
    int payloadCrc,
    ChunkMetadata metadata,
    long storedAtMillis) {}
