/** What a host imports: the protocol, the facade and the ownership of payloads. */
@NullMarked
package io.weft.api;

import org.jspecify.annotations.NullMarked;
