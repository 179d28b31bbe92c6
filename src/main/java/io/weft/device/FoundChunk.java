package io.weft.device;

import io.weft.base.ChunkAddress;

/**
 * One chunk that a scan found in order.
 *
 * @param physicalBytes what its file takes of the device now
 * @param hasMetadata whether its block carries metadata
 */
public record FoundChunk(
    ChunkAddress address, long payloadLength, long physicalBytes, boolean hasMetadata) {}
