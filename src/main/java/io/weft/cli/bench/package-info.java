/** The bench: contenders that do the same job in turns on one directory, and the bars they meet. */
@NullMarked
package io.weft.cli.bench;

import org.jspecify.annotations.NullMarked;
