package io.weft.cli.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TraceReaderTest {
  private static final String GOOD =
      "{\"timestamp\": 3, \"input_length\": 1000, \"output_length\": 7, \"hash_ids\": [4, 5]}";

  @TempDir Path folder;

  @Test
  void readsRecordsInOrderAndPassesOverWhatItDoesNotKnow() throws IOException {
    Path file =
        write(
            GOOD
                + "\r\n\n  \n"
                + "{\"hash_ids\": [], \"more\": {\"deep\": [1, {}]}, \"output_length\": 0,"
                + " \"timestamp\": 4102444800000, \"input_length\": 0}");
    try (TraceReader reader = TraceReader.open(file)) {
      assertEquals(new TraceRecord(3, 1000, 7, new long[] {4, 5}), reader.next());
      assertEquals(new TraceRecord(4102444800000L, 0, 0, new long[0]), reader.next());
      assertNull(reader.next());
      assertNull(reader.next());
    }
  }

  @Test
  void idsHaveSixtyFourBitsAndThereMayBeManyOfThem() throws IOException {
    long[] ids = new long[5_000];
    ids[0] = Long.MAX_VALUE;
    ids[1] = Long.MIN_VALUE;
    ids[4_999] = 1L << 40;
    TraceRecord record = new TraceRecord(1, 2, 3, ids);
    try (TraceReader reader = TraceReader.open(write(record.toString()))) {
      assertEquals(record, reader.next());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "[1, 2] | is no JSON object",
        "nonsense | is no JSON",
        "{'timestamp': 3, | is no JSON",
        "{'timestamp': 3, 'input_length': 1, 'output_length': 1, 'hash_ids': [1, | is no JSON",
        "{'timestamp': 3, 'input_length': 1, 'output_length': 1} | lacks hash_ids",
        "{'timestamp': 3, 'input_length': 1, 'hash_ids': []} | lacks output_length",
        "{'timestamp': 3, 'output_length': 1, 'hash_ids': []} | lacks input_length",
        "{'input_length': 1, 'output_length': 1, 'hash_ids': []} | lacks timestamp",
        "{'timestamp': -1} | timestamp is no whole number",
        "{'timestamp': 1.5} | timestamp is no whole number",
        "{'timestamp': 'soon'} | timestamp is no whole number",
        "{'timestamp': null} | timestamp is no whole number",
        "{'input_length': 2147483648} | input_length is no whole number from 0 to 2147483647",
        "{'hash_ids': 7} | hash_ids is no list",
        "{'hash_ids': {}} | hash_ids is no list",
        "{'hash_ids': [1, 'a']} | hash_ids has an id that is no whole number: a",
        "{'hash_ids': [1.5]} | hash_ids has an id that is no whole number",
        "{'hash_ids': [9223372036854775808]} | has a number beyond 64 bits",
        "{'timestamp': 1, 'input_length': 1, 'output_length': 1, 'hash_ids': []} {} | has something"
            + " behind its object",
      })
  void aBadLineIsNamedByItsNumberAndItsDefect(String line, String defect) throws IOException {
    Path file = write(GOOD + "\n\n" + line.replace('\'', '"') + "\n" + GOOD);
    try (TraceReader reader = TraceReader.open(file)) {
      reader.next();
      String message = assertThrows(TraceFormatException.class, reader::next).getMessage();
      assertTrue(message.startsWith(file + ", line 3: " + defect), message);
    }
  }

  @Test
  void bytesThatAreNoTextAreADefectToo() throws IOException {
    Path file = folder.resolve("trace.jsonl");
    Files.write(file, new byte[] {(byte) 0xC3, (byte) 0x28, '\n'});
    try (TraceReader reader = TraceReader.open(file)) {
      String message = assertThrows(TraceFormatException.class, reader::next).getMessage();
      assertTrue(message.contains("line 1: is not UTF-8 text"), message);
    }
  }

  private Path write(String text) throws IOException {
    return Files.write(folder.resolve("trace.jsonl"), text.getBytes(StandardCharsets.UTF_8));
  }
}
