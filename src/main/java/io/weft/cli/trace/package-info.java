/** Request traces: read from a file, or made up from a seed, in one record form. */
@NullMarked
package io.weft.cli.trace;

import org.jspecify.annotations.NullMarked;
