package io.weft.actor;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.typesafe.config.ConfigFactory;
import io.weft.base.StoreSettings;
import io.weft.device.MediumInfo;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class IoEngineTest {

  private static StoreSettings.Io io(String engine) {
    return StoreSettings.from(
            ConfigFactory.parseString(
                    "weft { directory = /kv, io { threads = 8, engine = " + engine + " } }")
                .withFallback(ConfigFactory.load()))
        .io();
  }

  private static MediumInfo medium(boolean directIo, long segmentBytes) {
    return new MediumInfo(
        Path.of("/kv"), "store", 4096, "ext4", directIo, "", segmentBytes, 0, 1 << 30);
  }

  private static String unasked() {
    throw new AssertionError("the probe is not asked");
  }

  @Test
  void autoTakesARingWhereItIsWorthIt() {
    assertEquals(
        new IoEngine(64, "io_uring, 64 deep, beside 8 threads"),
        IoEngine.choose(io("auto"), medium(true, 1 << 30), () -> null));
    assertEquals(
        new IoEngine(0, "8 threads (chunks have files, which threads open and close)"),
        IoEngine.choose(io("auto"), medium(true, 0), IoEngineTest::unasked));
    assertEquals(
        new IoEngine(0, "8 threads (chunks go through the page cache)"),
        IoEngine.choose(io("auto"), medium(false, 0), IoEngineTest::unasked));
    assertEquals(
        new IoEngine(0, "8 threads (it is forbidden)"),
        IoEngine.choose(io("auto"), medium(true, 1 << 30), () -> "it is forbidden"));
  }

  @Test
  void whatIsSaidIsDone() {
    assertEquals(
        new IoEngine(0, "8 threads (as weft.io.engine says)"),
        IoEngine.choose(io("threads"), medium(true, 1 << 30), IoEngineTest::unasked));
    assertEquals(
        new IoEngine(64, "io_uring, 64 deep, beside 8 threads (as weft.io.engine says)"),
        IoEngine.choose(io("io-uring"), medium(false, 1 << 30), IoEngineTest::unasked));
    assertEquals(
        new IoEngine(16, "io_uring, 16 deep, beside 8 threads (as weft.io.engine says)"),
        IoEngine.choose(io("io-uring"), medium(true, 0), IoEngineTest::unasked),
        "with a file for each chunk the lanes let out what the threads have room for");
  }

  @Test
  void askingForWhatIsNotThereStopsTheStart() {
    IllegalArgumentException refused =
        assertThrows(
            IllegalArgumentException.class,
            () -> IoEngine.check(StoreSettings.Engine.IO_URING, () -> "it is forbidden"));
    assertEquals(
        "weft.io.engine = io-uring: it is forbidden: allow it, or set weft.io.engine = auto or"
            + " threads",
        refused.getMessage());
    assertDoesNotThrow(() -> IoEngine.check(StoreSettings.Engine.IO_URING, () -> null));
    assertDoesNotThrow(() -> IoEngine.check(StoreSettings.Engine.AUTO, IoEngineTest::unasked));
  }
}
