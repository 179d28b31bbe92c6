package io.weft.device;

/**
 * What a scan of the medium met.
 *
 * @param chunks chunks in order
 * @param stagingRemoved leftovers of unfinished stores, removed
 * @param quarantined chunks that did not verify, moved out of the way
 * @param laterVersion chunks of a format that this version does not read, left as they are
 * @param laterVersionBytes what those take
 * @param foreign files that are not the store's, left as they are
 */
public record ScanReport(
    long chunks,
    long stagingRemoved,
    long quarantined,
    long laterVersion,
    long laterVersionBytes,
    long foreign) {}
