package io.weft.device;

/**
 * The self-describing block of a chunk in a slot.
 *
 * @param nonce of the segment, when the chunk was stored
 * @param expiresAtMillis what a chunk with a file of its own has in the file's name
 */
record SlotBlock(ChunkBlock block, long nonce, long expiresAtMillis) {}
