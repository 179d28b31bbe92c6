/**
 * Deterministic state machines: everything that decides, without actors, threads, I/O or a clock.
 */
@NullMarked
package io.weft.core;

import org.jspecify.annotations.NullMarked;
