package io.weft.device;

import io.weft.testing.LoopMount;
import org.junit.jupiter.api.Tag;

@Tag("root")
class SlabLayoutOnExt4Test extends SlabLayoutOnMountContract {
  @Override
  LoopMount mountLarge() {
    return LoopMount.ext4(2048L << 20);
  }

  @Override
  LoopMount mountSmall() {
    return LoopMount.ext4(64L << 20);
  }
}
