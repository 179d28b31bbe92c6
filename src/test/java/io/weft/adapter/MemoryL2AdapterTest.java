package io.weft.adapter;

/** The contract can be kept by more than one adapter. */
class MemoryL2AdapterTest extends L2AdapterContract {
  @Override
  L2Adapter open() {
    return new MemoryL2Adapter(64L << 20);
  }
}
