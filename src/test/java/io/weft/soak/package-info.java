/**
 * Long runs against real stores in processes of their own: a soak with faults of the device, the
 * filesystem and the process, and kills in a loop under load. {@code scripts/soak} and {@code
 * scripts/crash-test} run them; short forms are tests.
 */
package io.weft.soak;
