package io.weft.cli.bench;

import java.util.List;

/**
 * Contenders that are not part of Weft, because they need libraries that Weft does without: found
 * by {@link java.util.ServiceLoader} on the class path of whoever starts the bench.
 */
public interface ContenderSource {
  List<Contender> contenders();
}
