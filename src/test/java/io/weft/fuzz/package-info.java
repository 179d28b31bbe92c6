/** Bent input for everything that reads bytes which others wrote. */
package io.weft.fuzz;
