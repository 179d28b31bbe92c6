/** Damage on the device, byte class by byte class, and what a store makes of it. */
package io.weft.corruption;
