package io.weft.device;

/**
 * What statvfs says.
 *
 * @param usableBytes free to this process
 * @param freeInodes -1 where the filesystem has no fixed number of them
 */
public record FilesystemSpace(long totalBytes, long usableBytes, long freeInodes) {}
