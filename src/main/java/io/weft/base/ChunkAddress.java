package io.weft.base;

/**
 * Which file or slot on the device: the key, the generation that tells this value from every other
 * of the key, and the expiry time that the file's name carries.
 */
public record ChunkAddress(ChunkKey key, long generation, long expiresAtMillis) {}
