/** The vocabulary every room shares: keys, outcomes, leases, sizes, time and settings. */
@NullMarked
package io.weft.base;

import org.jspecify.annotations.NullMarked;
