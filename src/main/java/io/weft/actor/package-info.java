/** Thin shells over the core: supervisor, link, index and I/O workers. */
@NullMarked
package io.weft.actor;

import org.jspecify.annotations.NullMarked;
