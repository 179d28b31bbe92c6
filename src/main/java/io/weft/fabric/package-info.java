/** What is around the device: mounts, and the fabric that it is attached over. */
@NullMarked
package io.weft.fabric;

import org.jspecify.annotations.NullMarked;
