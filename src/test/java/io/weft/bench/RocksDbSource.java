package io.weft.bench;

import io.weft.cli.bench.Contender;
import io.weft.cli.bench.ContenderSource;
import java.util.List;

/** RocksDB for {@code weft bench}, where its native library is to be had. */
public final class RocksDbSource implements ContenderSource {
  @Override
  public List<Contender> contenders() {
    return List.of(new RocksDbContender());
  }
}
