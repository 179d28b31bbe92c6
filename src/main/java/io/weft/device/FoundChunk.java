package io.weft.device;

/**
 * One chunk that a scan found in order.
 *
 * @param physicalBytes what its file takes of the device now
 * @param hasMetadata whether its block carries metadata
 */
public record FoundChunk(
    ChunkMedium.ChunkAddress address,
    long payloadLength,
    long physicalBytes,
    boolean hasMetadata) {}
