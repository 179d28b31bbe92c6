/** The door for clients that speak RESP2 or RESP3, on Pekko Streams TCP, in front of a store. */
@org.jspecify.annotations.NullMarked
package io.weft.resp;
