package io.weft.resp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.ChunkKey;
import io.weft.testing.Seeds;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Which commands of a connection run side by side. */
class KeysInUseTest {
  private static final ChunkKey A = ChunkKey.of("a");
  private static final ChunkKey B = ChunkKey.of("b");

  private final KeysInUse inUse = new KeysInUse();

  @Test
  void readersShareAKeyAndAWriterHasItAlone() {
    inUse.begin(List.of(A), false);
    assertTrue(inUse.mayBegin(List.of(A, B), false));
    assertFalse(inUse.mayBegin(List.of(B, A), true));
    inUse.begin(List.of(A), false);
    inUse.end(List.of(A), false);
    assertFalse(inUse.mayBegin(List.of(A), true));
    inUse.end(List.of(A), false);
    inUse.begin(List.of(A), true);
    assertFalse(inUse.mayBegin(List.of(A), false));
    assertTrue(inUse.mayBegin(List.of(B), true));
    inUse.end(List.of(A), true);
    assertTrue(inUse.mayBegin(List.of(A), true));
  }

  @Test
  void aKeyMayBeNamedTwice() {
    inUse.begin(List.of(A, A), true);
    inUse.end(List.of(A, A), true);
    assertTrue(inUse.mayBegin(List.of(A), true));
    inUse.begin(List.of(A, A), false);
    inUse.end(List.of(A, A), false);
    assertTrue(inUse.mayBegin(List.of(A), true));
  }

  @Test
  void whatReadsAllWaitsForWritersAndHoldsThemUp() {
    inUse.begin(List.of(A), false);
    assertTrue(inUse.mayBeginOnAll(false));
    inUse.beginOnAll();
    assertFalse(inUse.mayBegin(List.of(B), true));
    assertTrue(inUse.mayBegin(List.of(B), false));
    inUse.end(List.of(A), false);
    assertFalse(inUse.mayBeginOnAll(true));
    inUse.endOnAll();
    assertTrue(inUse.mayBeginOnAll(true));
    inUse.begin(List.of(B), true);
    assertFalse(inUse.mayBeginOnAll(false));
  }

  @Test
  void nothingRunsBesideWhatRunsAlone() {
    assertFalse(inUse.isAlone());
    inUse.beginAlone();
    assertTrue(inUse.isAlone());
    assertFalse(inUse.mayBegin(List.of(), false));
    assertFalse(inUse.mayBeginOnAll(false));
    inUse.endAlone();
    assertTrue(inUse.mayBeginOnAll(true));
  }

  private record Command(List<ChunkKey> keys, boolean write) {}

  @Test
  void noTwoCommandsThatRunAreAtOdds() {
    Seeds.forEach(
        20,
        seed -> {
          Random random = new Random(seed);
          KeysInUse mine = new KeysInUse();
          List<Command> running = new ArrayList<>();
          for (int i = 0; i < 5_000; i++) {
            if (!running.isEmpty() && random.nextBoolean()) {
              Command ended = running.remove(random.nextInt(running.size()));
              mine.end(ended.keys(), ended.write());
              continue;
            }
            List<ChunkKey> keys = new ArrayList<>();
            for (int n = random.nextInt(3); n >= 0; n--) {
              keys.add(ChunkKey.of("k" + random.nextInt(6)));
            }
            Command next = new Command(keys, random.nextBoolean());
            boolean atOdds =
                running.stream()
                    .anyMatch(
                        each ->
                            (each.write() || next.write())
                                && each.keys().stream().anyMatch(next.keys()::contains));
            assertEquals(!atOdds, mine.mayBegin(next.keys(), next.write()));
            if (!atOdds) {
              mine.begin(next.keys(), next.write());
              running.add(next);
            }
          }
          running.forEach(each -> mine.end(each.keys(), each.write()));
          assertTrue(mine.mayBeginOnAll(true));
        });
  }
}
