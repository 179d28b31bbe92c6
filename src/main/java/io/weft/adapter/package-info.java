/** LMCache's contracts and key codecs on top of the API. */
@NullMarked
package io.weft.adapter;

import org.jspecify.annotations.NullMarked;
