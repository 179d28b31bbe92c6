package io.weft.device;

import io.weft.base.ChunkAddress;

/**
 * One chunk that a scan found in order.
 *
 * @param hasMetadata whether its block carries metadata
 */
public record FoundChunk(ChunkAddress address, long payloadLength, boolean hasMetadata) {}
