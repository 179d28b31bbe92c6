package io.weft.device;

import java.nio.file.Path;

/**
 * What a medium found out about itself when it was opened.
 *
 * @param root the directory of the store
 * @param store which store it is: made up when the store was made, kept in its directory
 * @param blockBytes the alignment of addresses, offsets and lengths; a power of two
 * @param filesystem the kernel's name for it, as in {@code ext4}
 * @param directIo whether reads and writes really bypass the page cache
 * @param directIoDetail where they do not, why not
 * @param segmentBytes what a segment takes; 0 where every chunk has a file of its own
 * @param segmentHeaderBytes what of it lies before the first slot
 * @param maxPayloadBytes the longest payload that has room in a file, or in a segment
 */
public record MediumInfo(
    Path root,
    String store,
    int blockBytes,
    String filesystem,
    boolean directIo,
    String directIoDetail,
    long segmentBytes,
    long segmentHeaderBytes,
    long maxPayloadBytes) {}
