/** Charts as text: SVG and HTML that need nothing beside themselves. */
@NullMarked
package io.weft.cli.chart;

import org.jspecify.annotations.NullMarked;
