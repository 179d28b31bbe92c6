package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class PinLedgerTest {
  private final PinLedger pins = new PinLedger();
  private final EngineKey a = StorageBackendContract.key("a");
  private final EngineKey b = StorageBackendContract.key("b");

  @Test
  void onlyWhatWasPinnedIsGivenBack() {
    assertTrue(pins.pinned(a));
    assertTrue(pins.pinned(a));
    assertTrue(pins.unpinned(a));
    assertTrue(pins.unpinned(a));
    assertFalse(pins.unpinned(a));
    assertFalse(pins.unpinned(b));
  }

  @Test
  void debtsSwallowPins() {
    pins.owe(a);
    pins.owe(a);
    assertFalse(pins.pinned(a));
    assertFalse(pins.pinned(a));
    assertTrue(pins.pinned(a));
    pins.owe(b);
    pins.forget(b);
    assertTrue(pins.pinned(b));
  }

  @Test
  void atTheEndAllGoesBackAndNothingIsKept() {
    pins.pinned(a);
    pins.pinned(a);
    pins.pinned(b);
    assertEquals(List.of(a, a, b), pins.close().stream().sorted(this::byHash).toList());
    assertFalse(pins.unpinned(a));
    assertFalse(pins.pinned(a));
    assertEquals(List.of(), pins.close());
  }

  private int byHash(EngineKey left, EngineKey right) {
    return left.chunkHash().compareTo(right.chunkHash());
  }

  @Test
  void theOldestDebtIsForgivenBeyondABound() {
    for (int i = 0; i <= 65_536; i++) {
      pins.owe(StorageBackendContract.key("debtor" + i));
    }
    assertTrue(pins.pinned(StorageBackendContract.key("debtor0")));
    assertFalse(pins.pinned(StorageBackendContract.key("debtor65536")));
  }
}
