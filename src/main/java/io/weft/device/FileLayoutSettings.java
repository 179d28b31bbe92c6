package io.weft.device;

import io.weft.base.Durability;
import java.nio.file.Path;

/**
 * How a file layout is opened.
 *
 * @param root the directory of the store: there already, and the store's alone
 */
public record FileLayoutSettings(Path root, DirectIo direct, Durability durability) {}
