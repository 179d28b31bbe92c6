/** Bytes on a medium: direct I/O, aligned buffers, file layout and on-disk format. */
@NullMarked
package io.weft.device;

import org.jspecify.annotations.NullMarked;
