package io.weft.core;

/**
 * What a policy may know when it is made.
 *
 * @param capacityBytes the capacity that the chunks of the policy share
 */
public record PolicyContext(long capacityBytes) {}
