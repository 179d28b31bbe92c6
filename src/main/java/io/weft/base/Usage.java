package io.weft.base;

import java.util.Map;

/**
 * What a store holds, in bytes on the device.
 *
 * @param usedBytes of the capacity: chunks, files being written or removed, quarantine, snapshot
 * @param chunkBytes published chunks alone
 * @param bySalt chunks and writes of each salt that has any
 */
public record Usage(
    long chunks, long usedBytes, long chunkBytes, long capacityBytes, Map<String, Long> bySalt) {}
