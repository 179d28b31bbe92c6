package io.weft.cli.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TraceSourceTest {
  private static final GeneratedTrace.Parameters FALLBACK = GeneratedTrace.Parameters.of(9, 10);
  private static final TraceRecord RECORD = new TraceRecord(0, 1, 1, new long[] {1});

  @TempDir Path folder;
  private String given;

  @BeforeEach
  void setPropertyAside() {
    given = System.clearProperty("weft.trace");
  }

  @AfterEach
  void putPropertyBack() {
    if (given == null) {
      System.clearProperty("weft.trace");
    } else {
      System.setProperty("weft.trace", given);
    }
  }

  @Test
  void theOptionComesBeforeThePropertyAndThePropertyBeforeAGeneratedTrace() throws IOException {
    Path file = Files.writeString(folder.resolve("a.jsonl"), RECORD.toString());
    assertInstanceOf(TraceSource.Generated.class, TraceSource.resolve(null, FALLBACK));
    System.setProperty("weft.trace", file.toString());
    assertEquals(file + " (-Dweft.trace)", TraceSource.resolve(null, FALLBACK).description());
    Path other = Files.writeString(folder.resolve("b.jsonl"), "");
    assertEquals(other + " (--trace)", TraceSource.resolve(other, FALLBACK).description());
  }

  @Test
  void aNamedFileThatCannotBeReadIsNotReplaced() {
    Path missing = folder.resolve("missing");
    String message =
        assertThrows(IOException.class, () -> TraceSource.resolve(missing, FALLBACK)).getMessage();
    assertTrue(message.contains(missing.toString()), message);
    System.setProperty("weft.trace", folder.toString());
    assertThrows(IOException.class, () -> TraceSource.resolve(null, FALLBACK));
  }

  @Test
  void everyWalkBeginsAtTheFirstRecord() throws IOException {
    Path file = Files.writeString(folder.resolve("a.jsonl"), RECORD + "\n");
    TraceSource source = TraceSource.resolve(file, FALLBACK);
    for (int walk = 0; walk < 2; walk++) {
      try (TraceCursor cursor = source.open()) {
        assertEquals(RECORD, cursor.next());
        assertNull(cursor.next());
      }
    }
    TraceSource generated = TraceSource.resolve(null, FALLBACK);
    assertTrue(generated.description().contains("seed 9"), generated.description());
    for (int walk = 0; walk < 2; walk++) {
      int count = 0;
      try (TraceCursor cursor = generated.open()) {
        while (cursor.next() != null) {
          count++;
        }
      }
      assertEquals(10, count);
    }
  }
}
