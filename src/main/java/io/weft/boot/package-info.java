/** Composition: wires a store from configuration and shuts it down. */
@NullMarked
package io.weft.boot;

import org.jspecify.annotations.NullMarked;
