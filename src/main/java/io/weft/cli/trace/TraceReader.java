package io.weft.cli.trace;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.exc.InputCoercionException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads a trace in Mooncake's form, one JSON object a line: {@code timestamp} (ms), {@code
 * input_length}, {@code output_length} (tokens) and {@code hash_ids}. Further fields are passed
 * over, and so are blank lines. One line is in memory at a time.
 */
public final class TraceReader implements TraceCursor {
  private static final JsonFactory JSON = new JsonFactory();

  private final Path file;
  private final BufferedReader lines;
  private long lineNumber;

  private TraceReader(Path file, BufferedReader lines) {
    this.file = file;
    this.lines = lines;
  }

  public static TraceReader open(Path file) throws IOException {
    return new TraceReader(file, Files.newBufferedReader(file));
  }

  @Override
  public @Nullable TraceRecord next() throws IOException {
    while (true) {
      String line;
      try {
        line = lines.readLine();
      } catch (CharacterCodingException e) {
        lineNumber++;
        throw defect("is not UTF-8 text, or the lines behind it are not");
      }
      if (line == null) {
        return null;
      }
      lineNumber++;
      if (!line.isBlank()) {
        return parse(line);
      }
    }
  }

  @Override
  public void close() throws IOException {
    lines.close();
  }

  private TraceRecord parse(String line) throws IOException {
    try (JsonParser json = JSON.createParser(line)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw defect("is no JSON object");
      }
      long timestampMillis = -1;
      long inputLength = -1;
      long outputLength = -1;
      long[] hashIds = null;
      while (json.nextToken() != JsonToken.END_OBJECT) {
        String field = json.currentName();
        json.nextToken();
        switch (field) {
          case "timestamp" -> timestampMillis = count(json, field, Long.MAX_VALUE);
          case "input_length" -> inputLength = count(json, field, Integer.MAX_VALUE);
          case "output_length" -> outputLength = count(json, field, Integer.MAX_VALUE);
          case "hash_ids" -> hashIds = ids(json);
          default -> json.skipChildren();
        }
      }
      if (json.nextToken() != null) {
        throw defect("has something behind its object");
      }
      if (timestampMillis < 0 || inputLength < 0 || outputLength < 0 || hashIds == null) {
        throw defect(
            "lacks "
                + (timestampMillis < 0
                    ? "timestamp"
                    : inputLength < 0
                        ? "input_length"
                        : outputLength < 0 ? "output_length" : "hash_ids"));
      }
      return new TraceRecord(timestampMillis, (int) inputLength, (int) outputLength, hashIds);
    } catch (InputCoercionException e) {
      throw defect("has a number beyond 64 bits");
    } catch (JsonProcessingException e) {
      throw defect("is no JSON: " + e.getOriginalMessage());
    }
  }

  private long count(JsonParser json, String field, long max) throws IOException {
    if (json.currentToken() == JsonToken.VALUE_NUMBER_INT) {
      long value = json.getLongValue();
      if (value >= 0 && value <= max) {
        return value;
      }
    }
    throw defect(field + " is no whole number from 0 to " + max + ": " + json.getText());
  }

  private long[] ids(JsonParser json) throws IOException {
    if (json.currentToken() != JsonToken.START_ARRAY) {
      throw defect("hash_ids is no list: " + json.getText());
    }
    long[] ids = new long[64];
    int count = 0;
    while (json.nextToken() != JsonToken.END_ARRAY) {
      if (json.currentToken() != JsonToken.VALUE_NUMBER_INT) {
        throw defect("hash_ids has an id that is no whole number: " + json.getText());
      }
      if (count == ids.length) {
        ids = Arrays.copyOf(ids, count * 2);
      }
      ids[count++] = json.getLongValue();
    }
    return Arrays.copyOf(ids, count);
  }

  private TraceFormatException defect(String what) {
    return new TraceFormatException(file + ", line " + lineNumber + ": " + what);
  }
}
