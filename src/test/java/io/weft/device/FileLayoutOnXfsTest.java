package io.weft.device;

import io.weft.testing.LoopMount;
import org.junit.jupiter.api.Tag;

@Tag("root")
class FileLayoutOnXfsTest extends FileLayoutOnMountContract {
  @Override
  LoopMount mountLarge() {
    return LoopMount.xfs(1L << 30);
  }

  @Override
  LoopMount mountSmall() {
    return LoopMount.xfs(300L << 20);
  }

  @Override
  String filesystem() {
    return "xfs";
  }
}
