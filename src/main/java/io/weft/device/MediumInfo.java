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
 */
public record MediumInfo(
    Path root,
    String store,
    int blockBytes,
    String filesystem,
    boolean directIo,
    String directIoDetail) {}
