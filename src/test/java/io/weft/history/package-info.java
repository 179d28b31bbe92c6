/**
 * Histories of what clients saw of a store, and whether a single register could have given them.
 */
package io.weft.history;
