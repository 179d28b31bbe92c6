/**
 * A seeded world around the store's machine: simulated device, clients, clock, and the model that
 * judges.
 */
package io.weft.sim;
