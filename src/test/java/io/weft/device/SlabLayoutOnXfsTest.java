package io.weft.device;

import io.weft.testing.LoopMount;
import org.junit.jupiter.api.Tag;

@Tag("root")
class SlabLayoutOnXfsTest extends SlabLayoutOnMountContract {
  @Override
  LoopMount mountLarge() {
    return LoopMount.xfs(2048L << 20);
  }

  @Override
  LoopMount mountSmall() {
    return LoopMount.xfs(320L << 20);
  }
}
