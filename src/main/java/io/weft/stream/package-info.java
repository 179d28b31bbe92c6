/** Bounded pipelines: intake permits, lane merge, I/O stage, drain. */
@NullMarked
package io.weft.stream;

import org.jspecify.annotations.NullMarked;
