package io.weft.stream;

import io.weft.core.Transfer;

/**
 * What comes back from the device.
 *
 * @param stuck false: the piece is done. True: it is stuck with the kernel, and its room is free;
 *     it comes back once more when it is done
 */
record Returned(Transfer.Piece piece, boolean stuck) {}
